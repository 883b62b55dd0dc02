//! `docs/schema.md`: the manifest beside what two live databases say of themselves.

use super::manifest::{Column, Form, Key, Manifest, Table, Way};
use crate::db::{Schema, TableShape};
use std::fmt::Write as _;

const HEAD: &str = "\
# Schema

Everything that the server stores, logs, counts, reads from a request, says in an answer, or can be
asked: what it is for, how long it stays, who reads it, and what somebody who sees all of it can infer.

This page is generated from the privacy manifest (`src/audit/manifest.toml`) and from the live schemas
of both databases; a test compares it, and `UPDATE_DOCS=1 cargo test --test tests the_page_is_current`
writes it anew. `letterbox audit` compares a running database with the same manifest
([auditing](auditing.md)).

*rounded to*: what a stored time is rounded to; expiries up, everything else down. *bytes*: the only
lengths that a value has.
";

/// The page.
pub fn page(manifest: &Manifest, sqlite: &Schema, postgres: &Schema) -> String {
    let mut page = String::from(HEAD);
    diagram(&mut page, manifest);
    let mut area = "";
    for table in &manifest.tables {
        if table.area != area {
            area = &table.area;
            line(&mut page, &format!("\n## {area}"));
        }
        let live = [sqlite, postgres].map(|schema| schema.tables.get(&table.name));
        section(&mut page, table, live);
    }
    endpoints(&mut page, manifest);
    headers(&mut page, manifest);
    logs(&mut page, manifest);
    metrics(&mut page, manifest);
    page
}

fn line(page: &mut String, text: &str) {
    page.push_str(text);
    page.push('\n');
}

/// Which table's rows point to which.
fn diagram(page: &mut String, manifest: &Manifest) {
    line(page, "\n## Which rows belong to which\n");
    line(page, "```mermaid\nerDiagram");
    for table in &manifest.tables {
        for column in &table.columns {
            if let Some(to) = &column.references {
                let many =
                    if column.key == Some(Key::Primary) && keys(table) == 1 { "o|" } else { "o{" };
                let _ = writeln!(page, "    {to} ||--{many} {} : \"{}\"", table.name, column.name);
            }
        }
    }
    for table in &manifest.tables {
        let _ = writeln!(page, "    {} {{", table.name);
        for column in table
            .columns
            .iter()
            .filter(|c| c.key.is_some() || c.references.is_some() || c.name.contains("phone"))
        {
            let marks = [
                (column.key == Some(Key::Primary), "PK"),
                (column.key == Some(Key::Unique), "UK"),
                (column.references.is_some(), "FK"),
            ];
            let marks: Vec<&str> =
                marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect();
            let kind = column.kind.split('(').next().unwrap_or_default();
            line(page, format!("        {kind} {} {}", column.name, marks.join(",")).trim_end());
        }
        line(page, "    }");
    }
    line(page, "```\n");
    line(
        page,
        "No line leads from `messages`, `ephemeral_keys` or `spent_tokens` to a person: a letter names the\nphone of its mailbox, and nothing else.",
    );
}

fn keys(table: &Table) -> usize {
    table.columns.iter().filter(|column| column.key == Some(Key::Primary)).count()
}

fn section(page: &mut String, table: &Table, live: [Option<&TableShape>; 2]) {
    let _ = writeln!(page, "\n### {}\n\n{}\n", table.name, table.purpose);
    let _ = writeln!(page, "- *Kept*: {}", table.retention);
    let _ = writeln!(page, "- *Read by*: {}", table.readers);
    let _ = writeln!(page, "- *Tells an onlooker*: {}\n", table.infer);
    line(page, "| column | PostgreSQL | SQLite | rounded to | bytes | purpose |");
    line(page, "| --- | --- | --- | --- | --- | --- |");
    for column in &table.columns {
        let kind = |live: Option<&TableShape>| {
            let found = live?.columns.iter().find(|live| live.column_name == column.name);
            Some(short(&found?.kind))
        };
        let [sqlite, postgres] =
            live.map(|live| kind(live).unwrap_or_else(|| "missing".to_owned()));
        let rounded = column.time.map_or("", |time| time.word());
        let sizes =
            column.size.iter().flatten().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let about = about(column);
        let _ = writeln!(
            page,
            "| `{}` | {postgres} | {sqlite} | {rounded} | {sizes} | {about} |",
            column.name
        );
    }
    if !table.indexes.is_empty() {
        line(page, "\nIndexes:\n");
    }
    for index in &table.indexes {
        let unique = if index.unique { ", unique" } else { "" };
        let found = live[1].and_then(|live| live.indexes.get(&index.name));
        let only = found.and_then(|found| found.predicate.as_deref());
        let only =
            only.map_or(String::new(), |only| format!(", where {}", only.trim_matches(['(', ')'])));
        let _ = writeln!(
            page,
            "- `{}` ({}{unique}{only}): {}",
            index.name,
            index.columns.join(", "),
            index.purpose
        );
    }
}

