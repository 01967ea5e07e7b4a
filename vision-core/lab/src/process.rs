//! Processes in a node that never outlive the test.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::{
        OnceLock,
        mpsc::{Sender, SyncSender, channel, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use crate::node::Node;

/// A process in a node's namespace. Killed and reaped on drop, and killed by the kernel when this process dies.
#[derive(Debug)]
pub struct Proc {
    child: Child,
    exited: Option<ExitStatus>,
}

impl Proc {
    pub(crate) fn start(node: &Node, command: &str, stdout: Stdio) -> Self {
        let script = format!("exec {command}");
        let mut wrapped =
            node.command(&["setpriv", "--pdeathsig", "KILL", "--", "sh", "-ec", &script]);
        wrapped.stdout(stdout).stderr(Stdio::null());
        let child = spawn(wrapped).unwrap_or_else(|error| {
            panic!("`{command}` in node {} does not start: {error}", node.name())
        });
        let mut this = Self { child, exited: None };
        assert!(
            this.wait_for_exec(node.inode(), &script),
            "`{command}` in node {} did not get going within 5 s",
            node.name()
        );
        this
    }

    /// The pid of the command itself, not of a wrapper.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn alive(&mut self) -> bool {
        self.status().is_none()
    }

    /// How it ended, if it did.
    pub fn status(&mut self) -> Option<ExitStatus> {
        if self.exited.is_none() {
            self.exited = self.child.try_wait().ok().flatten();
        }
        self.exited
    }

    /// Its stdout, once, if started by [`Node::spawn_piped`].
    pub fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Waits at most `limit` for its end.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + limit;
        while self.status().is_none() && Instant::now() < end {
            thread::sleep(Duration::from_millis(5));
        }
        self.exited
    }

    /// Kills and reaps it. The same as dropping, said aloud.
    pub fn kill(self) {}

    /// Until the wrappers have exec'ed away the pid is not yet in the node's namespace.
    fn wait_for_exec(&mut self, inode: u64, script: &str) -> bool {
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            if self.status().is_some() || is_itself(self.pid(), inode, script) {
                return true;
            }
            thread::sleep(Duration::from_millis(1));
        }
        false
    }
}

impl Drop for Proc {
    fn drop(&mut self) {
        // Both fail only when it is already gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_itself(pid: u32, inode: u64, script: &str) -> bool {
    let inside = fs::metadata(format!("/proc/{pid}/ns/net")).is_ok_and(|meta| meta.ino() == inode);
    let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) else {
        return false;
    };
    let mut args = line.split(|&byte| byte == 0);
    let first = args.next().unwrap_or_default();
    let wrapper = first.is_empty()
        || first == b"nsenter"
        || first == b"setpriv"
        || (first == b"sh" && args.nth(1) == Some(script.as_bytes()));
    inside && !wrapper
}

type Job = (Command, SyncSender<io::Result<Child>>);

/// Spawns from a thread that lives as long as the process: the parent-death signal fires at the death of the
/// *thread* that forked, and a test's thread may well end before its processes should.
fn spawn(command: Command) -> io::Result<Child> {
    static SPAWNER: OnceLock<Sender<Job>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (jobs, inbox) = channel::<Job>();
        thread::spawn(move || {
            for (mut command, answer) in inbox {
                let _ = answer.send(command.spawn());
            }
        });
        jobs
    });
    let gone = |_| io::Error::other("the spawner thread is gone");
    let (answer, child) = sync_channel(1);
    spawner.send((command, answer)).map_err(|_| io::Error::other("the spawner thread is gone"))?;
    child.recv().map_err(gone)?
}
