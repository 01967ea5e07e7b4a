//! Without the `tls` feature no connection is secured.

use std::io;
use std::net::SocketAddr;

// closed: there is none.
#[derive(Debug, Clone)]
pub(super) enum Client {}

// closed: there is none.
pub(super) enum Session {}

/// What a secured connection has to tell.
#[allow(dead_code, reason = "nothing secures a connection without the feature")]
pub(super) enum Told<'a> {
    Ready(&'a str),
    Bytes(&'a [u8]),
    Fault(String),
}

impl Client {
    pub(super) fn session(&self, _: SocketAddr, _: &[u8]) -> Result<Session, String> {
        match *self {}
    }
}

impl Session {
    pub(super) fn turn<S>(&mut self, _: &mut S, _: &mut dyn FnMut(Told<'_>)) -> io::Result<bool> {
        match *self {}
    }

    pub(super) fn wants_write(&self) -> bool {
        match *self {}
    }
}
