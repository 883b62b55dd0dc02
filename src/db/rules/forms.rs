//! What a value looks like: conditions that are true of one which does not look so.

use super::Db;

/// What a text looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// 16 bytes in base64url, without padding: 22 characters, of which the last has two bits.
    Identifier,
    /// E.164.
    Phone,
}

impl Db {
    pub(super) fn misformed(&self, column: &str, form: Form) -> String {
        let value = format!("t.\"{column}\"");
        match (self, form) {
            (Self::Postgres(_), Form::Identifier) => {
                format!("{value} !~ '^[A-Za-z0-9_-]{{21}}[AQgw]$'")
            }
            (Self::Postgres(_), Form::Phone) => format!("{value} !~ '^[+][1-9][0-9]{{6,14}}$'"),
            // A text may go on behind a NUL, where only its bytes are counted.
            (Self::Sqlite { .. }, Form::Identifier) => format!(
                "(length({value}) <> 22 OR octet_length({value}) <> 22 \
                 OR {value} GLOB '*[^A-Za-z0-9_-]*' OR substr({value}, 22) NOT IN ('A', 'Q', 'g', 'w'))"
            ),
            (Self::Sqlite { .. }, Form::Phone) => format!(
                "(length({value}) NOT BETWEEN 8 AND 16 OR octet_length({value}) <> length({value}) \
                 OR {value} NOT GLOB '+[1-9]*' OR substr({value}, 2) GLOB '*[^0-9]*')"
            ),
        }
    }

    pub(super) fn other_keys(&self, column: &str, keys: &[String]) -> String {
        let value = format!("t.\"{column}\"");
        let keys = keys.iter().map(|key| format!("'{key}'")).collect::<Vec<_>>().join(", ");
        match self {
            Self::Sqlite { .. } => format!(
                "{value} IS NOT NULL AND CASE WHEN NOT json_valid({value}) THEN TRUE \
                 WHEN json_type({value}) <> 'object' THEN TRUE ELSE EXISTS \
                 (SELECT 1 FROM json_each({value}) j WHERE j.key NOT IN ({keys})) END"
            ),
            Self::Postgres(_) => format!(
                "CASE WHEN json_typeof({value}::json) <> 'object' THEN TRUE ELSE EXISTS \
                 (SELECT 1 FROM json_object_keys({value}::json) j (key) WHERE j.key NOT IN ({keys})) END"
            ),
        }
    }
}

/// On SQLite. `kind` is PostgreSQL's type.
pub(super) fn mistyped(column: &str, kind: &str) -> String {
    let value = format!("t.\"{column}\"");
    let (stored, range) = match kind {
        "BYTEA" | "UUID" => ("blob", None),
        "TEXT" | "VARCHAR(20)" => ("text", None),
        "BOOLEAN" => ("integer", Some((0, 1))),
        "SMALLINT" => ("integer", Some((i64::from(i16::MIN), i64::from(i16::MAX)))),
        "INTEGER" => ("integer", Some((i64::from(i32::MIN), i64::from(i32::MAX)))),
        _ => ("integer", None),
    };
    let outside = range
        .map_or(String::new(), |(from, to)| format!(" OR {value} NOT BETWEEN {from} AND {to}"));
    format!("(typeof({value}) NOT IN ('null', '{stored}'){outside})")
}
