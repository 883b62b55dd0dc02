//! Holds `web/src/engine.ts` to the engine's interface: writes a sample of every input, request,
//! event and view as TypeScript, which the type checker then reads against the mirror.
//!
//! `UPDATE_SAMPLES=1 cargo test -p letterbox-wasm` writes the file anew.

#![allow(clippy::expect_used, reason = "a test that cannot write its samples has failed")]

use letterbox_protocol::engine::{
    AccountView, ContactView, ContentView, DeviceView, Event, FailReason, FindOutcome, Half, Input,
    KeysView, LetterQuery, LetterRecord, LetterState, LetterView, LinkEnd, LinkView, Millis,
    RecoveryMethod, Request, Safety, Snapshot, Standing, TEXT_LIMIT, WaitReason,
};
use letterbox_protocol::types::{Blob, Bytes, Phone};
use serde::Serialize;
use std::{fs, path::Path};

type Id = Bytes<16>;

fn id(n: u8) -> Id {
    Bytes([n; 16])
}

fn phone() -> Phone {
    "+491511234567".parse().expect("a phone number")
}

fn inputs() -> Vec<Input> {
    let (contact, letter, key) = (id(1), id(2), "letter/a/b".to_owned());
    vec![
        Input::Resume,
        Input::CreateAccount { phone: phone(), device_name: "Chrome on Linux".into() },
        Input::SignedIn,
        Input::LiveOpened,
        Input::LiveClosed,
        Input::LiveFrame { text: "{}".into() },
        Input::Response { request: id(3), status: 202, retry_after: Some(9), body: String::new() },
        Input::NoAnswer { request: id(3) },
        Input::Tick,
        Input::FindContact { phone: phone() },
        Input::SendText { contact, text: "hello".into() },
        Input::RetryLetter { contact, letter },
        Input::DeleteLetter { contact, letter, key },
        Input::MarkRead { contact },
        Input::NameContact { contact, name: "Ada".into() },
        Input::AcceptContact { contact },
        Input::BlockContact { contact, blocked: true },
        Input::DeleteConversation { contact },
        Input::TouchDeclined { request: id(3) },
        Input::VerifyContact { contact, code: Some("letterbox-safety:2:AA".into()) },
        Input::AcceptIdentity { contact },
        Input::SetReceipts { on: true },
        Input::RotateKeys,
        Input::CancelReset,
        Input::DeleteAccount,
    ]
}

fn device_inputs() -> Vec<Input> {
    let device = id(4);
    let record = LetterRecord { key: "letter/a/b".into(), value: Blob(vec![1, 2, 3]) };
    vec![
        Input::RenameDevice { device, name: "Telephone".into() },
        Input::RevokeDevice { device, lost: true },
        Input::OfferLink { device_name: "Chrome on Linux".into() },
        Input::EnterLinkDigits { digits: "123456".into() },
        Input::CompleteLink,
        Input::ApproveLink { code: "0123 4567 89AB CDEF".into() },
        Input::CancelLink,
        Input::ShareHistory { device, since: Some(1_700_000_000_000) },
        Input::ShareHistory { device, since: None },
        Input::LettersRead { job: id(5), letters: vec![record], next: Some("letter/a/b".into()) },
        Input::SetRecovery { key: Bytes([6; 32]), method: RecoveryMethod::Passkey },
        Input::Recover { secret: Bytes([7; 32]), method: RecoveryMethod::Code, info: "{}".into() },
        Input::RenewDevice,
    ]
}

