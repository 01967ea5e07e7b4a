use super::app;
use super::part::{Part, be16};
use super::walk::{Step, end};
use super::{Kind, Proto};

/// A UDP or UDP-Lite header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Udp {
    /// Where it comes from.
    pub src_port: u16,
    /// Where it goes.
    pub dst_port: u16,
    /// Header and payload in bytes; with UDP-Lite how much of it the checksum covers.
    pub length: u16,
    /// The checksum as it stands; zero says that there is none.
    pub checksum: u16,
    /// It is UDP-Lite.
    pub is_lite: bool,
}

pub(super) fn udp(part: Part<'_>, is_lite: bool) -> Step<'_> {
    let head = part.head::<8>(Kind::Udp)?;
    let udp = Udp {
        src_port: be16(head, 0),
        dst_port: be16(head, 2),
        length: be16(head, 4),
        checksum: be16(head, 6),
        is_lite,
    };
    let whole = match udp.length {
        length @ 8.. if !is_lite => part.within(usize::from(length)),
        _ => part,
    };
    let next = app::over_udp(udp.src_port, udp.dst_port, whole.after(8).data);
    end(Proto::Udp(udp), 8, next, whole)
}
