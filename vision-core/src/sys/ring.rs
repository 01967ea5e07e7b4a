//! A receive ring shared with the kernel (`TPACKET_V3`; packet(7), net/packet/af_packet.c).
//!
//! The kernel fills blocks one after the other and hands each over whole; the reader walks it and
//! hands it back. Only this file touches the shared memory; the walk is safe code over a slice.

pub(crate) mod block;
mod reader;

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd};
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::libc;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};
use socket2::Socket;

use self::reader::Reader;
use super::sockopt::{get_bytes, set_bytes, set_int};

/// Where `block_status` lies in `struct tpacket_block_desc`.
const STATUS: usize = 8;
/// The lowest the kernel takes for a frame size; blocks of version 3 have no fixed frames.
const FRAME: u32 = 2048;
/// Room that the kernel leaves before each packet, for a VLAN tag to be put back.
const HEADROOM: i32 = 4;

/// How large a ring is and how long packets may lie in it unseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Bytes of one block; a power of two, at least a page.
    pub(crate) block_bytes: u32,
    /// Number of blocks.
    pub(crate) blocks: u32,
    /// A block that holds anything is handed over after this, full or not.
    pub(crate) retire: Duration,
}

/// What the kernel counted since it was last asked (`struct tpacket_stats_v3`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Packets that passed the filter, dropped ones included.
    pub(crate) received: u32,
    /// Packets that found no free block.
    pub(crate) dropped: u32,
    /// How often the kernel found the whole ring full.
    pub(crate) frozen: u32,
}

/// A packet socket with its ring.
pub(crate) struct Ring {
    socket: Socket,
    memory: NonNull<u8>,
    bytes: usize,
    geometry: Geometry,
    current: usize,
    /// Who fills the one block where the kernel shares none.
    reader: Option<Box<Reader>>,
}

// SAFETY: the memory is owned by this value alone, and the kernel does not care who reads it.
unsafe impl Send for Ring {}
// SAFETY: a shared reference gives no access to the memory but for atomic reads.
unsafe impl Sync for Ring {}

impl Ring {
    /// Gives a packet socket a ring; it must not be bound yet.
    ///
    /// `ENOMEM` and `EINVAL` mean that the kernel refuses this geometry, `ENOPROTOOPT` that it
    /// has no such rings (before 3.2).
    pub(crate) fn new(socket: Socket, geometry: Geometry) -> Result<Self, (Socket, io::Error)> {
        match Self::map(&socket, geometry) {
            Ok((memory, bytes)) => {
                Ok(Self { socket, memory, bytes, geometry, current: 0, reader: None })
            }
            Err(e) => Err((socket, e)),
        }
    }

    /// Does without shared memory: packets of at most `room` bytes are received when they are asked
    /// for, and about `waiting` bytes of them can wait.
    pub(crate) fn received(socket: Socket, room: usize, waiting: u32) -> io::Result<Self> {
        let reader = Some(Box::new(Reader::new(&socket, room, waiting as usize)?));
        let bytes = NonZeroUsize::new(Reader::block_bytes(room)).unwrap_or(NonZeroUsize::MIN);
        let protect = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let memory = unsafe { mmap_anonymous(None, bytes, protect, MapFlags::MAP_PRIVATE) }?;
        let block_bytes = u32::try_from(bytes.get()).unwrap_or(u32::MAX);
        let geometry = Geometry { block_bytes, blocks: 1, retire: Duration::ZERO };
        Ok(Self { socket, memory: memory.cast(), bytes: bytes.get(), geometry, current: 0, reader })
    }

    /// Tells whether packets are received instead of shared.
    pub(crate) fn is_received(&self) -> bool {
        self.reader.is_some()
    }

