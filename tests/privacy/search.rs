//! The search: whether a haystack of bytes holds a value, in any encoding that somebody might have
//! thought of.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use sha2::{Digest, Sha256, Sha512};
use std::collections::HashMap;

/// A value that must not be found.
#[derive(Clone)]
pub(super) struct Needle {
    /// What it is, for the failure message: "Anna's device id".
    pub(super) what: String,
    value: Value,
}

#[derive(Clone, PartialEq, Eq)]
enum Value {
    Phone(String),
    Text(String),
    Bytes(Vec<u8>),
    Number(i64),
}

impl Needle {
    pub(super) fn phone(what: impl Into<String>, phone: &str) -> Self {
        Self { what: what.into(), value: Value::Phone(phone.to_owned()) }
    }

    pub(super) fn text(what: impl Into<String>, text: impl Into<String>) -> Self {
        Self { what: what.into(), value: Value::Text(text.into()) }
    }

    pub(super) fn bytes(what: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { what: what.into(), value: Value::Bytes(bytes.into()) }
    }

    pub(super) fn number(what: impl Into<String>, number: i64) -> Self {
        Self { what: what.into(), value: Value::Number(number) }
    }

    /// The value as bytes, in its plainest form.
    pub(super) fn raw(&self) -> Vec<u8> {
        match &self.value {
            Value::Phone(text) | Value::Text(text) => text.as_bytes().to_vec(),
            Value::Bytes(bytes) => bytes.clone(),
            Value::Number(number) => number.to_be_bytes().to_vec(),
        }
    }

    /// Whether the other stands for the same value.
    pub(super) fn equals(&self, other: &Self) -> bool {
        self.value == other.value
    }

    /// Every form in which the value is looked for, with the form's name.
    pub(super) fn forms(&self) -> Vec<(String, Vec<u8>)> {
        let mut forms = Forms::default();
        match &self.value {
            Value::Phone(phone) => forms.phone(phone),
            Value::Text(text) => forms.text("text", text),
            Value::Bytes(bytes) => forms.bytes("bytes", bytes),
            Value::Number(number) => forms.number(*number),
        }
        // Shorter ones would be found by chance.
        forms.0.retain(|(_, form)| form.len() >= KEY);
        forms.0.sort_by(|a, b| a.1.cmp(&b.1));
        forms.0.dedup_by(|a, b| a.1 == b.1);
        forms.0
    }
}

#[derive(Default)]
struct Forms(Vec<(String, Vec<u8>)>);

impl Forms {
    fn phone(&mut self, phone: &str) {
        let digits = phone.trim_start_matches('+');
        for (name, text) in [("with plus", phone), ("digits", digits)] {
            self.text(name, text);
        }
        if let Ok(number) = digits.parse::<i64>() {
            self.number(number);
        }
        for (order, nibbles) in [("", false), (" swapped", true)] {
            for filler in [0x0, 0xf] {
                let packed = packed_decimal(digits, nibbles, filler);
                self.bytes(&format!("packed decimal{order}"), &packed);
            }
        }
    }

    fn text(&mut self, name: &str, text: &str) {
        self.bytes(name, text.as_bytes());
        let wide = |swap: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(swap).collect();
        self.add(name, "UTF-16LE", wide(u16::to_le_bytes));
        self.add(name, "UTF-16BE", wide(u16::to_be_bytes));
    }

    fn number(&mut self, number: i64) {
        self.text("decimal", &number.to_string());
        let bytes = number.to_be_bytes();
        let short = &bytes[bytes.iter().position(|b| *b != 0).unwrap_or(7)..];
        self.bytes("integer", short);
        self.bytes("integer, eight bytes", &bytes);
    }

    /// As they are, backwards, and hashed.
    fn bytes(&mut self, name: &str, bytes: &[u8]) {
        self.spellings(name, bytes);
        let backwards: Vec<u8> = bytes.iter().rev().copied().collect();
        self.spellings(&format!("{name} backwards"), &backwards);
        self.spellings(&format!("SHA-256 of {name}"), &Sha256::digest(bytes)[..16]);
        self.spellings(&format!("SHA-512 of {name}"), &Sha512::digest(bytes)[..16]);
    }

    fn spellings(&mut self, name: &str, bytes: &[u8]) {
        self.add(name, "raw", bytes.to_vec());
        self.add(name, "inverted", bytes.iter().map(|b| !b).collect());
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        self.add(name, "hex backwards", hex.bytes().rev().collect());
        self.add(name, "HEX", hex.to_uppercase().into());
        if let [a, b, c, d] = [(0, 8), (8, 12), (12, 16), (16, 20)].map(|(f, t)| hex.get(f..t))
            && bytes.len() == 16
        {
            let parts = [a, b, c, d, hex.get(20..)].map(Option::unwrap_or_default);
            self.add(name, "UUID", parts.join("-").into());
        }
        self.add(name, "hex", hex.into());
        for separator in [", ", ",", " "] {
            let numbers: Vec<String> = bytes.iter().map(u8::to_string).collect();
            self.add(name, "list of numbers", numbers.join(separator).into());
        }
        self.add(name, "escaped", bytes.escape_ascii().to_string().into());
        self.add(name, "base32", base32(bytes).into());
        self.add(name, "base32, small", base32(bytes).to_lowercase().into());
        for offset in 0..3 {
            let spelled = format!("base64 at {offset}");
            for alphabet in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
                let padded = [&[0; 3][..offset], bytes].concat();
                // Only the letters that depend on nothing before or after the value.
                let (from, to) = ((offset * 8).div_ceil(6), padded.len() * 8 / 6);
                let encoded = alphabet.encode(&padded);
                // Five letters, of a number of four bytes, are found by chance in one run of fifty.
                if to.saturating_sub(from) > 5 {
                    self.add(name, &spelled, encoded[from..to].into());
                }
            }
        }
    }

    fn add(&mut self, name: &str, spelling: &str, form: Vec<u8>) {
        self.0.push((format!("{name}, {spelling}"), form));
    }
}

