use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat, openat2};
use nix::sys::stat::{Mode, SFlag, fstat};

use super::NetnsId;
use super::handle::OWN;
use super::proc::{self, ProcDir};
use super::target::Process;
use crate::base::{Error, Op, Result};

/// No file of settings that a troubleshooter reads from a container is larger.
pub(super) const LIMIT_BYTES: u64 = 64 * 1024;

/// Which file is read, and how much of it at most.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) path: &'a str,
    pub(super) limit_bytes: u64,
}

impl<'a> Wanted<'a> {
    pub(super) fn settings(path: &'a str) -> Self {
        Self { path, limit_bytes: LIMIT_BYTES }
    }
}

/// A file as the target sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TargetFile {
    /// The content, at most 64 KiB.
    pub bytes: Vec<u8>,
    /// Where it was read.
    pub origin: FileOrigin,
}

/// Through which door a target's file was read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum FileOrigin {
    /// Through the root of a process in the namespace.
    Process {
        /// The process.
        pid: u32,
    },
    /// From `/etc/netns/NAME/`, which `ip netns exec` mounts over `/etc`.
    NamedNetns {
        /// The namespace's name.
        name: String,
    },
    /// The caller's own file, which is the target's as well.
    Own,
    /// The caller's own file, because the namespace has no file of its own: it was made for
    /// another network.
    Inherited,
}

/// Reads through `/proc/PID/root`, never leaving it.
pub(super) fn read_in_process(
    process: &Process,
    id: NetnsId,
    wanted: Wanted<'_>,
) -> Result<TargetFile> {
    read_through(process.dir(), process.pid, id, wanted)
}

fn read_through(dir: &ProcDir, pid: u32, id: NetnsId, wanted: Wanted<'_>) -> Result<TargetFile> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
    let root = dir.open_at("root", flags).map_err(|e| Error::sys(Op::ReadFile, e))?;
    let (bytes, file) = read_below(&root, wanted)?;
    // A process that only changed its network still has this machine's file, made for another.
    let elsewhere = NetnsId::of_path(OWN).is_ok_and(|own| own != id);
    let origin = match elsewhere && is_own_file(wanted.path, file) {
        true => FileOrigin::Inherited,
        false => FileOrigin::Process { pid },
    };
    Ok(TargetFile { bytes, origin })
}

/// Device and inode of a file.
type FileId = (u64, u64);

fn is_own_file(path: &str, file: FileId) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).is_ok_and(|own| (own.dev(), own.ino()) == file)
}

pub(super) fn read_own(wanted: Wanted<'_>, origin: FileOrigin) -> Result<TargetFile> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let root = open("/", flags, Mode::empty()).map_err(|e| Error::sys(Op::ReadFile, e))?;
    read_below(&root, wanted).map(|(bytes, _)| TargetFile { bytes, origin })
}

/// Names in a folder below a process' root, sorted.
#[cfg(all(feature = "dns", feature = "tls"))]
pub(super) fn list_in_process(process: &Process, path: &str) -> Result<Vec<String>> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
    let root = process.dir().open_at("root", flags).map_err(|e| Error::sys(Op::ReadFile, e))?;
    list_below(&root, path)
}

/// The same for the caller's own root.
#[cfg(all(feature = "dns", feature = "tls"))]
pub(super) fn list_own(path: &str) -> Result<Vec<String>> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let root = open("/", flags, Mode::empty()).map_err(|e| Error::sys(Op::ReadFile, e))?;
    list_below(&root, path)
}

/// More entries than a folder of settings has.
#[cfg(all(feature = "dns", feature = "tls"))]
const ENTRIES: usize = 1024;

#[cfg(all(feature = "dns", feature = "tls"))]
fn list_below(root: &OwnedFd, path: &str) -> Result<Vec<String>> {
    use std::os::fd::AsRawFd;

    let folder = open_as(root, path, READ | OFlag::O_DIRECTORY).map_err(|e| match e {
        Errno::ENOENT | Errno::ENOTDIR => Error::NotFound(path.to_owned()),
        Errno::ELOOP | Errno::EXDEV => Error::invalid("folder", format!("{path} leads outside")),
        e => Error::sys(Op::ReadFile, e),
    })?;
    let entries = std::fs::read_dir(format!("/proc/self/fd/{}", folder.as_raw_fd()));
    let entries = entries.map_err(|e| Error::sys(Op::ReadFile, e))?.flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.take(ENTRIES).collect();
    names.sort();
    Ok(names)
}

/// As `ip netns exec NAME` shows it: `/etc/netns/NAME/x` lies over `/etc/x`.
pub(super) fn read_for_name(name: &str, id: NetnsId, wanted: Wanted<'_>) -> Result<TargetFile> {
    if let Some(rest) = wanted.path.strip_prefix("/etc/") {
        let origin = FileOrigin::NamedNetns { name: name.to_owned() };
        let path = format!("/etc/netns/{name}/{rest}");
        match read_own(Wanted { path: &path, ..wanted }, origin) {
            Err(Error::NotFound(_)) => {}
            other => return other,
        }
    }
    read_for_namespace(id, wanted)
}

