use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::{FileError, Writer};
use crate::base::Timestamp;

/// When one file ends and the next begins, and how many are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Size a file may have, in bytes; the packet that would go beyond begins the next.
    pub bytes: Option<u64>,
    /// Time between the first packet of a file and the first of the next.
    pub every: Option<Duration>,
    /// Files that are kept; the oldest of them are removed.
    pub files: Option<u32>,
}

/// Files that take turns: `out-00001.pcapng`, `out-00002.pcapng` and so on.
///
/// The folder is opened once; what comes later needs no more rights than the descriptor gives, so
/// it goes on working after the process has given up its own. Files that were there before are
/// neither written over nor removed: the numbers go on after theirs.
#[derive(Debug)]
pub struct Rotation {
    folder: OwnedFd,
    stem: OsString,
    extension: Option<OsString>,
    limits: Limits,
    last: u64,
    kept: VecDeque<OsString>,
    began: Option<Timestamp>,
}

impl Rotation {
    /// Opens the folder of `path`, whose file name the others are made from.
    ///
    /// # Errors
    /// What the system says of the folder; [`io::ErrorKind::InvalidInput`] when the path names no
    /// file or a limit is zero.
    pub fn new(path: impl AsRef<Path>, limits: Limits) -> io::Result<Self> {
        let path = path.as_ref();
        let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidInput, why.to_owned());
        let stem = path.file_stem().ok_or_else(|| invalid("the path names no file"))?.to_owned();
        if limits.bytes == Some(0)
            || limits.files == Some(0)
            || limits.every == Some(Duration::ZERO)
        {
            return Err(invalid("a limit of zero leaves no room for a packet"));
        }
        let parent = path.parent().filter(|it| !it.as_os_str().is_empty());
        let parent = parent.unwrap_or_else(|| Path::new("."));
        let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_RDONLY;
        let folder = open(parent, flags, Mode::empty())?;
        let extension = path.extension().map(OsStr::to_owned);
        let mut rotation =
            Self { folder, stem, extension, limits, last: 0, kept: VecDeque::new(), began: None };
        rotation.last = rotation.newest(parent)?;
        Ok(rotation)
    }

    /// Returns the folder, for whoever restricts what the process may still do.
    pub fn folder(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    /// Returns the name of the newest file, without its folder.
    pub fn current(&self) -> Option<&OsStr> {
        self.kept.back().map(OsString::as_os_str)
    }

    /// Makes the next file and removes the oldest where there are more than are kept.
    ///
    /// # Errors
    /// What the system says; the files made before are untouched then.
    pub fn next_file(&mut self) -> io::Result<File> {
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        // O_EXCL also refuses a link that somebody else put there.
        let mode = Mode::from_bits_truncate(0o644);
        let (name, file) = loop {
            self.last += 1;
            let name = self.name(self.last);
            match openat(&self.folder, name.as_os_str(), flags, mode) {
                Ok(file) => break (name, file),
                Err(Errno::EEXIST) => {}
                Err(e) => return Err(e.into()),
            }
        };
        self.kept.push_back(name);
        self.began = None;
        let keep = self.limits.files.map_or(usize::MAX, |it| it as usize);
        while self.kept.len() > keep {
            let Some(oldest) = self.kept.pop_front() else { break };
            match unlinkat(&self.folder, oldest.as_os_str(), UnlinkatFlags::NoRemoveDir) {
                // Somebody tidied up before.
                Ok(()) | Err(Errno::ENOENT) => {}
                Err(e) => return Err(e.into()),
            }
        }
        if self.limits.files.is_none() {
            // Nothing is to be removed: only the name of the newest is needed.
            self.kept.drain(..self.kept.len().saturating_sub(1));
        }
        Ok(File::from(file))
    }

    /// Begins the next file where the next packet, of `bytes` bytes and taken at `time`, does not
    /// belong to this one any more; tells whether it did.
    ///
    /// # Errors
    /// [`FileError::Write`].
    #[inline]
    pub fn turn(
        &mut self,
        writer: &mut Writer,
        bytes: usize,
        time: Option<Timestamp>,
    ) -> Result<bool, FileError> {
        // The longest head of a record with its options.
        let size = writer.size() + bytes as u64 + 48;
        let full = self.limits.bytes.is_some_and(|limit| size > limit) && writer.packets() > 0;
        if !full && !self.late(time) {
            return Ok(false);
        }
        let file = self.next_file().map_err(FileError::Write)?;
        writer.switch(file)?;
        self.began = time;
        Ok(true)
    }

    fn late(&mut self, time: Option<Timestamp>) -> bool {
        let (Some(every), Some(time)) = (self.limits.every, time) else { return false };
        let began = *self.began.get_or_insert(time);
        let passed = time.as_unix_nanos().saturating_sub(began.as_unix_nanos());
        u128::try_from(passed).is_ok_and(|passed| passed >= every.as_nanos())
    }

    fn name(&self, number: u64) -> OsString {
        let mut name = self.stem.clone();
        name.push(format!("-{number:05}"));
        if let Some(extension) = &self.extension {
            name.push(".");
            name.push(extension);
        }
        name
    }

    /// Finds the greatest number that is taken.
    fn newest(&self, folder: &Path) -> io::Result<u64> {
        let mut newest = 0;
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name();
            let number = name.as_bytes().strip_prefix(self.stem.as_bytes());
            let digits: Vec<u8> = match number.and_then(|it| it.strip_prefix(b"-")) {
                Some(rest) => rest.iter().copied().take_while(u8::is_ascii_digit).collect(),
                None => continue,
            };
            let digits = OsString::from_vec(digits);
            let number: u64 = digits.to_string_lossy().parse().unwrap_or(0);
            if self.name(number) == name {
                newest = newest.max(number);
            }
        }
        Ok(newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Frame;
    use crate::capture::file::{Interface, Reader, Section};
    use crate::wire::LinkType;

    #[test]
    fn a_ring_keeps_the_newest_files_and_those_of_others() {
        let folder = std::env::temp_dir().join(format!("vision-ring-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("out-00003.pcapng"), b"another's").expect("a file");
        let limits = Limits { bytes: Some(1000), files: Some(2), ..Limits::default() };
        let mut ring = Rotation::new(folder.join("out.pcapng"), limits).expect("a ring");
        let first = ring.next_file().expect("a file");
        let mut writer = Writer::pcapng_file(first, &Section::default());
        writer.interface(&Interface::new(LinkType::ETHERNET)).expect("an interface");
        for number in 0..40_u8 {
            let bytes = [number; 100];
            let frame = Frame::new(LinkType::ETHERNET, &bytes);
            ring.turn(&mut writer, frame.data.len(), None).expect("a turn");
            writer.frame(&frame).expect("room");
        }
        writer.finish().expect("room");
        let mut names: Vec<_> = fs::read_dir(&folder).expect("a folder").flatten().collect();
        names.sort_by_key(fs::DirEntry::file_name);
        assert_eq!(names.len(), 3, "{names:?}");
        assert_eq!(names[0].file_name(), "out-00003.pcapng");
        let mut last = None;
        for entry in &names[1..] {
            assert!(entry.metadata().expect("a size").len() <= 1000);
            let mut reader = Reader::open(entry.path()).expect("a capture");
            while let Some(frame) = reader.next_frame().expect("whole packets") {
                let number = frame.data[0];
                assert!(last.is_none_or(|last| number == last + 1), "{number} after {last:?}");
                last = Some(number);
            }
        }
        assert_eq!(last, Some(39));
        fs::remove_dir_all(&folder).expect("removed");
    }
}