fn packed_decimal(digits: &str, swapped: bool, filler: u8) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().map(|b| b - b'0').collect();
    let pack = |pair: &[u8]| {
        let (first, second) = (pair[0], *pair.get(1).unwrap_or(&filler));
        if swapped { second << 4 | first } else { first << 4 | second }
    };
    digits.chunks(2).map(pack).collect()
}

/// RFC 4648 §6, without padding and without the last, partial letter.
fn base32(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bit = |i: usize| bytes[i / 8] >> (7 - i % 8) & 1;
    let letter = |n: usize| (0..5).fold(0, |value, i| value << 1 | bit(n * 5 + i));
    (0..bytes.len() * 8 / 5).map(|n| char::from(LETTERS[usize::from(letter(n))])).collect()
}

/// How many bytes of a form the index goes by, and the length of the shortest form.
const KEY: usize = 4;

/// Many needles, looked for at once.
pub(super) struct Search<'a> {
    forms: Vec<(&'a Needle, String, Vec<u8>)>,
    by_start: HashMap<[u8; KEY], Vec<usize>>,
}

impl<'a> Search<'a> {
    pub(super) fn new(needles: impl IntoIterator<Item = &'a Needle>) -> Self {
        let mut search = Self { forms: Vec::new(), by_start: HashMap::new() };
        for needle in needles {
            for (name, form) in needle.forms() {
                let start = form[..KEY].try_into().expect("forms are at least that long");
                search.by_start.entry(start).or_default().push(search.forms.len());
                search.forms.push((needle, name, form));
            }
        }
        search
    }

    /// What was found, as "Anna's phone (digits, hex)".
    pub(super) fn find(&self, haystack: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        for (at, start) in haystack.windows(KEY).enumerate() {
            let start: [u8; KEY] = start.try_into().expect("windows are that long");
            for &index in self.by_start.get(&start).into_iter().flatten() {
                let (needle, name, form) = &self.forms[index];
                if haystack[at..].starts_with(form) {
                    found.push(format!("{} ({name})", needle.what));
                }
            }
        }
        found
    }
}

#[test]
fn the_search_finds_a_planted_value_in_every_form() {
    let needles = [
        Needle::phone("phone", "+4915112345678"),
        Needle::bytes("key", (0..32).map(|i| i * 7 + 1).collect::<Vec<u8>>()),
        Needle::bytes("id", (0..16).map(|i| 255 - i * 5).collect::<Vec<u8>>()),
        Needle::number("row", 3_141_592_653_589_793_238),
        Needle::text("name", "Anna's laptop"),
    ];
    let search = Search::new(&needles);
    let noise: Vec<u8> =
        (0..4096_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    assert_eq!(search.find(&noise), Vec::<String>::new(), "nothing is planted yet");
    for needle in &needles {
        for (name, form) in needle.forms() {
            let planted = [&noise[..1000], &form, &noise[1000..]].concat();
            let found = search.find(&planted);
            assert!(found.iter().any(|f| f.starts_with(&needle.what)), "{}: {name}", needle.what);
        }
    }
}

#[test]
fn the_search_knows_the_encodings_by_their_published_examples() {
    let found = |needle: Needle, haystack: &[u8]| !Search::new([&needle]).find(haystack).is_empty();
    let phone = || Needle::phone("phone", "+4915112345678");
    assert!(found(phone(), b"xx KzQ5MTUxMTIzNDU2Nzg= xx"), "base64 of the text");
    assert!(found(phone(), b"2b34393135313132333435363738"), "hex of the text");
    assert!(found(phone(), b"\x49\x15\x11\x23\x45\x67\x8f"), "packed decimal, filled up");
    assert!(found(phone(), b"\x94\x51\x11\x32\x54\x76\xf8"), "as in an SMS (3GPP TS 23.040)");
    assert!(found(phone(), &4_915_112_345_678_u64.to_le_bytes()), "a little-endian integer");
    assert!(found(phone(), b"87654321151 94+ 8765432115194+"), "backwards");
    let id = || {
        Needle::bytes(
            "id",
            [
                0xf8, 0x1d, 0x4f, 0xae, 0x7d, 0xec, 0x11, 0xd0, 0xa7, 0x65, 0x00, 0xa0, 0xc9, 0x1e,
                0x6b, 0xf6,
            ],
        )
    };
    assert!(found(id(), b"urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"), "RFC 9562");
    assert!(found(
        id(),
        b"[248, 29, 79, 174, 125, 236, 17, 208, 167, 101, 0, 160, 201, 30, 107, 246]"
    ));
    let foobar = || Needle::text("text", "foobar");
    assert!(found(foobar(), b"MZXW6YTBOI======"), "base32, RFC 4648");
    assert!(found(foobar(), b"c3ab8ff13720e8ad9047dd39466b3c89"), "the head of its SHA-256");
}
