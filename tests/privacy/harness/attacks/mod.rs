//! The attacks. Each asks a question of every letter (or pair of people) and scores the candidates
//! by what stands in the log and in the database; the judge compares the answers with the truth.

pub(super) mod corruption;
pub(super) mod disclosure;
pub(super) mod echo;
pub(super) mod envelopes;
pub(super) mod sizes;
pub(super) mod timing;
pub(super) mod tokens;
pub(super) mod values;

use super::{
    score::Case,
    view::{Deposit, View},
};

/// "Who wrote this letter?", of everybody who was connected then.
fn who_wrote(view: &View<'_>, letter: &Deposit, score: impl FnMut(usize) -> f64) -> Option<Case> {
    let sender = view.lived.sender(letter.index);
    let active = view.active(letter.at, letter.to);
    // A sender whose socket was just about to open is nobody's best guess.
    (active.len() > 1 && active.contains(&sender))
        .then(|| Case::one_of(&active, sender, (sender, letter.to), score))
}
