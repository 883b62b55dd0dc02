//! The small types everything else is made of: phone numbers, random ids, byte strings and times.
//!
//! Each parses at the edge and cannot hold a wrong value afterwards. Binary values are unpadded
//! base64url in JSON (RFC 4648 §5) and byte strings in CBOR (RFC 8949). `Debug` never prints what
//! a value holds: not even a public identifier may reach a log line.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use minicbor::{Decode, Decoder, Encode, Encoder};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{fmt, str::FromStr};

/// A value that does not have the form its type demands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Not `+`, a digit from 1 to 9, then 6 to 14 digits (ITU-T E.164).
    #[error("a phone number is written like +4915112345678: a plus sign, then 7 to 15 digits")]
    Phone,
    /// Not unpadded base64url, or of the wrong length.
    #[error("expected {expected} bytes as unpadded base64url")]
    Bytes {
        /// How many bytes the value has.
        expected: usize,
    },
    /// Not unpadded base64url.
    #[error("expected unpadded base64url")]
    Base64,
}

/// A phone number in E.164 syntax (`+` and 7 to 15 digits). Whether such a number can exist is not
/// checked here.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Phone(String);

impl Phone {
    /// The number with its leading plus sign.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Phone {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let digits = text.strip_prefix('+').ok_or(ParseError::Phone)?;
        let fits = (7..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|b| b.is_ascii_digit());
        if fits { Ok(Self(text.to_owned())) } else { Err(ParseError::Phone) }
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phone(…)")
    }
}

impl Serialize for Phone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Phone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl<C> Encode<C> for Phone {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.str(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Phone {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        d.str()?.parse().map_err(minicbor::decode::Error::custom)
    }
}

/// Exactly `N` bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bytes<const N: usize>(pub [u8; N]);

impl<const N: usize> Bytes<N> {
    /// The text form: unpadded base64url.
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Fresh random bytes.
    pub fn random(rng: &mut impl rand::CryptoRng) -> Self {
        let mut bytes = [0; N];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }
}

impl<const N: usize> FromStr for Bytes<N> {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| ParseError::Bytes { expected: N })?;
        bytes.try_into().map(Self).map_err(|_| ParseError::Bytes { expected: N })
    }
}

impl<const N: usize> TryFrom<&[u8]> for Bytes<N> {
    type Error = ParseError;

    fn try_from(bytes: &[u8]) -> Result<Self, ParseError> {
        bytes.try_into().map(Self).map_err(|_| ParseError::Bytes { expected: N })
    }
}

impl<const N: usize> AsRef<[u8]> for Bytes<N> {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl<const N: usize> fmt::Debug for Bytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes<{N}>(…)")
    }
}

impl<const N: usize> Serialize for Bytes<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}

impl<'de, const N: usize> Deserialize<'de> for Bytes<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl<C, const N: usize> Encode<C> for Bytes<N> {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C, const N: usize> Decode<'b, C> for Bytes<N> {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Self::try_from(d.bytes()?).map_err(minicbor::decode::Error::custom)
    }
}

/// A public key of 32 bytes, X25519 (RFC 7748) or Ed25519 (RFC 8032), as it travels. The modules
/// that calculate with keys have types of their own.
pub type Key = Bytes<32>;
/// An Ed25519 signature (RFC 8032).
pub type Signature = Bytes<64>;
/// The random name under which peers know a device.
pub type DeviceId = Bytes<16>;
/// A letter's random id, chosen by its sender, used in one mailbox only.
pub type MessageId = Bytes<16>;
/// `session_key_id`: the random label of one upload of envelopes. The session's own id is inside.
pub type SessionLabel = Bytes<16>;

/// A byte string of any length.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Blob(pub Vec<u8>);

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} bytes)", self.0.len())
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        URL_SAFE_NO_PAD
            .decode(String::deserialize(deserializer)?)
            .map(Self)
            .map_err(|_| D::Error::custom(ParseError::Base64))
    }
}

