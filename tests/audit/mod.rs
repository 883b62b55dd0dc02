//! The privacy manifest, held to the sources and to both databases; `letterbox audit`, held to
//! databases in which nothing is wrong and to ones in which something is.

mod command;
mod endpoints;
mod planted;
mod readers;
mod sources;
mod threats;
mod wire;
