//! `letterbox audit`.

use super::{Manifest, Report, Verdict, checks::Look, manifest};
use crate::db::{self, Db, OpenError};
use letterbox_protocol::types::UnixTime;
use std::{io::Write, process::ExitCode};

/// The flags of `letterbox audit`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
The database is opened read only, and never migrated or written. On PostgreSQL the role needs CONNECT, \
USAGE on the schema and SELECT on its tables; a password is better given as PGPASSWORD than in the URL. \
A server may be running on it. Findings hold names and counts, never a stored value.

docs/auditing.md explains each check, and what no look at a database can tell.

Exit code 0: everything was checked, and is as the privacy manifest says. 1: something is not. 2: the \
database could not be opened, or nothing was found and not everything could be checked.")]
pub struct Args {
    /// The database: `sqlite:PATH` or `postgres://ROLE@HOST/NAME`.
    #[arg(long, value_name = "URL")]
    database: String,
    /// Write the report as JSON.
    #[arg(long)]
    json: bool,
    /// Minutes that the sweep of expired rows may be late, and that clocks may be apart.
    #[arg(long, value_name = "MINUTES", default_value_t = 10, value_parser = clap::value_parser!(u16).range(0..=1440))]
    grace: u16,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The database could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It could not be read.
    #[error(transparent)]
    Database(#[from] db::Error),
    /// Something that is no letterbox database.
    #[error(
        "this is no letterbox database, or the role sees nothing of it: there is no table `messages` \
         in its schema (on PostgreSQL the role needs USAGE on the schema)"
    )]
    Foreign,
    /// The manifest in the program does not read.
    #[error(transparent)]
    Manifest(#[from] manifest::Unreadable),
    /// The output is closed.
    #[error(transparent)]
    Output(#[from] std::io::Error),
}

/// Checks a database and prints the report.
///
/// # Errors
/// There is no report.
pub async fn run(args: &Args, now: UnixTime, out: &mut impl Write) -> Result<ExitCode, AuditError> {
    let db = Db::open_read_only(&args.database).await?;
    let report = audit(&db, &Manifest::load()?, now, 60 * i64::from(args.grace)).await;
    db.close().await;
    let report = report?;
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &report).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        write!(out, "{report}")?;
    }
    Ok(match report.verdict {
        Verdict::Passed => ExitCode::SUCCESS,
        Verdict::Violated => ExitCode::from(1),
        Verdict::Incomplete => ExitCode::from(2),
    })
}

/// Compares an open database with the manifest. `grace` is in seconds.
///
/// # Errors
/// The database is out of reach, or is none of letterbox'.
pub async fn audit(
    db: &Db,
    manifest: &Manifest,
    now: UnixTime,
    grace: i64,
) -> Result<Report, AuditError> {
    if !db.tables().await?.iter().any(|table| table == "messages") {
        return Err(AuditError::Foreign);
    }
    let look = Look::new(db, manifest, now, grace).await?;
    Ok(Report::new(look.engine.name(), now, look.checks().await))
}
