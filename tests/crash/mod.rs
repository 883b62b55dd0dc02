//! Tests: the server is killed under load, and clients crash between writing and sending.

mod client;
mod server;
