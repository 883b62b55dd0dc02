//! Thin browser bindings over `letterbox-protocol`: the client engine as a JavaScript class.

use letterbox_protocol::engine;
use wasm_bindgen::prelude::*;

/// The prefix under which a contact's letters lie in the vault; see
/// [`engine::LETTER_PREFIX`].
#[wasm_bindgen(js_name = letterPrefix)]
pub fn letter_prefix(contact: &str) -> String {
    format!("{}{contact}/", engine::LETTER_PREFIX)
}

/// The longest text of one letter, in bytes of UTF-8.
#[wasm_bindgen(js_name = textLimit)]
pub fn text_limit() -> usize {
    engine::TEXT_LIMIT
}
