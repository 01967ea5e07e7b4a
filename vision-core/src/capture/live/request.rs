use std::time::Duration;

use nix::libc;
use socket2::{Domain, Socket, Type};

use super::cook::Form;
use super::links::Links;
use super::program::{self, Instruction, Loopback};
use super::session::{Capture, Interface, Parts};
use crate::base::{Error, Op, Result, Untrusted};
use crate::capture::Direction;
use crate::capture::filter::Machine;
use crate::netns::{Netns, Target};
use crate::sys::packet;
use crate::sys::ring::{Geometry, Ring};
use crate::sys::sockopt::{get_bytes, set_bytes};
use crate::wire::LinkType;

/// Asks for packets of an interface; [`CaptureRequest::start`] begins to take them.
///
/// ```no_run
/// use vision_core::capture::{Capture, Direction};
/// use vision_core::{Budget, Selector, Target};
///
/// let budget = Budget::unbounded();
/// let target = Target::resolve(&Selector::Current, &budget)?;
/// let mut capture = Capture::on("eth0").direction(Direction::In).start(&target)?;
/// while let Some(frame) = capture.next_frame(&budget)? {
///     println!("{} bytes", frame.len);
/// }
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct CaptureRequest {
    on: On,
    direction: Option<Direction>,
    promiscuous: bool,
    snap_bytes: u32,
    buffer_bytes: u32,
    latency: Duration,
    filter: Vec<Instruction>,
}

/// Where packets are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
enum On {
    Name(String),
    Index(u32),
    Any,
}

impl CaptureRequest {
    pub(super) fn on(name: String) -> Self {
        Self::at(On::Name(name))
    }

    pub(super) fn on_index(ifindex: u32) -> Self {
        Self::at(On::Index(ifindex))
    }

    pub(super) fn any() -> Self {
        Self::at(On::Any)
    }

    fn at(on: On) -> Self {
        Self {
            on,
            direction: None,
            promiscuous: false,
            snap_bytes: SNAP,
            buffer_bytes: BUFFER,
            latency: LATENCY,
            filter: Vec::new(),
        }
    }

    /// Takes only what comes in, or only what goes out; both without this.
    pub fn direction(self, direction: Direction) -> Self {
        Self { direction: Some(direction), ..self }
    }

    /// Has the interface accept frames for other stations while the capture lives.
    pub fn promiscuous(self) -> Self {
        Self { promiscuous: true, ..self }
    }

    /// Keeps at most this many bytes of each packet; zero means 262 144, which is the default.
    pub fn snap_bytes(self, bytes: u32) -> Self {
        Self { snap_bytes: if bytes == 0 { SNAP } else { bytes.min(SNAP) }, ..self }
    }

    /// Lets about this much wait to be read; the default is 64 MiB.
    ///
    /// The kernel takes the memory at once. Where it has too little the capture gets less: see
    /// [`Capture::buffer_bytes`].
    pub fn buffer_bytes(self, bytes: u32) -> Self {
        Self { buffer_bytes: bytes, ..self }
    }

    /// Hands packets over after at most this long; the default is 50 ms. Longer saves work.
    pub fn latency(self, latency: Duration) -> Self {
        Self { latency, ..self }
    }

    /// Takes only packets for which this program of classic BPF returns more than zero: code, jump
    /// if true, jump if false and operand of each instruction.
    ///
    /// The program is compiled for the link type of [`Capture::link_type`], and is in the kernel
    /// before the first packet is taken.
    pub fn program(self, program: impl IntoIterator<Item = (u16, u8, u8, u32)>) -> Self {
        Self { filter: program.into_iter().collect(), ..self }
    }

    /// Returns what the packets will begin with, for a filter to be compiled before the start.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such interface; [`Error::TargetExited`].
    pub fn link_type(&self, target: &Target) -> Result<LinkType> {
        if self.on == On::Any {
            return Ok(Form::Cooked.link_type());
        }
        let links = Links::open(&target.open()?)?;
        self.interface(&links).map(|interface| interface.form.link_type())
    }

    /// Begins to take packets inside `target`.
    ///
    /// Needs `CAP_NET_RAW` in the user namespace that owns the target's network.
    ///
    /// # Errors
    /// [`Error::Permission`]; [`Error::NotFound`] when there is no such interface;
    /// [`Error::Invalid`] for a program the kernel refuses; [`Error::TargetExited`].
    pub fn start(&self, target: &Target) -> Result<Capture> {
        self.open(target, None)
    }

