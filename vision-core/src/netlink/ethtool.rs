//! Drivers: generic netlink (linux/ethtool_netlink.h), and the older ioctl where that has nothing.

use std::io;

use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::attr::{self, Attrs, NESTED, Request, read};
use super::header::Message;
use crate::base::{Error, Op, Result};
use crate::netns::Netns;
use crate::sys;

/// `struct genlmsghdr`.
const FIXED: usize = 4;
/// The controller of generic netlink.
const GENL_ID_CTRL: u16 = 0x10;

/// Asks for the number of the family.
pub(crate) fn family() -> Request {
    const CTRL_CMD_GETFAMILY: u8 = 3;
    const CTRL_ATTR_FAMILY_NAME: u16 = 2;
    Request::new("CTRL_CMD_GETFAMILY", GENL_ID_CTRL, 0, &[CTRL_CMD_GETFAMILY, 1, 0, 0])
        .attr(CTRL_ATTR_FAMILY_NAME, b"ethtool\0")
}

/// Reads the answer to [`family`].
pub(crate) fn decode_family(message: &Message<'_>) -> Option<u16> {
    let attrs = Attrs::after(message.body, FIXED);
    (message.kind == GENL_ID_CTRL).then(|| attrs.find(1).and_then(attr::u16))?
}

/// What to ask a driver (`ETHTOOL_MSG_*_GET`).
// closed: the questions asked here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    LinkInfo,
    LinkModes,
    LinkState,
    Features,
    Rings,
    Channels,
    Coalesce,
    Pause,
    Timestamping,
}

impl Question {
    fn numbers(self) -> (&'static str, u8) {
        match self {
            Self::LinkInfo => ("ETHTOOL_MSG_LINKINFO_GET", 2),
            Self::LinkModes => ("ETHTOOL_MSG_LINKMODES_GET", 4),
            Self::LinkState => ("ETHTOOL_MSG_LINKSTATE_GET", 6),
            Self::Features => ("ETHTOOL_MSG_FEATURES_GET", 11),
            Self::Rings => ("ETHTOOL_MSG_RINGS_GET", 15),
            Self::Channels => ("ETHTOOL_MSG_CHANNELS_GET", 17),
            Self::Coalesce => ("ETHTOOL_MSG_COALESCE_GET", 19),
            Self::Pause => ("ETHTOOL_MSG_PAUSE_GET", 21),
            Self::Timestamping => ("ETHTOOL_MSG_TSINFO_GET", 25),
        }
    }
}

/// Asks about one interface.
pub(crate) fn get(family: u16, question: Question, ifindex: u32) -> Request {
    const HEADER: u16 = 1;
    const DEV_INDEX: u16 = 1;
    let (name, command) = question.numbers();
    let header = attr::encode(DEV_INDEX, &ifindex.to_ne_bytes());
    Request::new(name, family, 0, &[command, 1, 0, 0]).attr(NESTED | HEADER, &header)
}

/// Returns the attributes of an answer, the header left out.
pub(crate) fn attrs<'a>(message: &Message<'a>) -> impl Iterator<Item = (u16, &'a [u8])> {
    Attrs::after(message.body, FIXED).filter(|(kind, _)| *kind != 1)
}

/// Reads the bits of a set that came with their names: name, and whether it is on.
pub(crate) fn bits(nest: &[u8]) -> Vec<(&[u8], bool)> {
    const NOMASK: u16 = 1;
    const BITS: u16 = 3;
    let set = || Attrs::new(nest);
    // Without a mask those that are off are left out.
    let list = set().find(NOMASK).is_some();
    let bit = |nest| {
        let attrs = || Attrs::new(nest);
        Some((attr::text(attrs().find(2)?), list || attrs().find(3).is_some()))
    };
    let all = set().find(BITS).unwrap_or_default();
    Attrs::new(all).filter_map(|(_, nest)| bit(nest)).collect()
}

/// Asks one driver by ioctl.
pub(crate) struct Driver<'n> {
    netns: &'n Netns,
    name: [u8; 16],
}

/// What a driver says of itself.
#[derive(Debug, Default)]
pub(crate) struct DriverMsg {
    /// Driver, version, firmware, place on the bus.
    pub(crate) texts: [Vec<u8>; 4],
    pub(crate) statistics: u32,
}

impl<'n> Driver<'n> {
    /// The interface of that name; `None` when it is too long for the kernel.
    pub(crate) fn of(netns: &'n Netns, name: &[u8]) -> Option<Self> {
        let mut fixed = [0; 16];
        let place = fixed.get_mut(..name.len()).filter(|place| place.len() < 16)?;
        place.copy_from_slice(name);
        Some(Self { netns, name: fixed })
    }

    fn call(&self, command: &mut [u8]) -> Result<()> {
        self.netns.run(|| {
            let flags = SockFlag::SOCK_CLOEXEC;
            let any = socket(AddressFamily::Inet, SockType::Datagram, flags, None)
                .or_else(|_| socket(AddressFamily::Netlink, SockType::Raw, flags, None));
            let fd = any.map_err(|e| Error::sys(Op::OpenSocket, io::Error::from(e)))?;
            sys::ethtool::ethtool(&fd, self.name, command).map_err(failed)
        })?
    }

    /// Asks who it is (`ETHTOOL_GDRVINFO`).
    pub(crate) fn info(&self) -> Result<DriverMsg> {
        let mut command = [0; 196];
        put(&mut command, 0, 0x3);
        self.call(&mut command)?;
        let text = |at: usize| attr::text(command.get(at..at + 32).unwrap_or_default()).to_vec();
        Ok(DriverMsg {
            texts: [4, 36, 68, 100].map(text),
            statistics: read(&command, 180).map_or(0, u32::from_ne_bytes),
        })
    }

    /// Reads its own statistics (`ETHTOOL_GSTRINGS`, `ETHTOOL_GSTATS`): names and values.
    pub(crate) fn statistics(&self, count: u32) -> Result<Vec<(Vec<u8>, u64)>> {
        const ETH_SS_STATS: u32 = 1;
        let room = (count as usize).min(MOST) * 2 + 1024;
        let mut names = vec![0; 12 + 32 * room];
        put(&mut names, 0, 0x1b);
        put(&mut names, 4, ETH_SS_STATS);
        put(&mut names, 8, count);
        self.call(&mut names)?;
        let mut values = vec![0; 8 + 8 * room];
        put(&mut values, 0, 0x1d);
        put(&mut values, 4, count);
        self.call(&mut values)?;
        let told = read(&names, 8).map_or(0, u32::from_ne_bytes);
        let told = told.min(read(&values, 4).map_or(0, u32::from_ne_bytes)) as usize;
        let names = names.get(12..).unwrap_or_default().chunks_exact(32);
        let values = values.get(8..).unwrap_or_default().as_chunks().0.iter();
        let pairs = names.zip(values).take(told.min(room));
        Ok(pairs.map(|(n, v)| (attr::text(n).to_vec(), u64::from_ne_bytes(*v))).collect())
    }
}

/// No driver has that many statistics; a lie would cost memory.
const MOST: usize = 1 << 16;

fn put(bytes: &mut [u8], at: usize, value: u32) {
    if let Some(place) = bytes.get_mut(at..at + 4) {
        place.copy_from_slice(&value.to_ne_bytes());
    }
}

fn failed(source: io::Error) -> Error {
    match source.raw_os_error() {
        Some(libc::EOPNOTSUPP) => Error::Unsupported("a question to this driver"),
        _ => Error::Netlink { request: "SIOCETHTOOL", source, ext_ack: None },
    }
}
