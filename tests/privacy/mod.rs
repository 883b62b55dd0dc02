//! Tests: what the mailbox and the log must never hold.
mod search;
