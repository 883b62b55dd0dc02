//! By value: whether anything in a sealed request, or in the rows that it left, stands for a person
//! other than the recipient; as it is, in any encoding, or derived.

use super::super::{
    super::search::{Needle, Search},
    score::Case,
    watched::{Sealed, Watched},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use letterbox::db::Cell;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Something that is looked into: bytes of a request or of a row.
type Haystack = Vec<Vec<u8>>;

/// "Whose request is this?" One point for each value of somebody's that stands in it, in any of the
/// encodings that `search` knows, hashed ones included.
pub(crate) fn identifiers(watched: &Watched) -> Vec<Case> {
    let search = Search::new(watched.needles.iter().flatten());
    each(watched, |_, haystack| {
        let found = haystack.iter().flat_map(|bytes| search.find(bytes));
        // What is found says first whose it is.
        found.filter_map(|what| what.split('\'').next().and_then(|who| who.parse().ok())).collect()
    })
}

/// The same for values derived from somebody's: see [`derive`]. And for what two requests that
/// follow each other come to when their values are XORed.
pub(crate) fn derived(watched: &Watched) -> Vec<Case> {
    let plain: Vec<BTreeSet<Vec<u8>>> =
        (0..watched.needles.len()).map(|who| atoms(watched, who)).collect();
    let publics = publics(watched);
    let (mut marks, mut own) = (Marks::new(), Marks::new());
    for (who, atoms) in plain.iter().enumerate() {
        let mut add = |mark: Mark| {
            marks.entry(mark).or_default().insert(who);
        };
        atoms.iter().for_each(|atom| derive(atom, &publics, &mut add));
        xor_neighbours(&watched.needles[who], &mut add);
        for atom in atoms {
            own.entry(mark_of(atom)).or_default().insert(who);
        }
    }
    let before: BTreeMap<usize, Haystack> = watched
        .sealed
        .windows(2)
        .map(|pair| (pair[1].index, xored(&fields(watched, &pair[0]), &fields(watched, &pair[1]))))
        .collect();
    each(watched, |sealed, haystack| {
        let mut found = hits(haystack, &marks);
        found.extend(before.get(&sealed.index).into_iter().flat_map(|xored| hits(xored, &own)));
        found
    })
}

/// How many values of eight bytes or more stand in two sealed requests, other than what names the
/// recipient: with one, letters could be told to come from the same hand.
pub(crate) fn repeated(watched: &Watched) -> usize {
    let mut seen: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    for sealed in &watched.sealed {
        let own: BTreeSet<Vec<u8>> = fields(watched, sealed).into_iter().collect();
        for field in own.into_iter().filter(|field| field.len() >= 8) {
            *seen.entry(field).or_default() += 1;
        }
    }
    let named: BTreeSet<Vec<u8>> = watched.needles.iter().flatten().map(Needle::raw).collect();
    let twice = |(field, times): &(&Vec<u8>, &usize)| **times > 1 && !named.contains(*field);
    seen.iter().filter(twice).count()
}

/// Every sealed request but those that somebody sent to their own mailbox. A point for each time that
/// a person is found.
fn each(watched: &Watched, find: impl Fn(&Sealed, &Haystack) -> Vec<usize>) -> Vec<Case> {
    let mut cases = Vec::new();
    for sealed in &watched.sealed {
        let (sender, to) = (watched.lived.sender(sealed.index), recipient(watched, sealed));
        if sender == to {
            continue;
        }
        let candidates: Vec<usize> =
            (0..watched.needles.len()).filter(|candidate| *candidate != to).collect();
        let haystack = haystack(watched, sealed);
        let found = find(sealed, &haystack);
        let score = |who: usize| found.iter().filter(|found| **found == who).count() as f64;
        cases.push(Case::one_of(&candidates, sender, (sender, to), score));
    }
    cases
}

/// Whose mailbox or keys a request is about.
fn recipient(watched: &Watched, sealed: &Sealed) -> usize {
    let body = &watched.lived.seen[sealed.index].body;
    let body: Value = serde_json::from_str(body).expect("JSON");
    let phone = [&body["destination"], &body["phone"]].into_iter().find_map(Value::as_str);
    let phones = watched.lived.phones.iter();
    phones.into_iter().position(|known| Some(known.as_str()) == phone).expect("a known number")
}

fn haystack(watched: &Watched, sealed: &Sealed) -> Haystack {
    let seen = &watched.lived.seen[sealed.index];
    let texts = [&seen.path, &seen.token, &seen.body].map(|text| text.as_bytes().to_vec());
    let cells = sealed.cells.iter().map(|cell| match cell {
        Cell::Integer(number) => number.to_be_bytes().to_vec(),
        Cell::Time(time) => time.0.to_be_bytes().to_vec(),
        Cell::Text(text) => text.as_bytes().to_vec(),
        Cell::Bytes(bytes) => bytes.clone(),
        Cell::Null => Vec::new(),
    });
    texts.into_iter().chain(fields(watched, sealed)).chain(cells).collect()
}

/// The values in a request, decoded: the token and every string in the body.
fn fields(watched: &Watched, sealed: &Sealed) -> Haystack {
    let seen = &watched.lived.seen[sealed.index];
    let mut fields = Vec::new();
    let token = seen.token.split('"').nth(1).unwrap_or_default();
    fields.push(decoded(token));
    if let Ok(body) = serde_json::from_str(&seen.body) {
        leaves(&body, &mut fields);
    }
    fields
}

fn leaves(value: &Value, into: &mut Haystack) {
    match value {
        Value::String(text) => into.push(decoded(text)),
        Value::Array(items) => items.iter().for_each(|item| leaves(item, into)),
        Value::Object(map) => map.values().for_each(|item| leaves(item, into)),
        _ => {}
    }
}

fn decoded(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).unwrap_or_else(|_| text.as_bytes().to_vec())
}

