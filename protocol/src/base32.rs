//! Crockford's base 32: 0-9 and A-Z without I, L, O and U, for what people read out and type.

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The characters of `bytes`, five bits each, the highest first; zeros fill the last one up.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    let value = |at: usize| (0..5).fold(0, |value, n| value << 1 | bit(at * 5 + n));
    (0..(bytes.len() * 8).div_ceil(5)).map(|at| character(value(at))).collect()
}

/// The character of a value's lower five bits.
pub(crate) fn character(value: u8) -> char {
    char::from(ALPHABET[usize::from(value & 31)])
}

/// Reads `N` bytes from exactly as many characters as they need, as they may be typed: in either
/// case, `I` and `L` for 1, `O` for 0. `None` for other characters, and where filling bits are set.
pub(crate) fn decode<const N: usize>(typed: &[char]) -> Option<[u8; N]> {
    if typed.len() != (N * 8).div_ceil(5) {
        return None;
    }
    let values = typed.iter().map(|c| value(*c)).collect::<Option<Vec<u8>>>()?;
    let bit = |at: usize| values[at / 5] >> (4 - at % 5) & 1;
    let byte = |at: usize| (0..8).fold(0, |byte, n| byte << 1 | bit(at * 8 + n));
    let filled = (N * 8..values.len() * 5).all(|at| bit(at) == 0);
    filled.then(|| std::array::from_fn(byte))
}

/// A typed character's value.
pub(crate) fn value(typed: char) -> Option<u8> {
    let meant = match typed.to_ascii_uppercase() {
        'I' | 'L' => '1',
        'O' => '0',
        other => other,
    };
    ALPHABET.iter().position(|c| char::from(*c) == meant).map(|at| at as u8)
}

/// What was typed, without spaces and dashes.
pub(crate) fn typed(text: &str) -> Vec<char> {
    text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect()
}

/// Groups of four, with spaces between.
pub(crate) fn grouped(characters: &str) -> String {
    let characters: Vec<char> = characters.chars().collect();
    let groups: Vec<String> = characters.chunks(4).map(|group| group.iter().collect()).collect();
    groups.join(" ")
}

#[cfg(test)]
#[cfg(not(target_family = "wasm"))]
mod tests {
    use super::{decode, encode, grouped, typed};
    use proptest::prelude::*;

    #[test]
    fn known_values() {
        assert_eq!(encode(&[0; 10]), "0000000000000000");
        assert_eq!(encode(&[0xff; 10]), "ZZZZZZZZZZZZZZZZ");
        assert_eq!(encode(&[0b0000_1000, 0b1000_0110]), "1230");
        assert_eq!(grouped("0123456789"), "0123 4567 89");
        assert_eq!(decode::<2>(&typed("1-2 3o")), Some([0b0000_1000, 0b1000_0110]));
        assert_eq!(decode::<2>(&typed("l23O")), Some([0b0000_1000, 0b1000_0110]));
        assert_eq!(decode::<2>(&typed("1231")), None, "a filling bit is set");
        assert_eq!(decode::<2>(&typed("12U0")), None, "not in the alphabet");
        assert_eq!(decode::<2>(&typed("123")), None, "too short");
        assert_eq!(decode::<2>(&typed("12300")), None, "too long");
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(bytes: [u8; 16], lower: bool) {
            let text = grouped(&encode(&bytes));
            let text = if lower { text.to_lowercase() } else { text };
            prop_assert_eq!(decode::<16>(&typed(&text)), Some(bytes));
        }

        #[test]
        fn whatever_is_typed_is_read_or_refused(text in "\\PC{0,40}") {
            let _ = decode::<10>(&typed(&text));
        }
    }
}