/// Through the first process that lives in the namespace; else the caller's own file.
pub(super) fn read_for_namespace(id: NetnsId, wanted: Wanted<'_>) -> Result<TargetFile> {
    if NetnsId::of_path(OWN).is_ok_and(|own| own == id) {
        return read_own(wanted, FileOrigin::Own);
    }
    for pid in proc::pids().map_err(|e| Error::sys(Op::ReadProc, e))? {
        let dir = match ProcDir::open(pid) {
            Ok(dir) => dir,
            Err(e) if proc::is_exhausted(&e) => return Err(Error::sys(Op::ReadProc, e)),
            Err(_) => continue,
        };
        if dir.netns().is_ok_and(|found| found == id) && pid != std::process::id() {
            return read_through(&dir, pid, id, wanted);
        }
    }
    read_own(wanted, FileOrigin::Inherited)
}

fn read_below(root: &OwnedFd, wanted: Wanted<'_>) -> Result<(Vec<u8>, FileId)> {
    let Wanted { path, limit_bytes } = wanted;
    let fd = open_below(root, path).map_err(|e| match e {
        Errno::ENOENT | Errno::ENOTDIR => Error::NotFound(path.to_owned()),
        Errno::ELOOP | Errno::EXDEV => Error::invalid("file", format!("{path} leads outside")),
        e => Error::sys(Op::ReadFile, e),
    })?;
    let stat = fstat(&fd).map_err(|e| Error::sys(Op::ReadFile, e))?;
    if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT != SFlag::S_IFREG {
        return Err(Error::invalid("file", format!("{path} is no regular file")));
    }
    let bytes = read_bounded(File::from(fd), limit_bytes).map_err(|e| match e.kind() {
        io::ErrorKind::FileTooLarge => {
            Error::invalid("file", format!("{path} exceeds {} KiB", limit_bytes / 1024))
        }
        _ => Error::Sys { op: Op::ReadFile, source: e },
    })?;
    Ok((bytes, (stat.st_dev, stat.st_ino)))
}

pub(super) fn read_bounded(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > limit {
        true => Err(io::ErrorKind::FileTooLarge.into()),
        false => Ok(bytes),
    }
}

/// Never blocks on a FIFO, never becomes a controlling terminal's owner.
pub(super) const READ: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_NONBLOCK).union(OFlag::O_NOCTTY).union(OFlag::O_CLOEXEC);

fn open_below(root: &OwnedFd, path: &str) -> nix::Result<OwnedFd> {
    open_as(root, path, READ)
}

/// Opens what a path leads to inside a root, following links inside it only.
pub(super) fn open_as(root: &OwnedFd, path: &str, flags: OFlag) -> nix::Result<OwnedFd> {
    let inside = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(inside);
    match openat2(root, path, how) {
        // Before kernel 5.6, or refused by a seccomp filter that does not know the call.
        Err(Errno::ENOSYS | Errno::EPERM) => walk_below(root, path, flags),
        other => other,
    }
}

/// One component at a time, following no link: narrower than openat2, never wider.
fn walk_below(root: &OwnedFd, path: &str, last: OFlag) -> nix::Result<OwnedFd> {
    let mut parts = path.split('/').filter(|part| !part.is_empty()).peekable();
    let mut dir = root.try_clone().map_err(|_| Errno::EMFILE)?;
    while let Some(part) = parts.next() {
        if part == ".." {
            return Err(Errno::EXDEV);
        }
        let flags = match parts.peek() {
            Some(_) => OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
            None => last | OFlag::O_CLOEXEC,
        };
        dir = openat(dir.as_fd(), part, flags | OFlag::O_NOFOLLOW, Mode::empty())?;
    }
    Ok(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> std::path::PathBuf {
        let dir = std::env::temp_dir().join(format!("vision-file-{}-{name}", std::process::id()));
        std::fs::create_dir_all(dir.join("etc")).expect("scratch folder");
        dir
    }

    fn dirfd(path: &std::path::Path) -> OwnedFd {
        open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).expect("scratch root")
    }

    type Opener = fn(&OwnedFd, &str) -> nix::Result<OwnedFd>;

    #[test]
    fn a_link_that_leaves_the_root_reads_nothing_of_the_host() {
        let dir = scratch("links");
        std::fs::write(dir.join("etc/real"), "inside").expect("write");
        for (name, to) in [("abs", "/etc/passwd"), ("up", "../../../../../etc/passwd")] {
            let _ = std::os::unix::fs::symlink(to, dir.join("etc").join(name));
        }
        let root = dirfd(&dir);
        let walk: Opener = |root, path| walk_below(root, path, READ);
        for how in [open_below as Opener, walk] {
            assert!(how(&root, "/etc/real").is_ok());
            assert!(how(&root, "/etc/abs").is_err());
            assert!(how(&root, "/etc/up").is_err());
        }
        std::fs::remove_dir_all(dir).expect("clean up");
    }

    #[test]
    fn special_and_oversize_files_are_refused_at_once() {
        let dir = scratch("special");
        nix::unistd::mkfifo(&dir.join("etc/fifo"), Mode::S_IRWXU).expect("fifo");
        let sparse = File::create(dir.join("etc/huge")).expect("create");
        sparse.set_len(1 << 40).expect("sparse");
        let root = dirfd(&dir);
        let refused = |path| read_below(&root, Wanted::settings(path)).expect_err(path).to_string();
        assert!(refused("/etc/fifo").contains("no regular file"));
        assert!(refused("/etc/huge").contains("exceeds 64 KiB"));
        assert!(refused("/etc/missing").contains("not found"));
        assert!(refused("/etc").contains("no regular file"));
        std::fs::remove_dir_all(dir).expect("clean up");
    }
}