/// A type in the short form that the migrations write it in.
fn short(kind: &str) -> String {
    let kind = kind.replace("CHARACTER VARYING", "VARCHAR");
    kind.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")
}

fn about(column: &Column) -> String {
    let mut notes = Vec::new();
    match column.key {
        Some(Key::Primary) => notes.push("primary key".to_owned()),
        Some(Key::Unique) => notes.push("unique".to_owned()),
        None => {}
    }
    if let Some(to) = &column.references {
        notes.push(format!("→ {to}, goes with it"));
    }
    if column.null {
        notes.push("may be empty".to_owned());
    }
    if let Some(values) = &column.values {
        notes.push(format!("only {}", values.join(", ")));
    }
    if let Some(to) = &column.leads {
        notes.push(format!("a row of {to}, without a key"));
    }
    match column.form {
        Some(Form::Identifier) => notes.push("16 bytes in base64url".to_owned()),
        Some(Form::Phone) => notes.push("plus sign and digits".to_owned()),
        None => {}
    }
    if let Some(numbers) = &column.numbers {
        let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
        notes.push(format!("only {}", numbers.join(", ")));
    }
    if let Some(keys) = &column.keys {
        notes.push(format!("only the keys {}", keys.join(", ")));
    }
    if column.counter {
        notes.push("counts up".to_owned());
    }
    if column.once.is_some() {
        notes.push("stands in one mailbox only".to_owned());
    }
    if notes.is_empty() {
        column.purpose.clone()
    } else {
        format!("{} ({})", column.purpose, notes.join("; "))
    }
}

fn endpoints(page: &mut String, manifest: &Manifest) {
    line(page, "\n## Endpoints\n");
    line(
        page,
        "What a call leaves behind stays as long as the rows of the tables that it writes. The account half\ncarries the session's cookie; the sealed half carries a token, and is refused with a cookie.",
    );
    for half in ["account", "sealed", "open"] {
        let _ = writeln!(page, "\n### The {half} half\n");
        line(page, "| call | purpose | who | writes | tells an onlooker |");
        line(page, "| --- | --- | --- | --- | --- |");
        for one in manifest.endpoints.iter().filter(|one| one.half == half) {
            let writes: Vec<String> = one.writes.iter().map(|table| format!("`{table}`")).collect();
            let _ = writeln!(
                page,
                "| `{}` | {} | {} | {} | {} |",
                one.call,
                one.purpose,
                one.readers,
                writes.join(", "),
                one.infer
            );
        }
    }
}

fn headers(page: &mut String, manifest: &Manifest) {
    line(page, "\n## Headers");
    let ways = [
        (Way::Read, "Read from requests"),
        (Way::Answered, "Set in answers"),
        (Way::Sent, "Sent to the SMS webhook"),
    ];
    for (way, title) in ways {
        let _ = writeln!(page, "\n### {title}\n");
        line(page, "| header | purpose | kept | read by | tells |");
        line(page, "| --- | --- | --- | --- | --- |");
        for one in manifest.headers.iter().filter(|one| one.way == way) {
            let with =
                one.with.as_ref().map_or(String::new(), |library| format!(" (by {library})"));
            let _ = writeln!(
                page,
                "| `{}` | {}{with} | {} | {} | {} |",
                one.name, one.purpose, one.retention, one.readers, one.infer
            );
        }
    }
}

fn logs(page: &mut String, manifest: &Manifest) {
    line(page, "\n## Log fields\n");
    line(
        page,
        "Besides these a line has its time, level, module and fixed words. The rule stands in\n[development](development.md).\n",
    );
    line(page, "| field | from level | purpose | kept | read by | tells |");
    line(page, "| --- | --- | --- | --- | --- | --- |");
    for one in &manifest.log_fields {
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {} | {} |",
            one.name, one.level, one.purpose, one.retention, one.readers, one.infer
        );
    }
}

fn metrics(page: &mut String, manifest: &Manifest) {
    line(page, "\n## Metrics\n");
    line(page, "| metric | kind | labels | purpose | kept | read by | tells |");
    line(page, "| --- | --- | --- | --- | --- | --- | --- |");
    for one in &manifest.metrics {
        let labels = one.labels.join(", ");
        let _ = writeln!(
            page,
            "| `{}` | {} | {labels} | {} | {} | {} | {} |",
            one.name, one.kind, one.purpose, one.retention, one.readers, one.infer
        );
    }
}
