use super::*;
use crate::db::SWEEPS;
use std::collections::BTreeSet;

fn manifest() -> Manifest {
    Manifest::load().unwrap()
}

#[test]
fn it_reads_and_every_word_of_it_is_known() {
    assert_eq!(manifest().version, 1);
    let more = TEXT.replacen("purpose =", "porpoise =", 1);
    assert!(Manifest::parse(&more).is_err(), "a misspelt key is no key");
}

#[test]
fn nothing_is_left_unsaid() {
    let manifest = manifest();
    let mut texts = Vec::new();
    for table in &manifest.tables {
        texts.extend([
            &table.name,
            &table.area,
            &table.purpose,
            &table.retention,
            &table.readers,
            &table.infer,
        ]);
        texts.extend(
            table.columns.iter().flat_map(|column| [&column.name, &column.kind, &column.purpose]),
        );
        texts.extend(table.indexes.iter().flat_map(|index| [&index.name, &index.purpose]));
    }
    texts.extend(
        manifest
            .endpoints
            .iter()
            .flat_map(|e| [&e.call, &e.half, &e.purpose, &e.readers, &e.infer]),
    );
    texts.extend(
        manifest
            .headers
            .iter()
            .flat_map(|h| [&h.name, &h.purpose, &h.retention, &h.readers, &h.infer]),
    );
    texts.extend(
        manifest
            .log_fields
            .iter()
            .flat_map(|f| [&f.name, &f.level, &f.purpose, &f.retention, &f.infer]),
    );
    texts.extend(
        manifest
            .metrics
            .iter()
            .flat_map(|m| [&m.name, &m.kind, &m.purpose, &m.retention, &m.infer]),
    );
    assert!(texts.len() > 500);
    assert!(texts.iter().all(|text| !text.trim().is_empty()));
    assert!(texts.iter().all(|text| !text.contains('|')), "they stand in tables");
}

#[test]
fn nothing_is_named_twice() {
    fn once<T: Ord + std::fmt::Debug>(names: impl IntoIterator<Item = T>) {
        let mut seen = BTreeSet::new();
        for name in names {
            let shown = format!("{name:?}");
            assert!(seen.insert(name), "{shown} is named twice");
        }
    }
    let manifest = manifest();
    once(manifest.tables.iter().map(|table| &table.name));
    once(manifest.tables.iter().flat_map(|t| t.columns.iter().map(|c| (&t.name, &c.name))));
    once(manifest.tables.iter().flat_map(|table| table.indexes.iter().map(|index| &index.name)));
    once(manifest.endpoints.iter().map(|endpoint| &endpoint.call));
    once(manifest.headers.iter().map(|header| (&header.name, header.way as u8)));
    once(manifest.log_fields.iter().map(|field| &field.name));
    once(manifest.metrics.iter().map(|metric| &metric.name));
}

#[test]
fn every_stored_time_says_what_it_is_rounded_to() {
    for table in manifest().tables {
        for column in table.columns {
            let is_time = matches!(column.kind.as_str(), "TIMESTAMPTZ" | "DATE");
            assert_eq!(is_time, column.time.is_some(), "{}.{}", table.name, column.name);
            assert!(column.time.is_some() || column.days_ago.is_none());
            assert!(column.kind != "DATE" || column.time == Some(Bucket::Day));
        }
    }
}

#[test]
fn what_it_refers_to_is_in_it() {
    let manifest = manifest();
    for table in &manifest.tables {
        let known = |name: &str| assert!(table.column(name).is_some(), "{}.{name}", table.name);
        table.of.iter().for_each(|of| known(&of.column));
        table.ends.iter().for_each(|name| known(name));
        table.indexes.iter().flat_map(|index| &index.columns).for_each(|name| known(name));
        for expiry in &table.expiry {
            known(&expiry.column);
            let others = [
                &expiry.as_long_again_as_since,
                &expiry.where_false,
                &expiry.where_set,
                &expiry.where_empty,
            ];
            others.into_iter().flatten().for_each(|name| known(name));
        }
        for column in &table.columns {
            assert!(column.once.is_none() || table.of.is_some(), "{}: whose mailbox?", table.name);
            let mut others = column.references.iter().chain(&column.leads).chain(&column.up_to);
            assert!(others.all(|to| manifest.table(to).is_some()));
        }
    }
    let tables = manifest.endpoints.iter().flat_map(|endpoint| &endpoint.writes);
    assert!(tables.chain(&manifest.forbidden.apart).all(|name| manifest.table(name).is_some()));
}

/// No column takes just any text, or any number of those that have few.
#[test]
fn every_text_has_its_words_form_or_keys() {
    for table in manifest().tables {
        for column in &table.columns {
            let (name, numbers) = (format!("{}.{}", table.name, column.name), &column.numbers);
            let texts = [column.values.is_some(), column.form.is_some(), column.keys.is_some()];
            let is_text = matches!(column.kind.as_str(), "TEXT" | "VARCHAR(20)");
            assert_eq!(
                texts.into_iter().filter(|said| *said).count(),
                usize::from(is_text),
                "{name}"
            );
            assert!(column.kind != "SMALLINT" || numbers.is_some(), "{name}");
            let plain = |key: &String| key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            assert!(column.keys.iter().flatten().all(plain), "{name}");
        }
    }
}

/// A name that goes into a statement is one that needs no quoting anywhere.
#[test]
fn names_are_plain() {
    let plain = |name: &String| {
        name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    for table in manifest().tables {
        assert!(plain(&table.name));
        assert!(table.columns.iter().all(|column| plain(&column.name)));
    }
}

/// The server's sweep removes what the audit would find, no sooner and no later.
#[test]
fn retention_is_what_the_sweep_keeps_to() {
    let manifest = manifest();
    let declared: BTreeSet<(String, String, i64)> = manifest
        .tables
        .iter()
        .flat_map(|table| {
            table.expiry.iter().map(|e| (table.name.clone(), e.column.clone(), e.minutes * 60))
        })
        .collect();
    let swept: BTreeSet<(String, String, i64)> = SWEEPS
        .iter()
        .map(|(delete, grace)| {
            let table = delete.split_whitespace().nth(2).unwrap();
            let column = manifest.table(table).unwrap().expiry[0].column.clone();
            assert!(delete.contains(&column), "{delete}");
            (table.to_owned(), column, *grace)
        })
        .collect();
    assert_eq!(declared, swept);
}
