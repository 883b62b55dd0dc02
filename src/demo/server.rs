//! The demo's server: the real one, on a free port and a temporary file.

use super::DemoError;
use crate::{
    client,
    clock::Clock,
    config::{Config, Flags},
    db::Db,
    serve::{Running, Server},
    sms::{Gateway, TextMessage},
};
use letterbox_protocol::types::Phone;
use rand::{rand_core::UnwrapErr, rngs::SysRng};
use std::{collections::HashMap, time::Duration};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// How long a text message may take.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct DemoServer {
    running: Running,
    address: client::Server,
    /// A look from outside, beside the server's own.
    db: Db,
    messages: UnboundedReceiver<TextMessage>,
    codes: HashMap<Phone, String>,
    _folder: TempDir,
}

impl DemoServer {
    pub(super) async fn start() -> Result<Self, DemoError> {
        let folder = tempfile::tempdir()?;
        let database = format!("sqlite:{}", folder.path().join("letterbox.db").display());
        let settings = [
            ("LETTERBOX_LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("LETTERBOX_DATABASE".to_owned(), database.clone()),
        ];
        let config = Config::load(&Flags::default(), settings).map_err(failed)?;
        let (gateway, messages) = unbounded_channel();
        let server = Server::bind(config, Clock::System, Some(Gateway::Handed(gateway))).await;
        let running = server.map_err(failed)?.start();
        let address = client::Server::new(running.origin.url().clone())?;
        let db = Db::open(&database, &mut UnwrapErr(SysRng)).await.map_err(failed)?;
        let codes = HashMap::new();
        Ok(Self { running, address, db, messages, codes, _folder: folder })
    }

    /// Where clients reach it.
    pub(super) fn address(&self) -> &client::Server {
        &self.address
    }

    /// Its database.
    pub(super) fn db(&self) -> &Db {
        &self.db
    }

    /// The code that came to this phone, waiting for it.
    pub(super) async fn code(&mut self, phone: &Phone) -> Option<String> {
        while !self.codes.contains_key(phone) {
            let message = tokio::time::timeout(PATIENCE, self.messages.recv()).await.ok()??;
            self.codes.insert(message.phone, message.code);
        }
        self.codes.remove(phone)
    }

    pub(super) async fn stop(self) {
        self.db.close().await;
        self.running.stop().await;
    }
}

fn failed(error: impl std::fmt::Display) -> DemoError {
    DemoError::Server(error.to_string())
}
