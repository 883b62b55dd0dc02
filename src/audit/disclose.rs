//! `letterbox disclose`.

use super::{
    Detail, Manifest, disclosure, manifest,
    report::plain,
    shape::{self, Engine},
};
use crate::db::{self, Db, OpenError};
use letterbox_protocol::{
    types::{ParseError, UnixTime},
    wire::{DisclosedTable, Disclosure},
};
use serde::Serialize;
use std::io::Write;

/// Letters of a value that are shown on a terminal.
const WIDTH: usize = 60;

/// What is said first of a database that is not of the manifest's shape.
const DRIFTED: &str = "this database is not of the shape that the privacy manifest describes, so what \
    follows may be incomplete: `letterbox audit` names the differences";

/// The flags of `letterbox disclose`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
The database is opened read only, as with `letterbox audit`. A number without an account may still have \
rows: a code that it was sent. The owner sees the same under \"What the server knows about you\", but for \
values that whoever holds a stolen session could use; here they are whole.

Exit code 0: here it is, if only that nothing is held. 2: the database could not be read.")]
pub struct Args {
    /// The database: `sqlite:PATH` or `postgres://ROLE@HOST/NAME`.
    #[arg(long, value_name = "URL")]
    database: String,
    /// Write everything as JSON, each value whole.
    #[arg(long)]
    json: bool,
    /// The phone number, with its country code: +4915112345678.
    #[arg(value_name = "PHONE")]
    phone: String,
}

/// Why nothing was disclosed.
#[derive(Debug, thiserror::Error)]
pub enum DiscloseError {
    /// The database could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It could not be read.
    #[error(transparent)]
    Database(#[from] db::Error),
    /// The number is none.
    #[error("PHONE: {0}")]
    Phone(#[from] ParseError),
    /// The manifest in the program does not read.
    #[error(transparent)]
    Manifest(#[from] manifest::Unreadable),
    /// The output is closed.
    #[error(transparent)]
    Output(#[from] std::io::Error),
}

/// What `--json` prints.
#[derive(Serialize)]
struct HandedOver<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<&'static str>,
    #[serde(flatten)]
    held: &'a Disclosure,
}

/// Prints everything that a database holds on a phone number, and on `errors` first whether it may hold
/// more.
///
/// # Errors
/// It could not be read.
pub async fn run(
    args: &Args,
    now: UnixTime,
    out: &mut impl Write,
    errors: &mut impl Write,
) -> Result<(), DiscloseError> {
    let (phone, manifest) = (args.phone.parse()?, Manifest::load()?);
    let db = Db::open_read_only(&args.database).await?;
    let schema = db.schema().await?;
    let shape = shape::shape(&manifest, &schema, Engine::of(&db));
    let warning = shape.iter().any(|check| !check.findings.is_empty()).then_some(DRIFTED);
    if let Some(warning) = warning {
        writeln!(errors, "letterbox: {warning}")?;
    }
    let held = disclosure(&db, &manifest, &phone, Detail::Everything, now).await;
    db.close().await;
    let held = held?;
    if args.json {
        let all = HandedOver { warning, held: &held };
        serde_json::to_writer_pretty(&mut *out, &all).map_err(std::io::Error::from)?;
        writeln!(out)?;
        return Ok(());
    }
    Ok(print(&held, out)?)
}

fn print(held: &Disclosure, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "What this database holds on {}\n", held.phone.as_str())?;
    for table in &held.tables {
        match table.rows.len() {
            0 => writeln!(out, "{}: nothing\n", table.table)?,
            1 => writeln!(out, "{}: 1 row", table.table)?,
            rows => writeln!(out, "{}: {rows} rows", table.table)?,
        }
        if !table.rows.is_empty() {
            rows(table, out)?;
        }
    }
    let nobodys: Vec<&str> = held.nobodys.iter().map(|table| table.table.as_str()).collect();
    writeln!(out, "Rows of these tables belong to nobody: {}.", nobodys.join(", "))
}

fn rows(table: &DisclosedTable, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "  {}\n  Kept: {}\n  It tells: {}", table.purpose, table.retention, table.infer)?;
    for row in &table.rows {
        writeln!(out)?;
        for column in &table.columns {
            let value = row.get(&column.name).and_then(Option::as_deref).unwrap_or("-");
            writeln!(out, "    {:<24} {}", column.name, shortened(&plain(value)))?;
        }
    }
    writeln!(out)
}

fn shortened(value: &str) -> String {
    let letters = value.chars().count();
    if letters <= WIDTH {
        return value.to_owned();
    }
    let head: String = value.chars().take(WIDTH - 12).collect();
    format!("{head}… ({letters} characters; whole with --json)")
}
