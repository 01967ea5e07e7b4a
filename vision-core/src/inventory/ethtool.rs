//! What drivers tell: speed, offloads, queues, their own statistics.

use nix::libc;

use super::flags::flag_set;
use super::kind::macros::{attrs, flag};
use super::row::string;
use super::{Inventory, Link};
use crate::base::{Budget, Error, LinkAddr, Result, open_enum};
use crate::netlink::Protocol;
use crate::netlink::attr::{u8, u32};
use crate::netlink::ethtool::{self, Driver, Question};

/// What the driver of one interface tells, as `ethtool` shows it; only what was asked for and what
/// it supports.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct Ethtool {
    /// Speed and the like.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub phy: Option<Phy>,
    /// Who the driver is.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub driver: Option<DriverInfo>,
    /// Offloads, in the driver's order.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub features: Vec<Feature>,
    /// The driver's own statistics, in its order.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub nic_stats: Vec<NicStat>,
    /// Sizes of the rings.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub rings: Option<Rings>,
    /// Numbers of the queues.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub channels: Option<Channels>,
    /// When the card interrupts.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub coalesce: Option<Coalesce>,
    /// Whether a full link stops its sender.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub pause: Option<Pause>,
    /// Who can tell when a packet passed.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub timestamping: Option<Timestamping>,
    /// What was asked for and neither driver nor kernel has.
    pub unsupported: EthtoolParts,
}

/// Who a driver is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct DriverInfo {
    /// Its name.
    pub driver: String,
    /// Its version; the kernel's where it has none of its own.
    pub version: String,
    /// Version of the card's firmware; empty where it has none.
    pub firmware: String,
    /// Place on the bus; empty for a virtual interface.
    pub bus: String,
    /// Address burnt into the hardware.
    pub permanent_address: Option<LinkAddr>,
}

/// An offload: work that the kernel leaves to the card, or does in larger pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Feature {
    /// The kernel's name, such as `tx-checksum-ip-generic`.
    pub name: String,
    /// Whether it is in use.
    pub active: bool,
    /// Whether it was asked for; another one may keep it from being used.
    pub requested: bool,
    /// Whether it cannot be changed.
    pub fixed: bool,
}

/// One number of a driver's own.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct NicStat {
    /// The driver's name for it.
    pub name: String,
    /// Its value.
    pub value: u64,
}

attrs! {
    /// Speed of a link and how it came about.
    pub struct Phy {
        /// Megabits in a second; unknown without a link.
        speed_mbps: u32 = 105, |v| u32(v).filter(|speed| *speed != u32::MAX);
        /// Whether both ends may send at once.
        duplex: Duplex = 106, |v| u8(v).map(Duplex::from_raw);
        /// Whether both ends agree on the speed.
        autoneg: bool = 102, flag;
        /// Number of lanes.
        lanes: u32 = 109, u32;
        /// Kind of the connector.
        port: PhyPort = 202, |v| u8(v).map(PhyPort::from_raw);
        /// Whether there is a link.
        link: bool = 302, flag;
        /// Why there is none, by the driver's word (linux/ethtool.h `ETHTOOL_LINK_EXT_STATE_*`).
        down_reason: u8 = 305, u8;
    }
}

attrs! {
    /// Sizes of a card's rings, in packets.
    pub struct Rings {
        /// Largest ring for receiving.
        rx_max: u32 = 2, u32;
        /// Largest ring for receiving small packets.
        rx_mini_max: u32 = 3, u32;
        /// Largest ring for receiving large packets.
        rx_jumbo_max: u32 = 4, u32;
        /// Largest ring for sending.
        tx_max: u32 = 5, u32;
        /// Ring for receiving.
        rx: u32 = 6, u32;
        /// Ring for receiving small packets.
        rx_mini: u32 = 7, u32;
        /// Ring for receiving large packets.
        rx_jumbo: u32 = 8, u32;
        /// Ring for sending.
        tx: u32 = 9, u32;
        /// Bytes of a buffer for receiving.
        rx_buf_len_bytes: u32 = 10, u32;
    }
}

attrs! {
    /// Numbers of a card's queues.
    pub struct Channels {
        /// Most queues for receiving.
        rx_max: u32 = 2, u32;
        /// Most queues for sending.
        tx_max: u32 = 3, u32;
        /// Most queues for other things.
        other_max: u32 = 4, u32;
        /// Most queues for both ways.
        combined_max: u32 = 5, u32;
        /// Queues for receiving.
        rx: u32 = 6, u32;
        /// Queues for sending.
        tx: u32 = 7, u32;
        /// Queues for other things.
        other: u32 = 8, u32;
        /// Queues for both ways.
        combined: u32 = 9, u32;
    }
}

