//! Attributes (linux/netlink.h `struct nlattr`): a lenient walk and a writer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::header::{HEADER_LEN, NLM_F_REQUEST};

/// Flags in the type: nested, network byte order.
const TYPE_MASK: u16 = 0x3fff;
pub(crate) const NESTED: u16 = 0x8000;

/// Copies `N` bytes from `at`; `None` when they are not there.
#[inline]
pub(crate) fn read<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// Walks `(type, value)` pairs; ends at the first length that cannot be true.
#[derive(Clone)]
pub(crate) struct Attrs<'a> {
    rest: &'a [u8],
}

impl<'a> Attrs<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Walks what follows a fixed part of `skip` bytes.
    pub(crate) fn after(body: &'a [u8], skip: usize) -> Self {
        Self::new(body.get(skip..).unwrap_or_default())
    }

    /// Returns the first attribute of a type.
    pub(crate) fn find(mut self, kind: u16) -> Option<&'a [u8]> {
        self.find_map(|(k, value)| (k == kind).then_some(value))
    }
}

impl<'a> Iterator for Attrs<'a> {
    type Item = (u16, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let [l0, l1, k0, k1] = *self.rest.first_chunk()?;
        let len = usize::from(u16::from_ne_bytes([l0, l1]));
        let value = self.rest.get(4..len)?;
        self.rest = self.rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([k0, k1]) & TYPE_MASK, value))
    }
}

// A value longer than expected gives its beginning, a shorter one nothing: kernels only ever
// append to what they send.

#[inline]
pub(crate) fn u8(value: &[u8]) -> Option<u8> {
    value.first().copied()
}

#[inline]
pub(crate) fn u16(value: &[u8]) -> Option<u16> {
    read(value, 0).map(u16::from_ne_bytes)
}

#[inline]
pub(crate) fn u32(value: &[u8]) -> Option<u32> {
    read(value, 0).map(u32::from_ne_bytes)
}

#[inline]
pub(crate) fn u64(value: &[u8]) -> Option<u64> {
    read(value, 0).map(u64::from_ne_bytes)
}

#[inline]
pub(crate) fn i32(value: &[u8]) -> Option<i32> {
    read(value, 0).map(i32::from_ne_bytes)
}

#[inline]
pub(crate) fn be16(value: &[u8]) -> Option<u16> {
    read(value, 0).map(u16::from_be_bytes)
}

#[inline]
pub(crate) fn be32(value: &[u8]) -> Option<u32> {
    read(value, 0).map(u32::from_be_bytes)
}

#[inline]
pub(crate) fn be64(value: &[u8]) -> Option<u64> {
    read(value, 0).map(u64::from_be_bytes)
}

/// Reads an address by its length.
#[inline]
pub(crate) fn ip(value: &[u8]) -> Option<IpAddr> {
    match value.len() {
        4 => read::<4>(value, 0).map(|b| Ipv4Addr::from(b).into()),
        16 => read::<16>(value, 0).map(|b| Ipv6Addr::from(b).into()),
        _ => None,
    }
}

/// Reads `struct rtvia`: a family and an address of that family (linux/rtnetlink.h).
pub(crate) fn via(value: &[u8]) -> Option<&[u8]> {
    match i32::from(u16(value)?) {
        nix::libc::AF_INET => value.get(2..6),
        nix::libc::AF_INET6 => value.get(2..18),
        _ => None,
    }
}

/// Cuts a string at its terminator.
pub(crate) fn text(value: &[u8]) -> &[u8] {
    value.split(|b| *b == 0).next().unwrap_or_default()
}

/// A request under construction: header, fixed part, attributes.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    name: &'static str,
    bytes: Vec<u8>,
}

impl Request {
    /// Starts a message; `name` is the kernel's constant for `kind`.
    pub(crate) fn new(name: &'static str, kind: u16, flags: u16, fixed: &[u8]) -> Self {
        let mut bytes = vec![0; HEADER_LEN];
        put(&mut bytes, 4, &kind.to_ne_bytes());
        put(&mut bytes, 6, &(flags | NLM_F_REQUEST).to_ne_bytes());
        bytes.extend(fixed);
        Self { name, bytes }
    }

    /// Appends one attribute.
    pub(crate) fn attr(mut self, kind: u16, value: &[u8]) -> Self {
        self.push(kind, value);
        self
    }

    /// Appends an attribute when there is a value.
    pub(crate) fn maybe(self, kind: u16, value: Option<impl AsRef<[u8]>>) -> Self {
        match value {
            Some(value) => self.attr(kind, value.as_ref()),
            None => self,
        }
    }

    fn push(&mut self, kind: u16, value: &[u8]) {
        let len = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self.bytes.extend(len.to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value);
    }

    /// The kernel's constant, as errors show it.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Tells whether many messages and a final one will come.
    pub(crate) fn is_dump(&self) -> bool {
        let flags = read(&self.bytes, 6).map_or(0, u16::from_ne_bytes);
        flags & super::header::NLM_F_DUMP == super::header::NLM_F_DUMP
    }

    /// Completes the header and returns what to send.
    pub(crate) fn finish(&mut self, seq: u32) -> &[u8] {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        let len = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        put(&mut self.bytes, 0, &len.to_ne_bytes());
        put(&mut self.bytes, 8, &seq.to_ne_bytes());
        &self.bytes
    }
}

/// Encodes one attribute by itself, for nests.
pub(crate) fn encode(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut request = Request { name: "", bytes: Vec::new() };
    request.push(kind, value);
    request.bytes.resize(request.bytes.len().next_multiple_of(4), 0);
    request.bytes
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(part) = bytes.get_mut(at..at + value.len()) {
        part.copy_from_slice(value);
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a panic is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn what_the_writer_writes_the_walker_reads() {
        let mut request = Request::new("RTM_GETLINK", 18, 0, &[0; 16])
            .attr(3, b"lo\0")
            .maybe(4, Some(7u32.to_ne_bytes()))
            .maybe(5, None::<[u8; 4]>)
            .attr(NESTED | 9, &encode(1, &[1]));
        let bytes = request.finish(42).to_vec();
        assert_eq!(bytes.len(), 16 + 16 + 8 + 8 + 12);
        assert_eq!(read(&bytes, 0).map(u32::from_ne_bytes), Some(60));
        assert_eq!(read(&bytes, 8).map(u32::from_ne_bytes), Some(42));
        let attrs: Vec<_> = Attrs::after(&bytes, 32).collect();
        assert_eq!(attrs.len(), 3);
        assert_eq!(text(attrs[0].1), b"lo");
        assert_eq!(u32(attrs[1].1), Some(7));
        assert_eq!(attrs[2].0, 9);
    }

    #[test]
    fn a_lying_length_ends_the_walk_without_looping() {
        for len in [0u16, 3, 200] {
            let mut bytes = encode(1, &[1, 2, 3, 4]);
            bytes.extend(len.to_ne_bytes());
            bytes.extend([2, 0, 9, 9, 9, 9]);
            assert_eq!(Attrs::new(&bytes).count(), 1, "{len}");
        }
        assert_eq!(Attrs::new(&[4, 0, 1]).count(), 0);
        assert_eq!(Attrs::new(&[4, 0, 1, 0]).count(), 1);
    }

    #[test]
    fn a_gateway_of_the_other_family_is_read() {
        let value = [&10u16.to_ne_bytes()[..], &Ipv6Addr::LOCALHOST.octets()].concat();
        assert_eq!(via(&value).and_then(ip), Some(Ipv6Addr::LOCALHOST.into()));
        assert_eq!(via(&value[..17]), None);
        assert_eq!(via(&[]), None);
    }
}
