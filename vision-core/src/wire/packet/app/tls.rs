use crate::wire::packet::part::{Part, be16};
use crate::wire::packet::walk::{Next, Step, end};
use crate::wire::packet::{Kind, Proto};

/// The TLS records of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tls<'a> {
    /// What the first record holds: 20 cipher change, 21 alert, 22 handshake, 23 data.
    pub content_type: u8,
    /// The version in its header, 0x0303 as a rule.
    pub version: u16,
    /// Records that begin in the segment.
    pub records: u16,
    /// What the first hello in it says.
    pub hello: Option<Hello<'a>>,
    /// Level and description of an alert that is not encrypted.
    pub alert: Option<(u8, u8)>,
}

/// The first message of either side.
// Closed: a hello has two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hello<'a> {
    /// Of the client (RFC 8446 §4.1.2).
    Client(ClientHello<'a>),
    /// Of the server (RFC 8446 §4.1.3).
    Server(ServerHello<'a>),
}

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientHello<'a> {
    /// The highest version it offers: 0x0304 is TLS 1.3.
    pub version: u16,
    /// The cipher suites as they stand, two bytes each.
    pub raw_ciphers: &'a [u8],
    /// The server's name it asks for (RFC 6066 §3).
    pub sni: Option<&'a [u8]>,
    /// The protocols it speaks.
    pub alpn: Alpn<'a>,
}

/// What a server chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerHello<'a> {
    /// The version: 0x0304 is TLS 1.3.
    pub version: u16,
    /// The cipher suite.
    pub cipher: u16,
    /// The protocol; hidden from TLS 1.3 on.
    pub alpn: Alpn<'a>,
}

/// Names of application protocols (RFC 7301 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Alpn<'a>(&'a [u8]);

impl<'a> Iterator for Alpn<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        counted8(&mut self.0)
    }
}

fn counted8<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, rest) = bytes.split_first()?;
    let (value, rest) = rest.split_at_checked(usize::from(*len))?;
    *bytes = rest;
    Some(value)
}

/// Takes bytes behind their number in two bytes; as many as there are when some are missing.
fn counted16<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, rest) = bytes.split_first_chunk::<2>()?;
    let len = usize::from(u16::from_be_bytes(*len));
    let (value, rest) = rest.split_at_checked(len).unwrap_or((rest, &[]));
    *bytes = rest;
    Some(value)
}

pub(super) fn tls(part: Part<'_>) -> Step<'_> {
    let head = part.head::<5>(Kind::Tls)?;
    let mut tls =
        Tls { content_type: head[0], version: be16(head, 1), records: 0, hello: None, alert: None };
    let mut rest = part.data;
    let mut encrypted = false;
    while let [kind @ 0x14..=0x18, 3, 0..=4, len @ ..] = rest {
        let Some(body) = counted16(&mut &*len) else { break };
        tls.records = tls.records.saturating_add(1);
        match (kind, body) {
            (22, _) if tls.hello.is_none() && !encrypted => tls.hello = hello(body),
            (21, [level, description]) if !encrypted => tls.alert = Some((*level, *description)),
            (20, _) => encrypted = true,
            _ => {}
        }
        rest = len.get(2 + body.len()..).unwrap_or_default();
    }
    end(Proto::Tls(tls), part.data.len(), Next::Nothing, part)
}

/// Finds the hello among the messages of a record.
fn hello(mut body: &[u8]) -> Option<Hello<'_>> {
    loop {
        let (head, rest) = body.split_first_chunk::<4>()?;
        let [kind, high, mid, low] = *head;
        let len = u32::from_be_bytes([0, high, mid, low]) as usize;
        let (message, after) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        match kind {
            1 => return client(message).map(Hello::Client),
            2 => return server(message).map(Hello::Server),
            _ => body = after,
        }
    }
}

fn client(message: &[u8]) -> Option<ClientHello<'_>> {
    let version = be16(message.get(..34)?, 0);
    let mut rest = message.get(34..)?;
    counted8(&mut rest)?;
    let raw_ciphers = counted16(&mut rest)?;
    counted8(&mut rest)?;
    let mut hello = ClientHello { version, raw_ciphers, sni: None, alpn: Alpn::default() };
    let mut extensions = counted16(&mut rest).unwrap_or_default();
    while let Some((kind, mut data)) = extension(&mut extensions) {
        match kind {
            0 => hello.sni = server_name(data),
            16 => hello.alpn = Alpn(counted16(&mut data).unwrap_or_default()),
            43 => hello.version = highest(counted8(&mut data).unwrap_or_default()).max(version),
            _ => {}
        }
    }
    Some(hello)
}

fn server(message: &[u8]) -> Option<ServerHello<'_>> {
    let version = be16(message.get(..34)?, 0);
    let mut rest = message.get(34..)?;
    counted8(&mut rest)?;
    let (choice, mut rest) = rest.split_first_chunk::<3>()?;
    let mut hello = ServerHello { version, cipher: be16(choice, 0), alpn: Alpn::default() };
    let mut extensions = counted16(&mut rest).unwrap_or_default();
    while let Some((kind, mut data)) = extension(&mut extensions) {
        match kind {
            16 => hello.alpn = Alpn(counted16(&mut data).unwrap_or_default()),
            43 if data.len() == 2 => hello.version = be16(data, 0),
            _ => {}
        }
    }
    Some(hello)
}

fn extension<'a>(bytes: &mut &'a [u8]) -> Option<(u16, &'a [u8])> {
    let (kind, mut rest) = bytes.split_first_chunk::<2>()?;
    let data = counted16(&mut rest)?;
    *bytes = rest;
    Some((u16::from_be_bytes(*kind), data))
}

fn server_name(mut data: &[u8]) -> Option<&[u8]> {
    let mut names = counted16(&mut data)?;
    match names {
        [0, rest @ ..] => {
            names = rest;
            counted16(&mut names)
        }
        _ => None,
    }
}

/// Picks the highest version; those of the form 0x?a?a mean nothing (RFC 8701 §2).
fn highest(versions: &[u8]) -> u16 {
    let versions = versions.chunks_exact(2).map(|pair| be16(pair, 0));
    versions.filter(|version| version & 0x0f0f != 0x0a0a).max().unwrap_or_default()
}
