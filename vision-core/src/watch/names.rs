//! Names of namespaces that come and go under `/run/netns`.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::event::{Change, Namespace};
use crate::base::{Error, Op, Result, Untrusted};
use crate::netns::Netns;

/// Listens to the directory where `ip netns` keeps its names.
pub(super) struct Names(Inotify);

impl Names {
    /// Begins to listen; `None` when nobody has named a namespace yet and the directory is missing.
    pub(super) fn open() -> Result<Option<Self>> {
        let flags = InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK;
        let inotify = Inotify::init(flags).map_err(|e| Error::sys(Op::Poll, e))?;
        let wanted = AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVED_FROM;
        match inotify.add_watch(RUN_NETNS, wanted) {
            Ok(_) => Ok(Some(Self(inotify))),
            Err(Errno::ENOENT) => Ok(None),
            Err(e) => Err(Error::sys(Op::Poll, e)),
        }
    }

    /// Returns what happened since, without blocking.
    pub(super) fn changes(&self) -> Result<Vec<(Change, Namespace)>> {
        let events = match self.0.read_events() {
            Ok(events) => events,
            Err(Errno::EAGAIN) => return Ok(Vec::new()),
            Err(e) => return Err(Error::sys(Op::Receive, e)),
        };
        let gone = AddWatchFlags::IN_DELETE | AddWatchFlags::IN_MOVED_FROM;
        let changes = events.into_iter().filter_map(|event| {
            let name = event.name?;
            let removed = event.mask.intersects(gone);
            let change = if removed { Change::Removed } else { Change::Added };
            let path = std::path::Path::new(RUN_NETNS).join(&name);
            // The file comes first and the namespace is mounted over it a moment later
            // (`ip netns add`), so this may find none yet.
            let id = if removed { None } else { Netns::from_path(path).ok().map(|n| n.id()) };
            let name = Some(Untrusted::from(name.as_bytes()));
            Some((change, Namespace { nsid: None, name, id }))
        });
        Ok(changes.collect())
    }
}

impl AsFd for Names {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

const RUN_NETNS: &str = "/run/netns";