/// A new variant does not compile here: add a sample of it above, and its mirror in `engine.ts`.
fn is_sampled(input: &Input) {
    match input {
        Input::Resume
        | Input::CreateAccount { .. }
        | Input::SignedIn
        | Input::LiveOpened
        | Input::LiveClosed
        | Input::LiveFrame { .. }
        | Input::Response { .. }
        | Input::NoAnswer { .. }
        | Input::Tick
        | Input::FindContact { .. }
        | Input::SendText { .. }
        | Input::RetryLetter { .. }
        | Input::DeleteLetter { .. }
        | Input::MarkRead { .. }
        | Input::NameContact { .. }
        | Input::AcceptContact { .. }
        | Input::BlockContact { .. }
        | Input::DeleteConversation { .. }
        | Input::TouchDeclined { .. }
        | Input::VerifyContact { .. }
        | Input::AcceptIdentity { .. }
        | Input::SetReceipts { .. }
        | Input::RotateKeys
        | Input::RenameDevice { .. }
        | Input::RevokeDevice { .. }
        | Input::OfferLink { .. }
        | Input::EnterLinkDigits { .. }
        | Input::CompleteLink
        | Input::ApproveLink { .. }
        | Input::CancelLink
        | Input::ShareHistory { .. }
        | Input::LettersRead { .. }
        | Input::SetRecovery { .. }
        | Input::Recover { .. }
        | Input::RenewDevice
        | Input::CancelReset
        | Input::DeleteAccount => {}
    }
}

/// The same for events.
fn is_heard(event: &Event) {
    match event {
        Event::AccountReady { .. }
        | Event::AccountRefused { .. }
        | Event::DeviceReady
        | Event::SignInNeeded
        | Event::DeviceUnknown
        | Event::KeysAltered
        | Event::KeysIntact
        | Event::CaughtUp
        | Event::Contact { .. }
        | Event::ContactRemoved { .. }
        | Event::Letter { .. }
        | Event::LetterRemoved { .. }
        | Event::Found { .. }
        | Event::FindWaits { .. }
        | Event::Devices { .. }
        | Event::Keys { .. }
        | Event::Link { .. }
        | Event::Reset { .. }
        | Event::IdentityReplaced
        | Event::ListDisputed { .. }
        | Event::TokenKeysDisputed { .. }
        | Event::VaultOutdated
        | Event::Recovered { .. }
        | Event::RecoveryRefused
        | Event::AccountDeleted
        | Event::LettersWanted { .. }
        | Event::HistorySent { .. }
        | Event::HistoryReceived { .. } => {}
    }
}

fn letter(content: ContentView, state: LetterState) -> LetterView {
    let key = "letter/a/b".to_owned();
    LetterView {
        key,
        id: id(2),
        contact: id(1),
        outgoing: true,
        at: 1_700_000_000_000,
        content,
        state,
    }
}

fn letters() -> Vec<LetterView> {
    let text = || ContentView::Text { text: "hello".into() };
    let waits = [
        WaitReason::AllDormant,
        WaitReason::MailboxFull,
        WaitReason::TooManyRequests,
        WaitReason::ListMoving,
        WaitReason::IdentityChanged,
        WaitReason::NoTokens,
    ];
    let fails = [
        FailReason::NoSuchMailbox,
        FailReason::IdentityChanged,
        FailReason::KeysRefused,
        FailReason::Refused,
    ];
    let mut states = vec![LetterState::Waiting { reason: None }];
    states.extend(waits.map(|reason| LetterState::Waiting { reason: Some(reason) }));
    states.extend([LetterState::Sending, LetterState::Sent, LetterState::Received]);
    states.extend(fails.map(|reason| LetterState::Failed { reason }));
    states.extend([false, true].map(|read| LetterState::Confirmed { read }));
    let mut letters: Vec<_> = states.into_iter().map(|state| letter(text(), state)).collect();
    letters.push(letter(ContentView::Newer, LetterState::Received));
    letters.push(letter(ContentView::IdentityChanged, LetterState::Received));
    letters
}

fn contact(standing: Standing, safety: Safety, last: Option<LetterView>) -> ContactView {
    ContactView {
        id: id(1),
        phone: phone(),
        name: "Ada".into(),
        standing,
        unread: 3,
        last,
        safety,
        safety_number: "01234 56789".repeat(6),
        safety_code: "letterbox-safety:2:AAAA".into(),
    }
}

