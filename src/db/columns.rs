//! Column types that sqlx does not have for both engines.

use letterbox_protocol::types::{Bytes, UnixTime};
use sqlx::{
    Database, Decode, Encode, Postgres, Sqlite, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueRef},
    sqlite::{SqliteArgumentsBuffer, SqliteTypeInfo, SqliteValueRef},
};

/// A time: TIMESTAMPTZ or DATE on PostgreSQL, seconds since 1970 on SQLite.
#[derive(Clone, Copy)]
pub(super) struct Stamp(pub(super) UnixTime);

/// Seconds from 1970 to PostgreSQL's epoch, 2000-01-01.
const PG_EPOCH: i64 = 946_684_800;

impl From<Stamp> for UnixTime {
    fn from(stamp: Stamp) -> Self {
        stamp.0
    }
}

impl Type<Sqlite> for Stamp {
    fn type_info() -> SqliteTypeInfo {
        <i64 as Type<Sqlite>>::type_info()
    }
    fn compatible(ty: &SqliteTypeInfo) -> bool {
        <i64 as Type<Sqlite>>::compatible(ty)
    }
}

impl Encode<'_, Sqlite> for Stamp {
    fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Sqlite>::encode_by_ref(&self.0.0, buffer)
    }
}

impl<'r> Decode<'r, Sqlite> for Stamp {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(UnixTime(<i64 as Decode<Sqlite>>::decode(value)?)))
    }
}

impl Type<Postgres> for Stamp {
    fn type_info() -> PgTypeInfo {
        <time::OffsetDateTime as Type<Postgres>>::type_info()
    }
    fn compatible(ty: &PgTypeInfo) -> bool {
        <time::OffsetDateTime as Type<Postgres>>::compatible(ty)
            || <time::Date as Type<Postgres>>::compatible(ty)
    }
}

impl PgHasArrayType for Stamp {
    fn array_type_info() -> PgTypeInfo {
        <time::OffsetDateTime as PgHasArrayType>::array_type_info()
    }
}

impl Encode<'_, Postgres> for Stamp {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let micros = (self.0.0.checked_sub(PG_EPOCH)).and_then(|s| s.checked_mul(1_000_000));
        Encode::<Postgres>::encode(micros.ok_or("a time beyond PostgreSQL's range")?, buffer)
    }
}

impl<'r> Decode<'r, Postgres> for Stamp {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        // Binary forms: a DATE is 4 bytes of days, a TIMESTAMPTZ 8 bytes of microseconds.
        let since_2000 = match value.as_bytes()? {
            days if days.len() == 4 => i64::from(i32::from_be_bytes(days.try_into()?)) * 86_400,
            micros => i64::from_be_bytes(micros.try_into()?).div_euclid(1_000_000),
        };
        Ok(Self(UnixTime(since_2000 + PG_EPOCH)))
    }
}

/// Exactly `N` bytes: BYTEA or BLOB.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Raw<const N: usize>(pub(super) Bytes<N>);

impl<const N: usize> From<Raw<N>> for Bytes<N> {
    fn from(raw: Raw<N>) -> Self {
        raw.0
    }
}

impl<DB: Database, const N: usize> Type<DB> for Raw<N>
where
    Vec<u8>: Type<DB>,
{
    fn type_info() -> DB::TypeInfo {
        <Vec<u8> as Type<DB>>::type_info()
    }
    fn compatible(ty: &DB::TypeInfo) -> bool {
        <Vec<u8> as Type<DB>>::compatible(ty)
    }
}

impl<const N: usize> PgHasArrayType for Raw<N> {
    fn array_type_info() -> PgTypeInfo {
        <Vec<u8> as PgHasArrayType>::array_type_info()
    }
}

impl<'q, DB: Database, const N: usize> Encode<'q, DB> for Raw<N>
where
    Vec<u8>: Encode<'q, DB>,
{
    fn encode_by_ref(&self, buffer: &mut DB::ArgumentBuffer) -> Result<IsNull, BoxDynError> {
        self.0.0.to_vec().encode(buffer)
    }
}

impl<'r, DB: Database, const N: usize> Decode<'r, DB> for Raw<N>
where
    &'r [u8]: Decode<'r, DB>,
{
    fn decode(value: DB::ValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(Bytes::try_from(<&[u8]>::decode(value)?)?))
    }
}
