//! A browser becomes a device of somebody who has one, and every way in which it must not.

use crate::support::{
    databases::on_both_engines,
    person::{Device, Person},
    process::ServerProcess,
};
use letterbox::{client::ClientError, db::Db};
use letterbox_protocol::engine::{Event, Input, LinkEnd, LinkView};

const ANN: &str = "+4915112345601";

/// What comes of a link that the new browser was to complete.
fn end_of<T: std::fmt::Debug>(joining: Result<T, ClientError>) -> LinkEnd {
    match joining {
        Err(ClientError::LinkEnded(reason)) => reason,
        other => panic!("the link did not end: {other:?}"),
    }
}

/// A wrong guess of these digits; another one for every number.
fn other_than(digits: &str, guess: u32) -> String {
    let digits: u32 = digits.parse().expect("digits");
    format!("{:06}", (digits + guess) % 1_000_000)
}

/// Nothing of the account has reached the browser, and nobody was added.
async fn nothing_came_of_it(db: &Db, browser: &Person) {
    let dump = browser.vault.dump();
    let kinds = ["account", "messaging/", "own-list/", "link"];
    let found: Vec<&str> = dump.iter().map(|(key, _)| key.as_str()).collect();
    assert!(!found.iter().any(|key| kinds.iter().any(|kind| key.starts_with(kind))), "{found:?}");
    for table in ["webauthn_credentials", "device_keys", "signed_prekeys"] {
        assert_eq!(db.dump(table).await.expect("a table").rows.len(), 1, "{table}");
    }
}

async fn tell_digits(device: &mut Device, digits: &str) {
    device.tell(Input::EnterLinkDigits { digits: digits.to_owned() });
    let sent = |event: &Event| {
        matches!(event, Event::Link { link: LinkView::DigitsSent { .. } }).then_some(())
    };
    device.next("the digits to be taken", sent).await.expect("taken");
}

/// How many tries the device that shows the digits says are left.
async fn tries_left(device: &mut Device) -> u8 {
    let tries = |event: &Event| match event {
        Event::Link { link: LinkView::ShowDigits { tries, .. } } => Some(*tries),
        _ => None,
    };
    device.next("the tries", tries).await.expect("a wrong try is told")
}

