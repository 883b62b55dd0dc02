//! `letterbox demo`: three people, one of them on two devices, talk through a real server, and every
//! row that the server kept is printed beside what they saw.

mod chapters;
mod people;
mod say;
mod server;
mod table;

use crate::{
    client::{ClientError, NotPlainHttp, Stopped},
    db::{self, Cell, Db, Dump, MAILBOX},
};
use letterbox_protocol::types::ParseError;
use people::Person;
use say::broken;
use server::DemoServer;
use std::{io::Write, time::Duration};
use table::write_tables;
use tokio::time::Instant;

/// How long the server may take to act on acknowledgements, and how often that is looked at.
const PATIENCE: Duration = Duration::from_secs(10);
const GLANCE: Duration = Duration::from_millis(20);

/// The flags of `letterbox demo`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
The server listens on a free port of this machine and keeps its database in a temporary file, which \
is deleted at the end. Nothing else is touched.

Exit code 0: every letter arrived. 1: one did not, or something failed.")]
pub struct Args {
    /// Characters a line may have.
    #[arg(long, default_value_t = 72, value_parser = clap::value_parser!(u16).range(44..=400))]
    width: u16,
}

/// Why the demo failed.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A client could not do what it was asked to.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A client could not be opened.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The server did not start.
    #[error("the server did not start: {0}")]
    Server(String),
    /// The database could not be read.
    #[error("the database could not be read")]
    Database(#[from] db::Error),
    /// A phone number in this file is wrong.
    #[error(transparent)]
    Phone(#[from] ParseError),
    /// The server's address is not what the client takes.
    #[error(transparent)]
    Address(#[from] NotPlainHttp),
    /// No text message came.
    #[error("no text message came")]
    NoCode,
    /// A device that is off was asked to do something.
    #[error("that device is switched off")]
    SwitchedOff,
    /// A letter seems to come from somebody else.
    #[error("a letter arrived under the wrong sender's number")]
    WrongSender,
    /// A row holds the number of somebody to whom nothing is waiting.
    #[error("a row of the mailbox holds a writer's number")]
    WriterStored,
    /// The output is closed.
    #[error(transparent)]
    Output(#[from] std::io::Error),
}

impl From<std::fmt::Error> for DemoError {
    fn from(_: std::fmt::Error) -> Self {
        Self::Output(std::io::Error::other("the text could not be formatted"))
    }
}

/// Runs the demo and prints it to `out`.
///
/// # Errors
/// When anything fails, above all when a letter does not arrive.
pub async fn run(args: &Args, out: &mut impl Write) -> Result<(), DemoError> {
    let mut server = DemoServer::start().await?;
    let result = Story::begin(&mut server, args, out).await?.tell().await;
    server.stop().await;
    result
}

/// The demo under way.
struct Story<'a, W> {
    anna: Person,
    ben: Person,
    chloe: Person,
    db: Db,
    width: usize,
    out: &'a mut W,
}

impl<'a, W: Write> Story<'a, W> {
    async fn begin(
        server: &mut DemoServer,
        args: &Args,
        out: &'a mut W,
    ) -> Result<Self, DemoError> {
        let mut anna = Person::new("Anna", "+4915112345601".parse()?, server.address())?;
        let mut ben = Person::new("Ben", "+33612345602".parse()?, server.address())?;
        let mut chloe = Person::new("Chloe", "+447400123403".parse()?, server.address())?;
        let mut rng = rand::make_rng();
        for person in [&mut anna, &mut ben, &mut chloe] {
            person.sign_up(async |phone| server.code(phone).await, &mut rng).await?;
        }
        let width = args.width.into();
        Ok(Self { anna, ben, chloe, db: server.db().clone(), width, out })
    }

    async fn tell(mut self) -> Result<(), DemoError> {
        self.introduce()?;
        self.both_online().await?;
        self.ben_away().await?;
        self.ben_back().await?;
        self.ben_links().await?;
        self.phone_away().await?;
        self.conclude()
    }

    fn introduce(&mut self) -> Result<(), DemoError> {
        self.say(
            "Three people have signed up at a letterbox server on this machine, each with a phone \
             number and a passkey. Everything here is real: HTTP, WebSockets, cryptography and \
             the database, a temporary file.",
        )?;
        writeln!(self.out)?;
        for person in [&self.anna, &self.ben, &self.chloe] {
            writeln!(self.out, "  {:<6} {}", person.name, person.phone.as_str())?;
        }
        Ok(())
    }

    /// Prints all mailbox tables, once the server has taken up the acknowledgements.
    async fn show(&mut self, title: &str, waiting: usize) -> Result<(), DemoError> {
        self.say(title)?;
        writeln!(self.out)?;
        let dumps = self.settled(waiting).await?;
        let mut text = String::new();
        write_tables(&mut text, &dumps, self.width)?;
        self.out.write_all(text.as_bytes())?;
        if self.names_a_writer(&dumps) { Err(DemoError::WriterStored) } else { Ok(()) }
    }

    /// Whether Anna's or Chloe's number stands in a row. Nothing waits for them once they have read.
    fn names_a_writer(&self, dumps: &[Dump]) -> bool {
        let writers =
            [&self.anna, &self.chloe].map(|person| Cell::Text(person.phone.as_str().into()));
        dumps.iter().flat_map(|dump| dump.rows.iter().flatten()).any(|cell| writers.contains(cell))
    }

    /// The tables, once they hold no more letters than are `waiting` for a device that is off.
    async fn settled(&self, waiting: usize) -> Result<Vec<Dump>, DemoError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut dumps = Vec::new();
            for table in MAILBOX {
                dumps.push(self.db.dump(table).await?);
            }
            let rows = |table: &str| dumps.iter().find(|d| d.table == table).map(|d| d.rows.len());
            let done = rows("messages") == Some(waiting)
                && (waiting > 0 || rows("device_session_keys") == Some(0))
                && !self.names_a_writer(&dumps);
            if done || Instant::now() > deadline {
                return Ok(dumps);
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    fn heading(&mut self, text: &str) -> Result<(), DemoError> {
        let rule = "─".repeat(text.chars().count().min(self.width));
        writeln!(self.out, "\n{}\n{rule}", broken(text, self.width))?;
        Ok(())
    }

    fn say(&mut self, text: &str) -> Result<(), DemoError> {
        writeln!(self.out, "\n{}", broken(text, self.width))?;
        Ok(())
    }
}
