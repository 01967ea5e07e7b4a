//! Storage that takes no more: what is there reads to its end.

use std::fs::{self, File, OpenOptions};
use std::os::unix::net::UnixStream;
use std::process::Command;

use vision_core::capture::Frame;
use vision_core::capture::file::{FileError, Interface, Precision, Reader, Section, Writer};
use vision_core::wire::LinkType;

use crate::Folder;

/// Begins both formats on a file.
fn writers(make: impl Fn(&str) -> File) -> Vec<(&'static str, Writer)> {
    let pcap = Writer::pcap_file(make("a.pcap"), Precision::Nano);
    let pcapng = Writer::pcapng_file(make("a.pcapng"), &Section::default());
    vec![("a.pcap", pcap), ("a.pcapng", pcapng)]
}

/// Writes until the storage refuses.
fn fill(writer: &mut Writer) -> FileError {
    writer.interface(&Interface::new(LinkType::ETHERNET)).expect("held back");
    for number in 0..2_000_000_u32 {
        let data = number.to_be_bytes().repeat(25);
        if let Err(e) = writer.frame(&Frame::new(LinkType::ETHERNET, &data)) {
            return e;
        }
    }
    panic!("there was room for everything");
}

#[test]
fn a_device_that_is_full_is_said() {
    let full = |_: &str| OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    for (name, mut writer) in writers(full) {
        let error = fill(&mut writer);
        assert!(matches!(&error, FileError::Write(e) if e.raw_os_error() == Some(28)), "{name}");
    }
}

#[test]
fn a_pipe_that_nobody_reads_is_said() {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    drop(theirs);
    let mut writer = Writer::pcapng(ours, &Section::default());
    let error = fill(&mut writer);
    let kind = |e: &FileError| matches!(e, FileError::Write(e) if e.kind() == std::io::ErrorKind::BrokenPipe);
    assert!(kind(&error), "{error}");
}

/// Runs itself in a process whose files may not grow beyond a limit that no record ends at.
#[test]
fn a_file_at_its_limit_ends_with_a_whole_packet() {
    const LIMIT: &str = "VISION_FILE_LIMIT";
    let Some(folder) = std::env::var_os(LIMIT) else {
        let folder = Folder::new("limit");
        let exe = std::env::current_exe().expect("this program");
        let line = "trap '' XFSZ; ulimit -f 601; exec \"$0\" --exact \
                    storage::a_file_at_its_limit_ends_with_a_whole_packet";
        let mut shell = Command::new("bash");
        shell.args(["-c", line]).arg(exe).env(LIMIT, folder.path(""));
        let output = shell.output().expect("bash");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        for name in ["a.pcap", "a.pcapng"] {
            let size = fs::metadata(folder.path(name)).expect("a file").len();
            let mut reader = Reader::open(folder.path(name)).expect("a capture");
            let mut count = 0_u32;
            while let Some(frame) = reader.next_frame().expect("whole packets") {
                assert!(frame.data.starts_with(&count.to_be_bytes()));
                count += 1;
            }
            assert_eq!(reader.offset(), size, "{name}");
            assert!(count > 4000 && size > 600 * 1024 && size < 601 * 1024, "{name}: {size}");
        }
        return;
    };
    let make = |name: &str| File::create(std::path::Path::new(&folder).join(name)).expect("a file");
    for (name, mut writer) in writers(make) {
        let error = fill(&mut writer);
        assert!(matches!(error, FileError::Write(_)), "{name}: {error}");
    }
}
