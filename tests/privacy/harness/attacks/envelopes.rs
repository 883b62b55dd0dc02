//! By envelopes: a letter that begins a session brings one for each of the recipient's devices.

use super::{
    super::{
        score::Case,
        view::{Deposit, View},
    },
    who_wrote,
};

/// Whoever has as many devices as envelopes came.
pub(crate) fn counts(view: &View<'_>) -> Vec<Case> {
    first_letters(view, |letter, who| f64::from(u8::from(view.devices[who] == letter.envelopes)))
}

/// Whoever fetched a certificate last: a new session needs one that is good for long enough.
pub(crate) fn certificates(view: &View<'_>) -> Vec<Case> {
    let fetched = |letter: &Deposit, who: usize| {
        let all = view.deeds.iter().filter(|deed| deed.who == who && deed.at < letter.at);
        all.filter(|deed| deed.path == "/v1/sender-certificate").map(|deed| deed.at).max()
    };
    first_letters(view, |letter, who| {
        fetched(letter, who).map_or(f64::NEG_INFINITY, |at| (at - letter.at) as f64)
    })
}

fn first_letters(view: &View<'_>, score: impl Fn(&Deposit, usize) -> f64) -> Vec<Case> {
    let texts = view.texts().filter(|letter| letter.envelopes > 0);
    texts.filter_map(|letter| who_wrote(view, letter, |who| score(letter, who))).collect()
}
