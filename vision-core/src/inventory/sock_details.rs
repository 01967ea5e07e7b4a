//! What a socket tells beyond its ends: TCP's own figures, memory, timers.

use super::kind::macros::attrs;
use crate::base::open_enum;
use crate::netlink::attr::{read, u8, u32};

/// What a socket tells beyond its ends, as `ss -tinmoe` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct SockDetails {
    /// The timer that runs.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub timer: Option<SockTimer>,
    /// Milliseconds until it strikes.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub timer_ms: Option<u32>,
    /// Congestion control: `cubic`, `bbr`.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub congestion: Option<String>,
    /// Type of service of its packets.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub tos: Option<u8>,
    /// Traffic class of its packets (IPv6).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub tclass: Option<u8>,
    /// Which directions are shut: 1 receiving, 2 sending, 3 both.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub shutdown: Option<u8>,
    /// Memory and drops.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub memory: Option<SockMemory>,
    /// TCP's own figures.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub tcp: Option<Box<TcpInfo>>,
}

attrs! {
    /// Memory of a socket in bytes (linux/sock_diag.h `SK_MEMINFO_*`).
    pub struct SockMemory {
        /// Received and not read.
        recv_bytes: u32 = 0, u32;
        /// Limit of that.
        recv_limit_bytes: u32 = 0, |v| word(v, 4);
        /// Handed to the network and not gone.
        sent_bytes: u32 = 0, |v| word(v, 8);
        /// Limit of what waits to be sent.
        send_limit_bytes: u32 = 0, |v| word(v, 12);
        /// Reserved and not used.
        forward_bytes: u32 = 0, |v| word(v, 16);
        /// Waits to be sent or acknowledged.
        queued_bytes: u32 = 0, |v| word(v, 20);
        /// Options and filters.
        option_bytes: u32 = 0, |v| word(v, 24);
        /// Came in while the socket was busy.
        backlog_bytes: u32 = 0, |v| word(v, 28);
        /// Packets dropped, for a full receive buffer above all.
        drops: u32 = 0, |v| word(v, 32);
    }
}

