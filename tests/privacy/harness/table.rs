//! The document that `make privacy` writes: the method, the table, the curve.

mod prose;

use super::{
    OFF,
    attacks::values,
    few,
    life::{Setting, Tampering},
    people::Population,
    runs::{self, Judged},
    score::Outcome,
    watched::Watched,
};
use letterbox_protocol::engine::{Millis, POOL_MEAN};
use std::fmt::Write as _;

/// The population of the published figures.
fn everybody() -> Population {
    Population {
        people: 32,
        hours: 34,
        conversations: 2.0,
        two_devices: 3,
        heavy_pairs: 3,
        seed: 1,
    }
}

/// The means of the curve, in seconds.
const MEANS: [Millis; 6] = [10, 30, 60, 120, 300, 600];

/// Every life that the document tells of.
struct Lives {
    off: Judged,
    /// With the mean that the engine has by itself.
    on: Judged,
    curve: Vec<Judged>,
    /// Nobody has receipts given.
    silent: Judged,
    altered: [Judged; 4],
    watched: [Watched; 2],
}

impl Lives {
    fn lived() -> Self {
        let tampering =
            |pool_mean, what| Setting { tampering: Some(what), ..Setting::plain(pool_mean) };
        let mut settings = vec![
            Setting::plain(OFF),
            Setting::plain(POOL_MEAN),
            Setting { receipts: false, ..Setting::plain(POOL_MEAN) },
            tampering(OFF, Tampering::Letters),
            tampering(POOL_MEAN, Tampering::Letters),
            tampering(OFF, Tampering::Envelopes),
            tampering(POOL_MEAN, Tampering::Envelopes),
        ];
        settings.extend(MEANS.map(|seconds| Setting::plain(seconds * 1_000)));
        let mut judged = runs::all(&everybody(), &settings).into_iter();
        let mut next = || judged.next().expect("one for each setting");
        let (off, on, silent) = (next(), next(), next());
        let altered = [next(), next(), next(), next()];
        let watched = [OFF, POOL_MEAN]
            .map(|mean| runs::alone(Watched::through(&few(), &Setting::plain(mean))));
        Self { off, on, silent, altered, watched, curve: judged.collect() }
    }
}

/// The whole document.
pub(super) fn written() -> String {
    let lives = Lives::lived();
    let mut text = prose::HEAD.to_owned();
    let people = everybody();
    writeln!(
        text,
        "\nThe population of the table: {} people for {} hours, {} letters of theirs and {} of their \
         devices' with the defences on. Values are looked for in a smaller one, of {} people, with \
         the database after each step ({} sealed requests).\n",
        people.people,
        people.hours,
        lives.on.texts,
        lives.on.notes,
        few().people,
        lives.watched[1].sealed.len(),
    )
    .expect("a string takes everything");
    text += &table(&lives);
    text += prose::CURVE;
    text += &curve(&lives);
    text += prose::RULE;
    text += &recommendation(&lives);
    text += prose::TAIL;
    text
}

fn table(lives: &Lives) -> String {
    let mut text = "| attack | asked | chance | defences off | defences on | AUC off | AUC on | what it means |\n\
                    | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n"
        .to_owned();
    let by_value = |of: fn(&Watched) -> Vec<super::score::Case>| {
        let [off, on] = &lives.watched;
        [Outcome::of(&of(off)), Outcome::of(&of(on))]
    };
    let [letters_off, letters_on, envelopes_off, envelopes_on] = &lives.altered;
    for (name, what, meaning) in prose::ATTACKS {
        let [off, on] = match name {
            "identifiers" => by_value(values::identifiers),
            "derived" => by_value(values::derived),
            "tokens" => [lives.on.outcome("tokens on demand"), lives.on.outcome("tokens")],
            "altered letters" => [letters_off.outcome(name), letters_on.outcome(name)],
            "altered envelopes" => [envelopes_off.outcome(name), envelopes_on.outcome(name)],
            _ => [lives.off.outcome(name), lives.on.outcome(name)],
        };
        text += &row(what, off, on, meaning);
    }
    let repeated = lives.watched.iter().map(values::repeated).max().unwrap_or(0);
    let _ = writeln!(
        text,
        "\nValues of eight bytes or more that stand in two sealed requests, other than what names the \
         recipient: {repeated}. Epochs of the disclosure attack that did best: {} s off, {} s on.",
        lives.off.epoch / 1_000,
        lives.on.epoch / 1_000,
    );
    text
}

