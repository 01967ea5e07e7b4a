use crate::wire::packet::part::Part;
use crate::wire::packet::walk::{Next, Step, end};
use crate::wire::packet::{Kind, Proto};

/// What of a WireGuard message can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WireGuard {
    /// 1 opens a handshake, 2 answers it, 3 is a cookie, 4 carries data.
    pub kind: u8,
    /// The sender's number for the session, in a handshake.
    pub sender: Option<u32>,
    /// The receiver's number for the session.
    pub receiver: Option<u32>,
    /// The number of a data message.
    pub counter: Option<u64>,
}

/// Tells whether kind and length fit (`messages.h` of the kernel's module).
pub(super) fn is_message(data: &[u8]) -> bool {
    match data {
        [1, 0, 0, 0, ..] => data.len() == 148,
        [2, 0, 0, 0, ..] => data.len() == 92,
        [3, 0, 0, 0, ..] => data.len() == 64,
        [4, 0, 0, 0, ..] => data.len() >= 32,
        _ => false,
    }
}

pub(super) fn wireguard(part: Part<'_>) -> Step<'_> {
    let head = part.head::<16>(Kind::WireGuard)?;
    let [kind, _, _, _, a, b, c, d, e, f, g, h, ..] = *head;
    let first = u32::from_le_bytes([a, b, c, d]);
    let second = u32::from_le_bytes([e, f, g, h]);
    let (sender, receiver) = match kind {
        1 => (Some(first), None),
        2 => (Some(first), Some(second)),
        _ => (None, Some(first)),
    };
    let counter = head.last_chunk::<8>().filter(|_| kind == 4).map(|at| u64::from_le_bytes(*at));
    let message = WireGuard { kind, sender, receiver, counter };
    end(Proto::WireGuard(message), part.data.len(), Next::Nothing, part)
}
