//! Notes: what they hold comes back, what is not known is passed over, and pieces come together.

#[cfg(not(target_family = "wasm"))]
use crate::people::{Recorder, random};
use letterbox_protocol::notes::*;
use letterbox_protocol::rekey::{REKEY_VERSION, RekeyAnswer};
use letterbox_protocol::types::{Blob, Bytes, Phone};
#[cfg(not(target_family = "wasm"))]
use proptest::prelude::*;

fn phone() -> Phone {
    "+4915112345678".parse().unwrap()
}

fn ids(count: usize) -> Vec<Bytes<16>> {
    (0..count).map(|n| Bytes([n as u8; 16])).collect()
}

fn letter(body: Vec<u8>) -> LetterNote {
    LetterNote {
        contact: phone(),
        identity: Bytes([3; 32]),
        id: Bytes([4; 16]),
        outgoing: true,
        at: 1_800_000_000_000,
        sealed_at: -5,
        kind: 1,
        body: Blob(body),
        read: true,
        progress: Progress::Arrived,
    }
}

fn contact(name: String) -> ContactNote {
    ContactNote {
        contact: phone(),
        name,
        standing: NotedStanding::Blocked,
        identity: Bytes([3; 32]),
        verified: true,
        changed_at: i64::MAX,
        device: Bytes([5; 16]),
    }
}

/// One of each kind, as large as a single letter takes them.
pub(crate) fn one_of_each() -> Vec<Note> {
    let (letters, sessions) = (ids(NOTE_IDS), ids(NOTE_IDS));
    let (id, job) = (Bytes([1; 16]), Bytes([2; 16]));
    let body = Blob(vec![7; 3_000]);
    vec![
        Note::Receipt(Receipt { letters: letters.clone(), read: true }),
        Note::Heal(Heal { since: Some(-1), sessions: sessions.clone() }),
        Note::Resend(Resend { id, sent_at: 5, kind: 1, body, session: None }),
        Note::Part(Part { id, index: 0, count: PARTS, bytes: Blob(vec![9; PART_BYTES]) }),
        Note::RekeyAnswer(RekeyAnswer {
            version: REKEY_VERSION,
            exchange: id,
            ephemeral_key: Bytes([8; 32]),
            device_id: id,
            list_version: u64::MAX,
            confirmation: Bytes([9; 32]),
        }),
        Note::Letter(letter(b"Dear Bob".to_vec())),
        Note::Read(Read { contact: phone(), letters: letters.clone() }),
        Note::Deleted(Deleted { contact: phone(), letters, until: Some(7) }),
        Note::Contact(contact("ü".repeat(NAME_LIMIT / 2))),
        Note::Missing(Missing { since: 8, sessions }),
        Note::History(History { job, letters: 70_000, done: true }),
        Note::Settings(Settings { receipts: true, changed_at: 9 }),
    ]
}

/// One of each kind with little in it, for the published vectors.
pub(crate) fn small_ones() -> Vec<Note> {
    let (one, two) = (Bytes([1; 16]), Bytes([2; 16]));
    let (letters, sessions) = (vec![one, two], vec![two]);
    vec![
        Note::Receipt(Receipt { letters: letters.clone(), read: true }),
        Note::Heal(Heal { since: Some(1_800_000_000_000), sessions: sessions.clone() }),
        Note::Heal(Heal { since: None, sessions: Vec::new() }),
        Note::Resend(Resend {
            id: one,
            sent_at: 1_800_000_000_001,
            kind: 1,
            body: Blob(b"Dear Bob".to_vec()),
            session: None,
        }),
        Note::Part(Part { id: one, index: 1, count: 2, bytes: Blob(vec![3; 4]) }),
        Note::RekeyAnswer(RekeyAnswer {
            version: REKEY_VERSION,
            exchange: one,
            ephemeral_key: Bytes([4; 32]),
            device_id: two,
            list_version: 5,
            confirmation: Bytes([6; 32]),
        }),
        Note::Letter(letter(b"Dear Bob".to_vec())),
        Note::Read(Read { contact: phone(), letters: letters.clone() }),
        Note::Deleted(Deleted { contact: phone(), letters, until: Some(7) }),
        Note::Deleted(Deleted { contact: phone(), letters: Vec::new(), until: None }),
        Note::Contact(contact("Zoë".into())),
        Note::Missing(Missing { since: 8, sessions }),
        Note::History(History { job: one, letters: 70_000, done: true }),
        Note::Settings(Settings { receipts: false, changed_at: 9 }),
    ]
}

