//! Every test of the server, in one binary, so that it is linked once.
mod api;
mod db;
mod privacy;
mod support;
mod vectors;
