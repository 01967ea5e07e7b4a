//! Requests to nf_tables (linux/netfilter/nf_tables.h), and what kind of answer a message is.
//!
//! By our own walk: a node with Kubernetes services has tens of thousands of rules.

use super::attr::{Attrs, Request};
use super::header::{Message, NLM_F_DUMP};

/// `NFNL_SUBSYS_NFTABLES << 8` before the message's own number.
const SUBSYSTEM: u16 = 10 << 8;
/// `struct nfgenmsg`: family, version 0, resource in network byte order.
const FIXED: usize = 4;

/// What to list.
// closed: the kinds of object nf_tables has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Table,
    Chain,
    Rule,
    Set,
    Element,
    Object,
    Flowtable,
}

impl Kind {
    pub(crate) const ALL: [Self; 7] = [
        Self::Table,
        Self::Chain,
        Self::Rule,
        Self::Set,
        Self::Element,
        Self::Object,
        Self::Flowtable,
    ];

    /// The request's constant, its number, the number of its answers.
    fn numbers(self) -> (&'static str, u16, u16) {
        match self {
            Self::Table => ("NFT_MSG_GETTABLE", 1, 0),
            Self::Chain => ("NFT_MSG_GETCHAIN", 4, 3),
            Self::Rule => ("NFT_MSG_GETRULE", 7, 6),
            Self::Set => ("NFT_MSG_GETSET", 10, 9),
            Self::Element => ("NFT_MSG_GETSETELEM", 13, 12),
            Self::Object => ("NFT_MSG_GETOBJ", 19, 18),
            Self::Flowtable => ("NFT_MSG_GETFLOWTABLE", 23, 22),
        }
    }
}

/// Asks for all objects of a kind; family 0 is all families, `within` a table and what is in it.
///
/// The first two attributes of every kind but tables are a table and a chain or set in it.
pub(crate) fn dump(kind: Kind, family: u8, within: Option<(&[u8], Option<&[u8]>)>) -> Request {
    let (name, number, _) = kind.numbers();
    let request = Request::new(name, SUBSYSTEM | number, NLM_F_DUMP, &[family, 0, 0, 0]);
    let Some((table, inner)) = within else {
        return request;
    };
    request.attr(1, &zero_ended(table)).maybe(2, inner.map(zero_ended))
}

/// Asks for the number of the ruleset's generation.
pub(crate) fn generation() -> Request {
    Request::new("NFT_MSG_GETGEN", SUBSYSTEM | 16, 0, &[0; FIXED])
}

/// Reads the answer to [`generation`].
pub(crate) fn decode_generation(message: &Message<'_>) -> Option<u32> {
    let attrs = Attrs::after(message.body, FIXED);
    (message.kind == SUBSYSTEM | 15).then(|| attrs.find(1).and_then(super::attr::be32))?
}

/// Splits an answer into its family and its attributes; `None` when it is of another kind.
#[inline]
pub(crate) fn decode<'a>(message: &Message<'a>, kind: Kind) -> Option<(u8, Attrs<'a>)> {
    let (.., answer) = kind.numbers();
    if message.kind != SUBSYSTEM | answer {
        return None;
    }
    Some((*message.body.first()?, Attrs::after(message.body, FIXED)))
}

fn zero_ended(name: &[u8]) -> Vec<u8> {
    [name, &[0]].concat()
}
