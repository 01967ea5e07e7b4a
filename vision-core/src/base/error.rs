use std::fmt;
use std::io;

use nix::libc;

/// What every fallible call of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something could not be measured; never what a peer answered.
///
/// A refused connection or a missing reply is an outcome inside a report. An `Error` says that
/// the question could not be asked at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel refused or failed a system call.
    #[error("{op} failed")]
    Sys {
        /// What was being done.
        op: Op,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The process lacks a capability.
    #[error("{op} needs {needs}")]
    Permission {
        /// What was being done.
        op: Op,
        /// The capability that would allow it.
        needs: Capability,
    },
    /// Nothing has that name.
    #[error("{0} not found")]
    NotFound(String),
    /// Several things have that name.
    #[error("{0} is ambiguous: {list}", list = .1.join(", "))]
    Ambiguous(String, Vec<String>),
    /// The kernel answered a netlink request with an error.
    #[error("netlink {request} failed{text}", text = ext_ack.as_deref().map(|t| format!(": {t}")).unwrap_or_default())]
    Netlink {
        /// The request, spelled as the kernel's constant.
        request: &'static str,
        /// The error number of the answer.
        #[source]
        source: io::Error,
        /// The kernel's own explanation, where it gave one.
        ext_ack: Option<String>,
    },
    /// Bytes did not parse.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A capture file could not be read or written.
    #[error("{0}")]
    CaptureFile(String),
    /// The running kernel has no such feature.
    #[error("this kernel lacks {0}")]
    Unsupported(&'static str),
    /// A value given by the caller makes no sense.
    #[error("bad {what}: {why}")]
    Invalid {
        /// Which value.
        what: &'static str,
        /// What is wrong with it, naming the input.
        why: String,
    },
    /// The target process ended while it was being looked at.
    #[error("target {0} exited")]
    TargetExited(String),
    /// The time allowed has passed and there is nothing to report.
    #[error("budget spent")]
    Elapsed,
    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
}

impl Error {
    /// Wraps the last operating system error of `op`, turning a refusal into [`Error::Permission`].
    ///
    /// `EPERM` and `EACCES` become a permission error when the operation is one that a capability
    /// would allow.
    pub(crate) fn sys(op: Op, source: impl Into<io::Error>) -> Self {
        let source = source.into();
        let denied = matches!(source.raw_os_error(), Some(libc::EPERM | libc::EACCES));
        match op.capability().filter(|_| denied) {
            Some(needs) => Self::Permission { op, needs },
            None => Self::Sys { op, source },
        }
    }

    /// Builds [`Error::Invalid`].
    pub(crate) fn invalid(what: &'static str, why: impl Into<String>) -> Self {
        Self::Invalid { what, why: why.into() }
    }

    /// Returns a stable one-word class, as the command line prints it under `error.kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sys { .. } => "sys",
            Self::Permission { .. } => "permission",
            Self::NotFound(_) => "not_found",
            Self::Ambiguous(..) => "ambiguous",
            Self::Netlink { .. } => "netlink",
            Self::Decode(_) => "decode",
            Self::CaptureFile(_) => "capture_file",
            Self::Unsupported(_) => "unsupported",
            Self::Invalid { .. } => "invalid",
            Self::TargetExited(_) => "target_exited",
            Self::Elapsed => "elapsed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Returns the error number the kernel gave, where there is one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Sys { source, .. } | Self::Netlink { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }
}

macro_rules! ops {
    ($($variant:ident, $text:literal, $cap:expr, $doc:literal;)+) => {
        /// An operation that can fail, named in errors.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Op { $(#[doc = $doc] $variant,)+ }

        impl Op {
            fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// Returns the capability whose lack explains a refusal.
            fn capability(self) -> Option<Capability> {
                match self { $(Self::$variant => $cap,)+ }
            }
        }
    };
}

ops! {
    OpenNamespace, "opening the network namespace", Some(Capability::SysPtrace), "Open a namespace file.";
    EnterNamespace, "entering the network namespace", Some(Capability::SysAdmin), "setns(2).";
    OpenPidfd, "opening a handle on the process", None, "pidfd_open(2).";
    ReadProc, "reading the process's files", Some(Capability::SysPtrace), "Read below /proc/PID.";
    ReadFile, "reading the target's file", Some(Capability::SysPtrace), "Read a file through the target's root.";
    ReadCapture, "reading the capture file", None, "Read a capture file.";
    WriteCapture, "writing the capture file", None, "Write a capture file.";
    ReadEngine, "reading the container engine's state", Some(Capability::DacReadSearch), "Read what container engines keep on disk.";
    AskEngine, "asking the container engine", None, "Speak to an engine's socket.";
    ReadFirewall, "reading the firewall", Some(Capability::NetAdmin), "Dump nf_tables, ipset or iptables.";
    ReadCounters, "reading protocol counters", None, "Read /proc/thread-self/net.";
    OpenTrace, "reading the kernel's trace points", Some(Capability::SysAdmin), "tracefs.";
    OpenPerf, "watching a trace point of the kernel", Some(Capability::Perfmon), "perf_event_open(2).";
    OpenSocket, "opening a socket", None, "socket(2) of an ordinary kind.";
    OpenRaw, "opening a raw socket", Some(Capability::NetRaw), "socket(2) of a raw kind.";
    OpenEcho, "opening a raw socket", Some(Capability::NetRaw), "socket(2) of a raw kind, for echo requests that `net.ipv4.ping_group_range` could allow as well.";
    OpenPacket, "opening a packet socket", Some(Capability::NetRaw), "socket(2) of AF_PACKET.";
    OpenNetlink, "opening a netlink socket", None, "socket(2) of AF_NETLINK.";
    Bind, "binding the source address", Some(Capability::NetBindService), "bind(2).";
    BindDevice, "binding to the interface", Some(Capability::NetRaw), "SO_BINDTODEVICE.";
    SetMark, "setting the packet mark", Some(Capability::NetAdmin), "SO_MARK.";
    SetOption, "setting a socket option", None, "setsockopt(2).";
    Send, "sending", None, "send(2) and its kin.";
    Receive, "receiving", None, "recv(2) and its kin.";
    Poll, "waiting for events", None, "poll(2) and epoll(7).";
    Timer, "setting a timer", None, "timerfd(2).";
    SpawnThread, "starting a thread", None, "clone(2).";
    DropRights, "giving up rights", None, "capset(2), prctl(2).";
    Random, "reading random bytes", None, "getrandom(2).";
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// A Linux capability that some operation of this crate asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "SCREAMING_SNAKE_CASE"))]
#[non_exhaustive]
pub enum Capability {
    /// Bind ports below 1024.
    NetBindService,
    /// Conntrack, nftables, socket marks.
    NetAdmin,
    /// Raw and packet sockets.
    NetRaw,
    /// Read another user's process.
    SysPtrace,
    /// Enter another namespace.
    SysAdmin,
    /// List another user's descriptors.
    DacReadSearch,
    /// Watch the kernel's trace points (kernel 5.8; `SYS_ADMIN` before).
    Perfmon,
}

impl Capability {
    /// All of them, in kernel order.
    pub const ALL: [Self; 7] = [
        Self::DacReadSearch,
        Self::NetBindService,
        Self::NetAdmin,
        Self::NetRaw,
        Self::SysPtrace,
        Self::SysAdmin,
        Self::Perfmon,
    ];

    /// Returns the bit of the capability in `/proc/PID/status` (uapi/linux/capability.h).
    pub fn bit(self) -> u32 {
        match self {
            Self::DacReadSearch => 2,
            Self::NetBindService => 10,
            Self::NetAdmin => 12,
            Self::NetRaw => 13,
            Self::SysPtrace => 19,
            Self::SysAdmin => 21,
            Self::Perfmon => 38,
        }
    }

    /// Returns the name as a pod's `securityContext.capabilities.add` spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::DacReadSearch => "DAC_READ_SEARCH",
            Self::NetBindService => "NET_BIND_SERVICE",
            Self::NetAdmin => "NET_ADMIN",
            Self::NetRaw => "NET_RAW",
            Self::SysPtrace => "SYS_PTRACE",
            Self::SysAdmin => "SYS_ADMIN",
            Self::Perfmon => "PERFMON",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CAP_{}", self.name())
    }
}

/// Where in a packet or message decoding stopped, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[error("{layer} at byte {offset}: {}", self.fault())]
#[non_exhaustive]
pub struct DecodeError {
    /// The layer that could not be read.
    pub layer: Layer,
    /// Offset of the fault in bytes from the start of the input.
    pub offset: usize,
    /// Bytes the layer needs from there; zero when the length is not the fault.
    pub need: usize,
    /// Bytes that were there.
    pub have: usize,
}

impl DecodeError {
    pub(crate) fn short(layer: Layer, offset: usize, need: usize, have: usize) -> Self {
        Self { layer, offset, need, have }
    }

    #[cfg(feature = "dns")]
    pub(crate) fn malformed(layer: Layer, offset: usize) -> Self {
        Self { layer, offset, need: 0, have: 0 }
    }

    fn fault(&self) -> String {
        match self.need {
            0 => "malformed".to_owned(),
            need => format!("needs {need} bytes, has {}", self.have),
        }
    }
}

/// A protocol layer, as named in decode errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Layer {
    /// A netlink message header or body.
    Netlink,
    /// Ethernet II.
    Ethernet,
    /// Address resolution.
    Arp,
    /// IPv4 header.
    Ipv4,
    /// IPv6 header.
    Ipv6,
    /// ICMP or ICMPv6.
    Icmp,
    /// UDP header.
    Udp,
    /// TCP header.
    Tcp,
    /// A DNS message.
    Dns,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Netlink => "netlink",
            Self::Ethernet => "ethernet",
            Self::Arp => "arp",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Icmp => "icmp",
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Dns => "dns",
        })
    }
}

