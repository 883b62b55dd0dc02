//! The engine against a model of the server, with a bent clock, a bad network and crashes.

mod bounds;
mod conversation;
mod crashes;
mod garbage;
mod privacy;
mod refusals;
mod schedules;
mod sending;
mod server;
mod world;
