//! What the server's database holds on one account: to its owner, and as it would be handed over.

use crate::types::{Phone, UnixTime};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// `GET /v1/account/disclosure`, in a passkey session; the same as `letterbox disclose --json`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Disclosure {
    /// The number.
    pub phone: Phone,
    /// When the rows stood so.
    pub at: UnixTime,
    /// Every table whose rows belong to somebody, with this number's.
    pub tables: Vec<DisclosedTable>,
    /// Every other table: no row of these belongs to anybody.
    pub nobodys: Vec<NobodysTable>,
}

/// A table, and the rows of it that belong to the number.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DisclosedTable {
    /// Its name.
    pub table: String,
    /// Why it is there.
    pub purpose: String,
    /// How long a row stays.
    pub retention: String,
    /// What somebody who sees it can conclude.
    pub infer: String,
    /// Its columns, in order.
    pub columns: Vec<DisclosedColumn>,
    /// The rows: by column, the value as text; nothing where it is empty. Bytes are unpadded base64url,
    /// times are in UTC.
    pub rows: Vec<BTreeMap<String, Option<String>>>,
}

/// A column, explained.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DisclosedColumn {
    /// Its name.
    pub name: String,
    /// Why it is there.
    pub purpose: String,
    /// Why only the value's length is told here, where that is so.
    pub withheld: Option<String>,
}

/// A table that holds nothing of anybody.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NobodysTable {
    /// Its name.
    pub table: String,
    /// Why it is there.
    pub purpose: String,
    /// What somebody who sees it can conclude.
    pub infer: String,
}

impl fmt::Debug for Disclosure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disclosure(…)")
    }
}

impl fmt::Debug for DisclosedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DisclosedTable({}, {} rows)", self.table, self.rows.len())
    }
}

impl fmt::Debug for DisclosedColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DisclosedColumn({})", self.name)
    }
}

impl fmt::Debug for NobodysTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NobodysTable({})", self.table)
    }
}
