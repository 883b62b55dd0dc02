//! Thin browser bindings over `letterbox-protocol`: the client engine as a JavaScript class.
//!
//! Inputs, requests, frames, events and views cross as JSON; records as `Uint8Array`, because they
//! are many and only stored.

use js_sys::{Array, Uint8Array};
use letterbox_protocol::capsule::{self, RecoveryCode};
use letterbox_protocol::engine::{self, Event, Input, LetterView, Millis, Output, Request, Write};
use letterbox_protocol::json::from_json;
use letterbox_protocol::keys::ExchangeSecret;
use letterbox_protocol::types::Bytes;
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

/// What a passkey touch for a request is bound to, as base64url; see
/// [`letterbox_protocol::touch::touch_digest`].
#[wasm_bindgen(js_name = touchDigest)]
pub fn touch_digest(method: &str, path: &str, body: &str) -> String {
    letterbox_protocol::touch::touch_digest(method, path, body.as_bytes()).to_text()
}

/// A fresh recovery code, as it is printed.
#[wasm_bindgen(js_name = newRecoveryCode)]
pub fn new_recovery_code() -> String {
    RecoveryCode::generate(&mut UnwrapErr(SysRng)).display()
}

/// The recovery secret of a typed code, as base64url; `undefined` where it was mistyped.
#[wasm_bindgen(js_name = secretFromCode)]
pub fn secret_from_code(code: &str) -> Option<String> {
    RecoveryCode::parse(code).map(|code| text_of(&code.secret()))
}

/// The recovery secret of a passkey, from its PRF output, as base64url.
#[wasm_bindgen(js_name = secretFromPrf)]
pub fn secret_from_prf(prf: &[u8]) -> String {
    text_of(&capsule::recovery_secret_from_prf(prf))
}

/// The public key of a recovery secret, both as base64url.
///
/// # Errors
///
/// An `Error` where the secret is not 32 bytes of base64url.
#[wasm_bindgen(js_name = recoveryKey)]
pub fn recovery_key(secret: &str) -> Result<String, JsError> {
    let secret: Bytes<32> = secret.parse()?;
    Ok(ExchangeSecret::from_bytes(secret.0).public().to_text())
}

fn text_of(secret: &ExchangeSecret) -> String {
    Bytes(*secret.expose()).to_text()
}

/// One account's client engine.
#[wasm_bindgen]
pub struct Engine(engine::Engine);

#[wasm_bindgen]
impl Engine {
    /// Opens the engine on the vault's records, an array of `[key, Uint8Array]`: all of them but
    /// the letters. `host` is the page's host name, without a port.
    ///
    /// # Errors
    ///
    /// An `Error` where an entry has another form, or where a record cannot be read; which kind of
    /// record is in its message.
    pub fn open(host: &str, records: &Array) -> Result<Self, JsError> {
        let records = records.iter().map(record).collect::<Result<Vec<_>, _>>()?;
        Ok(Self(engine::Engine::open(host, records)?))
    }

    /// Takes one input up, `input` being an `Input` as JSON and `now` the time in milliseconds.
    ///
    /// # Errors
    ///
    /// An `Error` where the input is none; nothing has changed then.
    pub fn step(&mut self, now: f64, input: &str) -> Result<Step, JsError> {
        let input: Input = from_json(input).map_err(|_| JsError::new("not an input"))?;
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
