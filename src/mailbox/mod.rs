//! The mailbox: the group-commit writer, the delivery state machine, wake-ups.

pub mod writer;
