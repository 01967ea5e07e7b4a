//! Small servers: threads of the test process with sockets opened inside a node.

mod tcp;
mod tls;
mod udp;

use std::{
    io,
    os::fd::BorrowedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::{
    poll::{PollFd, PollFlags, ppoll},
    sys::time::TimeSpec,
};

use crate::{
    error::{Error, Result},
    node::Node,
};

pub use tcp::{TcpBehaviour, TcpServer};
pub use tls::{Authority, Certificate, Signed, TlsServer};
pub use udp::{UdpBehaviour, UdpServer};

/// How long a server may not look whether it should stop.
pub(crate) const TICK: Duration = Duration::from_millis(50);

/// A thread that is told to stop, and joined, on drop.
#[derive(Debug)]
pub(crate) struct Worker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Runs `turn` again and again; a turn takes no longer than [`TICK`] when nothing happens.
    pub(crate) fn start(mut turn: impl FnMut() + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                turn();
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of the server was printed already; a second one during a drop would abort.
            let _ = thread.join();
        }
    }
}

/// Runs `bind` inside the node's namespace.
///
/// The address of a server just stopped may be taken for a moment longer: a child that another thread forked
/// holds a copy of every descriptor until it execs.
pub(crate) fn open<T: Send>(
    node: &Node,
    what: &str,
    bind: impl Fn() -> io::Result<T> + Sync,
) -> Result<T> {
    let end = Instant::now() + Duration::from_secs(1);
    loop {
        match node.try_enter(&bind).and_then(|bound| bound) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < end => {
                thread::sleep(Duration::from_millis(10));
            }
            bound => return bound.map_err(Error::io(format!("{what} in node {}", node.name()))),
        }
    }
}

/// Waits for any of the descriptors, at most `limit` and never longer than [`TICK`]; says what each is ready for.
pub(crate) fn wait(fds: &[(BorrowedFd<'_>, PollFlags)], limit: Duration) -> Vec<PollFlags> {
    let mut polled: Vec<PollFd<'_>> =
        fds.iter().map(|&(fd, events)| PollFd::new(fd, events)).collect();
    // An interrupted or refused poll is a turn in which nothing happened.
    let _ = ppoll(&mut polled, Some(TimeSpec::from(limit.min(TICK))), None);
    polled.iter().map(|fd| fd.revents().unwrap_or(PollFlags::empty())).collect()
}
