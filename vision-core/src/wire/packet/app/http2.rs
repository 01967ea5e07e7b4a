use crate::wire::packet::Proto;
use crate::wire::packet::part::{Part, array};
use crate::wire::packet::walk::{Next, Step, end};

/// The preface of an HTTP/2 connection and the frames behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Http2 {
    /// Frames that begin in the segment.
    pub frames: u16,
    /// The first of them, SETTINGS as a rule.
    pub first: Option<Http2Frame>,
}

/// The header of a frame (RFC 9113 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Http2Frame {
    /// Length of its payload in bytes.
    pub length: u32,
    /// 0 data, 1 headers, 3 reset, 4 settings, 6 ping, 7 go away, 8 window.
    pub kind: u8,
    /// Flags of the kind.
    pub flags: u8,
    /// Which stream; zero is the connection.
    pub stream: u32,
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) fn is_preface(data: &[u8]) -> bool {
    data.starts_with(PREFACE)
}

impl Http2Frame {
    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (head, rest) = bytes.split_first_chunk::<9>()?;
        let [high, mid, low, kind, flags, ..] = *head;
        let length = u32::from_be_bytes([0, high, mid, low]);
        let stream = u32::from_be_bytes(array(head, 5)) & 0x7fff_ffff;
        Some((Self { length, kind, flags, stream }, rest))
    }
}

pub(super) fn http2(part: Part<'_>) -> Step<'_> {
    let mut rest = part.after(PREFACE.len()).data;
    let (mut frames, mut first) = (0, None);
    while let Some((frame, payload)) = Http2Frame::read(rest) {
        frames += 1;
        rest = payload.get(frame.length as usize..).unwrap_or_default();
        first = first.or(Some(frame));
    }
    end(Proto::Http2(Http2 { frames, first }), part.data.len(), Next::Nothing, part)
}
