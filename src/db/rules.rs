//! Rules that every row of a table keeps, and the count of those that break one. Only counts leave
//! the database: no finding can repeat a value.

mod forms;
mod whose;

pub(crate) use forms::Form;
pub(crate) use whose::{Held, Value, Whose};

use super::{Db, Error, ids::RANDOM_BITS, read};
use letterbox_protocol::types::UnixTime;
use sqlx::AssertSqlSafe;

/// The highest number that counting up is expected to reach, and the lowest but one that a random id
/// is expected to be.
const LAST_COUNT: i64 = u32::MAX as i64;

/// Something that holds for every row of a table. Names are those of the privacy manifest, never
/// somebody's input.
#[derive(Debug, Clone)]
pub(crate) enum Rule<'a> {
    /// A time is rounded to so many seconds.
    Rounded { column: &'a str, seconds: i64 },
    /// A row is gone so many seconds after a time, or as long again as the time lies after another.
    Gone {
        column: &'a str,
        seconds: i64,
        as_long_again_as_since: Option<&'a str>,
        only: Only<'a>,
        now: UnixTime,
    },
    /// A time lies no further ahead.
    NotAfter { column: &'a str, latest: UnixTime },
    /// A time lies no further back.
    NotBefore { column: &'a str, earliest: UnixTime },
    /// Bytes have one of these lengths.
    Sized { column: &'a str, sizes: &'a [i64] },
    /// A text is one of these.
    OneOf { column: &'a str, values: &'a [String] },
    /// The id's high bits are the hour of `created_at`: the row's own, or that of the row that a
    /// column points to.
    HourId { column: &'a str, parent: Option<(&'a str, &'a str)> },
    /// The id is not one of the small numbers that counting up begins with.
    RandomId { column: &'a str },
    /// A number is one of these.
    Numbered { column: &'a str, numbers: &'a [i64] },
    /// A number is a count: from 0, and below where [`Rule::RandomId`] begins.
    Counted { column: &'a str },
    /// A count is no higher than the highest in the same column of another table's rows that belong to
    /// the same mailbox.
    UpTo { of: Whose<'a>, column: &'a str, to: &'a str, whose: Whose<'a> },
    /// A text looks like this.
    Formed { column: &'a str, form: Form },
    /// A JSON text is an object with no first keys but these.
    Keyed { column: &'a str, keys: &'a [String] },
    /// On SQLite, which takes more than PostgreSQL: a value is of its column's type, and in its range.
    Typed { column: &'a str, kind: &'a str },
    /// The row that a column points to is there; asked of rows only whose own time is later.
    Leads { column: &'a str, to: &'a str, at: &'a str, later: Option<(&'a str, UnixTime)> },
    /// The row that a column points to has not ended: `flag` is true of it.
    Lasts { column: &'a str, to: &'a str, flag: &'a str },
    /// The row belongs to the mailbox that the row belongs to which a column points to.
    OneMailbox { of: Whose<'a>, column: &'a str, to: &'a str, whose: Whose<'a> },
    /// A value is in none of these columns.
    NotAmong { column: &'a str, text: bool, values: &'a [Value<'a>] },
    /// A value stands in one mailbox only.
    InOneMailbox { column: &'a str, held: &'a [Held<'a>] },
    /// Some device has yet to fetch the letter.
    Awaited,
}

/// Which rows a rule is about.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Only<'a> {
    /// Those where this is false.
    pub(crate) not: Option<&'a str>,
    /// Those where this is set.
    pub(crate) set: Option<&'a str>,
    /// Those where this is empty.
    pub(crate) empty: Option<&'a str>,
}

impl Db {
    /// How many rows of a table break a rule.
    ///
    /// # Errors
    /// The role may not read the table, or the database is out of reach.
    pub(crate) async fn count_breaking(&self, table: &str, rule: &Rule<'_>) -> Result<i64, Error> {
        let broken = self.broken(rule);
        let sql = format!("SELECT count(*) FROM \"{table}\" t WHERE {broken}");
        Ok(read!(self, pool => {
            sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(pool).await?
        }))
    }

    /// The condition that is true of a row `t` which breaks the rule. It is unknown, and the row is
    /// not counted, where the value is empty.
    fn broken(&self, rule: &Rule<'_>) -> String {
        match *rule {
            Rule::Rounded { column, seconds } => {
                format!("{} % {seconds} <> 0", self.seconds("t", column))
            }
            Rule::Gone { column, seconds, as_long_again_as_since, only, now } => {
                let end = self.seconds("t", column);
                let longer = as_long_again_as_since.map_or(String::new(), |since| {
                    format!(" + ({end} - {})", self.seconds("t", since))
                });
                format!("{end}{longer} + {seconds} <= {}{}", now.0, only.condition())
            }
            Rule::NotAfter { column, latest } => {
                format!("{} > {}", self.seconds("t", column), latest.0)
            }
            Rule::NotBefore { column, earliest } => {
                format!("{} < {}", self.seconds("t", column), earliest.0)
            }
            Rule::Sized { column, sizes } => {
                let sizes: Vec<String> = sizes.iter().map(i64::to_string).collect();
                format!("octet_length(t.\"{column}\") NOT IN ({})", sizes.join(", "))
            }
            Rule::OneOf { column, values } => {
                let values: Vec<String> =
                    values.iter().map(|text| format!("'{}'", text.replace('\'', "''"))).collect();
                format!("t.\"{column}\" NOT IN ({})", values.join(", "))
            }
            Rule::HourId { column, parent } => self.misplaced(column, parent),
            Rule::RandomId { column } => format!("t.\"{column}\" <= {LAST_COUNT}"),
            Rule::Numbered { column, numbers } => {
                let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
                format!("t.\"{column}\" NOT IN ({})", numbers.join(", "))
            }
            Rule::Counted { column } => format!("t.\"{column}\" NOT BETWEEN 0 AND {LAST_COUNT}"),
            Rule::Formed { column, form } => self.misformed(column, form),
            Rule::Keyed { column, keys } => self.other_keys(column, keys),
            Rule::Typed { column, kind } => forms::mistyped(column, kind),
            Rule::Leads { column, to, at, later } => {
                let later = later.map_or(String::new(), |(own, than)| {
                    format!(" AND {} > {}", self.seconds("t", own), than.0)
                });
                format!(
                    "t.\"{column}\" IS NOT NULL AND NOT EXISTS \
                     (SELECT 1 FROM \"{to}\" p WHERE p.\"{at}\" = t.\"{column}\"){later}"
                )
            }
            Rule::Lasts { column, to, flag } => format!(
                "EXISTS (SELECT 1 FROM \"{to}\" p WHERE p.id = t.\"{column}\" AND NOT p.\"{flag}\")"
            ),
            Rule::OneMailbox { of, column, to, whose } => format!(
                "{} <> (SELECT {} FROM \"{to}\" p WHERE p.id = t.\"{column}\")",
                of.phone("t"),
                whose.phone("p")
            ),
            Rule::UpTo { of, column, to, whose } => format!(
                "t.\"{column}\" > 0 AND t.\"{column}\" > coalesce(\
                 (SELECT max(p.\"{column}\") FROM \"{to}\" p WHERE {} = {}), 0)",
                whose.phone("p"),
                of.phone("t")
            ),
            Rule::NotAmong { column, text, values } => self.among(column, text, values),
            Rule::InOneMailbox { column, held } => self.in_two(column, held),
            Rule::Awaited => "NOT EXISTS (SELECT 1 FROM message_deliveries d \
                 JOIN webauthn_credentials c ON c.id = d.webauthn_credential_id WHERE d.message_id = t.id \
                 AND d.delivery_status <> 'delivered' AND c.is_active)"
                .to_owned(),
        }
    }

    /// A time as seconds since 1970, with a fraction where the engine keeps one.
    fn seconds(&self, row: &str, column: &str) -> String {
        match self {
            Self::Sqlite { .. } => format!("{row}.\"{column}\""),
            Self::Postgres(_) => format!("extract(epoch FROM {row}.\"{column}\")::numeric"),
        }
    }

    fn misplaced(&self, column: &str, parent: Option<(&str, &str)>) -> String {
        let row = if parent.is_some() { "p" } else { "t" };
        let created = self.seconds(row, "created_at");
        let hour = format!("{created} - {created} % 3600");
        let hour = match parent {
            None => hour,
            Some((table, by)) => {
                format!("(SELECT {hour} FROM \"{table}\" p WHERE p.id = t.\"{by}\")")
            }
        };
        format!("(t.\"{column}\" >> {RANDOM_BITS}) * 3600 <> {hour}")
    }
}

impl Only<'_> {
    fn condition(&self) -> String {
        let part = |column: Option<&str>, before: &str, after: &str| {
            column.map_or(String::new(), |name| format!(" AND {before}t.\"{name}\"{after}"))
        };
        part(self.not, "NOT ", "")
            + &part(self.set, "", " IS NOT NULL")
            + &part(self.empty, "", " IS NULL")
    }
}
