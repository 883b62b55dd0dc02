//! Thin browser bindings over `letterbox-protocol`: the client engine as a JavaScript class.
//!
//! Inputs, requests, frames, events and views cross as JSON; records as `Uint8Array`, because they
//! are many and only stored.

use js_sys::{Array, Uint8Array};
use letterbox_protocol::engine::{self, Event, Input, LetterView, Millis, Output, Request, Write};
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use serde::Serialize;
use wasm_bindgen::prelude::*;

/// The prefix under which a contact's letters lie in the vault; see
/// [`engine::LETTER_PREFIX`].
#[wasm_bindgen(js_name = letterPrefix)]
pub fn letter_prefix(contact: &str) -> String {
    format!("{}{contact}/", engine::LETTER_PREFIX)
}

/// The view of a stored letter as JSON; `undefined` where this version cannot read the record.
#[wasm_bindgen(js_name = letterFromRecord)]
pub fn letter_from_record(key: &str, record: &[u8]) -> Option<String> {
    let view = LetterView::from_record(key, record).ok()?;
    serde_json::to_string(&view).ok()
}

/// One account's client engine.
#[wasm_bindgen]
pub struct Engine(engine::Engine);

#[wasm_bindgen]
impl Engine {
    /// Opens the engine on the vault's records, an array of `[key, Uint8Array]`: all of them but
    /// the letters.
    ///
    /// # Errors
    ///
    /// An `Error` where an entry has another form, or where a record cannot be read; which kind of
    /// record is in its message.
    pub fn open(records: &Array) -> Result<Self, JsError> {
        let records = records.iter().map(record).collect::<Result<Vec<_>, _>>()?;
        Ok(Self(engine::Engine::open(records)?))
    }

    /// Takes one input up, `input` being an `Input` as JSON and `now` the time in milliseconds.
    ///
    /// # Errors
    ///
    /// An `Error` where the input is none; nothing has changed then.
    pub fn step(&mut self, now: f64, input: &str) -> Result<Step, JsError> {
        let input: Input = serde_json::from_str(input).map_err(|_| JsError::new("not an input"))?;
        // Whole milliseconds since 1970 are far below 2^53.
        #[allow(clippy::cast_possible_truncation)]
        let now = now as Millis;
        Step::of(self.0.step(now, &mut UnwrapErr(SysRng), input))
    }

    /// The account and the contacts as they are now, a `Snapshot` as JSON.
    ///
    /// # Errors
    ///
    /// None in practice: the types have no values that JSON lacks.
    pub fn snapshot(&self) -> Result<String, JsError> {
        Ok(serde_json::to_string(&self.0.snapshot())?)
    }
}

/// What one step asks of the host.
#[wasm_bindgen]
pub struct Step {
    writes: Array,
    rest: String,
}

#[wasm_bindgen]
impl Step {
    /// An array of `[key, Uint8Array]`, `[key, undefined]` for a deletion, to be committed in one
    /// transaction before anything else is done.
    #[wasm_bindgen(getter)]
    pub fn writes(&self) -> Array {
        self.writes.clone()
    }

    /// `requests`, `frames`, `events` and `wake_at` of the output, as JSON.
    #[wasm_bindgen(getter)]
    pub fn rest(&self) -> String {
        self.rest.clone()
    }
}

impl Step {
    fn of(output: Output) -> Result<Self, JsError> {
        let Output { writes, requests, frames, events, wake_at } = output;
        let rest = serde_json::to_string(&Rest { requests, frames, events, wake_at })?;
        Ok(Self { writes: writes.into_iter().map(entry).collect(), rest })
    }
}

#[derive(Serialize)]
struct Rest {
    requests: Vec<Request>,
    frames: Vec<String>,
    events: Vec<Event>,
    wake_at: Option<Millis>,
}

fn entry(write: Write) -> Array {
    let value = write.value.as_deref().map(Uint8Array::from);
    Array::of2(&write.key.into(), &value.into())
}

fn record(entry: JsValue) -> Result<(String, Vec<u8>), JsError> {
    let malformed = || JsError::new("a record is not [key, bytes]");
    let entry: Array = entry.dyn_into().map_err(|_| malformed())?;
    let key = entry.get(0).as_string().ok_or_else(malformed)?;
    let value: Uint8Array = entry.get(1).dyn_into().map_err(|_| malformed())?;
    Ok((key, value.to_vec()))
}
