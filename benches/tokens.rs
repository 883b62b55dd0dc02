//! What blind tokens cost the server: issuing one, in batches of several sizes, and checking one,
//! beside a multiplication in the same group, which is what both are made of.
//!
//! `cargo bench --bench tokens` runs it.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a program for the terminal: it stops where something fails"
)]

use letterbox_protocol::tokens::{Issuer, PendingBatch, challenge_digest};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use std::hint::black_box;
use std::time::{Duration, Instant};
use voprf::{Group as _, Ristretto255};

/// Rounds of each figure; the median counts.
const ROUNDS: usize = 31;
/// Tokens in a batch: those of the requirement, of a day, and the most.
const BATCHES: [usize; 3] = [50, 200, 1_000];

fn main() {
    let rng = &mut StdRng::seed_from_u64(1);
    let issuer = Issuer::generate(rng).unwrap();
    let digest = challenge_digest("letters.example").unwrap();
    let scalar = Ristretto255::deserialize_scalar(issuer.secret().expose()).unwrap();
    let element = Ristretto255::base_elem() * scalar;
    let multiplication = median(256, || {
        black_box(black_box(element) * black_box(&scalar));
    });
    println!("{:<28} {:>9} {:>18}", "", "µs each", "multiplications");
    line("a multiplication", multiplication, multiplication);
    for tokens in BATCHES {
        let batch = PendingBatch::blind(issuer.public_key(), &digest, tokens, rng).unwrap();
        let request = batch.request();
        let each = median(1, || drop(black_box(issuer.issue(&request).unwrap()))) / tokens as u32;
        line(&format!("issuing, {tokens} at once"), each, multiplication);
    }
    let batch = PendingBatch::blind(issuer.public_key(), &digest, 50, rng).unwrap();
    let tokens = batch.finish(&issuer.issue(&batch.request()).unwrap()).unwrap();
    let mut next = tokens.iter().cycle();
    let check = median(50, || issuer.check(next.next().unwrap()).unwrap());
    line("checking", check, multiplication);
}

/// The median over all rounds of what one of so many calls takes.
fn median(calls: u32, mut call: impl FnMut()) -> Duration {
    let mut rounds: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            (0..calls).for_each(|_| call());
            begun.elapsed() / calls
        })
        .collect();
    rounds.sort_unstable();
    rounds[ROUNDS / 2]
}

fn line(what: &str, each: Duration, unit: Duration) {
    let microseconds = each.as_secs_f64() * 1e6;
    let ratio = each.as_secs_f64() / unit.as_secs_f64();
    println!("{what:<28} {microseconds:>9.1} {ratio:>18.2}");
}
