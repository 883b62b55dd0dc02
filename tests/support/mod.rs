//! What the tests share: temporary databases, a test application.

pub(crate) mod app;
pub(crate) mod databases;
pub(crate) mod eventually;
pub(crate) mod linking;
pub(crate) mod member;
pub(crate) mod mint;
pub(crate) mod person;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod raw_letter;
pub(crate) mod rotating;