    /// Begins to take packets in `threads` captures that share the work: packets of one flow always
    /// come to the same one (`PACKET_FANOUT_HASH`). Each has a buffer of its own.
    ///
    /// # Errors
    /// As [`CaptureRequest::start`]; [`Error::Invalid`] for no thread or more than 256.
    pub fn start_many(&self, target: &Target, threads: usize) -> Result<Vec<Capture>> {
        if !(1..=256).contains(&threads) {
            let why = format!("{threads} captures cannot share an interface; 1 to 256 can");
            return Err(Error::invalid("number of threads", why));
        }
        let mut group = Group::First;
        (0..threads).map(|_| self.open(target, Some(&mut group))).collect()
    }

    fn open(&self, target: &Target, group: Option<&mut Group>) -> Result<Capture> {
        let netns = target.open()?;
        let links = Links::open(&netns)?;
        let interface = self.interface(&links)?;
        let form = interface.form;
        let socket = open_socket(&netns, form)?;
        let (program, second) = self.whole_program(&links, &interface)?;
        // Nothing comes before the binding, for the socket has no protocol yet.
        let refuse_first = group.is_some();
        if refuse_first {
            attach(&socket, &program::nothing())?;
        } else {
            attach(&socket, &program::kernel(&program))?;
        }
        let ring = ring(socket, self.buffer_bytes, self.latency)?;
        let socket = ring.socket();
        if let Some(ifindex) = interface.ifindex.filter(|_| self.promiscuous) {
            promiscuous(socket, ifindex)?;
        }
        bind(socket, &interface)?;
        if let Some(group) = group {
            // Between the binding and this every member would get every packet.
            group.join(socket)?;
            attach(socket, &program::kernel(&program))?;
        }
        let parts = Parts { ring, links, interface, form, snap_bytes: self.snap_bytes, second };
        Capture::new(parts, target)
    }

    fn interface(&self, links: &Links) -> Result<Interface> {
        let ifindex = match &self.on {
            On::Any => {
                let name = Untrusted::from("any");
                let (ifindex, mtu_bytes, form) = (None, None, Form::Cooked);
                return Ok(Interface { ifindex, name, mtu_bytes, up: true, form });
            }
            On::Index(ifindex) => Some(*ifindex),
            On::Name(name) => links.find(name),
        };
        let found = ifindex.and_then(|index| links.known.get(&index).map(|link| (index, link)));
        let (index, link) = found.ok_or_else(|| Error::NotFound(self.on.to_string()))?;
        Ok(Interface {
            ifindex: Some(index),
            name: link.name.clone(),
            mtu_bytes: link.mtu,
            up: link.up,
            form: Form::of(link.arphrd),
        })
    }

    /// The program for the kernel, and what is left to be asked of the packets it takes.
    fn whole_program(
        &self,
        links: &Links,
        interface: &Interface,
    ) -> Result<(Vec<Instruction>, Option<Machine>)> {
        let is_loopback = |arphrd: u16| arphrd == libc::ARPHRD_LOOPBACK;
        let loopback = match interface.ifindex {
            Some(index) => match links.known.get(&index).is_some_and(|l| is_loopback(l.arphrd)) {
                true => Loopback::Whole,
                false => Loopback::No,
            },
            None => links
                .known
                .iter()
                .find(|(_, link)| is_loopback(link.arphrd))
                .map_or(Loopback::No, |(index, _)| Loopback::Among(*index)),
        };
        let (filter, second) = match interface.form {
            Form::Cooked => program::split(&self.filter)?,
            _ => (self.filter.clone(), None),
        };
        // Who still has to look at packets needs all of them.
        let snap_bytes = if second.is_some() { SNAP } else { self.snap_bytes };
        Ok((program::whole(self.direction, loopback, &filter, snap_bytes), second))
    }
}

impl std::fmt::Display for On {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => write!(f, "interface `{name}`"),
            Self::Index(index) => write!(f, "interface number {index}"),
            Self::Any => f.write_str("any interface"),
        }
    }
}

/// The group of captures that share an interface.
enum Group {
    /// Nobody is in it yet.
    First,
    /// The number the kernel gave it.
    Number(u16),
}

