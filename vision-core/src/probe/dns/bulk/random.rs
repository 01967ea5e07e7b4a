use crate::base::{Result, fill_random};

/// Unpredictable numbers, drawn from the kernel a few hundred at a time.
pub(in crate::probe::dns) struct Random {
    source: fn(&mut [u8]) -> Result<()>,
    bytes: Vec<u8>,
    used: usize,
    failed: bool,
}

/// Bytes drawn at once.
const STOCK: usize = 8192;

impl Random {
    pub(super) fn kernel() -> Result<Self> {
        let mut random = Self::from_source(fill_random);
        random.refill();
        match random.failed {
            false => Ok(random),
            true => fill_random(&mut []).map(|()| random),
        }
    }

    /// Draws from elsewhere, for tests.
    pub(super) fn from_source(source: fn(&mut [u8]) -> Result<()>) -> Self {
        Self { source, bytes: vec![0; STOCK], used: STOCK, failed: false }
    }

    fn refill(&mut self) {
        // The kernel's source cannot fail once it has worked; old numbers would be no secret.
        self.failed = (self.source)(&mut self.bytes).is_err();
        self.used = 0;
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        if self.used + N > self.bytes.len() {
            self.refill();
        }
        let taken = self.bytes.get(self.used..).and_then(|rest| rest.first_chunk::<N>()).copied();
        self.used += N;
        taken.unwrap_or([0; N])
    }

    /// Gives a number below `limit`, which must be a power of two.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        usize::from(u16::from_le_bytes(self.take())) & (limit.saturating_sub(1))
    }

    /// Gives an identifier that is not in use.
    pub(super) fn id(&mut self, used: &[(u16, usize)]) -> u16 {
        loop {
            let id = u16::from_le_bytes(self.take());
            if used.len() > 0x8000 || !used.iter().any(|(known, _)| *known == id) {
                return id;
            }
        }
    }

    /// Gives a coin for each letter of a name.
    pub(super) fn letters(&mut self) -> [u8; 32] {
        self.take()
    }
}
