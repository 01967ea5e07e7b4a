use crate::sys::prefetch;
use crate::wire::LinkType;
use crate::wire::packet::{Flow, flow};

/// How many packets ahead headers are fetched: about what a load from memory takes, and fewer
/// than the loads a core keeps under way.
const AHEAD: usize = 12;

/// Reads the flows of many packets that lie somewhere in memory, and hands over each with its
/// place in the list: what [`flow`] says of it.
///
/// Faster than one after the other where the packets are not in the cache, as those of a large
/// file: the headers of the next few are fetched while one is read.
///
/// ```
/// use vision_core::capture::flows;
/// use vision_core::wire::LinkType;
///
/// let packets: [&[u8]; 2] = [&[0x45; 20], &[0; 20]];
/// let mut found = Vec::new();
/// flows(LinkType::RAW, &packets, |at, flow| found.push((at, flow.map(|it| it.key.protocol))));
/// assert_eq!(found, [(0, Some(0x45)), (1, None)]);
/// ```
#[inline]
pub fn flows<'a>(
    link: LinkType,
    packets: &[&'a [u8]],
    mut each: impl FnMut(usize, Option<Flow<'a>>),
) {
    for packet in packets.iter().take(AHEAD) {
        prefetch::headers(packet);
    }
    for (at, packet) in packets.iter().enumerate() {
        if let Some(ahead) = packets.get(at + AHEAD) {
            prefetch::headers(ahead);
        }
        each(at, flow(link, packet));
    }
}