fn row(what: &str, off: Option<Outcome>, on: Option<Outcome>, meaning: &str) -> String {
    let either = on.or(off);
    let asked = either.map_or("0".to_owned(), |outcome| outcome.cases.to_string());
    let chance = either.map_or("–".to_owned(), |outcome| percent(outcome.chance));
    let best = |outcome: Option<Outcome>| outcome.map_or("–".to_owned(), with_interval);
    let area = |outcome: Option<Outcome>| {
        outcome.map_or("–".to_owned(), |outcome| format!("{:.3}", outcome.area))
    };
    format!(
        "| {what} | {asked} | {chance} | {} | {} | {} | {} | {meaning} |\n",
        best(off),
        best(on),
        area(off),
        area(on)
    )
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn with_interval(outcome: Outcome) -> String {
    let (low, high) = outcome.interval;
    format!("{} ({:.1}–{:.1})", percent(outcome.best), low * 100.0, high * 100.0)
}

/// What the curve shows of each mean.
const CURVE: [&str; 7] = [
    "own copies",
    "receipts",
    "re-keyings",
    "together",
    "replies",
    "disclosure",
    "disclosure, informed",
];

fn curve(lives: &Lives) -> String {
    let mut text = format!("| mean | {} | receipt after | copy after |\n", CURVE.join(" | "));
    text += &format!("| ---: |{}\n", " ---: |".repeat(CURVE.len() + 2));
    let named = lives.curve.iter().map(|judged| (seconds(judged.setting.pool_mean), judged));
    let off = [("off".to_owned(), &lives.off)];
    let silent = [("no receipts".to_owned(), &lives.silent)];
    for (name, judged) in off.into_iter().chain(named).chain(silent) {
        let best =
            |attack: &&str| judged.outcome(attack).map_or("–".to_owned(), |o| percent(o.best));
        let cells: Vec<String> = CURVE.iter().map(best).collect();
        let delay = |delay: Option<(Millis, Millis)>| {
            delay.map_or("–".to_owned(), |(half, most)| {
                format!("{} ({})", seconds(half), seconds(most))
            })
        };
        let (receipt, copy) = (delay(judged.receipt_delay), delay(judged.copy_delay));
        let _ = writeln!(text, "| {name} | {} | {receipt} | {copy} |", cells.join(" | "));
    }
    text
}

fn seconds(millis: Millis) -> String {
    if millis < 10_000 {
        format!("{:.1} s", millis as f64 / 1_000.0)
    } else {
        format!("{} s", millis / 1_000)
    }
}

/// The shortest mean with which receipts and re-keyings give less away than people's own replies do,
/// which no pool can delay.
fn recommended(lives: &Lives) -> Option<Millis> {
    let best = |judged: &Judged, attack| judged.outcome(attack).map_or(0.0, |outcome| outcome.best);
    let hidden = |judged: &&Judged| {
        let plain = best(judged, "replies");
        best(judged, "receipts") <= plain && best(judged, "re-keyings") <= plain
    };
    lives.curve.iter().find(hidden).map(|judged| judged.setting.pool_mean)
}

fn recommendation(lives: &Lives) -> String {
    let found = recommended(lives);
    let found = found.map_or("none of these".to_owned(), seconds);
    format!(
        "\n**By this rule: {found}.** The engine's own mean (`POOL_MEAN`) is {}.\n",
        seconds(POOL_MEAN)
    )
}
