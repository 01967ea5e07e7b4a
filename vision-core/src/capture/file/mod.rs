//! Capture files: pcap and pcapng, read and written.
//!
//! A [`Reader`] takes any of their forms, also compressed, and hands out borrowed frames in
//! constant memory; a [`Writer`] writes them; [`sniff`] says what a file is without reading it through.
//!
//! Sources: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng, RFC 1761 (snoop).

mod block;
mod encode;
mod error;
mod follow;
mod format;
mod interface;
mod options;
mod patient;
mod pcap;
mod pcapng;
mod pieces;
mod reader;
mod rotation;
mod snoop;
mod unpack;
mod what;
mod window;
mod writer;

pub use self::block::{Block, Item};
pub use self::error::FileError;
pub use self::format::{Compression, Endian, Format, Precision};
pub use self::interface::{Interface, Resolution, Section, Statistics};
pub use self::options::Options;
pub use self::pieces::{Piece, Pieces};
pub use self::reader::{Described, Reader};
pub use self::rotation::{Limits, Rotation};
pub use self::what::{Kind, What, sniff, sniff_path};
pub use self::writer::{Records, Writer};