attrs! {
    /// When a card interrupts: after so many microseconds or packets.
    pub struct Coalesce {
        /// Microseconds after a packet came in.
        rx_usecs: u32 = 2, u32;
        /// Packets that came in.
        rx_frames: u32 = 3, u32;
        /// Microseconds, while an interrupt is served.
        rx_usecs_irq: u32 = 4, u32;
        /// Packets, while an interrupt is served.
        rx_frames_irq: u32 = 5, u32;
        /// Microseconds after a packet was sent.
        tx_usecs: u32 = 6, u32;
        /// Packets that were sent.
        tx_frames: u32 = 7, u32;
        /// Microseconds, while an interrupt is served.
        tx_usecs_irq: u32 = 8, u32;
        /// Packets, while an interrupt is served.
        tx_frames_irq: u32 = 9, u32;
        /// Whether receiving adapts to the load.
        adaptive_rx: bool = 11, flag;
        /// Whether sending adapts to the load.
        adaptive_tx: bool = 12, flag;
    }
}

attrs! {
    /// Whether a full link stops its sender (802.3x).
    pub struct Pause {
        /// Whether both ends agree on it.
        autoneg: bool = 2, flag;
        /// Whether it stops when told to.
        rx: bool = 3, flag;
        /// Whether it tells the other end to stop.
        tx: bool = 4, flag;
    }
}

attrs! {
    /// Who can tell when a packet passed.
    pub struct Timestamping {
        /// What there is, separated by blanks: `software-transmit`, `hardware-receive`.
        capabilities: String = 2, names;
        /// Packets whose sending the card can stamp.
        tx_types: String = 3, names;
        /// Packets whose coming in the card can stamp.
        rx_filters: String = 4, names;
        /// Number of the card's clock, `/dev/ptpN`.
        phc_index: u32 = 5, u32;
    }
}

fn names(nest: &[u8]) -> Option<String> {
    let bits = ethtool::bits(nest).into_iter().filter(|(_, on)| *on);
    let names: Vec<_> = bits.map(|(name, _)| string(name)).collect();
    (!names.is_empty()).then(|| names.join(" "))
}

flag_set! {
    /// What to ask a driver.
    pub struct EthtoolParts {
        /// Speed, duplex, whether there is a link.
        PHY = 0x1, "phy";
        /// Name, version, place on the bus.
        DRIVER = 0x2, "driver";
        /// Offloads.
        FEATURES = 0x4, "features";
        /// The driver's own statistics.
        NIC_STATS = 0x8, "nic-stats";
        /// Sizes of rings.
        RINGS = 0x10, "rings";
        /// Numbers of queues.
        CHANNELS = 0x20, "channels";
        /// When the card interrupts.
        COALESCE = 0x40, "coalesce";
        /// Whether a full link stops its sender.
        PAUSE = 0x80, "pause";
        /// Who can tell when a packet passed.
        TIMESTAMPING = 0x100, "timestamping";
    }
}

open_enum! {
    /// Whether both ends of a link may send at once (linux/ethtool.h `DUPLEX_*`).
    pub enum Duplex: u8 {
        /// One at a time.
        Half = 0, "half";
        /// Both.
        Full = 1, "full";
        /// Not told.
        Unknown = 255, "unknown";
    }
}

open_enum! {
    /// Kind of a connector (linux/ethtool.h `PORT_*`).
    pub enum PhyPort: u8 {
        /// Twisted pair.
        TwistedPair = 0, "tp";
        /// AUI.
        Aui = 1, "aui";
        /// MII.
        Mii = 2, "mii";
        /// Fibre.
        Fibre = 3, "fibre";
        /// Coaxial.
        Bnc = 4, "bnc";
        /// A cable with its plugs.
        DirectAttach = 5, "da";
        /// None.
        None = 239, "none";
        /// Another kind.
        Unlisted = 255, "other";
    }
}

impl Inventory {
    /// Asks the driver of one interface; what it does not support is listed, not an error.
    ///
    /// Speed and the like are asked by netlink (kernel 5.6), name and statistics by ioctl, which
    /// is all there is for them.
    ///
    /// # Errors
    /// As [`Inventory::links`]: the interface may have gone meanwhile.
    #[doc(alias = "SIOCETHTOOL")]
    pub fn ethtool(
        &mut self,
        link: &Link,
        parts: EthtoolParts,
        budget: &Budget,
    ) -> Result<Ethtool> {
        let mut found = Ethtool::default();
        let family = self.ethtool_family(budget)?;
        let mut asker = Asker { inventory: self, family, ifindex: link.ifindex, budget };
        let netlink = [
            EthtoolParts::PHY,
            EthtoolParts::FEATURES,
            EthtoolParts::RINGS,
            EthtoolParts::CHANNELS,
            EthtoolParts::COALESCE,
            EthtoolParts::PAUSE,
            EthtoolParts::TIMESTAMPING,
        ];
        for part in netlink.into_iter().filter(|part| parts.contains(*part)) {
            if !asker.ask(part, &mut found)? {
                found.unsupported = found.unsupported | part;
            }
        }
        for part in [EthtoolParts::DRIVER, EthtoolParts::NIC_STATS] {
            if parts.contains(part) && !self.by_ioctl(link, part, &mut found)? {
                found.unsupported = found.unsupported | part;
            }
        }
        Ok(found)
    }

