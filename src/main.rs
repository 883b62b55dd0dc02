//! The `letterbox` command.
fn main() {}
