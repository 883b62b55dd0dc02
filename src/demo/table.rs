//! The server's rows on paper: a table's columns go down the page and its rows across, so that
//! they fit a narrow terminal. Long values are shortened, and their length is told.

use crate::db::{Cell, Dump};
use std::fmt::{self, Write};
use time::{OffsetDateTime, macros::format_description};

/// The widest column name is `webauthn_credential_id`; two spaces stand before it.
const NAMES: usize = 24;
/// Room for one shortened value and the space after it.
const VALUES: usize = 16;

/// Writes tables out, at most `width` characters wide; those without rows in a line of their own.
///
/// # Errors
/// Never, when written to a string.
pub(super) fn write_tables(out: &mut impl Write, dumps: &[Dump], width: usize) -> fmt::Result {
    for dump in dumps.iter().filter(|dump| !dump.rows.is_empty()) {
        write_table(out, dump, width)?;
    }
    let empty = dumps.iter().filter(|dump| dump.rows.is_empty());
    empty.into_iter().try_for_each(|dump| writeln!(out, "{}: no rows", dump.table))
}

fn write_table(out: &mut impl Write, dump: &Dump, width: usize) -> fmt::Result {
    let plural = if dump.rows.len() == 1 { "" } else { "s" };
    writeln!(out, "{}: {} row{plural}", dump.table, dump.rows.len())?;
    writeln!(out, "({})", purpose(&dump.table))?;
    let across = (width.saturating_sub(NAMES) / VALUES).max(1);
    for rows in dump.rows.chunks(across) {
        for (at, column) in dump.columns.iter().enumerate() {
            let values = rows.iter().filter_map(|row| row.get(at));
            let values: String = values.map(|cell| format!(" {:<15}", short(cell))).collect();
            writeln!(out, "  {column:<22}{}", values.trim_end())?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// A table's purpose in at most 36 characters.
fn purpose(table: &str) -> &'static str {
    match table {
        "messages" => "sealed letters, until delivered",
        "message_deliveries" => "which device has yet to fetch what",
        "device_session_keys" => "sealed keys, for the reader's device",
        "spent_tokens" => "random: each paid for one request",
        _ => "of the mailbox",
    }
}

/// A value in at most 15 characters.
fn short(cell: &Cell) -> String {
    match cell {
        Cell::Null => "-".to_owned(),
        Cell::Integer(number) => shorten(&number.to_string()),
        Cell::Text(text) => shorten(text),
        Cell::Time(time) => OffsetDateTime::from_unix_timestamp(time.0)
            .ok()
            .and_then(|time| {
                let day = format_description!("[year]-[month]-[day]");
                let hour = format_description!("[month]-[day] [hour]:[minute]");
                let is_day = time.time() == time::Time::MIDNIGHT;
                if is_day { time.format(&day) } else { time.format(&hour) }.ok()
            })
            .unwrap_or_else(|| time.0.to_string()),
        Cell::Bytes(bytes) => {
            let head: String = bytes.iter().take(3).map(|byte| format!("{byte:02x}")).collect();
            if bytes.len() <= 3 { head } else { format!("{head}… {} B", bytes.len()) }
        }
    }
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= 15 {
        return text.to_owned();
    }
    text.chars().take(11).chain("…".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use letterbox_protocol::types::UnixTime;

    #[test]
    fn a_table_fits_the_width_and_shows_every_row() {
        let row = |n: u8| {
            vec![
                Cell::Integer(i64::MAX - i64::from(n)),
                Cell::Text("+4915112345678".into()),
                Cell::Time(UnixTime(1_763_708_400)),
                Cell::Time(UnixTime(1_763_683_200)),
                Cell::Bytes(vec![n; 65536]),
                Cell::Null,
            ]
        };
        let columns = ["id", "destination_phone", "created_at", "expires_at", "content", "read_at"];
        let dump = Dump {
            table: "messages".into(),
            columns: columns.map(String::from).to_vec(),
            rows: (0..5).map(row).collect(),
        };
        for width in [44, 60, 72, 100] {
            let mut text = String::new();
            write_tables(&mut text, std::slice::from_ref(&dump), width).unwrap();
            assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
            assert_eq!(text.matches("65536 B").count(), 5, "{text}");
            assert_eq!(text.matches("+4915112345678").count(), 5, "{text}");
        }
    }
}
