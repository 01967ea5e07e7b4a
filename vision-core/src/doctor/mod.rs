//! Finds out why a container's network does not work and names the cause.
//!
//! [`collect`] does all the input and output and fills a [`CaseFile`]; [`plan`], which says what
//! to ask next, and [`judge`], which says what it means, are pure functions of that file.

mod cause;
mod question;
mod report;

pub use cause::Cause;
pub use question::{Question, Service};
pub use report::{
    Area, AreaState, Class, Confidence, Consequence, Diagnosis, Evidence, Finding, Fix, Risk,
    RuledOut, Severity, Subject, SubjectKind, Unchecked, Verdict,
};
