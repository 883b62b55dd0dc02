//! Tests of the HTTP and WebSocket interface, through the real server over TCP.

mod connections;
mod description;
mod inbox;
mod keys;
mod live;
mod passkeys;
mod problems;
mod registration;
mod sealed;
