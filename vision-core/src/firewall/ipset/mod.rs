//! Sets of ipset, over nfnetlink: what `ipset list` and `ipset test` say.

mod model;
mod read;
mod text;

use nix::libc;

pub use model::{Ipset, IpsetElement, IpsetFamily};

use crate::base::{Budget, Capability, Error, Op, Result};
use crate::inventory::Consistency;
use crate::netlink::header::Messages;
use crate::netlink::{Channel, KernelSocket, Protocol, ipset};
use crate::netns::{Netns, Target};

/// Reads the sets of ipset in one namespace; needs `CAP_NET_ADMIN` there.
///
/// They are the sets that `-m set` of iptables names; those of nf_tables are another thing, see
/// [`Ruleset::sets`](super::Ruleset::sets).
pub struct Ipsets {
    netns: Netns,
    channel: Channel,
}

/// One step of a listing: a set, then its elements.
// Closed: there is nothing else in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "handed over one by one, never kept")]
pub enum IpsetStep {
    /// A set begins.
    Set(Ipset),
    /// An element of the set that began last.
    Element(IpsetElement),
}

/// A set with what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct IpsetContent {
    /// The set.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub set: Ipset,
    /// Its elements, in the kernel's order.
    pub elements: Vec<IpsetElement>,
}

impl Ipsets {
    /// Opens the target's namespace.
    ///
    /// # Errors
    /// Those of [`Target::open`], or [`Error::Sys`] when no socket could be opened.
    pub fn open(target: &Target) -> Result<Self> {
        let netns = target.open()?;
        let channel = Channel::new(KernelSocket::open(&netns, Protocol::Netfilter, BUFFER)?);
        Ok(Self { netns, channel })
    }

    /// Hands over sets and their elements one by one, in constant memory.
    ///
    /// `name` picks one set; `terse` leaves the elements out. The kernel tells nobody when an
    /// element comes or goes, so the most that is known is that something did change.
    ///
    /// # Errors
    /// [`Error::Permission`] without `CAP_NET_ADMIN`, [`Error::Unsupported`] on a kernel without
    /// ipset, [`Error::NotFound`] when no set has that name, [`Error::Netlink`],
    /// [`Error::Elapsed`] or [`Error::Cancelled`].
    #[doc(alias = "ipset list")]
    pub fn each(
        &mut self,
        name: Option<&str>,
        terse: bool,
        budget: &Budget,
        mut each: impl FnMut(IpsetStep),
    ) -> Result<Consistency> {
        let mut before = Vec::new();
        let interrupted = self.dump(name, terse, budget, |step| {
            if let IpsetStep::Set(set) = &step {
                before.push(identity(set));
            }
            each(step);
        })?;
        let mut after = Vec::new();
        let look = self.dump(name, true, budget, |step| {
            if let IpsetStep::Set(set) = &step {
                after.push(identity(set));
            }
        });
        let gone = matches!(look, Err(Error::NotFound(_)));
        if !gone {
            look?;
        }
        Ok(match interrupted || gone || before != after {
            true => Consistency::No,
            false => Consistency::Unknown,
        })
    }

    /// Returns the sets with their elements.
    ///
    /// # Errors
    /// As [`Ipsets::each`].
    pub fn list(&mut self, budget: &Budget) -> Result<Vec<IpsetContent>> {
        let mut sets: Vec<IpsetContent> = Vec::new();
        self.each(None, false, budget, |step| match step {
            IpsetStep::Set(set) => sets.push(IpsetContent { set, elements: Vec::new() }),
            IpsetStep::Element(element) => {
                if let Some(last) = sets.last_mut() {
                    last.elements.push(element);
                }
            }
        })?;
        Ok(sets)
    }

    /// Tells whether the kernel finds an element in a set; nothing is changed by the question.
    ///
    /// `element` is in ipset's words: `10.0.0.1,tcp:80`. Names of hosts and services are not
    /// looked up.
    ///
    /// # Errors
    /// As [`Ipsets::each`]; [`Error::Invalid`] for an element that does not suit the set's type.
    #[doc(alias = "ipset test")]
    pub fn test(&mut self, set: &str, element: &str, budget: &Budget) -> Result<bool> {
        let name = checked(set)?;
        let mut found = None;
        self.ready()?
            .ask(ipset::header(name), budget, |message| {
                found = ipset::decode(message).and_then(|attrs| read::set(&attrs));
            })
            .map_err(|error| explain(error, Some(set)))?;
        let head = found.ok_or(Error::Unsupported("ipset"))?;
        let question = head.question(element)?;
        let answer = self.ready()?.ask(ipset::test(name, &question), budget, |_| {});
        match answer {
            Ok(_) => Ok(true),
            Err(error) if error.errno() == Some(NOT_IN_SET) => Ok(false),
            Err(error) if error.errno() == Some(UNSUITABLE) => {
                let why = format!("{element:?}: the kernel says that {set:?} holds no such thing");
                Err(Error::Invalid { what: "element", why })
            }
            Err(error) => Err(explain(error, Some(set))),
        }
    }

