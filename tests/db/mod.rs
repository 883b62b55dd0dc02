//! Storage, every body on both engines.

mod letters;
mod people;
mod prekeys;
mod schema;
mod sessions;
mod sweeping;
mod verifications;
mod world;
mod writing;
