//! What the tests share: temporary databases, a test application.
