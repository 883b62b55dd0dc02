//! The claim "no sender, no relationships", checked: the privacy manifest, which names everything that
//! is stored, logged, counted or asked; the checks that compare a live database with it; the report.
//! `letterbox disclose` and the owner's own page come from the same manifest.
//!
//! Dependencies go `audit → db` only.

mod checks;
mod command;
mod disclose;
mod disclosure;
pub mod manifest;
mod names;
pub mod page;
mod report;
mod shape;

pub use command::{Args, audit, run};
pub use disclose::{Args as DiscloseArgs, run as disclose_run};
pub use disclosure::{Detail, disclosure};
pub use manifest::Manifest;
pub use report::{Check, Finding, Report, Verdict};