    /// `None` on kernels before 5.6.
    fn ethtool_family(&mut self, budget: &Budget) -> Result<Option<u16>> {
        let mut family = None;
        let channel = self.reader.channel(Protocol::Generic)?;
        let asked = channel.ask(ethtool::family(), budget, |m| family = ethtool::decode_family(m));
        match asked {
            Ok(_) => Ok(family),
            Err(e) if e.errno() == Some(libc::ENOENT) => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn by_ioctl(&mut self, link: &Link, part: EthtoolParts, found: &mut Ethtool) -> Result<bool> {
        let Some(driver) = Driver::of(self.netns(), link.name.as_bytes()) else {
            return Ok(false);
        };
        let info = match driver.info() {
            Err(Error::Unsupported(_)) => return Ok(false),
            info => info?,
        };
        if part == EthtoolParts::DRIVER {
            let [name, version, firmware, bus] = info.texts.each_ref().map(|text| string(text));
            let permanent_address = link.permanent_address;
            let driver = DriverInfo { driver: name, version, firmware, bus, permanent_address };
            found.driver = Some(driver);
            return Ok(true);
        }
        if info.statistics == 0 {
            return Ok(false);
        }
        let statistics = driver.statistics(info.statistics)?.into_iter();
        let row = |(name, value): (Vec<u8>, u64)| NicStat { name: string(&name), value };
        found.nic_stats = statistics.map(row).collect();
        Ok(true)
    }
}

/// One interface's driver, by netlink.
struct Asker<'a> {
    inventory: &'a mut Inventory,
    family: Option<u16>,
    ifindex: u32,
    budget: &'a Budget,
}

impl Asker<'_> {
    /// Asks for one part; `false` when it is not supported.
    fn ask(&mut self, part: EthtoolParts, found: &mut Ethtool) -> Result<bool> {
        match part {
            EthtoolParts::PHY => {
                let mut phy = Phy::default();
                let questions = [
                    (Question::LinkModes, 100),
                    (Question::LinkInfo, 200),
                    (Question::LinkState, 300),
                ];
                let mut any = false;
                for (question, base) in questions {
                    // Numbers of the three answers overlap.
                    any |= self.question(question, |kind, value| phy.take(base + kind, value))?;
                }
                found.phy = any.then_some(phy);
                Ok(any)
            }
            EthtoolParts::FEATURES => self.features(found),
            EthtoolParts::RINGS => {
                let mut rings = Rings::default();
                let told = self.question(Question::Rings, |kind, value| rings.take(kind, value))?;
                found.rings = told.then_some(rings);
                Ok(told)
            }
            EthtoolParts::CHANNELS => {
                let mut all = Channels::default();
                let told =
                    self.question(Question::Channels, |kind, value| all.take(kind, value))?;
                found.channels = told.then_some(all);
                Ok(told)
            }
            EthtoolParts::COALESCE => {
                let mut all = Coalesce::default();
                let told =
                    self.question(Question::Coalesce, |kind, value| all.take(kind, value))?;
                found.coalesce = told.then_some(all);
                Ok(told)
            }
            EthtoolParts::PAUSE => {
                let mut pause = Pause::default();
                let told = self.question(Question::Pause, |kind, value| pause.take(kind, value))?;
                found.pause = told.then_some(pause);
                Ok(told)
            }
            _ => {
                let mut all = Timestamping::default();
                let asked = Question::Timestamping;
                let told = self.question(asked, |kind, value| all.take(kind, value))?;
                found.timestamping = told.then_some(all);
                Ok(told)
            }
        }
    }

    fn question(&mut self, question: Question, mut take: impl FnMut(u16, &[u8])) -> Result<bool> {
        let Some(family) = self.family else {
            return Ok(false);
        };
        let request = ethtool::get(family, question, self.ifindex);
        let channel = self.inventory.reader.channel(Protocol::Generic)?;
        let asked = channel.ask(request, self.budget, |message| {
            ethtool::attrs(message).for_each(|(kind, value)| take(kind, value));
        });
        match asked {
            Ok(_) => Ok(true),
            Err(e) if matches!(e.errno(), Some(libc::EOPNOTSUPP | libc::EINVAL)) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Sets of what can be changed, is wished for, is in use and never changes.
    fn features(&mut self, found: &mut Ethtool) -> Result<bool> {
        let mut sets: [Vec<(String, bool)>; 4] = Default::default();
        let told = self.question(Question::Features, |kind, value| {
            let set = usize::from(kind).checked_sub(2).and_then(|n| sets.get_mut(n));
            if let Some(set) = set {
                let bits = ethtool::bits(value).into_iter();
                *set = bits.map(|(name, on)| (string(name), on)).collect();
            }
        })?;
        let [changeable, wanted, active, never] = sets;
        let on = |set: &[(String, bool)], name: &str| set.iter().any(|(n, on)| *on && n == name);
        let feature = |(name, can): (String, bool)| Feature {
            active: on(&active, &name),
            requested: on(&wanted, &name),
            fixed: !can || on(&never, &name),
            name,
        };
        // Numbers that are kept free have no name.
        let named = changeable.into_iter().filter(|(name, _)| !name.is_empty());
        found.features = named.map(feature).collect();
        Ok(told)
    }
}
