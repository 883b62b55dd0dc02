//! By provoking: the server alters a letter or an envelope and looks what comes to whose mailbox
//! after it was handed out, and after it was given up as failed.

use super::{
    super::{
        score::Case,
        view::{Deposit, View},
    },
    echo::Delay,
    who_wrote,
};
use letterbox_protocol::engine::Millis;

/// The adversary does not count on a reaction.
const SOMETIMES: f64 = 0.4;

/// "Who wrote the letter that was altered?" A heal or a word to be sent again would come to its
/// writer's mailbox.
pub(crate) fn letters(view: &View<'_>) -> Vec<Case> {
    let Some(tamper) = &view.lived.tamper else { return Vec::new() };
    let (notes, delay) = (view.brought(true), Delay::pool(view.lived.setting.pool_mean));
    let failed = |letter: &Deposit| {
        let of = view.failures.iter().filter(|(_, _, message)| *message == letter.message);
        of.map(|(at, _, _)| *at).next()
    };
    let mut cases = Vec::new();
    for letter in view.texts() {
        let Some((handed_out, _)) = tamper.altered.get(&letter.message) else { continue };
        let moments: Vec<Millis> =
            [Some(*handed_out), failed(letter)].into_iter().flatten().collect();
        cases.extend(who_wrote(view, letter, |who| {
            let evidence = |at: &Millis| delay.evidence(*at, &notes[who], SOMETIMES);
            moments.iter().map(evidence).sum()
        }));
    }
    cases
}

/// "Who began the session whose envelope was altered?" Letters of that session do not open, and are
/// given up after an hour or more.
pub(crate) fn envelopes(view: &View<'_>) -> Vec<Case> {
    let Some(tamper) = &view.lived.tamper else { return Vec::new() };
    let (notes, delay) = (view.brought(true), Delay::pool(view.lived.setting.pool_mean));
    let victims = &tamper.victims;
    let first = view.texts().filter(|l| l.envelopes > 0 && victims.contains(&l.to));
    let mut cases = Vec::new();
    for letter in first {
        let failed = view.failures.iter().filter(|(_, who, _)| *who == letter.to);
        let failed = failed.filter(|(_, _, message)| *message == letter.message);
        let moments: Vec<Millis> =
            std::iter::once(letter.at).chain(failed.map(|(at, _, _)| *at)).collect();
        cases.extend(who_wrote(view, letter, |who| {
            let evidence = |at: &Millis| delay.evidence(*at, &notes[who], SOMETIMES);
            moments.iter().map(evidence).sum()
        }));
    }
    cases
}
