//! By size.

use super::super::{
    score::Case,
    view::{Deposit, View},
};

/// "Did a person write this, or a device?" Notes have one size, and the people here write short
/// letters: the answer is known, and it names nobody.
pub(crate) fn texts_from_notes(view: &View<'_>) -> Vec<Case> {
    let ask = |letter: &Deposit| {
        let short = f64::from(u8::from(!letter.is_note()));
        let by_person = view.lived.is_text(letter.index);
        Case {
            scores: vec![short, 1.0 - short],
            right: vec![by_person, !by_person],
            group: (0, letter.to),
        }
    };
    view.deposits.iter().map(ask).collect()
}

/// "Is this note from the mailbox's owner (an own copy), or from somebody else (a receipt)?", of
/// each pair of one and the other in the mailboxes of people with two devices: which is larger?
pub(crate) fn copies_from_receipts(view: &View<'_>) -> Vec<Case> {
    let mut cases = Vec::new();
    for person in (0..view.devices.len()).filter(|person| view.devices[*person] > 1) {
        let notes = view.deposits.iter().filter(|d| d.to == person && d.is_note());
        let (own, others): (Vec<&Deposit>, Vec<&Deposit>) =
            notes.partition(|note| view.lived.sender(note.index) == person);
        let pairs = own.iter().zip(&others);
        cases.extend(pairs.map(|(own, other)| Case {
            scores: vec![shape(view, own), shape(view, other)],
            right: vec![true, false],
            group: (person, person),
        }));
    }
    cases
}

/// The request's whole size, but for envelopes, which any first letter of a session brings.
fn shape(view: &View<'_>, note: &Deposit) -> f64 {
    if note.envelopes > 0 { 0.0 } else { view.lived.seen[note.index].body.len() as f64 }
}
