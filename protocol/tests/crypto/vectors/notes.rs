//! Notes: each kind's bytes, and the body of a letter that holds them all.

use super::independent::cbor::{array, boolean, bytes, int, map, text, uint};
use super::{Fields, committed, compare, hex};
use crate::notes::small_ones;
use letterbox_protocol::notes::{self, Note};
use serde_json::{Value, json};

const PHONE: &str = "+4915112345678";

/// What `small_ones` says, written by hand: kind and body.
fn bodies() -> Vec<(u64, Vec<u8>)> {
    let (one, two) = (bytes(&[1; 16]), bytes(&[2; 16]));
    let both = array(&[one.clone(), two.clone()]);
    let fields = |values: &[Vec<u8>]| map(&values.iter().cloned().map(Some).collect::<Vec<_>>());
    vec![
        (1, fields(&[both.clone(), boolean(true)])),
        (2, fields(&[uint(1_800_000_000_000), array(std::slice::from_ref(&two))])),
        (2, map(&[None, Some(array(&[]))])),
        (3, fields(&[one.clone(), uint(1_800_000_000_001), uint(1), bytes(b"Dear Bob")])),
        (4, fields(&[one.clone(), uint(1), uint(2), bytes(&[3; 4])])),
        (
            5,
            fields(&[uint(1), one.clone(), bytes(&[4; 32]), two.clone(), uint(5), bytes(&[6; 32])]),
        ),
        (
            16,
            fields(&[
                text(PHONE),
                bytes(&[3; 32]),
                bytes(&[4; 16]),
                boolean(true),
                uint(1_800_000_000_000),
                int(-5),
                uint(1),
                bytes(b"Dear Bob"),
                boolean(true),
                uint(1),
            ]),
        ),
        (17, fields(&[text(PHONE), both.clone()])),
        (18, fields(&[text(PHONE), both, uint(7)])),
        (18, fields(&[text(PHONE), array(&[])])),
        (
            19,
            fields(&[
                text(PHONE),
                text("Zoë"),
                uint(2),
                bytes(&[3; 32]),
                boolean(true),
                uint(i64::MAX as u64),
                bytes(&[5; 16]),
            ]),
        ),
        (20, fields(&[uint(8), array(&[two])])),
        (21, fields(&[one, uint(70_000), boolean(true)])),
        (22, fields(&[boolean(false), uint(9)])),
    ]
}

#[test]
fn notes_are_as_published() {
    let all = small_ones();
    let encoded: Vec<Vec<u8>> = all.iter().map(Note::to_cbor).collect();
    let made = all.iter().zip(&encoded);
    let made = made.map(|(note, bytes)| json!({ "kind": note.kind(), "note": hex(bytes) }));
    let made: Vec<Value> = made.collect();
    compare("notes", &json!({ "notes": made, "body": hex(notes::write(&encoded)) }));
    let vector = committed("notes");
    let (published, mut written) = (vector.list("notes"), Vec::new());
    for (published, (kind, body)) in published.iter().zip(bodies()) {
        assert_eq!(published.number("kind"), kind);
        let note = map(&[Some(uint(kind)), Some(bytes(&body))]);
        assert_eq!(note, published.bytes("note"), "kind {kind}");
        written.push(note);
    }
    assert_eq!(written.len(), published.len());
    assert_eq!(array(&written), vector.bytes("body"));
}
