//! Blind tokens: the batched-tokens draft's vectors (appendix A.3), and those of what is our own.

use super::{Fields, committed, compare, hex};
use letterbox_protocol::tokens::*;
use letterbox_protocol::types::{Bytes, UnixTime};
use rand::{SeedableRng as _, TryCryptoRng, TryRng};
use rand_chacha::ChaCha20Rng;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::convert::Infallible;

/// A random source that gives the bytes it was made of.
struct Fixed(Vec<u8>);

impl TryRng for Fixed {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("everything is drawn by bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("everything is drawn by bytes")
    }

    fn try_fill_bytes(&mut self, destination: &mut [u8]) -> Result<(), Infallible> {
        let given: Vec<u8> = self.0.drain(..destination.len()).collect();
        destination.copy_from_slice(&given);
        Ok(())
    }
}

impl TryCryptoRng for Fixed {}

fn bytes(text: &Value) -> Vec<u8> {
    json!({ "it": text }).bytes("it")
}

#[test]
fn the_drafts_batches() {
    let published = committed("tokens-published");
    let vectors = published.list("draft_ietf_privacypass_batched_tokens_a_3");
    assert_eq!(vectors.len(), 10);
    for vector in vectors {
        let issuer = Issuer::from_secret(&vector.key("sk")).unwrap();
        assert_eq!(issuer.public_key().0, vector.key("pk"));
        let digest = Bytes(Sha256::digest(vector.bytes("token_challenge")).into());
        // A nonce, then 64 bytes that are reduced to the blind.
        let drawn = vector.list("nonces").iter().zip(vector.list("blinds"));
        let drawn = drawn.flat_map(|(nonce, blind)| [bytes(nonce), bytes(blind), vec![0; 32]]);
        let mut rng = Fixed(drawn.flatten().collect());
        let tokens = vector.list("tokens").len();
        let batch = PendingBatch::blind(issuer.public_key(), &digest, tokens, &mut rng).unwrap();
        let request = batch.request();
        assert_eq!(request.to_bytes(), vector.bytes("token_request"));
        assert_eq!(BatchRequest::from_bytes(&vector.bytes("token_request")), Ok(request.clone()));
        let response = BatchResponse::from_bytes(&vector.bytes("token_response")).unwrap();
        assert_eq!(response.to_bytes(), vector.bytes("token_response"));
        assert_eq!(issuer.issue(&request).unwrap().evaluated, response.evaluated);
        for (token, expected) in batch.finish(&response).unwrap().iter().zip(vector.list("tokens"))
        {
            assert_eq!(*token.to_bytes(), bytes(expected));
            assert_eq!(issuer.check(token), Ok(()));
        }
    }
}

#[test]
fn the_drafts_challenges() {
    let context = |text: &str| json!({ "it": text }).bytes("it");
    let published = committed("tokens-published");
    let vectors = published.list("draft_ietf_privacypass_batched_tokens_a_3");
    let redemption = context("8278149d3094c9138347d7a2bcbf1188a262a10b1a5696c41549eabed84c129d");
    let challenges = [
        TokenChallenge::new("issuer.example", &redemption, "origin.example"),
        TokenChallenge::new("issuer.example", &[], "origin.example"),
        TokenChallenge::new("issuer.example", &[], "foo.example,bar.example"),
        TokenChallenge::new("issuer.example", &[], ""),
        TokenChallenge::new("issuer.example", &redemption, ""),
    ];
    for (made, vector) in challenges.into_iter().zip(vectors) {
        assert_eq!(made.unwrap().as_bytes(), vector.bytes("token_challenge"));
    }
    let empty = TokenChallenge::new("issuer.example", &[], "").unwrap();
    assert_eq!(challenge_digest("issuer.example").unwrap(), empty.digest());
    assert!(TokenChallenge::new("", &[], "").is_err());
    assert!(TokenChallenge::new("issuer.example", &[0; 31], "").is_err());
}

#[test]
fn what_is_our_own() {
    let rng = &mut ChaCha20Rng::seed_from_u64(7);
    let issuer = Issuer::generate(rng).unwrap();
    let digest = challenge_digest("letters.example").unwrap();
    let batch = PendingBatch::blind(issuer.public_key(), &digest, 2, rng).unwrap();
    let response = issuer.issue(&batch.request()).unwrap();
    let tokens = batch.finish(&response).unwrap();
    let week = KeyWeek::of(UnixTime(1_800_000_000));
    let token = |token: &Token| {
        json!({
            "token": hex(&*token.to_bytes()),
            "authorization": token.to_header(),
            "nullifier": hex(token.nullifier().0),
        })
    };
    let made = json!({
        "host": "letters.example",
        "token_challenge": hex(TokenChallenge::new("letters.example", &[], "").unwrap().as_bytes()),
        "challenge_digest": hex(digest.0),
        "issuer_secret": hex(issuer.secret().expose()),
        "issuer_key": hex(issuer.public_key().0),
        "token_key_id": hex(issuer.token_key_id().0),
        "token_request": hex(batch.request().to_bytes()),
        "token_response": hex(response.to_bytes()),
        "tokens": tokens.iter().map(token).collect::<Vec<_>>(),
        "week_begins": week.begins().0,
        "directory_digest": hex(directory_digest(week, issuer.public_key()).0),
    });
    compare("tokens", &made);
}
