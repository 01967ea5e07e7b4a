//! What a scenario is made of.

use std::{any::Any, fmt::Display, net::IpAddr, net::SocketAddr};

use vision_lab::{Lab, Node, Proc};

use crate::Result;

/// One network to build, one question to ask there, and the right answer.
#[derive(Clone, Copy)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) expect: Expect,
    pub(super) sight: Sight,
    pub(super) build: fn(&Lab) -> Result<Site>,
}

/// Which namespaces a process lives in, and can thus be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// Those where the scenario started one itself.
    Own,
    /// All, as on a machine where each is a container's.
    All,
}

/// The right answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expect {
    /// This cause first.
    Cause {
        slug: &'static str,
        /// Causes that may come first in its stead: the catalogue has several words for the fault.
        or: &'static [&'static str],
        /// Causes that may be named beside it: other true views of the same fault.
        related: &'static [&'static str],
    },
    /// No finding but notes.
    Healthy,
    /// Something is broken that the doctor cannot see from here: it says so instead of blaming another thing.
    Unnamed {
        /// Causes that would be right if it did find out.
        allowed: &'static [&'static str],
        /// What has to be among the things it did not check.
        unchecked: Option<&'static str>,
    },
}

impl Scenario {
    pub(super) const fn fault(
        slug: &'static str,
        name: &'static str,
        build: fn(&Lab) -> Result<Site>,
    ) -> Self {
        Self::new(name, Expect::Cause { slug, or: &[], related: &[] }, build)
    }

    pub(super) const fn healthy(name: &'static str, build: fn(&Lab) -> Result<Site>) -> Self {
        Self::new(name, Expect::Healthy, build)
    }

    pub(super) const fn unnamed(
        name: &'static str,
        allowed: &'static [&'static str],
        build: fn(&Lab) -> Result<Site>,
    ) -> Self {
        Self::new(name, Expect::Unnamed { allowed, unchecked: None }, build)
    }

    const fn new(name: &'static str, expect: Expect, build: fn(&Lab) -> Result<Site>) -> Self {
        Self { name, expect, sight: Sight::Own, build }
    }

    /// Puts a process into every namespace, so that all of them can be looked into.
    pub(super) const fn seen(mut self) -> Self {
        self.sight = Sight::All;
        self
    }

    pub(super) const fn or(mut self, causes: &'static [&'static str]) -> Self {
        if let Expect::Cause { slug, related, .. } = self.expect {
            self.expect = Expect::Cause { slug, or: causes, related };
        }
        self
    }

    pub(super) const fn related(mut self, causes: &'static [&'static str]) -> Self {
        if let Expect::Cause { slug, or, .. } = self.expect {
            self.expect = Expect::Cause { slug, or, related: causes };
        }
        self
    }

    pub(super) const fn unchecked(mut self, area: &'static str) -> Self {
        if let Expect::Unnamed { allowed, .. } = self.expect {
            self.expect = Expect::Unnamed { allowed, unchecked: Some(area) };
        }
        self
    }
}

/// A built scenario: where to ask, what to ask, and what has to stay alive meanwhile.
pub(super) struct Site {
    /// `--in` of the command line.
    pub(super) target: String,
    /// The question; without one the namespace's health is asked for.
    pub(super) destination: Option<String>,
    /// The namespaces whose fault it is, by inode; empty where it does not matter.
    pub(super) places: Vec<u64>,
    kept: Vec<Box<dyn Any>>,
}

impl Site {
    /// Asks in a namespace that has no process of its own.
    pub(super) fn at(node: &Node) -> Self {
        Self::new(format!("path:{}", node.path().display()))
    }

    /// Asks in a process' namespace.
    pub(super) fn in_process(process: Proc) -> Self {
        Self::new(format!("pid:{}", process.pid())).keep(process)
    }

    fn new(target: String) -> Self {
        Self { target, destination: None, places: Vec::new(), kept: Vec::new() }
    }

    /// The first cause has to be found in this node, or in another one said so.
    pub(super) fn blame(mut self, node: &Node) -> Self {
        self.places.push(node.inode());
        self
    }

    /// Asks about `HOST`, or whatever else is spelled out.
    pub(super) fn ask(mut self, destination: impl Display) -> Self {
        self.destination = Some(destination.to_string());
        self
    }

    /// Asks about `HOST:PORT` of an address.
    pub(super) fn ask_tcp(self, ip: impl Into<IpAddr>, port: u16) -> Self {
        self.ask(SocketAddr::new(ip.into(), port))
    }

    /// Asks about `udp:HOST:PORT` of an address.
    pub(super) fn ask_udp(self, ip: impl Into<IpAddr>, port: u16) -> Self {
        self.ask(format!("udp:{}", SocketAddr::new(ip.into(), port)))
    }

    /// Keeps a server or process until the answer is there.
    pub(super) fn keep(mut self, thing: impl Any) -> Self {
        self.kept.push(Box::new(thing));
        self
    }
}
