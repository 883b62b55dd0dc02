//! Everything that the database holds on one phone number: one function for the owner's page and for
//! the operator who has to hand it over.

use super::{
    checks::owner,
    manifest::{Column, Manifest, Table},
};
use crate::db::{self, Cell, Db, Part};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use letterbox_protocol::{
    types::{Phone, UnixTime},
    wire::{DisclosedColumn, DisclosedTable, Disclosure, NobodysTable},
};
use std::collections::BTreeMap;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// How much of a disclosure is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Every value: the operator has them all.
    Everything,
    /// All but what whoever holds the owner's session could use against them, or what the devices
    /// fetch sealed anyway: of that, the length and the reason.
    ForOwner,
}

/// All rows that belong to a phone number, whether or not it has an account, as of one moment.
///
/// # Errors
/// The database is out of reach, or the role may not read all of it.
pub async fn disclosure(
    db: &Db,
    manifest: &Manifest,
    phone: &Phone,
    detail: Detail,
    now: UnixTime,
) -> Result<Disclosure, db::Error> {
    let owned = manifest.tables.iter().filter(|table| table.of.is_some());
    let names: Vec<(&Table, Vec<&str>, Vec<&str>)> =
        owned.map(|t| (t, all(t), held_back(t, detail))).collect();
    let parts: Vec<Part<'_>> =
        names.iter().filter_map(|(table, all, lengths)| part(table, all, lengths)).collect();
    let rows = db.rows_of(phone, &parts).await?;
    let tables = names.iter().zip(rows).map(|((table, ..), rows)| {
        let row = |cells: Vec<(String, Cell)>| {
            let value =
                |(name, cell): (String, Cell)| (name.clone(), shown(table, &name, cell, detail));
            cells.into_iter().map(value).collect::<BTreeMap<_, _>>()
        };
        disclosed(table, detail, rows.into_iter().map(row).collect())
    });
    let nobodys =
        manifest.tables.iter().filter(|table| table.of.is_none()).map(|table| NobodysTable {
            table: table.name.clone(),
            purpose: table.purpose.clone(),
            infer: table.infer.clone(),
        });
    Ok(Disclosure {
        phone: phone.clone(),
        at: now,
        tables: tables.collect(),
        nobodys: nobodys.collect(),
    })
}

fn all(table: &Table) -> Vec<&str> {
    table.columns.iter().map(|column| column.name.as_str()).collect()
}

fn held_back(table: &Table, detail: Detail) -> Vec<&str> {
    let columns = table.columns.iter().filter(|column| why_withheld(column, detail).is_some());
    columns.map(|column| column.name.as_str()).collect()
}

fn why_withheld(column: &Column, detail: Detail) -> Option<&String> {
    column.withheld.as_ref().filter(|_| detail == Detail::ForOwner)
}

fn part<'a>(table: &'a Table, columns: &'a [&'a str], lengths: &'a [&'a str]) -> Option<Part<'a>> {
    let of = table.of.as_ref()?;
    Some(Part { table: &table.name, column: &of.column, owner: owner(of.holds), lengths, columns })
}

fn disclosed(
    table: &Table,
    detail: Detail,
    rows: Vec<BTreeMap<String, Option<String>>>,
) -> DisclosedTable {
    let column = |column: &Column| DisclosedColumn {
        name: column.name.clone(),
        purpose: column.purpose.clone(),
        withheld: why_withheld(column, detail).cloned(),
    };
    DisclosedTable {
        table: table.name.clone(),
        purpose: table.purpose.clone(),
        retention: table.retention.clone(),
        infer: table.infer.clone(),
        columns: table.columns.iter().map(column).collect(),
        rows,
    }
}

/// A value as text.
fn shown(table: &Table, name: &str, cell: Cell, detail: Detail) -> Option<String> {
    let column = table.column(name);
    Some(match cell {
        Cell::Null => return None,
        Cell::Integer(bytes) if column.is_some_and(|c| why_withheld(c, detail).is_some()) => {
            format!("{bytes} bytes")
        }
        Cell::Integer(number) if column.is_some_and(|c| c.kind == "BOOLEAN") => {
            (number != 0).to_string()
        }
        Cell::Integer(number) => number.to_string(),
        Cell::Time(time) => moment(time, column.is_some_and(|c| c.kind == "DATE")),
        Cell::Text(text) => text,
        Cell::Bytes(bytes) => URL_SAFE_NO_PAD.encode(bytes),
    })
}

/// `2026-11-28`, or `2026-11-28T20:00:00Z`.
fn moment(time: UnixTime, day: bool) -> String {
    let whole =
        OffsetDateTime::from_unix_timestamp(time.0).ok().and_then(|t| t.format(&Rfc3339).ok());
    let whole = whole.unwrap_or_else(|| time.0.to_string());
    if day { whole.split('T').next().unwrap_or_default().to_owned() } else { whole }
}
