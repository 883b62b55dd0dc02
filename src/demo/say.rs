//! What is printed of what people do: in narrow lines.

use super::{
    DemoError,
    people::{Device, Person},
};
use std::io::Write;

/// A paragraph, broken into lines.
pub(super) fn broken(text: &str, width: usize) -> String {
    let mut lines = String::new();
    let mut length = 0;
    for word in text.split(' ') {
        let word_length = word.chars().count();
        if length > 0 && length + 1 + word_length > width {
            lines.push('\n');
            length = 0;
        } else if length > 0 {
            lines.push(' ');
            length += 1;
        }
        lines.push_str(word);
        length += word_length;
    }
    lines
}

/// Somebody has written.
pub(super) fn wrote(
    out: &mut impl Write,
    from: &str,
    to: &Person,
    text: &str,
) -> Result<(), DemoError> {
    writeln!(out, "  {from:<6} writes to {}:\n{:>5} {text}", to.name, '>')?;
    Ok(())
}

/// Waits until a letter is read, under its writer's number.
pub(super) async fn read(
    out: &mut impl Write,
    reader: &mut Device,
    writer: &Person,
    text: &str,
) -> Result<(), DemoError> {
    let sender = reader.read(text).await?;
    if sender != writer.phone {
        return Err(DemoError::WrongSender);
    }
    writeln!(out, "  {} reads from\n  {}:\n{:>5} {text}", reader.name, sender.as_str(), '<')?;
    Ok(())
}

/// Waits until what another device of the same person wrote shows here too.
pub(super) async fn copied(
    out: &mut impl Write,
    device: &mut Device,
    text: &str,
) -> Result<(), DemoError> {
    device.copied(text).await?;
    writeln!(out, "  {} shows it too:\n{:>5} {text}", device.name, '=')?;
    Ok(())
}
