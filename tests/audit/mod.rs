//! The privacy manifest, held to the sources and to both databases; `letterbox audit`, held to
//! databases in which nothing is wrong and to ones in which something is.

use std::{
    fs,
    path::{Path, PathBuf},
};

mod command;
mod endpoints;
mod planted;
mod readers;
mod sources;
mod threats;
mod wire;

/// The files in a folder and below it, but for what has one of these names.
fn files(folder: &Path, passed_over: &[&str]) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = |path: PathBuf| match path.file_name().and_then(|name| name.to_str()) {
        Some(name) if passed_over.contains(&name) => Vec::new(),
        _ if path.is_dir() => files(&path, passed_over),
        _ => vec![path],
    };
    entries.flat_map(below).collect()
}