fn encoded(notes: &[Note]) -> Vec<u8> {
    write(&notes.iter().map(Note::to_cbor).collect::<Vec<_>>())
}

#[test]
fn every_kind_comes_back_as_it_was_and_fits_into_a_small_letter() {
    let notes = one_of_each();
    let kinds: Vec<u16> = notes.iter().map(Note::kind).collect();
    assert_eq!(kinds, [1, 2, 3, 4, 5, 16, 17, 18, 19, 20, 21, 22]);
    assert!(read(&encoded(&notes)).unwrap() == notes);
    for note in &notes {
        let alone = encoded(std::slice::from_ref(note));
        assert!(alone.len() <= BODY_IN_4_KIB, "kind {}: {}", note.kind(), alone.len());
        assert!(Note::from_cbor(&note.to_cbor()).as_ref() == Some(note));
        assert_eq!(note.is_for_siblings(), note.kind() >= 16);
    }
}

#[test]
fn a_body_of_notes_fits_into_the_letter_it_is_meant_for() {
    use letterbox_protocol::content::{CONTENT_VERSION, Content};
    use letterbox_protocol::sessions::LETTER_OVERHEAD;
    let content = Content {
        version: CONTENT_VERSION,
        sender: "+123456789012345".parse().unwrap(),
        sender_device: Bytes([0xff; 16]),
        inner_id: Bytes([0xff; 16]),
        sent_at: i64::MIN,
        kind: u16::MAX,
        body: vec![0; BODY_IN_4_KIB],
    };
    assert!(content.to_cbor().len() + 1 + LETTER_OVERHEAD <= 4_096);
}

#[test]
fn unknown_kinds_and_wrong_forms_are_passed_over() {
    let known = Note::History(History { job: Bytes([1; 16]), letters: 1, done: false });
    let unknown = [&[0xa2, 0x00, 0x19, 0x03, 0xe7, 0x01, 0x43][..], b"abc"].concat();
    let newer = [&[0xa3][..], &known.to_cbor()[1..], &[0x09, 0x01]].concat();
    let wrong = [0xa2, 0x00, 0x01, 0x01, 0x41, 0xff].to_vec();
    let body = write(&[unknown, wrong, known.to_cbor()]);
    assert!(read(&body).unwrap() == [known.clone()]);
    assert!(Note::from_cbor(&newer) == Some(known), "another field is passed over");
    assert_eq!(read(b"").map(|_| ()), Err(NotNotes));
    assert_eq!(read(b"\x61a").map(|_| ()), Err(NotNotes));
    assert!(read(&write(&[] as &[Vec<u8>])).unwrap().is_empty());
}

#[test]
fn what_is_too_long_is_refused() {
    let too_many = ids(NOTE_IDS + 1);
    let long = [
        Note::Receipt(Receipt { letters: too_many.clone(), read: false }),
        Note::Heal(Heal { since: None, sessions: too_many.clone() }),
        Note::Read(Read { contact: phone(), letters: too_many.clone() }),
        Note::Deleted(Deleted { contact: phone(), letters: too_many.clone(), until: None }),
        Note::Missing(Missing { since: 0, sessions: too_many }),
        Note::Contact(contact("x".repeat(NAME_LIMIT + 1))),
        Note::Letter(letter(vec![0; NOTE_LIMIT])),
        Note::Part(Part { id: Bytes([0; 16]), index: 2, count: 2, bytes: Blob(vec![1]) }),
        Note::Part(Part { id: Bytes([0; 16]), index: 0, count: 1, bytes: Blob(vec![1]) }),
        Note::Part(Part { id: Bytes([0; 16]), index: 0, count: 2, bytes: Blob(vec![1]) }),
        Note::Part(Part { id: Bytes([0; 16]), index: 1, count: 2, bytes: Blob(vec![]) }),
        Note::Part(Part { id: Bytes([0; 16]), index: 0, count: PARTS + 1, bytes: Blob(vec![1]) }),
    ];
    for note in long {
        assert!(read(&encoded(std::slice::from_ref(&note))).unwrap().is_empty(), "{note:?}");
    }
    let many = vec![one_of_each().remove(10).to_cbor(); NOTES + 1];
    assert_eq!(read(&write(&many)).unwrap().len(), NOTES);
}

