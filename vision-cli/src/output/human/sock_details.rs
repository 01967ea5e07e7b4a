//! What a socket tells beyond its ends, in the words of `ss`.

use std::io::{self, Write};

use vision_core::inventory::{SockDetails, SockMemory, TcpInfo};

use super::sock::Depth;
use crate::output::esc;
use crate::output::text::Put;

/// Puts ` timer:(…) skmem:(…) cubic …`.
pub fn put(
    out: &mut Vec<u8>,
    details: &SockDetails,
    listens: bool,
    depth: Depth,
) -> io::Result<()> {
    if depth.ext {
        if let (Some(timer), Some(ms)) = (details.timer, details.timer_ms) {
            write!(out, " timer:({timer},{}.{:03}s)", ms / 1000, ms % 1000)?;
        }
        for (word, value) in
            [("tos", details.tos), ("tclass", details.tclass), ("shutdown", details.shutdown)]
        {
            if let Some(value) = value.filter(|value| *value != 0) {
                write!(out, " {word}:{value:#x}")?;
            }
        }
    }
    if let Some(memory) = details.memory.as_ref().filter(|_| depth.memory) {
        put_memory(out, memory)?;
    }
    if depth.info {
        if let Some(name) = &details.congestion {
            write!(out, " {}", esc(name))?;
        }
        if let Some(tcp) = &details.tcp {
            put_tcp(out, tcp, listens)?;
        }
    }
    Ok(())
}

/// Puts ` skmem:(…)`.
pub fn put_memory(out: &mut Vec<u8>, memory: &SockMemory) -> io::Result<()> {
    let parts = [
        ("r", memory.recv_bytes),
        ("rb", memory.recv_limit_bytes),
        ("t", memory.sent_bytes),
        ("tb", memory.send_limit_bytes),
        ("f", memory.forward_bytes),
        ("w", memory.queued_bytes),
        ("o", memory.option_bytes),
        ("bl", memory.backlog_bytes),
        ("d", memory.drops),
    ];
    let parts = parts.into_iter().filter_map(|(word, value)| Some(format!("{word}{}", value?)));
    write!(out, " skmem:({})", parts.collect::<Vec<_>>().join(","))
}

fn put_tcp(out: &mut Vec<u8>, tcp: &TcpInfo, listens: bool) -> io::Result<()> {
    let options = tcp.options.unwrap_or(0);
    for (bit, word) in [(1, "ts"), (2, "sack"), (8, "ecn"), (16, "ecnseen"), (32, "fastopen")] {
        if options & bit != 0 {
            write!(out, " {word}")?;
        }
    }
    if let (4, Some(snd), Some(rcv)) = (options & 4, tcp.snd_wscale, tcp.rcv_wscale) {
        write!(out, " wscale:{snd},{rcv}")?;
    }
    for (word, us) in [("rto", tcp.rto_us), ("ato", tcp.ato_us)] {
        // A socket that was never connected has the initial value.
        if let Some(us) = us.filter(|us| *us != 0 && (word != "rto" || *us != 3_000_000)) {
            write!(out, " {word}:{}", millis(us.into()))?;
        }
    }
    if let (Some(rtt), Some(var)) = (tcp.rtt_us.filter(|us| *us != 0), tcp.rttvar_us) {
        write!(out, " rtt:{}/{}", millis(rtt.into()), millis(var.into()))?;
    }
    put_counts(out, tcp, listens);
    put_rates(out, tcp)
}

/// Numbers that are left out when they are zero.
fn put_counts(out: &mut Vec<u8>, tcp: &TcpInfo, listens: bool) {
    let long = |n: Option<u32>| n.map(u64::from);
    let counts = [
        ("backoff", tcp.backoff.map(u64::from)),
        ("mss", long(tcp.snd_mss_bytes)),
        ("pmtu", long(tcp.pmtu_bytes)),
        ("rcvmss", long(tcp.rcv_mss_bytes)),
        ("advmss", long(tcp.advmss_bytes)),
        ("cwnd", long(tcp.snd_cwnd)),
        ("ssthresh", long(tcp.snd_ssthresh)),
        ("bytes_sent", tcp.sent_bytes),
        ("bytes_retrans", tcp.retrans_bytes),
        ("bytes_acked", tcp.acked_bytes),
        ("bytes_received", tcp.received_bytes),
        ("segs_out", long(tcp.segs_out)),
        ("segs_in", long(tcp.segs_in)),
        ("data_segs_out", long(tcp.data_segs_out)),
        ("data_segs_in", long(tcp.data_segs_in)),
        ("lastsnd", long(tcp.last_data_sent_ms)),
        ("lastrcv", long(tcp.last_data_recv_ms)),
        ("lastack", long(tcp.last_ack_recv_ms)),
        ("delivered", long(tcp.delivered)),
        ("delivered_ce", long(tcp.delivered_ce)),
        // A listener has its queues there, which the line begins with.
        ("unacked", long(tcp.unacked).filter(|_| !listens)),
        ("lost", long(tcp.lost)),
        ("sacked", long(tcp.sacked).filter(|_| !listens)),
        ("dsack_dups", long(tcp.dsack_dups)),
        ("reord_seen", long(tcp.reord_seen)),
        ("rcv_space", long(tcp.rcv_space_bytes)),
        ("rcv_ssthresh", long(tcp.rcv_ssthresh_bytes)),
        ("notsent", long(tcp.notsent_bytes)),
        ("rcv_ooopack", long(tcp.rcv_ooopack)),
        ("snd_wnd", long(tcp.snd_wnd_bytes)),
        ("rcv_wnd", long(tcp.rcv_wnd_bytes)),
        ("rehash", long(tcp.rehash)),
    ];
    for (word, count) in counts {
        if let Some(count) = count.filter(|count| *count != 0) {
            out.put(" ");
            out.put(word);
            out.put(":");
            out.uint(count);
        }
    }
    if let (Some(now), Some(total @ 1..)) = (tcp.retrans, tcp.total_retrans) {
        out.put(" retrans:");
        out.uint(now.into());
        out.put("/");
        out.uint(total.into());
    }
    if let Some(reordering) = tcp.reordering.filter(|n| *n != 3) {
        out.put(" reordering:");
        out.uint(reordering.into());
    }
}

fn put_rates(out: &mut Vec<u8>, tcp: &TcpInfo) -> io::Result<()> {
    let rates = [
        ("pacing_rate", tcp.pacing_rate_bytes_per_s),
        ("delivery_rate", tcp.delivery_rate_bytes_per_s),
    ];
    for (word, rate) in rates {
        if let Some(rate) = rate.filter(|rate| *rate != 0) {
            write!(out, " {word} {}bps", rate.saturating_mul(8))?;
        }
    }
    if tcp.app_limited == Some(true) {
        out.put(" app_limited");
    }
    let times = [
        ("busy", tcp.busy_us),
        ("rwnd_limited", tcp.rwnd_limited_us),
        ("sndbuf_limited", tcp.sndbuf_limited_us),
    ];
    for (word, us) in times {
        if let Some(us) = us.filter(|us| *us != 0) {
            write!(out, " {word}:{}ms", us / 1000)?;
        }
    }
    for (word, us) in [("rcv_rtt", tcp.rcv_rtt_us), ("minrtt", tcp.min_rtt_us)] {
        if let Some(us) = us.filter(|us| *us != 0) {
            write!(out, " {word}:{}", millis(us.into()))?;
        }
    }
    Ok(())
}

/// Milliseconds without superfluous digits, as `ss` writes them.
fn millis(us: u64) -> String {
    let text = format!("{}.{:03}", us / 1000, us % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
