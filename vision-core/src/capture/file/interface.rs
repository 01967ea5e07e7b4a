use super::options::{Options, code};
use super::{Endian, block::Block};
use crate::base::Timestamp;
use crate::wire::LinkType;

/// Text of one interface or section that is kept, in bytes an option; more is cut.
const TEXT: usize = 4096;
/// Comments of one interface or section that are kept.
const COMMENTS: usize = 64;

/// An interface that packets of a file were taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Interface {
    /// What its packets begin with.
    pub link_type: LinkType,
    /// The longest a packet could be before it was cut, in bytes; `None` where there is no limit.
    pub snap_len: Option<u32>,
    /// The unit of its time stamps.
    pub resolution: Resolution,
    /// Seconds to be added to its time stamps.
    pub offset_secs: i64,
    /// if_name: what the system called it.
    pub name: Option<String>,
    /// if_description.
    pub description: Option<String>,
    /// Comments on it.
    pub comments: Vec<String>,
}

impl Interface {
    /// Describes an interface of which only the link type is known; nanoseconds, nothing cut.
    pub fn new(link_type: LinkType) -> Self {
        Self {
            link_type,
            snap_len: None,
            resolution: Resolution::NANO,
            offset_secs: 0,
            name: None,
            description: None,
            comments: Vec::new(),
        }
    }

    /// Reads the body of an Interface Description Block, §4.2.
    pub(super) fn read(body: &[u8], endian: Endian) -> Option<Self> {
        let options = Options::new(body.get(8..)?, endian);
        let mut interface = Self::new(super::pcap::link_type(endian.u16_at(body, 0).into()));
        interface.snap_len = Some(endian.u32_at(body, 4)).filter(|it| *it != 0);
        let resolution = options.value(code::IF_TSRESOL).and_then(|v| v.first().copied());
        interface.resolution = resolution.map_or(Resolution::MICRO, Resolution);
        interface.offset_secs = options.u64(code::IF_TSOFFSET).map_or(0, u64::cast_signed);
        interface.name = options.value(code::IF_NAME).map(text);
        interface.description = options.value(code::IF_DESCRIPTION).map(text);
        interface.comments = comments(options);
        Some(interface)
    }
}

/// The unit of a pcapng time stamp: a negative power of ten, or of two with the highest bit set
/// (if_tsresol, §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct Resolution(pub u8);

impl Resolution {
    /// Microseconds, which hold where a file says nothing.
    pub const MICRO: Self = Self(6);
    /// Nanoseconds.
    pub const NANO: Self = Self(9);

    /// Turns a count of units and an offset in seconds into a time; what lies outside the range
    /// of nanoseconds since 1970 becomes the nearest that does not.
    #[inline]
    pub fn time(self, units: u64, offset_secs: i64) -> Timestamp {
        let nanos = match self.0 {
            6 => i128::from(units) * 1000,
            9 => i128::from(units),
            _ => self.slow(units),
        };
        let nanos = nanos + i128::from(offset_secs) * 1_000_000_000;
        let nearest = if nanos < 0 { i64::MIN } else { i64::MAX };
        Timestamp::from_unix_nanos(i64::try_from(nanos).unwrap_or(nearest))
    }

    fn slow(self, units: u64) -> i128 {
        let exponent = u32::from(self.0 & 0x7f);
        let units = i128::from(units);
        if self.0 & 0x80 != 0 {
            // The product has 94 bits; every shift beyond leaves nothing.
            return (units * 1_000_000_000).checked_shr(exponent).unwrap_or(0);
        }
        let power = |by: u32| 10_i128.checked_pow(by);
        match exponent {
            0..=9 => units * power(9 - exponent).unwrap_or(1),
            _ => power(exponent - 9).map_or(0, |by| units / by),
        }
    }
}

/// What a section of a pcapng file says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Section {
    /// shb_hardware: the machine it was written on.
    pub hardware: Option<String>,
    /// shb_os: its operating system.
    pub os: Option<String>,
    /// shb_userappl: the program.
    pub application: Option<String>,
    /// Comments on it.
    pub comments: Vec<String>,
}

impl Section {
    /// Reads the body of a Section Header Block, §4.1.
    pub(super) fn read(body: &[u8], endian: Endian) -> Self {
        let options = Options::new(body.get(16..).unwrap_or_default(), endian);
        Self {
            hardware: options.value(code::SHB_HARDWARE).map(text),
            os: options.value(code::SHB_OS).map(text),
            application: options.value(code::SHB_USERAPPL).map(text),
            comments: comments(options),
        }
    }
}

/// What one interface counted while it was captured, by an Interface Statistics Block, §4.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Statistics {
    /// isb_ifrecv: packets the interface received.
    pub received: Option<u64>,
    /// isb_ifdrop: packets the interface dropped.
    pub dropped_by_interface: Option<u64>,
    /// isb_filteraccept: packets the filter took.
    pub accepted: Option<u64>,
    /// isb_osdrop: packets the kernel dropped for want of room.
    pub dropped_by_kernel: Option<u64>,
    /// isb_usrdeliv: packets that came to the program.
    pub delivered: Option<u64>,
}

impl Statistics {
    pub(super) fn read(block: &Block<'_>) -> Self {
        let options = block.options();
        Self {
            received: options.u64(code::ISB_IFRECV),
            dropped_by_interface: options.u64(code::ISB_IFDROP),
            accepted: options.u64(code::ISB_FILTERACCEPT),
            dropped_by_kernel: options.u64(code::ISB_OSDROP),
            delivered: options.u64(code::ISB_USRDELIV),
        }
    }
}

fn comments(options: Options<'_>) -> Vec<String> {
    let comments = options.filter(|(it, _)| *it == code::COMMENT);
    comments.take(COMMENTS).map(|(_, value)| text(value)).collect()
}

/// Text that should be UTF-8, up to a NUL that some writers add; what is not is replaced.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len()).min(TEXT);
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}
