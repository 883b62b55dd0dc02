use super::*;
use rand::{SeedableRng, rngs::StdRng};
use webauthn_rs::prelude::{Passkey, Uuid, Webauthn, WebauthnBuilder, WebauthnResult};

fn origin() -> Url {
    Url::parse("http://localhost:8080").unwrap()
}

fn server() -> Webauthn {
    WebauthnBuilder::new("localhost", &origin()).unwrap().build().unwrap()
}

/// An authenticator, and what becomes of registering it while it behaves as told.
fn register(server: &Webauthn, quirks: Quirks) -> (Authenticator, WebauthnResult<Passkey>) {
    let mut rng = StdRng::seed_from_u64(1);
    let mut authenticator = Authenticator::new(&origin()).unwrap();
    authenticator.quirks = quirks;
    let (options, state) =
        server.start_passkey_registration(Uuid::from_u128(7), "phone", "phone", None).unwrap();
    let options = serde_json::to_value(options).unwrap();
    let answer = authenticator.create(&options, &mut rng).unwrap();
    let credential = serde_json::from_value(answer).unwrap();
    authenticator.quirks = Quirks::default();
    (authenticator, server.finish_passkey_registration(&credential, &state))
}

/// Signs in without saying who: the server finds the user by the handle.
fn sign_in(server: &Webauthn, who: &Authenticator, passkey: &mut Passkey) -> Result<(), String> {
    let (options, state) = server.start_discoverable_authentication().unwrap();
    let answer = who.get(&serde_json::to_value(options).unwrap()).unwrap();
    let credential = serde_json::from_value(answer).unwrap();
    let (user, id) = server.identify_discoverable_authentication(&credential).unwrap();
    assert_eq!((user, id), (Uuid::from_u128(7), passkey.cred_id().as_ref()));
    let result = server
        .finish_discoverable_authentication_v2(&credential, state, &*passkey)
        .map_err(|e| e.to_string())?;
    assert!(result.user_verified());
    passkey.update_credential(&result);
    Ok(())
}

#[test]
fn a_passkey_registers_and_signs_in_again_and_again() {
    let server = server();
    let (authenticator, passkey) = register(&server, Quirks::default());
    let mut passkey = passkey.unwrap();
    for _ in 0..3 {
        sign_in(&server, &authenticator, &mut passkey).unwrap();
    }
}

#[test]
fn registering_without_verification_on_a_wrong_origin_or_challenge_is_refused() {
    let server = server();
    let wrong = [
        Quirks { skip_verification: true, ..Quirks::default() },
        Quirks { origin: Some("https://elsewhere.example".into()), ..Quirks::default() },
        Quirks { challenge: Some(vec![0; 32]), ..Quirks::default() },
    ];
    for quirks in wrong {
        assert!(register(&server, quirks).1.is_err());
    }
}

#[test]
fn signing_in_without_verification_on_a_wrong_origin_or_challenge_is_refused() {
    let server = server();
    let (mut authenticator, passkey) = register(&server, Quirks::default());
    let mut passkey = passkey.unwrap();
    let wrong = [
        Quirks { skip_verification: true, ..Quirks::default() },
        Quirks { origin: Some("https://elsewhere.example".into()), ..Quirks::default() },
        Quirks { challenge: Some(vec![0; 32]), ..Quirks::default() },
    ];
    for quirks in wrong {
        authenticator.quirks = quirks;
        assert!(sign_in(&server, &authenticator, &mut passkey).is_err());
    }
    authenticator.quirks = Quirks::default();
    sign_in(&server, &authenticator, &mut passkey).unwrap();
}

#[test]
fn a_copied_passkey_whose_counter_falls_behind_is_refused() {
    let server = server();
    let (authenticator, passkey) = register(&server, Quirks::default());
    let mut passkey = passkey.unwrap();
    let copy = authenticator.copied();
    for _ in 0..2 {
        sign_in(&server, &authenticator, &mut passkey).unwrap();
    }
    assert!(sign_in(&server, &copy, &mut passkey).is_err());
}

#[test]
fn a_browser_offers_no_passkey_to_another_relying_party() {
    let (authenticator, _) = register(&server(), Quirks::default());
    let foreign = json!({ "publicKey": { "rpId": "example.org", "challenge": "AAAA" } });
    assert!(matches!(authenticator.get(&foreign), Err(PasskeyError::RelyingParty)));
}

#[test]
fn debug_shows_no_key_and_no_identifier() {
    let (authenticator, _) = register(&server(), Quirks::default());
    assert_eq!(format!("{authenticator:?}"), "Authenticator { passkeys: 1 }");
}