impl<C> Encode<C> for Blob {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Blob {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Ok(Self(d.bytes()?.to_vec()))
    }
}

/// A moment: seconds since 1970-01-01T00:00:00Z.
///
/// Arithmetic stays within what an `i64` holds: times come from strangers too.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Encode, Decode,
)]
#[serde(transparent)]
#[cbor(transparent)]
pub struct UnixTime(#[n(0)] pub i64);

/// Seconds in an hour.
pub const HOUR: i64 = 3_600;
/// Seconds in a day.
pub const DAY: i64 = 86_400;

impl UnixTime {
    /// The start of this moment's minute (UTC).
    pub fn minute(self) -> Self {
        Self(self.0.div_euclid(60).saturating_mul(60))
    }

    /// The start of this moment's hour (UTC).
    pub fn hour(self) -> Self {
        Self(self.0.div_euclid(HOUR).saturating_mul(HOUR))
    }

    /// The start of this moment's day (UTC).
    pub fn day(self) -> Self {
        Self(self.0.div_euclid(DAY).saturating_mul(DAY))
    }

    /// The first day boundary at or after this moment (UTC): how expiries are rounded.
    pub fn day_up(self) -> Self {
        self.plus(DAY - 1).day()
    }

    /// This moment and so many seconds.
    pub fn plus(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// The seconds from `earlier` to this moment.
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(feature = "openapi")]
mod schemas {
    use super::{Blob, Bytes, Phone, UnixTime};
    use utoipa::openapi::{
        KnownFormat, ObjectBuilder, RefOr, SchemaFormat,
        schema::{Schema, Type},
    };
    use utoipa::{PartialSchema, ToSchema};

    fn text(description: &str) -> ObjectBuilder {
        ObjectBuilder::new().schema_type(Type::String).description(Some(description))
    }

    impl PartialSchema for Phone {
        fn schema() -> RefOr<Schema> {
            text("A phone number in E.164 syntax.").pattern(Some(r"^\+[1-9][0-9]{6,14}$")).into()
        }
    }
    impl ToSchema for Phone {}

    impl<const N: usize> PartialSchema for Bytes<N> {
        fn schema() -> RefOr<Schema> {
            let length = (N * 8).div_ceil(6);
            text(&format!("{N} bytes, unpadded base64url."))
                .min_length(Some(length))
                .max_length(Some(length))
                .into()
        }
    }
    impl<const N: usize> ToSchema for Bytes<N> {
        fn name() -> std::borrow::Cow<'static, str> {
            format!("Bytes{N}").into()
        }
    }

    impl PartialSchema for Blob {
        fn schema() -> RefOr<Schema> {
            text("Bytes, unpadded base64url.").into()
        }
    }
    impl ToSchema for Blob {}

    impl PartialSchema for UnixTime {
        fn schema() -> RefOr<Schema> {
            ObjectBuilder::new()
                .schema_type(Type::Integer)
                .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
                .description(Some("Seconds since 1970-01-01T00:00:00Z."))
                .into()
        }
    }
    impl ToSchema for UnixTime {}
}

#[cfg(test)]
mod tests {
    use super::Phone;

    /// The table that the server's and the page's parsers are held to as well: what they make of a
    /// typed number is one here, and what they refuse is none.
    #[test]
    fn the_syntax_is_that_of_the_shared_table() {
        let table: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/phones.json")).unwrap();
        let number = |value: &serde_json::Value| value.as_str().unwrap().parse::<Phone>();
        for row in table["numbers"].as_array().unwrap() {
            assert_eq!(number(&row["e164"]).unwrap().as_str(), row["e164"]);
            assert_eq!(number(&row["typed"]).is_ok(), row["typed"] == row["e164"], "{row}");
        }
        for typed in table["refused"].as_array().unwrap() {
            assert!(number(typed).is_err(), "{typed}");
        }
    }
}
