//! Thin browser bindings over `letterbox-protocol`.