/// An error number the kernel gave for a probe, kept as data: part of an outcome, not an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Reason {
    /// The number, as in errno(3).
    pub errno: i32,
}

impl Reason {
    /// Keeps an error number.
    pub fn new(errno: i32) -> Self {
        Self { errno }
    }

    /// Returns the constant's name, `EHOSTUNREACH`; unknown numbers give `None`.
    pub fn name(self) -> Option<String> {
        match nix::errno::Errno::from_raw(self.errno) {
            nix::errno::Errno::UnknownErrno => None,
            known => Some(format!("{known:?}")),
        }
    }
}

impl From<io::Error> for Reason {
    fn from(error: io::Error) -> Self {
        Self { errno: error.raw_os_error().unwrap_or(libc::EIO) }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", nix::errno::Errno::from_raw(self.errno).desc()),
            None => write!(f, "errno {}", self.errno),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusal_of_a_raw_socket_names_the_capability() {
        let error = Error::sys(Op::OpenRaw, io::Error::from_raw_os_error(libc::EPERM));
        assert_eq!(error.to_string(), "opening a raw socket needs CAP_NET_RAW");
        assert_eq!(error.kind(), "permission");
    }

    #[test]
    fn refusal_of_a_send_stays_a_system_error() {
        let error = Error::sys(Op::Send, io::Error::from_raw_os_error(libc::EPERM));
        assert_eq!(error.errno(), Some(libc::EPERM));
    }

    #[test]
    fn decode_error_says_what_was_missing() {
        let error = DecodeError::short(Layer::Icmp, 20, 8, 3);
        assert_eq!(error.to_string(), "icmp at byte 20: needs 8 bytes, has 3");
    }
}
