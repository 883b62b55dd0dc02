//! The `letterbox` command.

use clap::{Parser, Subcommand};
use letterbox::{
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
    /// Let three people talk, and print what each saw beside what the server kept.
    Demo(demo::Args),
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(flags) => serve_with(&flags).await,
        Command::Demo(args) => demo::run(&args, &mut std::io::stdout()).await.map_err(Into::into),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("letterbox: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve_with(flags: &Flags) -> Result<(), Box<dyn std::error::Error>> {
    let environment = std::env::vars_os()
        .filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?)));
    let config = Config::load(flags, environment)?;
    Ok(serve::run(config).await?)
}
