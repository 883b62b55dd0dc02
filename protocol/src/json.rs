//! JSON into types. The text is parsed into a tree once, by code that all types share, and each type
//! is read from that tree: the page fetches a good deal less than with a parser for every type.
//!
//! Serde's own `tag` reads an enum by way of a second tree, with code of its own for every field of
//! every variant; `tagged!` finds the variant's name in the first.
//!
//! There is one error, and it says nothing: an engine that gets a wrong answer wants to know just
//! that, and a message could hold what somebody wrote.

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, Expected, IntoDeserializer,
    MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor, value::StringDeserializer,
};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value, map};
use std::{fmt, vec};

/// Reads JSON text as a `T`.
///
/// Structs are objects, and enums without data strings; enums with data need a `tag`, or `tagged!`.
///
/// # Errors
///
/// [`NotThat`] where the text is no JSON, or other JSON.
pub fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, NotThat> {
    T::deserialize(Given(serde_json::from_str(text).map_err(|_| NotThat)?))
}

/// An enum that is an object in JSON, with the variant's name as its `type`; in `strict` ones
/// unknown fields are refused. The name is said twice, as serde wants it in quotes.
macro_rules! tagged {
    ($(#[$meta:meta])* pub enum $name:ident as $quoted:literal $variants:tt) => {
        crate::json::tagged!(@ ($(#[$meta])*) $name $quoted [] $variants);
    };
    ($(#[$meta:meta])* pub strict enum $name:ident as $quoted:literal $variants:tt) => {
        crate::json::tagged!(@ ($(#[$meta])*) $name $quoted [deny_unknown_fields] $variants);
    };
    (@ ($(#[$meta:meta])*) $name:ident $quoted:literal [$($strict:ident)?] $variants:tt) => {
        $(#[$meta])*
        #[derive(serde::Serialize)]
        #[serde(tag = "type", rename_all = "snake_case")]
        pub enum $name $variants

        const _: () = {
            #[derive(serde::Deserialize)]
            #[serde(remote = $quoted, rename_all = "snake_case", $($strict)?)]
            #[allow(dead_code, reason = "it only says how the enum is read")]
            enum Variants $variants

            impl<'de> serde::Deserialize<'de> for $name {
                fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                    let given = crate::json::Given(serde_json::Value::deserialize(d)?);
                    Variants::deserialize(given).map_err(serde::de::Error::custom)
                }
            }
        };
    };
}
pub(crate) use tagged;

/// The text is not the JSON that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the JSON that was asked for")]
pub struct NotThat;

// All of them, or each type would bring the code that writes its message.
impl Error for NotThat {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
    fn invalid_type(_: Unexpected<'_>, _: &dyn Expected) -> Self {
        Self
    }
    fn invalid_value(_: Unexpected<'_>, _: &dyn Expected) -> Self {
        Self
    }
    fn invalid_length(_: usize, _: &dyn Expected) -> Self {
        Self
    }
    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Self
    }
    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        Self
    }
    fn missing_field(_: &'static str) -> Self {
        Self
    }
    fn duplicate_field(_: &'static str) -> Self {
        Self
    }
}

/// A tree from which a value is read.
pub(crate) struct Given(pub(crate) Value);

impl<'de> Deserializer<'de> for Given {
    type Error = NotThat;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotThat> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => visitor.visit_u64(number),
                (None, Some(number)) => visitor.visit_i64(number),
                (None, None) => Err(NotThat),
            },
            Value::String(text) => visitor.visit_string(text),
            Value::Array(items) => visitor.visit_seq(Items(items.into_iter())),
            Value::Object(fields) => {
                visitor.visit_map(Fields { rest: fields.into_iter(), value: None })
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotThat> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, NotThat> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, NotThat> {
        match self.0 {
            Value::Object(fields) => {
                visitor.visit_map(Fields { rest: fields.into_iter(), value: None })
            }
            _ => Err(NotThat),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, NotThat> {
        match self.0 {
            Value::String(name) => {
                visitor.visit_enum(IntoDeserializer::<NotThat>::into_deserializer(name))
            }
            Value::Object(mut fields) => match fields.remove("type") {
                Some(Value::String(name)) => visitor.visit_enum(Variant { name, fields }),
                _ => Err(NotThat),
            },
            _ => Err(NotThat),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotThat> {
        match self.0 {
            Value::String(text) => visitor.visit_string(text),
            _ => Err(NotThat),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotThat> {
        match self.0 {
            Value::Array(items) => visitor.visit_seq(Items(items.into_iter())),
            _ => Err(NotThat),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotThat> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str bytes byte_buf unit
        unit_struct tuple tuple_struct map identifier
    }
}

/// What an array holds.
struct Items(vec::IntoIter<Value>);

impl<'de> SeqAccess<'de> for Items {
    type Error = NotThat;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, NotThat> {
        self.0.next().map(|item| seed.deserialize(Given(item))).transpose()
    }
}

/// What an object holds.
struct Fields {
    rest: map::IntoIter,
    value: Option<Value>,
}

impl<'de> MapAccess<'de> for Fields {
    type Error = NotThat;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, NotThat> {
        let Some((key, value)) = self.rest.next() else { return Ok(None) };
        self.value = Some(value);
        seed.deserialize(StringDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, NotThat> {
        seed.deserialize(Given(self.value.take().ok_or(NotThat)?))
    }
}

/// What an object with a `type` holds.
struct Variant {
    name: String,
    fields: Map<String, Value>,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = NotThat;
    type Variant = Given;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Given), NotThat> {
        let variant = seed.deserialize(StringDeserializer::<NotThat>::new(self.name))?;
        Ok((variant, Given(Value::Object(self.fields))))
    }
}

impl<'de> VariantAccess<'de> for Given {
    type Error = NotThat;

    fn unit_variant(self) -> Result<(), NotThat> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, NotThat> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, NotThat> {
        Err(NotThat)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, NotThat> {
        self.deserialize_struct("", fields, visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::{NotThat, from_json};
    use crate::engine::Input;
    use crate::wire::{Problem, ServerFrame};

    #[test]
    fn what_serde_json_reads_is_read_alike() {
        let problem =
            r#"{"type":"/problems/x","title":"a\"ü\u00fc","status":409,"later":[{}, 1.5]}"#;
        assert_eq!(from_json::<Problem>(problem), Ok(serde_json::from_str(problem).unwrap()));
        let found = r#"{"type":"find_contact","phone":"+491511234567"}"#;
        assert!(from_json(found) == Ok(serde_json::from_str::<Input>(found).unwrap()));
        assert_eq!(from_json(r#"{"type":"caught_up"}"#), Ok(ServerFrame::CaughtUp));
        let letters = r#"{"letters":[],"later":1,"type":"letters"}"#;
        let read = ServerFrame::Letters { letters: vec![] };
        assert_eq!(serde_json::from_str::<ServerFrame>(letters).unwrap(), read);
        assert_eq!(serde_json::to_string(&read).unwrap(), r#"{"type":"letters","letters":[]}"#);
        assert_eq!(from_json(letters), Ok(read));
        assert_eq!(from_json("[null,-5,7]"), Ok(vec![None, Some(-5_i64), Some(7)]));
    }

    #[test]
    fn other_json_is_refused() {
        let refused = [
            "",
            "{}",
            "null",
            r#"["/problems/x","title",409,null]"#,
            r#"{"type":"/problems/x","title":"x"}"#,
            r#"{"type":"/problems/x","title":"x","status":"409"}"#,
            r#"{"type":"/problems/x","title":"x","status":70000}"#,
            r#"{"type":"/problems/x","title":"x","status":-1}"#,
            r#"{"type":"/problems/x","title":"x","status":409.5}"#,
            r#"{"type":"/problems/x","title":"x","status":409} {}"#,
        ];
        for text in refused {
            assert_eq!(from_json::<Problem>(text), Err(NotThat), "{text}");
        }
        assert_eq!(from_json::<ServerFrame>(r#"{"type":"tomorrow"}"#), Err(NotThat));
        for text in
            [r#"{"letters":[]}"#, r#"{"type":["letters"],"letters":[]}"#, r#"{"type":"letters"}"#]
        {
            assert_eq!(from_json::<ServerFrame>(text), Err(NotThat), "{text}");
            assert!(serde_json::from_str::<ServerFrame>(text).is_err(), "{text}");
        }
        let unknown_field = r#"{"type":"find_contact","phone":"+491511234567","now":1}"#;
        assert!(from_json::<Input>(unknown_field) == Err(NotThat));
        assert_eq!(from_json::<ServerFrame>(&"[".repeat(1_000_000)), Err(NotThat));
    }
}
