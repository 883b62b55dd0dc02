//! Sends a second through the group-commit writer, beside the same rows written straight to the
//! engine in groups of the same size, in one run and bracketed by an fdatasync probe.
//!
//! `cargo bench` runs it; `cargo bench -- --quick` for a first look.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a program for the terminal: it stops where something fails"
)]

mod disk;
#[path = "../../tests/support/postgres.rs"]
mod postgres;
mod straight;
mod through;
mod world;

use std::time::Duration;

/// Sends in one transaction, and sends under way at once.
const GROUPS: [usize; 4] = [1, 10, 100, 1_000];

#[tokio::main]
async fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let time = Duration::from_millis(if quick { 300 } else { 3_000 });
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    println!("A send: a spent token, a letter of 1 KiB, deliveries for 3 devices; durable.\n");
    println!("SQLite, synchronous=FULL");
    header();
    for group in GROUPS {
        let before = disk::syncs_a_second(folder.path());
        let straight = straight::sqlite(folder.path(), group, time).await;
        let through = through::sqlite(folder.path(), group, time).await;
        line(group, straight, through, before, disk::syncs_a_second(folder.path()));
    }
    println!("\nPostgreSQL, fsync=on, 4 connections straight, 4 lanes in the writer");
    header();
    for group in GROUPS {
        let before = disk::syncs_a_second(folder.path());
        let straight = straight::postgres(group, time).await;
        let through = through::postgres(group, time).await;
        line(group, straight, through, before, disk::syncs_a_second(folder.path()));
    }
}

fn header() {
    println!(
        "{:>12} {:>12} {:>12} {:>7} {:>22}",
        "group", "straight/s", "writer/s", "ratio", "fdatasync/s around"
    );
}

fn line(group: usize, straight: f64, through: f64, before: f64, after: f64) {
    let ratio = through / straight;
    println!(
        "{group:>12} {straight:>12.0} {through:>12.0} {ratio:>7.2} {before:>12.0} {after:>9.0}"
    );
}
