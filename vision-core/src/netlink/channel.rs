//! One question, its answers: sequence numbers, errors, ends of dumps.

use std::io;

use nix::libc;

use super::attr::{self, Attrs, Request};
use super::header::{
    HEADER_LEN, Message, Messages, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP_INTR, NLM_F_MULTI,
    NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP,
};
use super::socket::{KernelSocket, Transport};
use crate::base::{Budget, Error, Escaped, Op, Result};

/// How an exchange ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ended {
    /// The kernel flagged the dump as interrupted by a change. Its absence proves nothing.
    pub(crate) interrupted: bool,
}

/// A socket for questions, one at a time.
pub(crate) struct Channel<T = KernelSocket> {
    transport: T,
    seq: u32,
    buffer: Vec<u8>,
    ignored: u64,
    busy: bool,
}

impl<T: Transport> Channel<T> {
    pub(crate) fn new(transport: T) -> Self {
        Self { transport, seq: 0, buffer: Vec::with_capacity(BUFFER), ignored: 0, busy: false }
    }

    /// Returns how many messages were not the kernel's answers to our questions.
    pub(crate) fn ignored(&self) -> u64 {
        self.ignored
    }

    /// Tells whether an exchange was given up half way, so that rests of it may still come.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy
    }

    /// Sends a request and hands every answer to `each`.
    ///
    /// A dump ends with the kernel's final message, anything else with its first answer.
    pub(crate) fn ask(
        &mut self,
        mut request: Request,
        budget: &Budget,
        mut each: impl FnMut(&Message<'_>),
    ) -> Result<Ended> {
        budget.remaining()?;
        self.seq = self.seq.wrapping_add(1).max(1);
        let name = request.name();
        let failed = |source| Error::Netlink { request: name, source, ext_ack: None };
        self.busy = true;
        self.transport.send(request.finish(self.seq)).map_err(failed)?;
        let mut ended = Ended::default();
        loop {
            self.receive(name, budget)?;
            for message in Messages::new(&self.buffer) {
                if message.seq != self.seq || message.port != self.transport.port() {
                    self.ignored += 1;
                    continue;
                }
                ended.interrupted |= message.flags & NLM_F_DUMP_INTR != 0;
                let verdict = match message.kind {
                    NLMSG_NOOP => continue,
                    NLMSG_ERROR | NLMSG_DONE => verdict(name, &message),
                    _ => {
                        each(&message);
                        match message.flags & NLM_F_MULTI == 0 && !request.is_dump() {
                            true => Ok(()),
                            false => continue,
                        }
                    }
                };
                self.busy = false;
                return verdict.map(|()| ended);
            }
        }
    }

    /// Fills the buffer with the kernel's next datagram.
    fn receive(&mut self, name: &'static str, budget: &Budget) -> Result<()> {
        loop {
            budget.remaining()?;
            match self.transport.recv(&mut self.buffer) {
                Ok(0) => return Ok(()),
                Ok(_) => self.ignored += 1,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.transport.wait(budget)?,
                Err(source) => {
                    return Err(Error::Netlink { request: name, source, ext_ack: None });
                }
            }
        }
    }
}

impl Channel<KernelSocket> {
    /// Throws away whatever waits to be read and tells whether there was anything.
    ///
    /// Events lost to a full buffer count as something.
    pub(crate) fn drain(&mut self) -> Result<bool> {
        let mut any = false;
        loop {
            match self.transport.recv(&mut self.buffer) {
                Ok(_) => any = true,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(any),
                Err(e) if e.raw_os_error() == Some(libc::ENOBUFS) => any = true,
                Err(e) => return Err(Error::sys(Op::Receive, e)),
            }
        }
    }

    /// The socket itself.
    pub(crate) fn socket(&self) -> &KernelSocket {
        &self.transport
    }
}

/// Reads the number at the start of an error or of the end of a dump; zero is success.
fn verdict(request: &'static str, message: &Message<'_>) -> Result<()> {
    let number = attr::i32(message.body).unwrap_or(0);
    if number >= 0 {
        return Ok(());
    }
    let source = io::Error::from_raw_os_error(number.checked_neg().unwrap_or(libc::EIO));
    Err(Error::Netlink { request, source, ext_ack: ext_ack(message) })
}

/// The kernel's explanation (linux/netlink.h `NLMSGERR_ATTR_MSG`), made safe for a terminal.
fn ext_ack(message: &Message<'_>) -> Option<String> {
    if message.flags & NLM_F_ACK_TLVS == 0 {
        return None;
    }
    let skip = match message.kind {
        NLMSG_DONE => 4,
        _ if message.flags & NLM_F_CAPPED != 0 => 4 + HEADER_LEN,
        _ => 4 + (attr::u32(message.body.get(4..)?)? as usize).next_multiple_of(4),
    };
    let text = Attrs::after(message.body, skip).find(NLMSGERR_ATTR_MSG)?;
    Some(Escaped::new(attr::text(text)).to_string())
}

const NLMSGERR_ATTR_MSG: u16 = 1;

/// Dumps come in datagrams of at most 32 KiB (net/netlink/af_netlink.c), a link with many virtual
/// functions in larger ones, whose lists end at 64 KiB. Only what is written to becomes memory.
const BUFFER: usize = 1 << 20;

#[cfg(test)]
mod tests;
