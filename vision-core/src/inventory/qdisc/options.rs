//! Settings of queueing disciplines (linux/pkt_sched.h); those that are one C structure are read
//! as if they were the attribute number 0.

use super::TcHandle;
use crate::inventory::kind::macros::{attrs, flag, flag32, u64};
use crate::netlink::attr::{Attrs, read, u32};

/// Settings of a queueing discipline.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum QdiscOptions {
    /// Hierarchical token bucket.
    Htb(Htb),
    /// Token bucket filter.
    Tbf(Tbf),
    /// First in, first out: `pfifo`, `bfifo`, `pfifo_head_drop`.
    Fifo(Fifo),
    /// Bands by priority: `prio`, `pfifo_fast`.
    Prio(Prio),
    /// Fair queueing.
    Fq(Box<Fq>),
    /// Fair queueing with CoDel.
    FqCodel(FqCodel),
    /// CoDel.
    Codel(Codel),
    /// Stochastic fair queueing.
    Sfq(Sfq),
    /// Random early detection.
    Red(Red),
    /// Faults on purpose.
    Netem(Box<Netem>),
    /// CAKE.
    Cake(Box<Cake>),
}

impl QdiscOptions {
    pub(super) fn read(kind: &[u8], options: &[u8]) -> Option<Self> {
        if options.is_empty() {
            return None;
        }
        Some(match kind {
            b"htb" => Self::Htb(Htb::read(options)),
            b"tbf" => Self::Tbf(Tbf::read(options)),
            b"pfifo" | b"bfifo" | b"pfifo_head_drop" => Self::Fifo(Fifo::whole(options)),
            b"prio" | b"pfifo_fast" => Self::Prio(Prio::whole(options)),
            b"fq" => Self::Fq(Box::new(Fq::read(options))),
            b"fq_codel" => Self::FqCodel(FqCodel::read(options)),
            b"codel" => Self::Codel(Codel::read(options)),
            b"sfq" => Self::Sfq(Sfq::whole(options)),
            b"red" => Self::Red(Red::read(options)),
            b"netem" => Self::Netem(Box::new(netem(options))),
            b"cake" => Self::Cake(Box::new(Cake::read(options))),
            _ => return None,
        })
    }

    /// Returns the settings as names and text, in the order of the fields.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Htb(options) => options.fields(),
            Self::Tbf(options) => options.fields(),
            Self::Fifo(options) => options.fields(),
            Self::Prio(options) => options.fields(),
            Self::Fq(options) => options.fields(),
            Self::FqCodel(options) => options.fields(),
            Self::Codel(options) => options.fields(),
            Self::Sfq(options) => options.fields(),
            Self::Red(options) => options.fields(),
            Self::Netem(options) => options.fields(),
            Self::Cake(options) => options.fields(),
        }
    }
}

attrs! {
    /// Settings of `htb`.
    pub struct Htb {
        /// What a class's rate is divided by to get its quantum.
        rate2quantum: u32 = 2, |v| word(v, 4);
        /// Minor number of the class for what no filter sorts; zero sends it at once.
        default_class: TcHandle = 2, |v| word(v, 8).map(TcHandle::from_raw);
        /// Packets that were sent at once.
        direct_packets: u32 = 2, |v| word(v, 16);
        /// How many such packets may wait.
        direct_qlen_packets: u32 = 5, u32;
    }
}

attrs! {
    /// Settings of a class of `htb`.
    pub struct HtbClass {
        /// Bytes in a second it has for itself.
        rate_bytes_per_s: u64 = 1 | 6, |v: &[u8]| rate(v, 0);
        /// Bytes in a second it may borrow up to.
        ceil_bytes_per_s: u64 = 1 | 7, |v: &[u8]| rate(v, RATESPEC);
        /// Bytes it may send at once at its own rate.
        burst_bytes: u64 = 1, |v| burst(v, 0, 24);
        /// Bytes it may send at once at the highest rate.
        cburst_bytes: u64 = 1, |v| burst(v, RATESPEC, 28);
        /// Bytes it may send when it is its turn to borrow.
        quantum_bytes: u32 = 1, |v| word(v, 32);
        /// How far above the leaves it is.
        level: u32 = 1, |v| word(v, 36);
        /// Turn in borrowing; the lower is first.
        prio: u32 = 1, |v| word(v, 40);
    }
}

attrs! {
    /// Settings of `tbf`.
    pub struct Tbf {
        /// Bytes in a second.
        rate_bytes_per_s: u64 = 1 | 4, |v: &[u8]| rate(v, 0);
        /// Bytes in a second at most, within a burst.
        peakrate_bytes_per_s: u64 = 1 | 5, |v: &[u8]| rate(v, RATESPEC).filter(|rate| *rate != 0);
        /// Bytes that may wait.
        limit_bytes: u32 = 1, |v| word(v, 24);
        /// Bytes that may be sent at once.
        burst_bytes: u64 = 1, |v| burst(v, 0, 28);
    }
}

