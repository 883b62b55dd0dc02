//! Blind tokens: issued, taken, refused, and kept from one another.

use letterbox_protocol::tokens::*;
use letterbox_protocol::types::{Bytes, DAY, UnixTime};
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(5)
}

fn issued(issuer: &Issuer, tokens: usize, rng: &mut ChaCha20Rng) -> Vec<Token> {
    let digest = challenge_digest("letters.example").unwrap();
    let batch = PendingBatch::blind(issuer.public_key(), &digest, tokens, rng).unwrap();
    batch.finish(&issuer.issue(&batch.request()).unwrap()).unwrap()
}

#[test]
fn a_batch_becomes_tokens_that_its_issuer_takes() {
    let rng = &mut rng();
    let issuer = Issuer::generate(rng).unwrap();
    let tokens = issued(&issuer, 200, rng);
    assert_eq!(tokens.len(), 200);
    let mut nullifiers: Vec<_> = tokens.iter().map(Token::nullifier).collect();
    nullifiers.sort_unstable();
    nullifiers.dedup();
    assert_eq!(nullifiers.len(), 200);
    for token in &tokens {
        assert_eq!(issuer.check(token), Ok(()));
        assert_eq!(token.challenge_digest(), challenge_digest("letters.example").unwrap());
        let again = Token::from_header(&token.to_header()).unwrap();
        assert!(again == *token);
    }
}

#[test]
fn what_is_kept_between_request_and_response_is_as_good_afterwards() {
    let rng = &mut rng();
    let issuer = Issuer::generate(rng).unwrap();
    let digest = challenge_digest("letters.example").unwrap();
    let batch = PendingBatch::blind(issuer.public_key(), &digest, 3, rng).unwrap();
    let kept = minicbor::to_vec(&batch).unwrap();
    let read: PendingBatch = minicbor::decode(&kept).unwrap();
    assert_eq!(read.request(), batch.request());
    let response = issuer.issue(&read.request()).unwrap();
    assert!(read.finish(&response).unwrap() == batch.finish(&response).unwrap());
    let token = batch.finish(&response).unwrap().remove(0);
    let token_read: Token = minicbor::decode(&minicbor::to_vec(&token).unwrap()).unwrap();
    assert!(token_read == token);
}

#[test]
fn the_same_request_gets_the_same_response_to_the_last_byte() {
    let rng = &mut rng();
    let issuer = Issuer::generate(rng).unwrap();
    let again = Issuer::from_secret(issuer.secret().expose()).unwrap();
    let digest = challenge_digest("letters.example").unwrap();
    let mut batch = || PendingBatch::blind(issuer.public_key(), &digest, 2, rng).unwrap().request();
    let (one, other) = (batch(), batch());
    assert_eq!(issuer.issue(&one), again.issue(&one));
    assert_ne!(issuer.issue(&one).unwrap().proof, issuer.issue(&other).unwrap().proof);
}

#[test]
fn forged_altered_and_foreign_tokens_are_refused() {
    let rng = &mut rng();
    let (issuer, foreign) = (Issuer::generate(rng).unwrap(), Issuer::generate(rng).unwrap());
    let token = issued(&issuer, 1, rng).remove(0);
    assert_eq!(foreign.check(&token), Err(TokenError::Key));
    let bytes = token.to_bytes();
    for at in 0..bytes.len() {
        let mut altered = bytes.to_vec();
        altered[at] ^= 1;
        let refused = Token::from_bytes(&altered).and_then(|token| issuer.check(&token));
        assert!(refused.is_err(), "byte {at}");
    }
    let other_key: Token =
        (token.nonce(), token.challenge_digest(), *foreign.token_key_id(), *token.authenticator())
            .into();
    assert_eq!(foreign.check(&other_key), Err(TokenError::Forged));
}

#[test]
fn an_issuer_that_uses_another_key_is_found_out() {
    let rng = &mut rng();
    let (announced, marking) = (Issuer::generate(rng).unwrap(), Issuer::generate(rng).unwrap());
    let digest = challenge_digest("letters.example").unwrap();
    let batch = PendingBatch::blind(announced.public_key(), &digest, 3, rng).unwrap();
    let request = batch.request();
    assert!(!marking.is_meant_by(&request));
    assert_eq!(marking.issue(&request), Err(TokenError::Key));
    let mut meant = request.clone();
    meant.truncated_key_id = marking.token_key_id().0[31];
    let marked = marking.issue(&meant).unwrap();
    assert_eq!(batch.finish(&marked).unwrap_err(), TokenError::Proof);
    // One element of another key among honest ones is found out as well.
    let honest = announced.issue(&request).unwrap();
    let mut mixed = honest.clone();
    mixed.evaluated[1] = marked.evaluated[1];
    assert_eq!(batch.finish(&mixed).unwrap_err(), TokenError::Proof);
    let mut swapped = honest.clone();
    swapped.evaluated.swap(0, 1);
    assert_eq!(batch.finish(&swapped).unwrap_err(), TokenError::Proof);
    let mut fewer = honest;
    fewer.evaluated.pop();
    assert_eq!(batch.finish(&fewer).unwrap_err(), TokenError::Form);
}