fn contacts() -> Vec<ContactView> {
    let standings = [Standing::Accepted, Standing::Request, Standing::Blocked];
    let sure =
        [Safety::Unverified, Safety::Verified, Safety::Changed, Safety::ChangedAfterVerification];
    let mut contacts: Vec<_> =
        standings.map(|standing| contact(standing, Safety::Unverified, None)).into();
    contacts.extend(sure.map(|safety| contact(Standing::Accepted, safety, letters().pop())));
    contacts
}

fn devices() -> Vec<DeviceView> {
    let device = |n, name, this| DeviceView {
        id: id(n),
        name,
        this,
        created_on: 1_700_000_000,
        last_used_on: 1_700_000_000,
        dormant: !this,
        recoverable: this,
    };
    vec![device(4, Some("Chrome on Linux".into()), true), device(5, None, false)]
}

fn keys(checked_at: Option<Millis>, recovery: Option<RecoveryMethod>) -> KeysView {
    KeysView {
        identity_fingerprint: id(6),
        messaging_version: 2,
        messaging_since: 1_700_000_000_000,
        list_version: 3,
        list_since: 1_700_000_000_000,
        signed_prekey: 4,
        signed_prekey_since: 1_700_000_000_000,
        one_time_prekeys: checked_at.map(|_| 80),
        sessions: 5,
        checked_at,
        recovery,
        rotating: true,
        receipts: false,
    }
}

fn links() -> Vec<LinkView> {
    let ends = [
        LinkEnd::Cancelled,
        LinkEnd::Expired,
        LinkEnd::WrongCode,
        LinkEnd::WrongDigits,
        LinkEnd::Declined,
        LinkEnd::TooManyDevices,
        LinkEnd::ListMoved,
        LinkEnd::Refused,
    ];
    let mut links = vec![
        LinkView::Offered { code: "0123 4567 89AB CDEF".into(), expires_at: 1_700_000_600_000 },
        LinkView::DigitsNeeded { tries: 3 },
        LinkView::DigitsSent { tries: 2 },
        LinkView::Approved { link: id(7), phone: phone() },
        LinkView::Searching,
        LinkView::ShowDigits { digits: "123456".into(), tries: 3 },
        LinkView::Approving,
        LinkView::Completing,
        LinkView::Linked { device: id(5) },
    ];
    links.extend(ends.map(|reason| LinkView::Ended { reason }));
    links
}

/// The same for links and their ends, of which Rust would not notice that a sample is missing.
fn is_shown(link: &LinkView) {
    match link {
        LinkView::Offered { .. }
        | LinkView::DigitsNeeded { .. }
        | LinkView::DigitsSent { .. }
        | LinkView::Approved { .. }
        | LinkView::Searching
        | LinkView::ShowDigits { .. }
        | LinkView::Approving
        | LinkView::Completing
        | LinkView::Linked { .. } => {}
        LinkView::Ended { reason } => match reason {
            LinkEnd::Cancelled
            | LinkEnd::Expired
            | LinkEnd::WrongCode
            | LinkEnd::WrongDigits
            | LinkEnd::Declined
            | LinkEnd::TooManyDevices
            | LinkEnd::ListMoved
            | LinkEnd::Refused => {}
        },
    }
}

fn account() -> AccountView {
    AccountView { phone: phone(), device_name: "Chrome on Linux".into(), published: true }
}

fn events() -> Vec<Event> {
    let found = |outcome| Event::Found { phone: phone(), outcome };
    let mut events = vec![
        Event::AccountReady { account: account() },
        Event::AccountRefused { problem: "/problems/phone-taken".into() },
        Event::DeviceReady,
        Event::SignInNeeded,
        Event::DeviceUnknown,
        Event::KeysAltered,
        Event::KeysIntact,
        Event::CaughtUp,
        Event::ContactRemoved { contact: id(1) },
        Event::LetterRemoved { contact: id(1), letter: id(2) },
        found(FindOutcome::Found { contact: id(1) }),
        found(FindOutcome::NoSuchMailbox),
        found(FindOutcome::Unreachable),
        found(FindOutcome::Refused),
        Event::FindWaits { phone: phone() },
    ];
    events.extend(contacts().into_iter().map(|contact| Event::Contact { contact }));
    events.extend(letters().into_iter().map(|letter| Event::Letter { letter }));
    events.extend(links().into_iter().map(|link| Event::Link { link }));
    events.extend(device_events());
    events
}

