//! What a person types as a phone number, made into E.164.

use letterbox_protocol::types::Phone;

/// A text that is not a number with a country code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("A phone number begins with + and the country code, like +49 151 12345678.")]
pub struct NotAPhone;

/// The longest text that is looked at.
const LONGEST: usize = 32;

/// Parses a number as typed: `+` first, then digits with spaces, hyphens, dots, slashes or brackets
/// between them. It must be possible in its country's numbering plan.
///
/// Characters and length are held to that before the `phonenumber` crate sees the text: it turns
/// letters into digits, and takes 31 ms for a megabyte.
///
/// # Errors
/// When it is anything else.
pub fn parse(typed: &str) -> Result<Phone, NotAPhone> {
    let typed = typed.trim();
    let allowed = |b: u8| b.is_ascii_digit() || b" -./()".contains(&b);
    let rest = typed.strip_prefix('+').ok_or(NotAPhone)?;
    if typed.len() > LONGEST || !rest.bytes().all(allowed) {
        return Err(NotAPhone);
    }
    let number = phonenumber::parse(None, typed).map_err(|_| NotAPhone)?;
    if !number.is_valid() {
        return Err(NotAPhone);
    }
    number.format().mode(phonenumber::Mode::E164).to_string().parse().map_err(|_| NotAPhone)
}

/// The two-letter code of the country that the number belongs to, where it belongs to one.
pub fn country(phone: &Phone) -> Option<String> {
    let number = phonenumber::parse(None, phone.as_str()).ok()?;
    number.country().id().map(|id| id.as_ref().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table that the page's parser and `protocol`'s syntax are held to as well.
    #[derive(serde::Deserialize)]
    struct Table {
        numbers: Vec<Number>,
        refused: Vec<String>,
    }

    #[derive(serde::Deserialize)]
    struct Number {
        typed: String,
        e164: String,
    }

    fn table() -> Table {
        serde_json::from_str(include_str!("../tests/phones.json")).unwrap()
    }

    #[test]
    fn typed_numbers_become_e164() {
        for Number { typed, e164 } in table().numbers {
            assert_eq!(parse(&typed).map(|p| p.as_str().to_owned()), Ok(e164.clone()), "{typed}");
            assert_eq!(parse(&e164).map(|p| p.as_str().to_owned()), Ok(e164), "{typed}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for typed in table().refused {
            assert_eq!(parse(&typed), Err(NotAPhone), "{typed}");
        }
        // The page takes the first, which other countries may number like that one day.
        for typed in ["+49 1234567".to_owned(), format!("+49{}", " ".repeat(40))] {
            assert_eq!(parse(&typed), Err(NotAPhone), "{typed}");
        }
    }

    #[test]
    fn numbers_know_their_country() {
        let of = |text: &str| country(&text.parse().unwrap());
        assert_eq!(of("+4915112345678").as_deref(), Some("DE"));
        assert_eq!(of("+12025550143").as_deref(), Some("US"));
    }
}
