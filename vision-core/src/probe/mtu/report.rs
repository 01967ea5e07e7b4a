use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::base::{Gap, Reason};
use crate::netns::NetnsId;
use crate::probe::{IcmpError, Probing, ProbingMethod};

/// How large packets may be on the way to a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct MtuReport {
    /// The namespace it was asked in.
    pub netns: NetnsId,
    /// The address the probes left from.
    pub from: IpAddr,
    /// Whom they were for.
    pub to: IpAddr,
    /// What was sent.
    pub probing: Probing,
    /// Through which kind of socket.
    pub method: ProbingMethod,
    /// The largest packet tried in bytes: the first link's MTU, or what was asked for.
    pub ceiling_bytes: u32,
    /// The largest packet that passes in bytes; absent where that could not be told.
    pub mtu_bytes: Option<u32>,
    /// How it ended.
    pub end: MtuEnd,
    /// Who said that packets were too big, in the order it was learnt.
    pub steps: Vec<MtuStep>,
    /// Where larger packets vanish without a word.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub black_hole: Option<BlackHole>,
    /// Hops to the destination, where they were counted.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub hops: Option<u8>,
    /// The segment size the destination's TCP offers.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub mss_bytes: Option<u16>,
    /// What the kernel had cached for this destination before the first probe.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub cached_before: Option<CachedMtu>,
    /// What it has cached now.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub cached_after: Option<CachedMtu>,
    /// Packets sent.
    pub sent: u32,
    /// What was not done, and why.
    pub gaps: Vec<Gap>,
}

/// How the search for the largest packet ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum MtuEnd {
    /// The largest tried passes.
    Unlimited,
    /// A router, or the own kernel, said what does not pass.
    Told,
    /// Larger packets vanish without a word: a black hole for path MTU discovery (RFC 2923 §2.1).
    Swallowed,
    /// The destination does not answer even the smallest packet.
    Unanswered,
    /// Somebody on the way refuses packets of every size.
    Refused {
        /// Who, and with what words.
        error: IcmpError,
    },
    /// The own kernel sends nothing there.
    NotSent {
        /// Why.
        reason: Reason,
        /// The MTU in bytes that was exceeded.
        #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
        mtu_bytes: Option<u32>,
    },
    /// The run was ended before it was known.
    Open,
}

/// Somebody said that a packet was too big.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct MtuStep {
    /// The MTU it named in bytes; absent in the kernel's own refusal without one, zero from routers
    /// that do not know RFC 1191.
    pub mtu_bytes: Option<u32>,
    /// The size of the packet.
    pub size_bytes: u16,
    /// Who said so; `None` for the own kernel.
    pub from: Option<IpAddr>,
    /// How many hops away it is, where that is known.
    pub hop: Option<u8>,
}

/// A place on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct HopAt {
    /// How many hops away.
    pub ttl: u8,
    /// Its address, if it answers.
    pub addr: Option<IpAddr>,
}

/// Between which hops packets vanish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct BlackHole {
    /// The last hop that larger packets reach; `None` if they reach none.
    pub after: Option<HopAt>,
    /// The next hop that answers small ones.
    pub before: Option<HopAt>,
}

/// A path MTU the kernel keeps for a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CachedMtu {
    /// The MTU in bytes.
    pub mtu_bytes: u32,
    /// How long it is kept.
    #[cfg_attr(feature = "serde", serde(rename = "expires_ns", with = "crate::base::nanos"))]
    pub expires: Duration,
}

impl MtuReport {
    /// Tells whether the kernel obeys a cached MTU that is not that of the path.
    pub fn has_stale_cache(&self) -> bool {
        let differs = |(cached, mtu): (CachedMtu, u32)| cached.mtu_bytes != mtu;
        self.cached_before.zip(self.mtu_bytes).is_some_and(differs)
    }

    /// Tells whether the kernel cached something because of the probes.
    pub fn has_taught(&self) -> bool {
        let mtu = |cached: Option<CachedMtu>| cached.map(|cached| cached.mtu_bytes);
        mtu(self.cached_after).is_some() && mtu(self.cached_after) != mtu(self.cached_before)
    }

    /// Says what was found, one sentence each.
    pub fn sentences(&self) -> Vec<String> {
        let mut said = vec![self.verdict()];
        for step in &self.steps {
            said.push(step.to_string());
        }
        if let Some(black_hole) = self.black_hole {
            let after = black_hole.after.map_or_else(|| "this host".to_owned(), |h| h.to_string());
            let before = black_hole.before.map(|hop| format!(" and before {hop}"));
            let before = before.unwrap_or_default();
            said.push(format!(
                "black hole after {after}{before}: larger packets vanish without an ICMP error"
            ));
        }
        if let (Some(cached), Some(mtu), true) =
            (self.cached_before, self.mtu_bytes, self.has_stale_cache())
        {
            said.push(format!(
                "the kernel has {} bytes cached for {} s more, the path takes {mtu}: stale",
                cached.mtu_bytes,
                cached.expires.as_secs()
            ));
        }
        if self.has_taught() {
            said.push("the kernel has cached what it heard meanwhile".to_owned());
        }
        if let Some(mss) = self.mss_bytes {
            said.push(format!("its TCP offers segments of {mss} bytes"));
        }
        said
    }

    fn verdict(&self) -> String {
        let mtu = self.mtu_bytes.unwrap_or_default();
        match self.end {
            MtuEnd::Unlimited => format!("path MTU {mtu}: the largest tried passes"),
            MtuEnd::Told => format!("path MTU {mtu}, as the way itself says"),
            MtuEnd::Swallowed => format!("path MTU {mtu}, and nobody says so"),
            MtuEnd::Unanswered => {
                "path MTU unknown: the destination does not answer even small packets".to_owned()
            }
            MtuEnd::Refused { error } => {
                let from = error.from.map_or_else(|| "this host".to_owned(), |ip| ip.to_string());
                format!("path MTU unknown: {from} says {}", error.text())
            }
            MtuEnd::NotSent { reason, .. } => format!("path MTU unknown: not sent: {reason}"),
            MtuEnd::Open => "path MTU unknown: the run was ended".to_owned(),
        }
    }
}

impl fmt::Display for HopAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.addr {
            Some(addr) => write!(f, "hop {} ({addr})", self.ttl),
            None => write!(f, "hop {}", self.ttl),
        }
    }
}

impl fmt::Display for MtuStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.from, self.hop) {
            (None, _) => f.write_str("told by the own kernel: ")?,
            (Some(from), Some(hop)) => write!(f, "told by hop {hop} ({from}): ")?,
            (Some(from), None) => write!(f, "told by {from}: ")?,
        }
        match self.mtu_bytes {
            Some(mtu) if mtu > 0 => write!(f, "MTU {mtu}"),
            _ => write!(f, "{} bytes are too many, and no MTU is named", self.size_bytes),
        }
    }
}
