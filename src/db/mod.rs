//! Storage: every statement of the server, written once for SQLite and PostgreSQL.
