//! The published vectors in `tests/vectors/`: made by the code under test from fixed seeds, and
//! checked by [`independent`] code that knows the primitives only.
//!
//! `UPDATE_VECTORS=1 cargo nextest run -p letterbox-protocol vectors` writes them anew.

mod channels;
mod independent;
mod letters;
mod notes;
mod rekeying;
mod siblings;
mod signatures;
mod tokens;

use serde_json::Value;

/// The committed files, in the binary itself: as WASM it has no other way to them.
macro_rules! files {
    ($($name:literal)*) => {
        /// The text of a committed file.
        fn text(name: &str) -> &'static str {
            match name {
                $($name => include_str!(concat!("../../../../tests/vectors/", $name, ".json")),)*
                _ => panic!("no such file: {name}"),
            }
        }
    };
}

files! {
    "account-keys" "device-name" "device-session-challenge" "handshake" "letters" "link" "notes"
    "ratchet" "recovery-capsule" "rekeying" "safety-number" "sender-certificate"
    "session-key-envelope" "signed-keys" "sizes" "tokens" "tokens-published" "touch" "transcript"
}

/// Holds what the code makes against the committed file.
fn compare(name: &str, made: &Value) {
    let made = serde_json::to_string_pretty(made).unwrap() + "\n";
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors");
        return std::fs::write(format!("{folder}/{name}.json"), made).unwrap();
    }
    assert!(made == text(name), "tests/vectors/{name}.json is not what the code makes");
}

/// Reads a committed file.
fn committed(name: &str) -> Value {
    serde_json::from_str(text(name)).unwrap()
}

fn hex(bytes: impl AsRef<[u8]>) -> Value {
    let digits = bytes.as_ref().iter().map(|byte| format!("{byte:02x}"));
    Value::String(digits.collect())
}

/// Fields of a vector, read.
trait Fields {
    fn bytes(&self, name: &str) -> Vec<u8>;
    fn text(&self, name: &str) -> &str;
    fn number(&self, name: &str) -> u64;
    fn list(&self, name: &str) -> &[Value];

    fn key(&self, name: &str) -> [u8; 32] {
        self.bytes(name).try_into().unwrap()
    }

    /// A number as transcripts hold it.
    fn eight(&self, name: &str) -> [u8; 8] {
        self.number(name).to_be_bytes()
    }
}

impl Fields for Value {
    fn bytes(&self, name: &str) -> Vec<u8> {
        let text = self.text(name);
        let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
        (0..text.len()).step_by(2).map(byte).collect()
    }

    fn text(&self, name: &str) -> &str {
        self[name].as_str().unwrap()
    }

    fn number(&self, name: &str) -> u64 {
        self[name].as_u64().unwrap()
    }

    fn list(&self, name: &str) -> &[Value] {
        self[name].as_array().unwrap()
    }
}
