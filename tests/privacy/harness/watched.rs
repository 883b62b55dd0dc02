//! A small population, of which the adversary gets the whole database after every sealed request,
//! and is told everything that each person holds: what identifies somebody, and what their requests
//! and rows say.

use super::{
    super::{
        identity::{self, Holdings},
        search::Needle,
    },
    life::{Life, Setting, WATCHED_FROM},
    lived::Lived,
    people::Population,
};
use letterbox::db::{Cell, MAILBOX};
use letterbox_protocol::engine::Millis;
use std::collections::BTreeSet;

/// What was watched.
pub(super) struct Watched {
    pub(super) lived: Lived,
    /// By person: what would identify them.
    pub(super) needles: Vec<Vec<Needle>>,
    /// The sealed requests, each with what came of it in the database.
    pub(super) sealed: Vec<Sealed>,
}

/// A sealed request and the rows that it left.
pub(super) struct Sealed {
    /// Where it stands in the log.
    pub(super) index: usize,
    /// The cells of the mailbox tables' rows that are new after it.
    pub(super) cells: Vec<Cell>,
}

impl Watched {
    /// Lives through it all, and looks into the database on the way.
    pub(super) async fn through(population: &Population, setting: &Setting) -> Self {
        let until = WATCHED_FROM + population.hours * 3_600_000;
        let mut life = Life::begin(population, setting).await;
        let mut needles = held(&life).await;
        let sealed = watch(&mut life, until).await;
        for (before, after) in needles.iter_mut().zip(held(&life).await) {
            before.extend(after);
            *before = unique(std::mem::take(before));
        }
        let lived = Lived::of(life, setting, until);
        Self { lived, needles, sealed }
    }
}

/// Lives on, and looks into the database after each thing that happens.
async fn watch(life: &mut Life, until: Millis) -> Vec<Sealed> {
    let mut known = rows(life).await;
    let mut sealed = Vec::new();
    let mut read = 0;
    while life.step(until).await {
        let log = &life.world.log.seen;
        let asked = (read..log.len()).find(|index| log[*index].device.is_none());
        if read < log.len() {
            read = log.len();
            let now = rows(life).await;
            if let Some(index) = asked {
                let cells = now.difference(&known).flatten().cloned().collect();
                sealed.push(Sealed { index, cells });
            }
            known = now;
        }
    }
    sealed
}

/// The mailbox tables' rows.
async fn rows(life: &Life) -> BTreeSet<Vec<Cell>> {
    let mut rows = BTreeSet::new();
    for table in MAILBOX {
        rows.extend(life.world.server.app.db.dump(table).await.expect("readable").rows);
    }
    rows
}

/// What each person holds, and what is stored of them.
async fn held(life: &Life) -> Vec<Vec<Needle>> {
    let mut all = Vec::new();
    for (person, devices) in life.devices.iter().enumerate() {
        let mut needles = Vec::new();
        for device in devices {
            let device = &life.world.devices[*device];
            let holdings = Holdings {
                phone: life.world.phones[person].as_str(),
                vault: &device.vault,
                passkey: &device.passkey,
                cookie: device.cookie.clone(),
            };
            let db = &life.world.server.app.db;
            needles.extend(identity::of_holdings(db, &person.to_string(), &holdings).await);
        }
        all.push(unique(needles));
    }
    all
}

/// Each value once.
fn unique(needles: Vec<Needle>) -> Vec<Needle> {
    let mut kept: Vec<Needle> = Vec::new();
    for needle in needles {
        if !kept.iter().any(|known| known.equals(&needle)) {
            kept.push(needle);
        }
    }
    kept
}
