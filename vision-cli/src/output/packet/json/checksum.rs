use std::io::Write;

use vision_core::wire::packet::{Packet, Verdict};

use super::member::Member;
use crate::output::text::Put;

/// Says what the checksum of a layer came to.
#[inline]
pub(super) fn checksum(out: &mut Vec<u8>, packet: &Packet<'_>, at: usize) {
    let Some(checksum) = packet.checksum(at) else { return };
    out.put(",\"checksum\":{\"value\":");
    out.uint(checksum.found.into());
    out.word("state", checksum.verdict.name());
    match checksum.verdict {
        Verdict::Correct => {}
        verdict => {
            if let Verdict::Wrong { expected } = verdict {
                out.field("expected", expected);
            }
            // A vector takes all.
            let _ = write!(out, ",\"why\":\"{verdict}\"");
        }
    }
    out.push(b'}');
}