impl Group {
    fn join(&mut self, socket: &Socket) -> Result<()> {
        let failed = |e| Error::sys(Op::SetOption, e);
        let (number, flags) = match self {
            Self::First => (0, libc::PACKET_FANOUT_FLAG_UNIQUEID),
            Self::Number(number) => (*number, 0),
        };
        let value = u32::from(number) | (libc::PACKET_FANOUT_HASH | flags) << 16;
        let value = value.to_ne_bytes();
        set_bytes(socket, libc::SOL_PACKET, libc::PACKET_FANOUT, &value).map_err(failed)?;
        let mut value = [0; 4];
        get_bytes(socket, libc::SOL_PACKET, libc::PACKET_FANOUT, &mut value).map_err(failed)?;
        *self = Self::Number(u32::from_ne_bytes(value) as u16);
        Ok(())
    }
}

fn open_socket(netns: &Netns, form: Form) -> Result<Socket> {
    let kind = match form {
        Form::Cooked => Type::DGRAM,
        _ => Type::RAW,
    };
    let open = || Socket::new(Domain::PACKET, kind.nonblocking().cloexec(), None);
    netns.run(open)?.map_err(|e| Error::sys(Op::OpenPacket, e))
}

pub(super) fn attach(socket: &Socket, program: &[socket2::SockFilter]) -> Result<()> {
    socket.attach_filter(program).map_err(|e| match e.raw_os_error() {
        Some(libc::EINVAL | libc::ENOMEM) => {
            let why = format!("the kernel refuses its {} instructions: {e}", program.len());
            Error::invalid("filter", why)
        }
        _ => Error::sys(Op::SetOption, e),
    })
}

/// Gives the socket a ring of about this size, or of what the kernel has, or none.
fn ring(mut socket: Socket, bytes: u32, retire: Duration) -> Result<Ring> {
    let block_bytes = if bytes / BLOCK >= 8 { BLOCK } else { SMALL_BLOCK };
    let mut blocks = (bytes / block_bytes).max(2);
    loop {
        let geometry = Geometry { block_bytes, blocks, retire };
        match Ring::new(socket, geometry) {
            Ok(ring) => return Ok(ring),
            Err((again, e)) if e.raw_os_error() == Some(libc::ENOMEM) && blocks > 2 => {
                (socket, blocks) = (again, blocks / 2);
            }
            Err((socket, e)) if e.raw_os_error() == Some(libc::ENOPROTOOPT) => {
                let received = Ring::received(socket, SNAP as usize, bytes);
                return received.map_err(|e| Error::sys(Op::SetOption, e));
            }
            Err((_, e)) => return Err(Error::sys(Op::SetOption, e)),
        }
    }
}

fn promiscuous(socket: &Socket, ifindex: u32) -> Result<()> {
    // struct packet_mreq
    let mut request = [0; 16];
    let parts = [ifindex.to_ne_bytes(), (libc::PACKET_MR_PROMISC as u32).to_ne_bytes()];
    for (to, from) in request.iter_mut().zip(parts.as_flattened()) {
        *to = *from;
    }
    let (level, name) = (libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP);
    set_bytes(socket, level, name, &request).map_err(|e| Error::sys(Op::SetOption, e))
}

fn bind(socket: &Socket, interface: &Interface) -> Result<()> {
    let address = packet::address(interface.ifindex.unwrap_or(0), libc::ETH_P_ALL as u16, None);
    socket.bind(&address).map_err(|e| match e.raw_os_error() {
        Some(libc::ENODEV) => Error::NotFound(format!("interface `{}`", interface.name.escaped())),
        _ => Error::sys(Op::BindDevice, e),
    })?;
    // What an interface that is down leaves there; the capture waits for it.
    let _ = socket.take_error();
    Ok(())
}

/// What tcpdump keeps unless told otherwise.
const SNAP: u32 = 262_144;
/// At 1.3 million small packets a second, a third of a second.
const BUFFER: u32 = 64 << 20;
/// Few enough wake-ups, and late enough that the sender's processor has let go of the first lines.
const BLOCK: u32 = 1 << 20;
/// Holds the largest packet there is.
const SMALL_BLOCK: u32 = 256 << 10;
/// Short enough for somebody who watches.
const LATENCY: Duration = Duration::from_millis(50);