attrs! {
    /// A TCP connection's own figures (linux/tcp.h `struct tcp_info`); what the kernel is too old
    /// for is not there.
    pub struct TcpInfo {
        /// State of congestion control: 0 open, 1 disorder, 2 reduced, 3 recovery, 4 loss.
        ca_state: u8 = 0, |v| byte(v, 1);
        /// Timeouts in a row.
        retransmits: u8 = 0, |v| byte(v, 2);
        /// Probes of a closed window without answer.
        probes: u8 = 0, |v| byte(v, 3);
        /// Doublings of the timeout.
        backoff: u8 = 0, |v| byte(v, 4);
        /// Options agreed on: 1 time stamps, 2 SACK, 4 window scale, 8 ECN.
        options: u8 = 0, |v| byte(v, 5);
        /// Window scale of the far end.
        snd_wscale: u8 = 0, |v| byte(v, 6).map(|b| b & 15);
        /// Own window scale.
        rcv_wscale: u8 = 0, |v| byte(v, 6).map(|b| b >> 4);
        /// Whether the program sends less than the network takes.
        app_limited: bool = 0, |v| byte(v, 7).map(|b| b & 1 != 0);
        /// Microseconds until what is not acknowledged is sent again.
        rto_us: u32 = 0, |v| word(v, 8);
        /// Microseconds an acknowledgement is held back.
        ato_us: u32 = 0, |v| word(v, 12);
        /// Largest segment sent.
        snd_mss_bytes: u32 = 0, |v| word(v, 16);
        /// Largest segment received.
        rcv_mss_bytes: u32 = 0, |v| word(v, 20);
        /// Segments not acknowledged; of a listener, connections not accepted.
        unacked: u32 = 0, |v| word(v, 24);
        /// Segments acknowledged out of order; of a listener, the limit of its backlog.
        sacked: u32 = 0, |v| word(v, 28);
        /// Segments believed lost.
        lost: u32 = 0, |v| word(v, 32);
        /// Segments sent again and not acknowledged.
        retrans: u32 = 0, |v| word(v, 36);
        /// Milliseconds since data was sent.
        last_data_sent_ms: u32 = 0, |v| word(v, 44);
        /// Milliseconds since data came in.
        last_data_recv_ms: u32 = 0, |v| word(v, 52);
        /// Milliseconds since an acknowledgement came in.
        last_ack_recv_ms: u32 = 0, |v| word(v, 56);
        /// The path's MTU.
        pmtu_bytes: u32 = 0, |v| word(v, 60);
        /// Largest window to offer.
        rcv_ssthresh_bytes: u32 = 0, |v| word(v, 64);
        /// Round trip in microseconds, smoothed.
        rtt_us: u32 = 0, |v| word(v, 68);
        /// How it varies.
        rttvar_us: u32 = 0, |v| word(v, 72);
        /// Window from which it grows slowly, in segments; not there before the first loss.
        snd_ssthresh: u32 = 0, |v| word(v, 76).filter(|segments| *segments < 0x7fff_ffff);
        /// Segments that may be on their way.
        snd_cwnd: u32 = 0, |v| word(v, 80);
        /// Largest segment announced to the far end.
        advmss_bytes: u32 = 0, |v| word(v, 84);
        /// Segments that may come in another order without being lost.
        reordering: u32 = 0, |v| word(v, 88);
        /// Round trip as the receiver sees it, in microseconds.
        rcv_rtt_us: u32 = 0, |v| word(v, 92);
        /// Room the receiver plans with.
        rcv_space_bytes: u32 = 0, |v| word(v, 96);
        /// Segments sent again, ever.
        total_retrans: u32 = 0, |v| word(v, 100);
        /// Bytes in a second it sends at most.
        pacing_rate_bytes_per_s: u64 = 0, |v| long(v, 104).filter(|rate| *rate != u64::MAX);
        /// Bytes in a second it may send at most.
        max_pacing_rate_bytes_per_s: u64 = 0, |v| long(v, 112).filter(|rate| *rate != u64::MAX);
        /// Bytes the far end has acknowledged.
        acked_bytes: u64 = 0, |v| long(v, 120);
        /// Bytes received.
        received_bytes: u64 = 0, |v| long(v, 128);
        /// Segments sent.
        segs_out: u32 = 0, |v| word(v, 136);
        /// Segments received.
        segs_in: u32 = 0, |v| word(v, 140);
        /// Bytes that wait to be sent for the first time.
        notsent_bytes: u32 = 0, |v| word(v, 144);
        /// Shortest round trip in microseconds.
        min_rtt_us: u32 = 0, |v| word(v, 148).filter(|us| *us != u32::MAX);
        /// Segments with data received.
        data_segs_in: u32 = 0, |v| word(v, 152);
        /// Segments with data sent.
        data_segs_out: u32 = 0, |v| word(v, 156);
        /// Bytes in a second that arrive.
        delivery_rate_bytes_per_s: u64 = 0, |v| long(v, 160);
        /// Microseconds there was something to send.
        busy_us: u64 = 0, |v| long(v, 168);
        /// Of them, held up by the far end's window.
        rwnd_limited_us: u64 = 0, |v| long(v, 176);
        /// Of them, held up by the own send buffer.
        sndbuf_limited_us: u64 = 0, |v| long(v, 184);
        /// Segments that arrived.
        delivered: u32 = 0, |v| word(v, 192);
        /// Of them, marked as congested.
        delivered_ce: u32 = 0, |v| word(v, 196);
        /// Bytes sent, those sent again included.
        sent_bytes: u64 = 0, |v| long(v, 200);
        /// Bytes sent again.
        retrans_bytes: u64 = 0, |v| long(v, 208);
        /// Segments the far end got twice.
        dsack_dups: u32 = 0, |v| word(v, 216);
        /// Times segments came in another order.
        reord_seen: u32 = 0, |v| word(v, 220);
        /// Segments received before an earlier one.
        rcv_ooopack: u32 = 0, |v| word(v, 224);
        /// The far end's window.
        snd_wnd_bytes: u32 = 0, |v| word(v, 228);
        /// The own window (6.2).
        rcv_wnd_bytes: u32 = 0, |v| word(v, 232);
        /// Times another way was tried after timeouts (6.2).
        rehash: u32 = 0, |v| word(v, 236);
    }
}

fn byte(value: &[u8], at: usize) -> Option<u8> {
    value.get(at..).and_then(u8)
}

fn word(value: &[u8], at: usize) -> Option<u32> {
    value.get(at..).and_then(u32)
}

fn long(value: &[u8], at: usize) -> Option<u64> {
    read(value, at).map(u64::from_ne_bytes)
}

open_enum! {
    /// The timer of a socket (linux/inet_diag.h `idiag_timer`), named as `ss` prints it.
    pub enum SockTimer: u8 {
        /// What is not acknowledged will be sent again.
        Retransmit = 1, "on";
        /// The far end will be asked whether it lives.
        Keepalive = 2, "keepalive";
        /// The rest of `TIME-WAIT`.
        TimeWait = 3, "timewait";
        /// A closed window will be probed.
        Persist = 4, "persist";
    }
}
