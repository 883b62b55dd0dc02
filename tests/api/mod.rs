//! Tests of the HTTP and WebSocket interface, through the real server over TCP.

mod connections;
mod description;
mod devices;
mod enumeration;
mod ephemeral_keys;
mod inbox;
mod keys;
mod links;
mod live;
mod passkeys;
mod problems;
mod recovery;
mod registration;
mod resets;
mod revocation;
mod rotation;
mod sealed;
mod tokens;
mod touch;
mod wraps;
mod writes;
