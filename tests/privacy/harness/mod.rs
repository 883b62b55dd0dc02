//! The adversary's harness: people who live on the real server through the real engine, and
//! somebody who holds the database and a log of every request and tries to tell who writes to whom.

mod attacks;
mod draw;
mod life;
mod lived;
mod people;
mod score;
mod view;
mod watched;
mod world;

mod runs;
mod table;

use attacks::values;
use letterbox_protocol::engine::POOL_MEAN;
use life::Setting;
use lived::Lived;
use people::Population;
use score::Outcome;
use watched::Watched;

/// Notes leave as soon as they can.
const OFF: i64 = 1;

/// Few people, looked at closely.
fn few() -> Population {
    Population { people: 4, hours: 2, conversations: 8.0, two_devices: 4, heavy_pairs: 1, seed: 4 }
}

#[test]
fn no_value_in_a_request_or_row_tells_whose_it_is() {
    let watched = runs::alone(Watched::through(&few(), &Setting::plain(POOL_MEAN)));
    assert!(watched.sealed.len() > 50, "{} sealed requests", watched.sealed.len());
    for cases in [values::identifiers(&watched), values::derived(&watched)] {
        let outcome = Outcome::of(&cases).unwrap();
        assert!(outcome.is_chance(), "{outcome:?}");
    }
    assert_eq!(values::repeated(&watched), 0, "values that stand in two sealed requests");
}

#[test]
fn the_pool_takes_from_the_attacks_by_time_what_they_have_without_it() {
    let people = Population {
        people: 8,
        hours: 3,
        conversations: 6.0,
        two_devices: 2,
        heavy_pairs: 1,
        seed: 5,
    };
    let judged = runs::all(&people, &[Setting::plain(OFF), Setting::plain(POOL_MEAN)]);
    let [off, on] = &judged[..] else { panic!("two lives") };
    for name in ["own copies", "receipts", "re-keyings"] {
        let (without, with) = (off.outcome(name).unwrap(), on.outcome(name).unwrap());
        assert!(without.interval.0 > 2.0 * without.chance, "{name}, off: {without:?}");
        assert!(with.best < without.best, "{name}: {with:?}, off: {without:?}");
    }
    for name in ["tokens", "copies from receipts"] {
        let outcome = on.outcome(name).unwrap();
        assert!(outcome.interval.0 < 2.0 * outcome.chance, "{name}: {outcome:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_life() {
    let people = Population { people: 3, hours: 1, two_devices: 3, ..few() };
    let life = || {
        let lived = runs::alone(Lived::through(&people, &Setting::plain(POOL_MEAN)));
        let sealed = lived.seen.iter().filter(|seen| seen.device.is_none());
        let bytes: Vec<_> = sealed.map(|s| (s.at, s.token.clone(), s.body.clone())).collect();
        (lived.seen.len(), bytes)
    };
    let (one, other) = (life(), life());
    assert!(one.0 > 50 && one == other, "{} and {} things seen", one.0, other.0);
}

/// `make privacy`.
#[test]
#[ignore = "takes minutes; `make privacy` runs it and writes docs/privacy-harness.md"]
fn the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/privacy-harness.md");
    std::fs::write(path, table::written()).unwrap();
}
