//! CBOR (RFC 8949) for everything that is sealed, certified or kept.

use minicbor::Encode;

/// Encodes a value. Structs are maps with integer keys, in ascending order, so that later versions
/// can add fields: unknown keys are passed over.
#[allow(clippy::expect_used, reason = "writing to a vector cannot fail")]
pub fn to_cbor<T: Encode<()>>(value: &T) -> Vec<u8> {
    minicbor::to_vec(value).expect("a vector takes everything")
}
