//! Whose a row is, and values that tie rows of two people.

use super::super::{Db, disclosure::Owner};

/// A column that says whose a row is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whose<'a> {
    /// The column.
    pub(crate) column: &'a str,
    /// What it holds.
    pub(crate) owner: Owner,
}

impl Whose<'_> {
    /// The phone that a row belongs to.
    pub(super) fn phone(&self, row: &str) -> String {
        let column = format!("{row}.\"{}\"", self.column);
        match self.owner {
            Owner::Phone => column,
            Owner::User => format!("(SELECT u.phone FROM users u WHERE u.id = {column})"),
            Owner::Device => format!(
                "(SELECT u.phone FROM webauthn_credentials c JOIN users u ON u.id = c.user_id \
                 WHERE c.id = {column})"
            ),
        }
    }
}

/// A column whose values are compared across mailboxes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held<'a> {
    /// Its table.
    pub(crate) table: &'a str,
    /// The column.
    pub(crate) column: &'a str,
    /// Whose a row of it is.
    pub(crate) whose: Whose<'a>,
    /// Whether the values are long, and better compared by their hashes.
    pub(crate) long: bool,
}

/// A column of bytes that other values are compared with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value<'a> {
    /// Its table.
    pub(crate) table: &'a str,
    /// The column.
    pub(crate) column: &'a str,
    /// Whether it holds a UUID, which PostgreSQL has a type for.
    pub(crate) uuid: bool,
}

impl Db {
    /// Values that stand under more than one phone, whichever column of the group they are in.
    pub(super) fn in_two(&self, column: &str, held: &[Held<'_>]) -> String {
        let long = held.first().is_some_and(|one| one.long);
        // SQLite has no hash, and compares the bytes themselves.
        let value = |row: &str, column: &str| match self {
            Self::Postgres(_) if long => format!("sha256({row}.\"{column}\")"),
            _ => format!("{row}.\"{column}\""),
        };
        let selects = held.iter().map(|Held { table, column, whose, .. }| {
            let (value, phone) = (value("h", column), whose.phone("h"));
            format!("SELECT {value} AS v, {phone} AS m FROM \"{table}\" h")
        });
        let all = selects.collect::<Vec<_>>().join(" UNION ALL ");
        let value = value("t", column);
        format!("{value} IN (SELECT v FROM ({all}) held GROUP BY v HAVING count(DISTINCT m) > 1)")
    }

    /// Values that are one of these columns'. A text is compared with what 16 bytes are as a text.
    pub(super) fn among(&self, column: &str, text: bool, values: &[Value<'_>]) -> String {
        let selects = values.iter().map(|&Value { table, column, uuid }| {
            let mut value = format!("p.\"{column}\"");
            if uuid && matches!(self, Self::Postgres(_)) {
                value = format!("uuid_send({value})");
            }
            if text {
                value = self.base64url(&value);
            }
            format!("SELECT {value} FROM \"{table}\" p WHERE p.\"{column}\" IS NOT NULL")
        });
        format!("t.\"{column}\" IN ({})", selects.collect::<Vec<_>>().join(" UNION ALL "))
    }

    /// 16 bytes as a text: 22 characters of six bits, the last of two.
    fn base64url(&self, bytes: &str) -> String {
        if matches!(self, Self::Postgres(_)) {
            return format!("rtrim(translate(encode({bytes}, 'base64'), '+/', '-_'), '=')");
        }
        // SQLite has hexadecimal digits only. Two characters stand for three of them; behind the last
        // come zeros.
        let digit = |at: usize| {
            format!("(instr('0123456789ABCDEF', substr(hex({bytes}) || '0', {at}, 1)) - 1)")
        };
        let character = |at: usize| {
            let first = at / 2 * 3 + 1;
            let six = match at % 2 {
                0 => format!("{} * 4 + {} / 4", digit(first), digit(first + 1)),
                _ => format!("{} % 4 * 16 + {}", digit(first + 1), digit(first + 2)),
            };
            format!("substr('{ALPHABET}', 1 + {six}, 1)")
        };
        (0..22).map(character).collect::<Vec<_>>().join(" || ")
    }
}

/// RFC 4648, section 5.
const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