    fn map(socket: &Socket, geometry: Geometry) -> io::Result<(NonNull<u8>, usize)> {
        let version = libc::tpacket_versions::TPACKET_V3 as i32;
        set_int(socket, libc::SOL_PACKET, libc::PACKET_VERSION, version).map_err(|e| {
            // The word of a kernel that does not know this version.
            match e.raw_os_error() {
                Some(libc::EINVAL) => io::Error::from_raw_os_error(libc::ENOPROTOOPT),
                _ => e,
            }
        })?;
        set_int(socket, libc::SOL_PACKET, libc::PACKET_RESERVE, HEADROOM)?;
        let bytes = u64::from(geometry.block_bytes) * u64::from(geometry.blocks);
        let refused = || io::Error::from_raw_os_error(libc::EINVAL);
        let size = usize::try_from(bytes).ok().and_then(NonZeroUsize::new).ok_or_else(refused)?;
        let frames = u32::try_from(bytes / u64::from(FRAME)).map_err(|_| refused())?;
        let retire = u32::try_from(geometry.retire.as_millis()).unwrap_or(u32::MAX).max(1);
        // struct tpacket_req3
        let request = [geometry.block_bytes, geometry.blocks, FRAME, frames, retire, 0, 0];
        let request = request.map(u32::to_ne_bytes);
        set_bytes(socket, libc::SOL_PACKET, libc::PACKET_RX_RING, request.as_flattened())?;
        let protect = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let memory = unsafe { mmap(None, size, protect, MapFlags::MAP_SHARED, socket, 0) }?;
        Ok((memory.cast(), size.get()))
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    pub(crate) fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn status(&self) -> &AtomicU32 {
        let at = self.current * self.geometry.block_bytes as usize + STATUS;
        // SAFETY: `current` is below the number of blocks, so this lies in the mapping, which lives
        // as long as `self`; it is aligned, and both sides use it as an atomic word.
        unsafe { AtomicU32::from_ptr(self.memory.add(at).as_ptr().cast()) }
    }

    /// Returns the block that is next to be read, if the kernel has handed it over.
    #[inline]
    pub(crate) fn block(&mut self) -> Option<&mut [u8]> {
        // Acquire: what the kernel wrote before it handed the block over is seen after this.
        if self.status().load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 && !self.fill() {
            return None;
        }
        let size = self.geometry.block_bytes as usize;
        // SAFETY: the block lies in the mapping and is ours until `release`, which the exclusive
        // borrow of `self` keeps from happening while the slice lives.
        Some(unsafe {
            slice::from_raw_parts_mut(self.memory.add(self.current * size).as_ptr(), size)
        })
    }

    /// Returns how many bytes can wait to be read.
    pub(crate) fn buffer_bytes(&self) -> u64 {
        match &self.reader {
            Some(reader) => reader.waiting as u64,
            None => u64::from(self.geometry.block_bytes) * u64::from(self.geometry.blocks),
        }
    }

    /// Receives into the one block there is; tells whether anything came.
    #[cold]
    fn fill(&mut self) -> bool {
        let Some(reader) = &mut self.reader else { return false };
        // SAFETY: all of the mapping, which is ours alone and which nothing else borrows.
        let block = unsafe { slice::from_raw_parts_mut(self.memory.as_ptr(), self.bytes) };
        // What is wrong with the socket comes again with the next look at it.
        reader.fill(&self.socket, block).unwrap_or(false)
    }

    /// Hands the current block back and goes to the next.
    pub(crate) fn release(&mut self) {
        // Release: our last look at the block comes before the kernel's first write to it.
        self.status().store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.current = (self.current + 1) % self.geometry.blocks as usize;
    }

    /// Returns what was counted since the last call; reading sets the counters back.
    pub(crate) fn counted(&self) -> io::Result<Counted> {
        let mut raw = [0; 12];
        get_bytes(&self.socket, libc::SOL_PACKET, libc::PACKET_STATISTICS, &mut raw)?;
        let [a, b, c] = [0, 4, 8].map(|at| raw.get(at..).and_then(|it| it.first_chunk()).copied());
        let number = |word: Option<[u8; 4]>| word.map_or(0, u32::from_ne_bytes);
        Ok(Counted { received: number(a), dropped: number(b), frozen: number(c) })
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: mapped by us with this size; nothing borrows from it any more.
        let _ = unsafe { munmap(self.memory.cast(), self.bytes) };
    }
}