fn device_events() -> Vec<Event> {
    let (job, device, key) = (id(5), id(4), "letter/a/b".to_owned());
    vec![
        Event::Devices { devices: devices() },
        Event::Keys { keys: keys(Some(1_700_000_000_000), Some(RecoveryMethod::Passkey)) },
        Event::Keys { keys: keys(None, Some(RecoveryMethod::Code)) },
        Event::Keys { keys: keys(None, None) },
        Event::Reset { ends_at: Some(1_700_000_000_000) },
        Event::Reset { ends_at: None },
        Event::IdentityReplaced,
        Event::ListDisputed { contact: id(1) },
        Event::TokenKeysDisputed { contact: Some(id(1)) },
        Event::TokenKeysDisputed { contact: None },
        Event::VaultOutdated,
        Event::Recovered { account: account() },
        Event::RecoveryRefused,
        Event::AccountDeleted,
        Event::LettersWanted { job, query: LetterQuery::Keys { keys: vec![key.clone()] } },
        Event::LettersWanted { job, query: LetterQuery::All { after: None, bytes: 60_000 } },
        Event::LettersWanted { job, query: LetterQuery::All { after: Some(key), bytes: 60_000 } },
        Event::HistorySent { device, letters: 7, done: false },
        Event::HistoryReceived { letters: 7, done: true },
    ]
}

fn requests() -> Vec<Request> {
    let authorization = Some("PrivateToken token=\"t\"".to_owned());
    let path = || "/v1/sealed/lookup".to_owned();
    let body = Some("{}".to_owned());
    vec![
        Request {
            id: id(3),
            half: Half::Sealed,
            method: "POST",
            path: path(),
            authorization,
            body,
            touch: false,
        },
        Request {
            id: id(3),
            half: Half::Account,
            method: "GET",
            path: path(),
            authorization: None,
            body: None,
            touch: true,
        },
    ]
}

fn constant(name: &str, kind: &str, value: &impl Serialize) -> String {
    let json = serde_json::to_string_pretty(value).expect("JSON");
    format!("export const {name}: {kind} = {json}\n\n")
}

#[test]
fn samples_for_the_type_checker_are_current() {
    let inputs = [inputs(), device_inputs()].concat();
    inputs.iter().for_each(is_sampled);
    events().iter().for_each(is_heard);
    links().iter().for_each(is_shown);
    let snapshot = Snapshot {
        account: Some(account()),
        contacts: contacts(),
        devices: devices(),
        keys: Some(keys(None, None)),
        link: links().pop(),
        reset_ends_at: None,
        outdated: false,
    };
    let written = [
        "// Written by web/wasm/tests/interface.rs; do not edit.\n".to_owned(),
        "import type { EngineRequest, Event, Input, Snapshot } from '../../src/engine.ts'\n\n"
            .to_owned(),
        constant("inputs", "Input[]", &inputs),
        constant("requests", "EngineRequest[]", &requests()),
        constant("events", "Event[]", &events()),
        constant("snapshot", "Snapshot", &snapshot),
        constant("textLimit", "number", &TEXT_LIMIT),
    ]
    .concat();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../test/fixtures/samples.ts");
    if std::env::var_os("UPDATE_SAMPLES").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("the fixtures' folder");
        fs::write(&path, &written).expect("the samples are written");
    }
    let stored = fs::read_to_string(&path).expect("the samples are there");
    assert_eq!(stored, written, "run UPDATE_SAMPLES=1 cargo test -p letterbox-wasm");
}
