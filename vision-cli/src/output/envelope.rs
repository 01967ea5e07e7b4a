//! The outermost object of everything written as JSON.

use std::net::IpAddr;

use serde::Serialize;
use vision_core::netns::Container;
use vision_core::probe::{Resolution, ResolvedBy};
use vision_core::{Error, NetnsId, Selector, Target, Timestamp};

use crate::hint;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Whom a result is about.
#[derive(Debug, Default, Serialize)]
pub struct About {
    #[serde(skip_serializing_if = "Option::is_none")]
    selector: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    netns: Option<NetnsId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<Container>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resolved: Vec<Resolved>,
}

/// What a name stands for in the target.
#[derive(Debug, Serialize)]
struct Resolved {
    name: String,
    addresses: Vec<IpAddr>,
    source: Option<ResolvedBy>,
}

impl About {
    /// Names a target that was found.
    pub fn of(target: &Target) -> Self {
        Self {
            selector: Some(target.to_string()),
            netns: Some(target.id()),
            container: target.container().cloned(),
            resolved: Vec::new(),
        }
    }

    /// Names a target that was only asked for.
    pub fn named(selector: &Selector) -> Self {
        Self { selector: Some(selector.to_string()), ..Self::default() }
    }

    /// Adds what a name was resolved to.
    pub fn resolve(&mut self, found: &Resolution) {
        self.resolved.push(Resolved {
            name: found.name.clone(),
            addresses: found.addresses.clone(),
            source: found.source.clone(),
        });
    }

    fn is_empty(&self) -> bool {
        self.selector.is_none()
    }
}

/// One result, or the reason why there is none.
#[derive(Debug, Serialize)]
pub struct Envelope<'a, R> {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    schema: &'static str,
    vision: &'static str,
    at: Timestamp,
    #[serde(skip_serializing_if = "About::is_empty")]
    target: &'a About,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<&'a R>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Refusal>,
}

/// Why there is no result.
#[derive(Debug, Serialize)]
pub struct Refusal {
    kind: &'static str,
    op: Option<String>,
    message: String,
    hint: Option<String>,
}

impl<'a, R: Serialize> Envelope<'a, R> {
    /// Wraps a one-shot report.
    pub fn report(schema: &'static str, target: &'a About, report: &'a R) -> Self {
        Self { report: Some(report), ..Self::empty(schema, target) }
    }

    /// Wraps the end of a stream.
    pub fn summary(
        schema: &'static str,
        target: &'a About,
        report: &'a R,
        error: Option<&Error>,
    ) -> Self {
        Self {
            kind: Some("summary"),
            report: Some(report),
            error: error.map(Refusal::of),
            ..Self::empty(schema, target)
        }
    }

    /// Wraps an error.
    pub fn error(schema: &'static str, target: &'a About, error: &Error) -> Self {
        Self { error: Some(Refusal::of(error)), ..Self::empty(schema, target) }
    }

    /// Begins an envelope whose report is a list under `name`, to be filled row by row.
    pub fn open(schema: &'static str, target: &'a About, name: &'static str) -> Opened<'a> {
        Opened { envelope: Envelope::empty(schema, target), name }
    }

    /// Wraps a refusal of the command line.
    pub fn usage(message: &str, hint: &str) -> Envelope<'static, R> {
        const NOBODY: &About =
            &About { selector: None, netns: None, container: None, resolved: Vec::new() };
        let refusal = Refusal {
            kind: "usage",
            op: None,
            message: message.to_owned(),
            hint: Some(hint.to_owned()),
        };
        Envelope { error: Some(refusal), ..Envelope::empty("vision/usage@1", NOBODY) }
    }

    fn empty(schema: &'static str, target: &'a About) -> Self {
        let at = Timestamp::now();
        Self { kind: None, schema, vision: VERSION, at, target, report: None, error: None }
    }
}

impl Refusal {
    /// Spells an error out.
    pub fn of(error: &Error) -> Self {
        let op = match error {
            Error::Sys { op, .. } | Error::Permission { op, .. } => Some(op.to_string()),
            Error::Netlink { request, .. } => Some((*request).to_owned()),
            _ => None,
        };
        Self { kind: error.kind(), op, message: chain(error), hint: hint::of(error) }
    }
}

/// The beginning of an envelope.
#[derive(Debug)]
pub struct Opened<'a> {
    /// All that comes before the report.
    pub envelope: Envelope<'a, ()>,
    /// What the list is called.
    pub name: &'static str,
}

/// One object of a stream.
#[derive(Debug, Serialize)]
pub struct Event<'a, E> {
    #[serde(rename = "type")]
    kind: &'static str,
    schema: &'static str,
    event: &'a E,
}

impl<'a, E: Serialize> Event<'a, E> {
    /// Wraps an event.
    pub fn new(schema: &'static str, event: &'a E) -> Self {
        Self { kind: "event", schema, event }
    }
}

/// Spells an error out with all its causes.
pub fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
