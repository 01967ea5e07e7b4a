use super::super::flags::flag_set;
use crate::base::open_enum;

/// What the tracker knows of a TCP connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CtTcp {
    /// State.
    pub state: CtTcpState,
    /// Window scale of the original direction, as an exponent of two.
    pub original_wscale: Option<u8>,
    /// Window scale of the reply direction, as an exponent of two.
    pub reply_wscale: Option<u8>,
    /// What was seen in the original direction.
    pub original_flags: Option<CtTcpFlags>,
    /// What was seen in the reply direction.
    pub reply_flags: Option<CtTcpFlags>,
}

impl CtTcp {
    pub(super) fn new(state: u8, wscale: [Option<u8>; 2], flags: [Option<u8>; 2]) -> Self {
        let [original_wscale, reply_wscale] = wscale;
        let [original_flags, reply_flags] =
            flags.map(|bits| bits.map(|bits| CtTcpFlags::from_bits(bits.into())));
        let state = CtTcpState::from_raw(state);
        Self { state, original_wscale, reply_wscale, original_flags, reply_flags }
    }
}

/// What the tracker knows of an SCTP association.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CtSctp {
    /// State.
    pub state: CtSctpState,
    /// Verification tag of the original direction.
    pub original_vtag: Option<u32>,
    /// Verification tag of the reply direction.
    pub reply_vtag: Option<u32>,
}

impl CtSctp {
    pub(super) fn new(state: u8, [original_vtag, reply_vtag]: [Option<u32>; 2]) -> Self {
        Self { state: CtSctpState::from_raw(state), original_vtag, reply_vtag }
    }
}

/// What the tracker knows of a DCCP connection (kernels before 6.17).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CtDccp {
    /// State.
    pub state: CtDccpState,
    /// Part the original direction plays: 0 client, 1 server.
    pub role: Option<u8>,
    /// Sequence number of the handshake.
    pub handshake_seq: Option<u64>,
}

impl CtDccp {
    pub(super) fn new(state: u8, role: Option<u8>, handshake_seq: Option<u64>) -> Self {
        Self { state: CtDccpState::from_raw(state), role, handshake_seq }
    }
}

flag_set! {
    /// What happened to a connection (linux/netfilter/nf_conntrack_common.h `IPS_*`).
    pub struct CtStatus {
        /// Another connection announced it.
        EXPECTED = 0x1, "expected";
        /// A packet came back.
        SEEN_REPLY = 0x2, "seen_reply";
        /// It is not dropped early when the table is full.
        ASSURED = 0x4, "assured";
        /// Its first packet left the machine.
        CONFIRMED = 0x8, "confirmed";
        /// Its source is translated.
        SRC_NAT = 0x10, "src_nat";
        /// Its destination is translated.
        DST_NAT = 0x20, "dst_nat";
        /// Its sequence numbers are shifted.
        SEQ_ADJUST = 0x40, "seq_adjust";
        /// Whether to translate the source is decided.
        SRC_NAT_DONE = 0x80, "src_nat_done";
        /// Whether to translate the destination is decided.
        DST_NAT_DONE = 0x100, "dst_nat_done";
        /// It is being removed.
        DYING = 0x200, "dying";
        /// Its timeout does not move.
        FIXED_TIMEOUT = 0x400, "fixed_timeout";
        /// It is a template, not a connection.
        TEMPLATE = 0x800, "template";
        /// Two packets raced to create it.
        NAT_CLASH = 0x1000, "nat_clash";
        /// Its helper was set by a rule.
        HELPER = 0x2000, "helper";
        /// A flow table forwards it.
        OFFLOAD = 0x4000, "offload";
        /// Hardware forwards it.
        HW_OFFLOAD = 0x8000, "hw_offload";
    }
}

flag_set! {
    /// What was seen of one direction of TCP (linux/netfilter/nf_conntrack_tcp.h `IP_CT_TCP_FLAG_*`).
    pub struct CtTcpFlags {
        /// It scales windows.
        WINDOW_SCALE = 0x1, "window_scale";
        /// It takes selective acknowledgements.
        SACK_PERM = 0x2, "sack_perm";
        /// It closed first.
        CLOSE_INIT = 0x4, "close_init";
        /// Packets outside the window are let through.
        BE_LIBERAL = 0x8, "be_liberal";
        /// Data is not acknowledged yet.
        DATA_UNACKNOWLEDGED = 0x10, "data_unacknowledged";
        /// The highest acknowledgement is known.
        MAXACK_SET = 0x20, "maxack_set";
        /// A challenge acknowledgement was let through.
        CHALLENGE_ACK = 0x40, "challenge_ack";
        /// Both opened at once.
        SIMULTANEOUS_OPEN = 0x80, "simultaneous_open";
    }
}

open_enum! {
    /// State of a tracked TCP connection (linux/netfilter/nf_conntrack_tcp.h), named as
    /// `conntrack` prints it.
    pub enum CtTcpState: u8 {
        /// None.
        None = 0, "NONE";
        /// Asked to connect.
        SynSent = 1, "SYN_SENT";
        /// Agreed to.
        SynRecv = 2, "SYN_RECV";
        /// Connected.
        Established = 3, "ESTABLISHED";
        /// One side closed.
        FinWait = 4, "FIN_WAIT";
        /// The close was acknowledged.
        CloseWait = 5, "CLOSE_WAIT";
        /// The other side closed as well.
        LastAck = 6, "LAST_ACK";
        /// Both closes are acknowledged.
        TimeWait = 7, "TIME_WAIT";
        /// Reset.
        Close = 8, "CLOSE";
        /// Both asked to connect at once.
        SynSent2 = 9, "SYN_SENT2";
    }
}

open_enum! {
    /// State of a tracked SCTP association (linux/netfilter/nf_conntrack_sctp.h).
    pub enum CtSctpState: u8 {
        /// None.
        None = 0, "NONE";
        /// Closed.
        Closed = 1, "CLOSED";
        /// Asked to connect.
        CookieWait = 2, "COOKIE_WAIT";
        /// Cookie sent back.
        CookieEchoed = 3, "COOKIE_ECHOED";
        /// Connected.
        Established = 4, "ESTABLISHED";
        /// Shutdown sent.
        ShutdownSent = 5, "SHUTDOWN_SENT";
        /// Shutdown received.
        ShutdownRecd = 6, "SHUTDOWN_RECD";
        /// Shutdown acknowledged.
        ShutdownAckSent = 7, "SHUTDOWN_ACK_SENT";
        /// A heartbeat was seen before anything else.
        HeartbeatSent = 8, "HEARTBEAT_SENT";
    }
}

open_enum! {
    /// State of a tracked DCCP connection (linux/netfilter/nf_conntrack_dccp.h).
    pub enum CtDccpState: u8 {
        /// None.
        None = 0, "NONE";
        /// Asked to connect.
        Request = 1, "REQUEST";
        /// Agreed to.
        Respond = 2, "RESPOND";
        /// Partly connected.
        PartOpen = 3, "PARTOPEN";
        /// Connected.
        Open = 4, "OPEN";
        /// The server wants to close.
        CloseReq = 5, "CLOSEREQ";
        /// Being closed.
        Closing = 6, "CLOSING";
        /// Waits for stray packets to die.
        TimeWait = 7, "TIMEWAIT";
    }
}
