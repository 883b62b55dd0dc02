//! Holds `web/src/engine.ts` to the engine's interface: writes a sample of every input, request,
//! event and view as TypeScript, which the type checker then reads against the mirror.
//!
//! `UPDATE_SAMPLES=1 cargo test -p letterbox-wasm` writes the file anew.

#![allow(clippy::expect_used, reason = "a test that cannot write its samples has failed")]

use letterbox_protocol::engine::{
    AccountView, ContactView, ContentView, Event, FailReason, FindOutcome, Half, Input,
    LetterState, LetterView, Request, Snapshot, Standing, TEXT_LIMIT, WaitReason,
};
use letterbox_protocol::types::{Bytes, Phone};
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
        | Input::DeleteConversation { .. } => {}
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
        | Event::Found { .. } => {}
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
    let mut letters: Vec<_> = states.into_iter().map(|state| letter(text(), state)).collect();
    letters.push(letter(ContentView::Newer, LetterState::Received));
    letters
}

fn contact(standing: Standing, last: Option<LetterView>) -> ContactView {
    let (name, unread, identity_changed) = ("Ada".into(), 3, false);
    ContactView { id: id(1), phone: phone(), name, standing, unread, last, identity_changed }
}

fn contacts() -> Vec<ContactView> {
    let standings = [Standing::Accepted, Standing::Request, Standing::Blocked];
    let mut contacts: Vec<_> = standings.map(|standing| contact(standing, None)).into();
    contacts.push(contact(Standing::Accepted, letters().pop()));
    contacts
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
    ];
    events.extend(contacts().into_iter().map(|contact| Event::Contact { contact }));
    events.extend(letters().into_iter().map(|letter| Event::Letter { letter }));
    events
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
        },
        Request {
            id: id(3),
            half: Half::Account,
            method: "GET",
            path: path(),
            authorization: None,
            body: None,
        },
    ]
}

fn constant(name: &str, kind: &str, value: &impl Serialize) -> String {
    let json = serde_json::to_string_pretty(value).expect("JSON");
    format!("export const {name}: {kind} = {json}\n\n")
}

#[test]
fn samples_for_the_type_checker_are_current() {
    inputs().iter().for_each(is_sampled);
    events().iter().for_each(is_heard);
    let snapshot = Snapshot { account: Some(account()), contacts: contacts() };
    let written = [
        "// Written by web/wasm/tests/interface.rs; do not edit.\n".to_owned(),
        "import type { EngineRequest, Event, Input, Snapshot } from '../../src/engine.ts'\n\n"
            .to_owned(),
        constant("inputs", "Input[]", &inputs()),
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
