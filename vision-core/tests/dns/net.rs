//! A network namespace of one's own with nothing but a loopback.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use vision_core::{Netns, Target};

pub struct Net {
    pub netns: Netns,
}

impl Net {
    /// Makes one, or prints SKIP where that is not allowed.
    pub fn new() -> Option<Self> {
        let made = std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).ok()?;
            let up = Command::new("ip").args(["link", "set", "lo", "up"]).status();
            up.ok().filter(std::process::ExitStatus::success)?;
            Netns::current().ok()
        });
        let netns = made.join().expect("the thread ends");
        if netns.is_none() {
            println!("SKIP: no namespace of one's own here (root and iproute2 are needed)");
        }
        netns.map(|netns| Self { netns })
    }

    pub fn target(&self) -> Target {
        Target::of(self.netns.clone())
    }

    pub fn udp(&self, at: &str) -> UdpSocket {
        let socket = self.netns.run(|| UdpSocket::bind(at)).expect("entered").expect("bound");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
        socket
    }

    pub fn tcp(&self, at: SocketAddr) -> TcpListener {
        self.netns.run(|| TcpListener::bind(at)).expect("entered").expect("bound")
    }

    /// Runs a command inside and returns what it prints; `None` when it is not installed.
    pub fn output(&self, program: &str, args: &[&str]) -> Option<String> {
        let run = || Command::new(program).args(args).output();
        let output = self.netns.run(run).expect("entered").ok()?;
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Starts a server inside; it ends with the guard.
    pub fn spawn(&self, program: &str, args: &[&str]) -> Option<Daemon> {
        let start = || {
            let mut command = Command::new(program);
            command.args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
        };
        let child = self.netns.run(start).expect("entered");
        if child.is_err() {
            println!("SKIP: {program} is not installed");
        }
        child.ok().map(Daemon)
    }

    /// Waits until somebody listens on the port.
    pub fn wait_for(&self, server: SocketAddr) {
        let connect = || std::net::TcpStream::connect(server).is_ok();
        let started = Instant::now();
        while !self.netns.run(connect).expect("entered") {
            assert!(started.elapsed() < Duration::from_secs(20), "no server on {server}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until questions are answered, over TCP and over UDP: servers open one before the other.
    pub fn wait_for_dns(&self, server: SocketAddr) {
        self.wait_for(server);
        // For the name servers of the root.
        let question = b"\x5e\xed\0\0\0\x01\0\0\0\0\0\0\0\0\x02\0\x01";
        let answered = || -> std::io::Result<usize> {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            socket.set_read_timeout(Some(Duration::from_millis(200)))?;
            socket.connect(server)?;
            socket.send(question)?;
            socket.recv(&mut [0; 512])
        };
        let started = Instant::now();
        while self.netns.run(answered).expect("entered").is_err() {
            assert!(started.elapsed() < Duration::from_secs(20), "no answer by {server}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

pub struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        // A server with workers ends them when asked, not when killed.
        let pid = i32::try_from(self.0.id()).map(Pid::from_raw);
        let _ = pid.map(|pid| kill(pid, Signal::SIGTERM));
        let _ = self.0.wait();
    }
}