attrs! {
    /// Settings of `pfifo` and `bfifo`.
    pub struct Fifo {
        /// Packets (`pfifo`) or bytes (`bfifo`) that may wait.
        limit: u32 = 0, u32;
    }
}

attrs! {
    /// Settings of `prio` and `pfifo_fast`.
    pub struct Prio {
        /// Number of bands; the first one is served first.
        bands: u32 = 0, u32;
        /// Band of each of the 16 priorities, separated by blanks.
        priomap: String = 0, priomap;
    }
}

attrs! {
    /// Settings of `fq`.
    pub struct Fq {
        /// Packets that may wait.
        limit_packets: u32 = 1, u32;
        /// Packets of one flow that may wait.
        flow_limit_packets: u32 = 2, u32;
        /// Bytes of a flow sent in one turn.
        quantum_bytes: u32 = 3, u32;
        /// Bytes of a new flow sent in its first turn.
        initial_quantum_bytes: u32 = 4, u32;
        /// Whether senders' pacing is kept.
        pacing: bool = 5, flag32;
        /// Bytes in a second of a flow at most.
        flow_max_rate_bytes_per_s: u32 = 7, |v| u32(v).filter(|rate| *rate != u32::MAX);
        /// Buckets for flows, as a power of two.
        buckets_log: u32 = 8, u32;
        /// Microseconds after which an idle flow gets a new start.
        refill_delay_us: u32 = 9, u32;
        /// Bits of the hash for packets without a socket.
        orphan_mask: u32 = 10, u32;
        /// Bytes in a second below which a flow is sent packet by packet.
        low_rate_threshold_bytes_per_s: u32 = 11, u32;
        /// Microseconds after which packets are marked as congested.
        ce_threshold_us: u32 = 12, |v| u32(v).filter(|us| *us != u32::MAX);
        /// Nanoseconds by which sending may be early.
        timer_slack_ns: u32 = 13, u32;
        /// Microseconds by which a packet's time may be ahead.
        horizon_us: u32 = 14, u32;
        /// Whether what is further ahead is dropped.
        horizon_drop: bool = 15, flag;
    }
}

attrs! {
    /// Settings of `fq_codel`.
    pub struct FqCodel {
        /// Microseconds of waiting that are in order.
        target_us: u32 = 1, u32;
        /// Packets that may wait.
        limit_packets: u32 = 2, u32;
        /// Microseconds of waiting too long after which packets are dropped.
        interval_us: u32 = 3, u32;
        /// Whether packets are marked instead of dropped.
        ecn: bool = 4, flag32;
        /// Number of queues.
        flows: u32 = 5, u32;
        /// Bytes of a flow sent in one turn.
        quantum_bytes: u32 = 6, u32;
        /// Microseconds after which packets are marked as congested.
        ce_threshold_us: u32 = 7, u32;
        /// Packets dropped at once when there are too many.
        drop_batch_packets: u32 = 8, u32;
        /// Bytes of memory that may be used.
        memory_limit_bytes: u32 = 9, u32;
    }
}

attrs! {
    /// Settings of `codel`.
    pub struct Codel {
        /// Microseconds of waiting that are in order.
        target_us: u32 = 1, u32;
        /// Packets that may wait.
        limit_packets: u32 = 2, u32;
        /// Microseconds of waiting too long after which packets are dropped.
        interval_us: u32 = 3, u32;
        /// Whether packets are marked instead of dropped.
        ecn: bool = 4, flag32;
    }
}

attrs! {
    /// Settings of `sfq`.
    pub struct Sfq {
        /// Bytes of a flow sent in one turn.
        quantum_bytes: u32 = 0, u32;
        /// Seconds between changes of the hash; zero for never.
        perturb_s: u32 = 0, |v| word(v, 4);
        /// Packets that may wait.
        limit_packets: u32 = 0, |v| word(v, 8);
        /// Buckets of the hash.
        divisor: u32 = 0, |v| word(v, 12);
        /// Flows at most.
        flows: u32 = 0, |v| word(v, 16);
        /// Packets of one flow that may wait.
        depth_packets: u32 = 0, |v| word(v, 20);
    }
}

attrs! {
    /// Settings of `red`.
    pub struct Red {
        /// Bytes that may wait.
        limit_bytes: u32 = 1, u32;
        /// Bytes from which packets are dropped now and then.
        min_bytes: u32 = 1, |v| word(v, 4);
        /// Bytes from which every packet is dropped.
        max_bytes: u32 = 1, |v| word(v, 8);
        /// Switches: bit 0 marks instead of dropping.
        flags: u8 = 1, |v: &[u8]| v.get(15).copied();
        /// Highest probability of a drop, in 2^-32.
        max_p: u32 = 3, u32;
    }
}