on_both_engines! {
    async fn a_linked_browser_is_a_device_that_comes_back_by_its_own_passkey(db) {
        let server = ServerProcess::start(&db.url, &[]).await;
        let (ann, mut device) = Person::sign_up(&server, ANN, 1).await;
        let (mut second, new) = ann.link(&mut device, 2).await;
        drop(new);
        let mut new = second.sign_in().await;
        let (_third, _) = second.link(&mut new, 3).await;
        for table in ["webauthn_credentials", "device_keys", "signed_prekeys"] {
            assert_eq!(db.dump(table).await.expect("a table").rows.len(), 3, "{table}");
        }
        assert!(db.dump("device_links").await.expect("a table").rows.is_empty());
    }

    async fn signing_in_alone_adds_nothing(db) {
        let server = ServerProcess::start(&db.url, &[]).await;
        let (ann, _device) = Person::sign_up(&server, ANN, 1).await;
        // A provider synced the passkey to another machine.
        let mut browser = ann.browser(2);
        browser.passkey = ann.passkey.clone();
        let mut other = browser.open();
        other.show_passkey(&browser.passkey).await.expect("signed in");
        other.tell(Input::SignedIn);
        nothing_came_of_it(&db, &browser).await;
        let code = other.offer_link("the other machine").await.expect("it can be offered");
        assert_eq!(code.replace(' ', "").len(), 16);
    }

    async fn an_expired_offer_links_nobody(db) {
        let server = ServerProcess::start(&db.url, &[]).await;
        let (ann, mut device) = Person::sign_up(&server, ANN, 1).await;
        let mut browser = ann.browser(2);
        let mut new = browser.open();
        let code = new.offer_link("too slow").await.expect("a code");
        let digits = device.approve_link(&code).await.expect("digits");
        browser.pass(600_000);
        new.tell(Input::Tick);
        assert_eq!(new.link_ended().await.expect("ended"), LinkEnd::Expired);
        new.tell(Input::EnterLinkDigits { digits });
        nothing_came_of_it(&db, &browser).await;
    }

    async fn wrong_digits_thrice_end_the_link(db) {
        let server = ServerProcess::start(&db.url, &[]).await;
        let (ann, mut device) = Person::sign_up(&server, ANN, 1).await;
        let mut browser = ann.browser(2);
        let mut new = browser.open();
        let code = new.offer_link("guessing").await.expect("a code");
        let digits = device.approve_link(&code).await.expect("digits");
        for left in [2, 1] {
            tell_digits(&mut new, &other_than(&digits, left.into())).await;
            assert_eq!(tries_left(&mut device).await, left);
        }
        tell_digits(&mut new, &other_than(&digits, 3)).await;
        assert_eq!(device.link_ended().await.expect("ended"), LinkEnd::WrongDigits);
        // The right ones come too late.
        new.tell(Input::EnterLinkDigits { digits });
        let browser_ends = new.link_ended();
        let silent = tokio::time::timeout(std::time::Duration::from_secs(5), browser_ends).await;
        assert!(!matches!(silent, Ok(Err(_))), "{silent:?}");
        for table in ["webauthn_credentials", "device_keys", "signed_prekeys"] {
            assert_eq!(db.dump(table).await.expect("a table").rows.len(), 1, "{table}");
        }
    }

    async fn one_wrong_try_is_forgiven(db) {
        let server = ServerProcess::start(&db.url, &[]).await;
        let (ann, mut device) = Person::sign_up(&server, ANN, 1).await;
        let mut browser = ann.browser(2);
        let mut new = browser.open();
        let code = new.offer_link("mistyped").await.expect("a code");
        let digits = device.approve_link(&code).await.expect("digits");
        tell_digits(&mut new, &other_than(&digits, 1)).await;
        assert_eq!(tries_left(&mut device).await, 2);
        browser.join(&mut new, &digits).await.expect("a new device");
        device.linked().await.expect("linked");
    }

    /// Somebody shows their own code where the person's new browser should show its own, so that
    /// the account's device answers them; they cannot see the digits.
    async fn a_swapped_code_gives_its_owner_nothing(db) {
        let server = ServerProcess::start(&db.url, &[]).await;
        let (ann, mut device) = Person::sign_up(&server, ANN, 1).await;
        let (mut honest, mut thief) = (ann.browser(2), ann.browser(3));
        let (mut new, mut strange) = (honest.open(), thief.open());
        new.offer_link("hers").await.expect("a code");
        let swapped = strange.offer_link("the thief's").await.expect("a code");
        let digits = device.approve_link(&swapped).await.expect("digits");
        // She types what her device shows into her own browser, whose offer nobody took up.
        tell_digits(&mut new, &digits).await;
        let wait = tokio::time::timeout(std::time::Duration::from_secs(5), device.linked()).await;
        assert!(wait.is_err(), "no device follows: {wait:?}");
        device.tell(Input::CancelLink);
        assert_eq!(device.link_ended().await.expect("ended"), LinkEnd::Cancelled);
        for browser in [&honest, &thief] {
            let keys: Vec<String> = browser.vault.dump().into_iter().map(|(key, _)| key).collect();
            assert!(!keys.iter().any(|key| key.starts_with("account")), "{keys:?}");
        }
        assert_eq!(db.dump("webauthn_credentials").await.expect("a table").rows.len(), 1);
    }

    /// A phished code: the device shows digits, and nobody types them anywhere.
    async fn digits_typed_nowhere_send_nothing(db) {
        let server = ServerProcess::start(&db.url, &[]).await;
        let (ann, mut device) = Person::sign_up(&server, ANN, 1).await;
        let mut thief = ann.browser(2);
        let mut strange = thief.open();
        let code = strange.offer_link("the thief's").await.expect("a code");
        device.approve_link(&code).await.expect("digits");
        let wait = tokio::time::timeout(std::time::Duration::from_secs(5), device.linked()).await;
        assert!(wait.is_err(), "no device follows: {wait:?}");
        let link = db.dump("device_links").await.expect("a table");
        let answer = link.columns.iter().position(|name| name == "answer").expect("a column");
        assert!(link.rows.iter().all(|row| row[answer] == letterbox::db::Cell::Null));
        drop(strange);
        assert_eq!(db.dump("webauthn_credentials").await.expect("a table").rows.len(), 1);
    }

    async fn a_declined_touch_links_nobody(db) {
        let server = ServerProcess::start(&db.url, &[]).await;
        let (ann, mut device) = Person::sign_up(&server, ANN, 1).await;
        let mut browser = ann.browser(2);
        let mut new = browser.open();
        let code = new.offer_link("not wanted after all").await.expect("a code");
        let digits = device.approve_link(&code).await.expect("digits");
        ann.link.touch_with(None);
        tell_digits(&mut new, &digits).await;
        assert_eq!(device.link_ended().await.expect("ended"), LinkEnd::Declined);
        new.tell(Input::CancelLink);
        assert_eq!(new.link_ended().await.expect("ended"), LinkEnd::Cancelled);
        nothing_came_of_it(&db, &browser).await;
    }

    async fn a_mistyped_code_finds_nobody(db) {
        let server = ServerProcess::start(&db.url, &[]).await;
        let (_ann, mut device) = Person::sign_up(&server, ANN, 1).await;
        let wrong = [("0000 0000 0000", LinkEnd::WrongCode), ("0000 0000 0000 0000", LinkEnd::Expired)];
        for (code, reason) in wrong {
            assert_eq!(end_of(device.approve_link(code).await), reason, "{code}");
        }
    }
}
