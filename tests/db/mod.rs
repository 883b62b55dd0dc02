//! Storage, every body on both engines.

mod cancelled;
mod devices;
mod ephemeral;
mod letters;
mod people;
mod prekeys;
mod recovery;
mod removal;
mod resets;
mod rotation;
mod schema;
mod sessions;
mod sweeping;
mod tokens;
mod verifications;
pub(crate) mod world;
mod wraps;
mod writing;
