use std::net::IpAddr;
use std::time::Duration;

use crate::base::{Gap, LinkAddr, Timestamp, Untrusted};
use crate::netns::NetnsId;
use crate::probe::Method;

/// What a neighbour probe heard.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct NeighReport {
    /// The namespace it was asked in.
    pub netns: NetnsId,
    /// Whose link-layer address was asked for.
    pub to: IpAddr,
    /// The interface asked on.
    pub interface: Untrusted,
    /// Its index.
    pub ifindex: u32,
    /// The address asked from; unspecified when the interface has none.
    pub source: IpAddr,
    /// Through which kind of socket.
    pub method: Method,
    /// When each request was sent.
    pub requests: Vec<Timestamp>,
    /// Every answer, in order of arrival.
    pub answers: Vec<NeighAnswer>,
    /// In a search for duplicates: whether the interface itself has the address.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub own: Option<OwnAddress>,
    /// What was not done, and why.
    pub gaps: Vec<Gap>,
}

/// How an address that is searched for duplicates stands on the own interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum OwnAddress {
    /// The interface does not have it.
    Absent,
    /// The interface has it.
    Held,
    /// The kernel's own duplicate detection is under way.
    Tentative,
    /// The kernel's own duplicate detection found another holder (`dadfailed`, RFC 4862 §5.4.5).
    DadFailed,
}

/// One answer to a solicitation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct NeighAnswer {
    /// The link-layer address that claims to be the holder.
    pub lladdr: LinkAddr,
    /// The sequence number, from 1, of the latest request before the answer.
    pub seq: u16,
    /// Time since that request.
    #[cfg_attr(feature = "serde", serde(rename = "rtt_ns", with = "crate::base::nanos"))]
    pub rtt: Duration,
    /// Whether an IPv6 neighbour calls itself a router.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub is_router: Option<bool>,
}

impl NeighReport {
    /// Tells whether a search for duplicates found one: anybody else who has the address, whether
    /// or not the interface itself does. `None` when nothing of the kind was searched for.
    pub fn is_duplicate(&self) -> Option<bool> {
        self.own.map(|own| own == OwnAddress::DadFailed || !self.answers.is_empty())
    }

    /// Lists the different link-layer addresses that answered, in order of arrival.
    pub fn holders(&self) -> Vec<LinkAddr> {
        let mut holders = Vec::new();
        for answer in &self.answers {
            if !holders.contains(&answer.lladdr) {
                holders.push(answer.lladdr);
            }
        }
        holders
    }
}