    /// The name of the set with that number, as rules of iptables hold it.
    pub(super) fn name(&mut self, number: u16, budget: &Budget) -> Result<Vec<u8>> {
        let mut name = None;
        self.ready()?
            .ask(ipset::by_index(number), budget, |message| name = ipset::decode_name(message))
            .map_err(|error| explain(error, None))?;
        name.ok_or(Error::Unsupported("numbers of ipset"))
    }

    /// Lists; tells whether the kernel flagged the answers.
    fn dump(
        &mut self,
        name: Option<&str>,
        terse: bool,
        budget: &Budget,
        mut each: impl FnMut(IpsetStep),
    ) -> Result<bool> {
        let wanted = name.map(checked).transpose()?;
        let request = ipset::list(wanted, terse);
        let ended = self.ready()?.ask(request, budget, |message| {
            if let Some(attrs) = ipset::decode(message) {
                steps(&attrs, &mut each);
            }
        });
        Ok(ended.map_err(|error| explain(error, name))?.interrupted)
    }

    /// The channel; a fresh one when the last exchange was given up half way.
    fn ready(&mut self) -> Result<&mut Channel> {
        if self.channel.is_busy() {
            let socket = KernelSocket::open(&self.netns, Protocol::Netfilter, BUFFER)?;
            self.channel = Channel::new(socket);
        }
        Ok(&mut self.channel)
    }
}

/// Reads the ipset messages of a recorded datagram; other messages are passed over.
///
/// The bytes must be of a machine with the same byte order.
pub fn recorded(datagram: &[u8]) -> Vec<IpsetStep> {
    let mut out = Vec::new();
    for message in Messages::new(datagram) {
        if let Some(attrs) = ipset::decode(&message) {
            steps(&attrs, &mut |step| out.push(step));
        }
    }
    out
}

fn steps(attrs: &crate::netlink::attr::Attrs<'_>, each: &mut impl FnMut(IpsetStep)) {
    if let Some(set) = read::set(attrs) {
        each(IpsetStep::Set(set));
    }
    read::elements(attrs).for_each(|element| each(IpsetStep::Element(element)));
}

/// What a change to a set shows in: elements that time out are no change.
fn identity(set: &Ipset) -> (Vec<u8>, Vec<u8>, u32) {
    let count = if set.timeout.is_some() { 0 } else { set.count };
    (set.name.as_bytes().to_vec(), set.kind.as_bytes().to_vec(), count)
}

/// `IPSET_MAXNAMELEN` with the zero that ends it.
fn checked(name: &str) -> Result<&[u8]> {
    match name.len() {
        1..=31 if !name.contains('\0') => Ok(name.as_bytes()),
        _ => {
            let why = format!("{name:?}: names of sets have 1 to 31 bytes");
            Err(Error::Invalid { what: "set", why })
        }
    }
}

fn explain(error: Error, set: Option<&str>) -> Error {
    match (&error, error.errno(), set) {
        (Error::Netlink { .. }, Some(libc::EPERM), _) => {
            Error::Permission { op: Op::ReadFirewall, needs: Capability::NetAdmin }
        }
        // nfnetlink knows no such subsystem.
        (Error::Netlink { .. }, Some(libc::EINVAL), _) => Error::Unsupported("ipset"),
        (Error::Netlink { .. }, Some(libc::ENOENT), Some(set)) => {
            Error::NotFound(format!("ipset {set:?}"))
        }
        _ => error,
    }
}

/// `IPSET_ERR_PROTOCOL`: all the kernel says of an element that does not suit a set.
const UNSUITABLE: i32 = 4097;
/// `IPSET_ERR_EXIST`.
const NOT_IN_SET: i32 = 4103;
/// Receive buffer in bytes.
const BUFFER: usize = 1 << 20;