/// What identifies this person and nobody else, and what their named requests say.
fn atoms(watched: &Watched, who: usize) -> BTreeSet<Vec<u8>> {
    let mut atoms: BTreeSet<Vec<u8>> = watched.needles[who].iter().map(Needle::raw).collect();
    let lived = &watched.lived;
    let named = lived.seen.iter().filter(|s| s.device.is_some_and(|d| lived.owners[d] == who));
    for seen in named {
        let mut said = Vec::new();
        if let Ok(body) = serde_json::from_str(&seen.body) {
            leaves(&body, &mut said);
        }
        said.extend(seen.path.split(['/', '?', '=', '&']).map(decoded));
        atoms.extend(said);
    }
    // What others hold as well (a path's words) says nothing of this person.
    let others = watched.needles.iter().enumerate().filter(|(other, _)| *other != who);
    let held: BTreeSet<Vec<u8>> = others.flat_map(|(_, n)| n.iter().map(Needle::raw)).collect();
    atoms.retain(|atom| atom.len() >= 12 && !held.contains(atom));
    atoms
}

/// Eight bytes by which a value is looked for.
type Mark = [u8; 8];
/// Whose values have which marks.
type Marks = HashMap<Mark, BTreeSet<usize>>;

fn mark_of(bytes: &[u8]) -> Mark {
    bytes[..8].try_into().expect("values of eight bytes at least")
}

/// What everybody knows: the host, names, all phone numbers, the day and the hour.
fn publics(watched: &Watched) -> Haystack {
    let hour = watched.lived.until / 3_600_000;
    let words = ["localhost", "letterbox", "letterbox/v1", ""].map(|word| word.as_bytes().to_vec());
    let phones = watched.lived.phones.iter().map(|phone| phone.as_bytes().to_vec());
    let times = (0..=3).flat_map(|back| {
        let (hour, day) = (hour - back, (hour - back) / 24);
        [hour.to_be_bytes().to_vec(), day.to_be_bytes().to_vec(), hour.to_string().into_bytes()]
    });
    words.into_iter().chain(phones).chain(times).collect()
}

/// Hashes of hashes, keyed hashes either way round and hashes of pairs with everything public; and
/// of each the four ways to cut eight bytes out of it.
fn derive(atom: &[u8], publics: &Haystack, add: &mut impl FnMut(Mark)) {
    let mut cut = |digest: &[u8]| digest.chunks_exact(8).for_each(|part| add(mark_of(part)));
    cut(&Sha256::digest(Sha256::digest(atom)));
    for public in publics {
        cut(&keyed(public, atom));
        cut(&keyed(atom, public));
        cut(&Sha256::digest([atom, public].concat()));
        cut(&Sha256::digest([public, atom].concat()));
    }
}

fn keyed(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes any key");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// XORs of values that stand beside each other among somebody's.
fn xor_neighbours(needles: &[Needle], add: &mut impl FnMut(Mark)) {
    for pair in needles.windows(2) {
        let (one, other) = (pair[0].raw(), pair[1].raw());
        if one.len() == other.len() && one.len() >= 12 && one != other {
            add(mark_of(&xor(&one, &other)));
        }
    }
}

fn xor(one: &[u8], other: &[u8]) -> Vec<u8> {
    one.iter().zip(other).map(|(a, b)| a ^ b).collect()
}

/// Every value of one request with every value of the other that is as long.
fn xored(one: &Haystack, other: &Haystack) -> Haystack {
    let mut all = Vec::new();
    for a in one.iter().filter(|a| a.len() >= 8) {
        all.extend(other.iter().filter(|b| b.len() == a.len() && *b != a).map(|b| xor(a, b)));
    }
    all
}

/// Whose marks stand in it, once for each time.
fn hits(haystack: &Haystack, marks: &Marks) -> Vec<usize> {
    let windows = haystack.iter().flat_map(|bytes| bytes.windows(8)).map(mark_of);
    windows.filter_map(|mark| marks.get(&mark)).flatten().copied().collect()
}

#[test]
fn a_planted_value_is_found_as_it_is_and_derived() {
    let person = Needle::bytes("a device", [7; 16]);
    let phone = b"+4915112300001".to_vec();
    let mut marks = Marks::new();
    derive(&person.raw(), &vec![phone.clone()], &mut |mark| {
        marks.insert(mark, BTreeSet::from([3]));
    });
    let tag = keyed(&person.raw(), &phone);
    let planted = vec![[&[0; 5], &tag[8..16], &[1; 5]].concat()];
    assert_eq!(hits(&planted, &marks), [3]);
    assert_eq!(hits(&vec![vec![9; 40]], &marks), [0; 0]);
    assert_eq!(xored(&vec![vec![1; 8]], &vec![vec![3; 8], vec![3; 9]]), vec![vec![2; 8]]);
}