#[cfg(not(target_family = "wasm"))]
proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_large_note_comes_together_from_its_pieces_in_any_order(
        seed in any::<u64>(),
        length in PART_BYTES..60_000usize,
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let mut rng = Recorder::new(seed);
        let note = Note::Letter(letter(vec![0xab; length]));
        let pieces = split(random(&mut rng), &note.to_cbor()).unwrap();
        let part = |piece: &Note| match piece {
            Note::Part(part) => part.clone(),
            _ => panic!("not a piece"),
        };
        let mut joining = Joining::of(&part(&pieces[0]));
        let mut whole = None;
        let shuffled = order.iter().map(|at| at.index(pieces.len())).chain(0..pieces.len());
        for at in shuffled {
            let piece = part(&pieces[at]);
            prop_assert!(encoded(&pieces[at..=at]).len() <= BODY_IN_4_KIB);
            prop_assert!(read(&encoded(&pieces[at..=at])).unwrap() == pieces[at..=at]);
            whole = joining.take(&piece).unwrap();
            let kept = letterbox_protocol::record::to_cbor(&joining);
            joining = minicbor::decode(&kept).unwrap();
        }
        prop_assert!(whole == Some(Some(note)));
        let mut other = part(&pieces[0]);
        other.bytes.0[0] ^= 1;
        prop_assert_eq!(joining.take(&other), Err(PartError));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&bytes);
        let _ = Note::from_cbor(&bytes);
        let _ = minicbor::decode::<Joining>(&bytes);
    }

    #[test]
    fn a_changed_byte_loses_one_note_at_most_or_all(at in any::<prop::sample::Index>(), byte: u8) {
        let notes = one_of_each();
        let mut body = encoded(&notes);
        let at = at.index(body.len());
        body[at] = byte;
        if let Ok(read) = read(&body) {
            let same = read.iter().filter(|note| notes.contains(note)).count();
            prop_assert!(read.len() <= notes.len() && (same + 1 >= read.len() || same == 0));
        }
    }
}

#[test]
fn a_small_or_an_oversized_note_is_not_cut() {
    let id = Bytes([1; 16]);
    assert!(split(id, &vec![0; PART_BYTES]).is_none());
    assert_eq!(split(id, &vec![0; PART_BYTES + 1]).unwrap().len(), 2);
    assert_eq!(split(id, &vec![0; NOTE_LIMIT]).unwrap().len(), usize::from(PARTS));
    assert!(split(id, &vec![0; NOTE_LIMIT + 1]).is_none());
}

#[test]
fn a_note_in_pieces_is_not_itself_a_piece() {
    let mut inner = one_of_each().remove(3).to_cbor();
    inner.resize(PART_BYTES + 10, 0);
    let mut joining = None;
    let mut whole = None;
    for piece in split(Bytes([1; 16]), &inner).unwrap() {
        let Note::Part(part) = piece else { panic!("not a piece") };
        whole = joining.get_or_insert_with(|| Joining::of(&part)).take(&part).unwrap();
    }
    assert!(whole == Some(None));
}

#[test]
fn notes_do_not_print_what_they_hold() {
    let text = format!("{:?}", one_of_each());
    assert!(!text.contains("15112345678") && !text.contains('ü') && !text.contains("7, 7"));
    let text = format!("{:?} {:?}", letter(b"Dear Bob".to_vec()), contact("Bob".into()));
    assert!(!text.contains("Bob") && !text.contains("68, 101") && !text.contains("151123"));
}