attrs! {
    /// Settings of `netem`; probabilities in 2^-32.
    pub struct Netem {
        /// Packets that may wait.
        limit_packets: u32 = 0, |v| word(v, 4);
        /// Nanoseconds added to each packet's way.
        delay_ns: u64 = 0 | 10, time;
        /// Nanoseconds by which that varies.
        jitter_ns: u64 = 0 | 11, |v: &[u8]| if v.len() == NETEM { time(v.get(20..)?) } else { time(v) };
        /// Probability that a packet is lost.
        loss: u32 = 0, |v| word(v, 8);
        /// Every how many packets one goes at once.
        gap_packets: u32 = 0, |v| word(v, 12);
        /// Probability that a packet is sent twice.
        duplicate: u32 = 0, |v| word(v, 16);
        /// Probability that a packet goes at once.
        reorder: u32 = 3, u32;
        /// Probability that a bit of a packet is turned.
        corrupt: u32 = 4, u32;
        /// Bytes in a second.
        rate_bytes_per_s: u64 = 6 | 8, |v: &[u8]| if v.len() == 8 { u64(v) } else { u32(v).map(Into::into) };
        /// Whether packets are marked instead of lost.
        ecn: bool = 7, flag32;
    }
}

attrs! {
    /// Settings of `cake`.
    pub struct Cake {
        /// Bytes in a second; zero for as many as go.
        bandwidth_bytes_per_s: u64 = 2, u64;
        /// Sorting by priority: 0 three classes, 1 four, 2 eight, 3 none, 4 by precedence.
        diffserv_mode: u32 = 3, u32;
        /// What a flow is: 0 all is one, 1 by source, 2 by destination, 3 by both, 4 by ports,
        /// 5 to 7 with fairness between hosts.
        flow_mode: u32 = 5, u32;
        /// Bytes counted on top of each packet.
        overhead_bytes: u32 = 6, u32;
        /// Microseconds a packet and its answer take.
        rtt_us: u32 = 7, u32;
        /// Microseconds of waiting that are in order.
        target_us: u32 = 8, u32;
        /// Whether it finds out the bandwidth itself.
        autorate: bool = 9, flag32;
        /// Bytes of memory that may be used.
        memory_bytes: u32 = 10, u32;
        /// Whether it looks through address translation.
        nat: bool = 11, flag32;
        /// Whether it clears the field it sorts by.
        wash: bool = 13, flag32;
        /// Whether it works on the receiving side.
        ingress: bool = 15, flag32;
        /// Whether superfluous TCP acknowledgements are dropped: 0 no, 1 some, 2 more.
        ack_filter: u32 = 16, u32;
        /// Whether large packets are cut.
        split_gso: bool = 17, flag32;
        /// Bits of the mark it sorts by.
        fwmark: u32 = 18, u32;
    }
}

fn word(value: &[u8], at: usize) -> Option<u32> {
    value.get(at..).and_then(u32)
}

/// `struct tc_ratespec` at `at`; by itself, the number in 64 bits that replaces one too large.
fn rate(value: &[u8], at: usize) -> Option<u64> {
    match value.len() {
        8 => u64(value),
        _ => word(value, at + 8).map(Into::into),
    }
}

/// Bytes that go in the time at `at`, at the rate at `spec`.
fn burst(value: &[u8], spec: usize, at: usize) -> Option<u64> {
    let (rate, ns) = (rate(value, spec)?, word(value, at).map(ticks)?);
    Some((u128::from(rate) * u128::from(ns) / 1_000_000_000) as u64)
}

/// The scheduler's ticks are 64 ns long (net/pkt_sched.h `PSCHED_SHIFT`).
fn ticks(ticks: u32) -> u64 {
    u64::from(ticks) << 6
}

/// A time in ticks, or in nanoseconds of 64 bits.
fn time(value: &[u8]) -> Option<u64> {
    match value.len() {
        8 => u64(value),
        _ => u32(value).map(ticks),
    }
}

fn priomap(value: &[u8]) -> Option<String> {
    let bands: [u8; 16] = read(value, 4)?;
    Some(bands.map(|band| band.to_string()).join(" "))
}

/// `struct tc_netem_qopt`, then attributes.
fn netem(options: &[u8]) -> Netem {
    let mut all = Netem::whole(options.get(..NETEM).unwrap_or(options));
    for (number, value) in Attrs::after(options, NETEM) {
        all.take(number, value);
    }
    all
}

const NETEM: usize = 24;
const RATESPEC: usize = 12;
