//! Tests: db.
