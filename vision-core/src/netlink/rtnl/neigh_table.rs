//! Neighbour tables as a whole (linux/neighbour.h `struct ndtmsg`).

use super::fixed;
use crate::netlink::attr::{self, Attrs, Request, read};
use crate::netlink::header::{Message, NLM_F_DUMP};

const RTM_NEWNEIGHTBL: u16 = 64;
const RTM_GETNEIGHTBL: u16 = 66;

/// `struct ndtmsg`.
const FIXED: usize = 4;

/// One table as the kernel describes it.
#[derive(Debug, Default)]
pub(crate) struct NeighTableMsg {
    pub(crate) family: u8,
    /// `gc_thresh3`.
    pub(crate) limit: Option<u32>,
    /// The device that the settings are for; missing in what is for all.
    pub(crate) ifindex: Option<u32>,
    /// Bytes that may wait for one neighbour's address.
    pub(crate) queue_bytes: Option<u32>,
    /// Of `struct ndt_config`; missing in what describes the settings of one device.
    pub(crate) entries: Option<u32>,
    /// Of `struct ndt_stats`.
    pub(crate) table_fulls: Option<u64>,
}

/// Asks for all tables.
pub(crate) fn dump() -> Request {
    Request::new("RTM_GETNEIGHTBL", RTM_GETNEIGHTBL, NLM_F_DUMP, &[0; FIXED])
}

/// Reads one table; `None` when the message is of another type.
pub(crate) fn decode(message: &Message<'_>) -> Option<NeighTableMsg> {
    if message.kind != RTM_NEWNEIGHTBL {
        return None;
    }
    let [family, ..]: [u8; FIXED] = fixed(message.body);
    let mut table = NeighTableMsg { family, ..NeighTableMsg::default() };
    for (kind, value) in Attrs::after(message.body, FIXED) {
        match kind {
            NDTA_THRESH3 => table.limit = attr::u32(value),
            NDTA_PARMS => {
                table.ifindex = Attrs::new(value).find(NDTPA_IFINDEX).and_then(attr::u32);
                table.queue_bytes =
                    Attrs::new(value).find(NDTPA_QUEUE_LENBYTES).and_then(attr::u32);
            }
            NDTA_CONFIG => table.entries = read(value, 4).map(u32::from_ne_bytes),
            NDTA_STATS => table.table_fulls = read(value, 80).map(u64::from_ne_bytes),
            _ => {}
        }
    }
    Some(table)
}

const NDTA_THRESH3: u16 = 4;
const NDTA_CONFIG: u16 = 5;
const NDTA_PARMS: u16 = 6;
const NDTA_STATS: u16 = 7;
const NDTPA_IFINDEX: u16 = 1;
const NDTPA_QUEUE_LENBYTES: u16 = 16;