#[test]
fn what_is_no_element_is_refused() {
    let rng = &mut rng();
    let issuer = Issuer::generate(rng).unwrap();
    let truncated_key_id = issuer.token_key_id().0[31];
    // The identity, and bytes that encode nothing.
    for element in [[0; 32], [255; 32]] {
        let request = BatchRequest { truncated_key_id, blinded: vec![element] };
        assert_eq!(issuer.issue(&request), Err(TokenError::Element));
        let digest = challenge_digest("letters.example").unwrap();
        let blinded = PendingBatch::blind(&Bytes(element), &digest, 1, rng);
        assert_eq!(blinded.unwrap_err(), TokenError::Element);
    }
    assert_eq!(Issuer::from_secret(&[0; 32]).unwrap_err(), TokenError::Element);
}

#[test]
fn a_directory_says_one_key_a_week() {
    let rng = &mut rng();
    let now = UnixTime(1_800_000_000);
    let mut key = || *Issuer::generate(rng).unwrap().public_key();
    let week = KeyWeek::of(now);
    let next = KeyWeek::of(now.plus(7 * DAY));
    assert_eq!(week.begins().plus(8 * DAY), week.expires());
    assert!(week.begins() <= now && now < next.begins());
    let good = [(week, key()), (next, key())];
    let directory = directory_of(good);
    assert_eq!(weeks_of(&directory).unwrap(), good);
    let refused = |change: &dyn Fn(&mut letterbox_protocol::wire::IssuerDirectory)| {
        let mut other = directory.clone();
        change(&mut other);
        assert_eq!(weeks_of(&other), Err(TokenError::Directory));
    };
    refused(&|d| d.token_keys[1].not_before = d.token_keys[0].not_before);
    refused(&|d| d.token_keys[1].not_before = d.token_keys[1].not_before.plus(1));
    refused(&|d| d.token_keys[0].token_key = "AA==".into());
    let mut other_type = directory.clone();
    other_type.token_keys[0].token_type = 1;
    assert_eq!(weeks_of(&other_type).unwrap(), good[1..]);
    assert_ne!(directory_digest(week, &good[0].1), directory_digest(next, &good[0].1));
    assert_ne!(directory_digest(week, &good[0].1), directory_digest(week, &good[1].1));
}

#[test]
fn the_directory_shows_the_keys_around_a_change() {
    let monday = KeyWeek::of(UnixTime(1_800_000_000)).begins();
    let shown = |at: i64| KeyWeek::shown(monday.plus(at)).len();
    assert_eq!([shown(0), shown(DAY - 1), shown(DAY), shown(6 * DAY - 1)], [2, 2, 1, 1]);
    assert_eq!([shown(6 * DAY), shown(7 * DAY - 1)], [2, 2]);
}

#[test]
fn only_the_scheme_with_a_whole_token_is_one() {
    let rng = &mut rng();
    let token = issued(&Issuer::generate(rng).unwrap(), 1, rng).remove(0);
    let header = token.to_header();
    let text = header.strip_prefix("PrivateToken token=\"").unwrap().trim_end_matches('"');
    assert_eq!(text.len(), 216);
    for good in [header.clone(), format!("privatetoken token={text}")] {
        assert!(Token::from_header(&good).unwrap() == token);
    }
    for bad in [
        format!("Bearer {text}"),
        format!("Bearer token=\"{text}\""),
        format!("PrivateToken {text}"),
        format!("PrivateToken token=\"{text}"),
        format!("PrivateToken token=\"{}\"", &text[..212]),
        format!("PrivateToken token=\"AAAA{text}\""),
        "PrivateToken".to_owned(),
        String::new(),
    ] {
        assert!(Token::from_header(&bad).is_err(), "{bad}");
    }
}

#[test]
fn nothing_about_tokens_is_printed() {
    let rng = &mut rng();
    let issuer = Issuer::generate(rng).unwrap();
    let token = issued(&issuer, 1, rng).remove(0);
    let digest = token.challenge_digest();
    let batch = PendingBatch::blind(issuer.public_key(), &digest, 1, rng).unwrap();
    let printed = format!("{issuer:?} {token:?} {batch:?}");
    assert_eq!(printed, "Issuer(…) Token(…) PendingBatch(…)");
}
