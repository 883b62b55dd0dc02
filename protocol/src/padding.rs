//! Padding to a fixed length: ISO/IEC 7816-4, a byte 0x80 and then zeros.

/// Pads to exactly `length` bytes; `None` when there is no room for the one byte that is needed.
pub(crate) fn pad(mut plaintext: Vec<u8>, length: usize) -> Option<Vec<u8>> {
    if plaintext.len() >= length {
        return None;
    }
    plaintext.push(0x80);
    plaintext.resize(length, 0);
    Some(plaintext)
}

/// Takes the padding away; `None` when there is none. Only used on authenticated plaintext.
pub(crate) fn unpad(padded: &[u8]) -> Option<&[u8]> {
    let end = padded.iter().rposition(|byte| *byte != 0)?;
    (padded[end] == 0x80).then(|| &padded[..end])
}

#[cfg(test)]
mod tests {
    use super::{pad, unpad};

    #[test]
    fn padding_comes_off_again() {
        for plaintext in [&b""[..], b"a", b"\x80", b"\0", b"a\x80\0"] {
            let padded = pad(plaintext.to_vec(), 8).unwrap();
            assert_eq!(padded.len(), 8);
            assert_eq!(unpad(&padded), Some(plaintext));
        }
        assert_eq!(pad(vec![1; 8], 8), None);
        assert_eq!(pad(vec![1; 7], 8).as_deref().and_then(unpad), Some(&[1; 7][..]));
    }

    #[test]
    fn what_was_not_padded_is_refused() {
        assert_eq!(unpad(b""), None);
        assert_eq!(unpad(b"\0\0"), None);
        assert_eq!(unpad(b"ab"), None);
    }
}
