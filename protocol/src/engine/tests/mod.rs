//! The engine against a model of the server, with a bent clock, a bad network and crashes.

mod bounds;
mod compromise;
mod conversation;
mod crashes;
mod garbage;
mod heals;
mod history;
mod identities;
mod leaving;
mod linking;
mod model;
mod pool;
mod privacy;
mod receipts;
mod recovery;
mod refusals;
mod rekeying;
mod revocation;
mod rotation;
mod schedules;
mod sending;
mod server;
mod siblings;
mod sync;
mod tokens;
mod world;
