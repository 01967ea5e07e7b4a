//! Containers whose files are traps.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::run::lab;
use crate::tools::{Background, background, has, host_script, strace};

/// What no run may ever show: the content of a file outside of the container.
const SECRET: &str = "search host-secret.example\nnameserver 192.0.2.77\n192.0.2.77 host-secret\n";

/// A process with a root of its own, below a folder that is gone with it.
struct Rooted {
    folder: PathBuf,
    process: Background,
}

impl Rooted {
    fn start(node: &vision_lab::Node) -> Self {
        let folder = std::env::temp_dir().join(format!("vision-root-{}", std::process::id()));
        for part in ["root/etc", "root/usr", "root/dev", "root/proc"] {
            fs::create_dir_all(folder.join(part)).expect("a folder");
        }
        for part in ["bin", "lib", "lib64"] {
            symlink(format!("usr/{part}"), folder.join("root").join(part)).expect("a link");
        }
        fs::write(folder.join("root/dev/zero"), "").expect("a file");
        fs::write(folder.join("secret"), SECRET).expect("a file");
        let script = format!(
            "cd {}; mount --bind /usr root/usr; mount --bind /dev/zero root/dev/zero; \
             exec chroot root /bin/sleep 300",
            folder.display()
        );
        let net = node.path().display().to_string();
        let process = background(&format!("exec nsenter --net={net} unshare -m sh -ec '{script}'"));
        let process = process.until(|pid| {
            let comm = fs::read_to_string(format!("/proc/{pid}/comm"));
            comm.is_ok_and(|comm| comm == "sleep\n")
        });
        Self { folder, process }
    }

    fn pid(&self) -> u32 {
        self.process.0.id()
    }
}

impl Drop for Rooted {
    fn drop(&mut self) {
        // Its mounts went with its namespace, or go with it in a moment; nothing lies below them here.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Makes a trap at a path; the second argument is where the host's secret lies.
type Trap = (&'static str, fn(&Path, &Path));

const TRAPS: &[Trap] = &[
    ("a pipe", |at, _| mkfifo(at, Mode::S_IRWXU).expect("a pipe")),
    ("a link to a device", |at, _| symlink("/dev/zero", at).expect("a link")),
    ("an absolute link", |at, secret| symlink(secret, at).expect("a link")),
    ("a link upwards", |at, secret| {
        symlink(format!("../../../../../../../..{}", secret.display()), at).expect("a link");
    }),
    ("a magic link", |at, _| symlink("/proc/1/root/etc/hostname", at).expect("a link")),
    ("a terabyte", |at, _| {
        fs::File::create(at).and_then(|file| file.set_len(1 << 40)).expect("a sparse file");
    }),
    ("zero bytes", |at, _| fs::write(at, vec![0; 60_000]).expect("a file")),
    ("many nameservers", |at, _| {
        fs::write(at, "nameserver 127.0.0.1\n".repeat(3000)).expect("a file");
    }),
    ("ten thousand nameservers", |at, _| {
        fs::write(at, "nameserver 127.0.0.1\n".repeat(10_000)).expect("a file");
    }),
    ("no line feed", |at, _| fs::write(at, "nameserver 127.0.0.1").expect("a file")),
    ("a folder", |at, _| fs::create_dir(at).expect("a folder")),
    ("nobody's", |at, _| {
        fs::write(at, "nameserver 127.0.0.1\n").expect("a file");
        fs::set_permissions(at, fs::Permissions::from_mode(0o000)).expect("set");
    }),
    ("a huge line", |at, _| {
        let line = format!("search {}\n", "a.".repeat(30_000));
        fs::write(at, line).expect("a file");
    }),
];

#[test]
fn a_container_cannot_make_anyone_read_the_hosts_files_or_wait() {
    let Some(lab) = lab().filter(|_| has("strace")) else { return };
    let node = lab.node("n").expect("a node");
    let rooted = Rooted::start(&node);
    let etc = rooted.folder.join("root/etc");
    let secret = rooted.folder.join("secret");
    for (what, set) in TRAPS {
        for name in ["resolv.conf", "hosts"] {
            set(&etc.join(name), &secret);
        }
        examine(&rooted, what);
        for name in ["resolv.conf", "hosts"] {
            let at = etc.join(name);
            fs::remove_file(&at).or_else(|_| fs::remove_dir(&at)).expect("removed");
        }
    }
}

fn examine(rooted: &Rooted, what: &str) {
    let case = rooted.folder.join("case.json");
    for line in [
        format!("--pid {} dns --search host-secret -W 200ms -w 700ms -v", rooted.pid()),
        format!("--pid {} dns host-secret -W 200ms -w 700ms", rooted.pid()),
        format!("--pid {} doctor --no-probe -w 700ms --save {}", rooted.pid(), case.display()),
    ] {
        for old in [false, true] {
            let text = match old {
                false => format!("exec \"$V\" {line}"),
                true => strace("openat2:error=ENOSYS", &line),
            };
            let began = Instant::now();
            let run = host_script(&text);
            let took = began.elapsed();
            let kept = fs::read_to_string(&case).unwrap_or_default();
            let _ = fs::remove_file(&case);
            for place in [&run.out, &run.err, &kept] {
                assert!(!place.contains("192.0.2.77"), "{what}: {line}: {place}");
                assert!(!place.contains("host-secret.example"), "{what}: {line}: {place}");
            }
            assert!(run.code.is_some_and(|code| code <= 4), "{what}: {line}: {run:?}");
            assert!(!run.err.contains("panicked"), "{what}: {line}: {run:?}");
            // What strace and a busy machine take is not its doing.
            assert!(took < Duration::from_millis(2500), "{what}: {line}: {took:?}");
        }
    }
}
