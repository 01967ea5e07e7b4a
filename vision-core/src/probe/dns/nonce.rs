use std::collections::VecDeque;

use crate::base::{Result, fill_random};

/// The unpredictable part of one query: its identifier and the case of its letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Nonce {
    pub(crate) id: u16,
    pub(crate) case: [u8; 32],
    /// The client's part of a cookie.
    pub(crate) cookie: [u8; 8],
}

/// Nonces drawn before a machine starts, so that it needs no source of randomness.
#[derive(Debug)]
pub(crate) struct Nonces(VecDeque<Nonce>);

impl Nonces {
    /// Draws `count` from the kernel.
    pub(crate) fn draw(count: usize) -> Result<Self> {
        let mut bytes = vec![0; count * 42];
        fill_random(&mut bytes)?;
        let nonces = bytes.chunks(42).filter_map(|chunk| {
            let (id, rest) = chunk.split_first_chunk()?;
            let (cookie, case) = rest.split_first_chunk()?;
            let case = case.try_into().ok()?;
            Some(Nonce { id: u16::from_be_bytes(*id), case, cookie: *cookie })
        });
        Ok(Self(nonces.collect()))
    }

    #[cfg(test)]
    pub(crate) fn scripted(ids: impl IntoIterator<Item = u16>) -> Self {
        Self(
            ids.into_iter()
                .map(|id| Nonce { id, case: [0b0101_0101; 32], cookie: *b"client 1" })
                .collect(),
        )
    }

    pub(crate) fn next(&mut self) -> Option<Nonce> {
        self.0.pop_front()
    }
}
