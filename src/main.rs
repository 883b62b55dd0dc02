//! The `letterbox` command.

use clap::{Parser, Subcommand};
use letterbox::{
    audit::{self, DiscloseArgs},
    clock::Clock,
    config::{Config, Flags},
    demo, serve,
};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A sealed-sender mailbox: people write to each other by phone number, and the server learns
/// nothing of who wrote.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the mailbox and its page.
    ///
    /// Every setting can be given as a flag, in the environment, or in a TOML file; a flag wins
    /// over the environment, and the environment over the file.
    Serve(Flags),
    /// Let three people talk, one of them on two devices, and print what each saw beside what the server kept.
    Demo(demo::Args),
    /// Check a live database against the privacy manifest, read only.
    Audit(audit::Args),
    /// Print everything that a database holds on one phone number, read only.
    Disclose(DiscloseArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    let out = &mut std::io::stdout();
    match Cli::parse().command {
        Command::Serve(flags) => ended(serve_with(&flags).await, ExitCode::FAILURE),
        Command::Demo(args) => ended(demo::run(&args, out).await, ExitCode::FAILURE),
        Command::Audit(args) => match audit::run(&args, Clock::System.now(), out).await {
            Ok(code) => code,
            Err(error) => ended(Err(error), ExitCode::from(2)),
        },
        Command::Disclose(args) => {
            let now = Clock::System.now();
            let done = audit::disclose_run(&args, now, out, &mut std::io::stderr()).await;
            ended(done, ExitCode::from(2))
        }
    }
}

/// Says why something failed.
fn ended<E: std::fmt::Display>(outcome: Result<(), E>, failed: ExitCode) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("letterbox: {error}");
            failed
        }
    }
}

async fn serve_with(flags: &Flags) -> Result<(), Box<dyn std::error::Error>> {
    let environment = std::env::vars_os()
        .filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?)));
    let config = Config::load(flags, environment)?;
    Ok(serve::run(config).await?)
}
