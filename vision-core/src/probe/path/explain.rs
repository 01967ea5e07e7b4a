use std::fmt;
use std::net::IpAddr;

use super::change::Change;
use super::report::{Hop, PathEnd, PathReport, Responder};

/// What a figure of a path means, in words.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "kind", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Remark {
    /// A hop answers only some probes, and those behind it answer better: it limits its answers
    /// (RFC 4443 §2.4 f) and forwards everything.
    AnswersLimited {
        /// The hop.
        ttl: u8,
        /// What it did not answer, in per cent.
        loss_percent: f64,
    },
    /// Hops that answer nothing and still forward.
    NoAnswer {
        /// The first of them.
        first: u8,
        /// The last of them.
        last: u8,
    },
    /// Probes get lost from here to the end.
    LossOnwards {
        /// The first hop that shows it.
        ttl: u8,
        /// Loss at the end, in per cent.
        loss_percent: f64,
    },
    /// A hop takes its time to answer; what it forwards is faster.
    SlowAnswers {
        /// The hop.
        ttl: u8,
        /// Mean time of its own answers.
        avg_ns: u64,
        /// Mean time of a later hop's answers, which passed it.
        later_ns: u64,
    },
    /// The same routers come again and again.
    RouteLoop {
        /// Where the first of them shows first.
        ttl: u8,
        /// The routers that hand packets round.
        among: Vec<IpAddr>,
    },
    /// Answers come back over more or fewer hops than the probes went.
    Asymmetric {
        /// The first hop where it shows.
        ttl: u8,
        /// Hops there.
        forward: u8,
        /// Hops back.
        back: u8,
    },
    /// Packets take several ways.
    Branches {
        /// The first hop where they differ.
        ttl: u8,
        /// How many routers answered there.
        routers: usize,
        /// Whether they differ within one flow as well.
        within_a_flow: bool,
    },
    /// Addresses or ports of the probes are rewritten before this hop.
    Translated {
        /// The hop that quoted it.
        ttl: u8,
        /// What was different.
        changed: Vec<Change>,
    },
    /// The type of service is rewritten before this hop.
    Remarked {
        /// The hop that quoted it.
        ttl: u8,
        /// What was different.
        changed: Change,
    },
    /// A probe arrived with more life left than it should: hops are hidden, by a tunnel or MPLS.
    HiddenHops {
        /// The hop that quoted it.
        ttl: u8,
        /// The life it had left.
        quoted_ttl: u8,
    },
}

impl Remark {
    /// Returns the hop it is about.
    pub fn ttl(&self) -> u8 {
        match self {
            Self::AnswersLimited { ttl, .. }
            | Self::LossOnwards { ttl, .. }
            | Self::SlowAnswers { ttl, .. }
            | Self::RouteLoop { ttl, .. }
            | Self::Asymmetric { ttl, .. }
            | Self::Branches { ttl, .. }
            | Self::Translated { ttl, .. }
            | Self::Remarked { ttl, .. }
            | Self::HiddenHops { ttl, .. } => *ttl,
            Self::NoAnswer { first, .. } => *first,
        }
    }

    /// Tells whether traffic suffers, rather than the measurement.
    pub fn is_fault(&self) -> bool {
        matches!(self, Self::LossOnwards { .. } | Self::RouteLoop { .. })
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |ns: &u64| *ns as f64 / 1e6;
        match self {
            Self::AnswersLimited { ttl, loss_percent } => write!(
                f,
                "hop {ttl} answers limited, not loss: it left {loss_percent:.0}% unanswered, and \
                 what it forwards arrives"
            ),
            Self::NoAnswer { first, last } if first == last => {
                write!(f, "hop {first} sends no answers and forwards")
            }
            Self::NoAnswer { first, last } => {
                write!(f, "hops {first} to {last} send no answers and forward")
            }
            Self::LossOnwards { ttl, loss_percent } => {
                write!(f, "loss at hop {ttl} and onwards: {loss_percent:.0}% at the end")
            }
            Self::SlowAnswers { ttl, avg_ns, later_ns } => write!(
                f,
                "hop {ttl} answers slowly ({:.1} ms), not a slow path: later hops take {:.1} ms",
                ms(avg_ns),
                ms(later_ns)
            ),
            Self::RouteLoop { ttl, among } => {
                let names: Vec<_> = among.iter().map(IpAddr::to_string).collect();
                write!(f, "route loop from hop {ttl}: packets go round {}", names.join(" and "))
            }
            Self::Asymmetric { ttl, forward, back } => write!(
                f,
                "asymmetric from hop {ttl}: {forward} hops there, answers seem to take {back} back"
            ),
            Self::Branches { ttl, routers, within_a_flow: false } => {
                write!(f, "{routers} ways at hop {ttl}: the flow decides which")
            }
            Self::Branches { ttl, routers, .. } => {
                write!(f, "{routers} ways at hop {ttl}, even for packets of one flow")
            }
            Self::Translated { ttl, changed } => {
                let list: Vec<_> = changed.iter().map(Change::to_string).collect();
                write!(f, "address translation before hop {ttl}: {}", list.join(", "))
            }
            Self::Remarked { ttl, changed } => write!(f, "before hop {ttl} {changed}"),
            Self::HiddenHops { ttl, quoted_ttl } => {
                write!(f, "hops hidden before hop {ttl}: the probe still had {quoted_ttl} to live")
            }
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} became {} (sent {})", self.field, self.seen, self.sent)
    }
}

/// Below this many probes a hop's loss says nothing about where it begins.
const LOSS_IN_PERCENT: f64 = 0.5;
/// A hop's own answers are slow if they take so much longer than what passes it.
const SLOW_NS: u64 = 5_000_000;

/// Reads the figures.
pub(super) fn remarks(report: &PathReport) -> Vec<Remark> {
    let hops = &report.hops;
    let mut found = losses(report);
    found.extend(route_loop(hops));
    found.extend(hops.windows(2).filter_map(asymmetric).take(1));
    found.extend(branches(hops, report.to));
    found.extend(rewritten(hops));
    found.extend(hops.iter().enumerate().filter_map(|(index, hop)| slow(hop, &hops[index + 1..])));
    found.sort_by_key(Remark::ttl);
    found
}

fn losses(report: &PathReport) -> Vec<Remark> {
    let mut found = Vec::new();
    let hops = &report.hops;
    let reached = report.is_reached();
    let at_the_end = hops.last().filter(|_| reached).map_or(0.0, |hop| hop.loss_percent);
    // Real loss shows at every hop behind it.
    let shows = |hop: &&Hop| hop.received == 0 || hop.loss_percent >= at_the_end / 2.0;
    let onwards = hops.len() - hops.iter().rev().take_while(shows).count();
    let onset = hops.iter().skip(onwards).find(|hop| hop.received > 0).map(|hop| hop.ttl);
    let onset = onset.filter(|_| at_the_end > LOSS_IN_PERCENT);
    if let Some(ttl) = onset {
        found.push(Remark::LossOnwards { ttl, loss_percent: at_the_end });
    }
    for (index, hop) in hops.iter().enumerate() {
        let later = hops.iter().skip(index + 1).filter(|hop| hop.received > 0);
        let best = later.map(|hop| hop.loss_percent).fold(f64::INFINITY, f64::min);
        let counted = hop.received > 0 && hop.loss_percent > LOSS_IN_PERCENT;
        if counted && best.is_finite() && hop.loss_percent > best * 2.0 + LOSS_IN_PERCENT {
            let Hop { ttl, loss_percent, .. } = *hop;
            found.push(Remark::AnswersLimited { ttl, loss_percent });
        }
    }
    let silent = |hop: &Hop| hop.received == 0 && hop.lost > 0;
    let mut rest = hops.as_slice();
    while let Some(start) = rest.iter().position(silent) {
        let run = rest.iter().skip(start).take_while(|hop| silent(hop)).count();
        if let (Some(first), Some(last), Some(_)) =
            (rest.get(start), rest.get(start + run - 1), rest.get(start + run))
        {
            found.push(Remark::NoAnswer { first: first.ttl, last: last.ttl });
        }
        rest = rest.get(start + run..).unwrap_or_default();
    }
    found
}

fn sole(hop: &Hop) -> Option<&Responder> {
    match &hop.responders[..] {
        [one] => Some(one),
        _ => None,
    }
}

/// Two full turns in equal distance, no less: one address may well answer for two hops.
fn route_loop(hops: &[Hop]) -> Option<Remark> {
    let at = |index: usize| hops.get(index).and_then(sole).map(|r| r.addr);
    for start in 0..hops.len() {
        for period in 2..=8 {
            let turns = (0..period).all(|step| {
                let here = at(start + step);
                let again = at(start + step + period);
                let third = at(start + step + 2 * period);
                here.is_some() && here == again && (third == here || (step > 0 && third.is_none()))
            });
            if turns && at(start) != at(start + 1) {
                let ttl = hops.get(start)?.ttl;
                return Some(Remark::RouteLoop {
                    ttl,
                    among: (0..period).filter_map(|step| at(start + step)).collect(),
                });
            }
        }
    }
    None
}

/// Where the way back begins to differ in length from the way there.
fn asymmetric(two: &[Hop]) -> Option<Remark> {
    let off = |hop: &Hop| {
        let back = sole(hop)?.hops_back?;
        Some((hop.ttl, back, i16::from(back) - i16::from(hop.ttl)))
    };
    let [before, here] = two else { return None };
    let ((_, _, usual), (ttl, back, now)) = (off(before)?, off(here)?);
    (usual == 0 && now.abs() >= 2).then_some(Remark::Asymmetric { ttl, forward: ttl, back })
}

fn branches(hops: &[Hop], to: IpAddr) -> Option<Remark> {
    let others = |hop: &Hop| hop.responders.iter().filter(|r| r.addr != to).count();
    let hop = hops.iter().find(|hop| others(hop) > 1)?;
    let mut flows: Vec<u16> = hop.responders.iter().flat_map(|r| r.flows.clone()).collect();
    flows.sort_unstable();
    let within_a_flow = flows.windows(2).any(|two| two.first() == two.last());
    Some(Remark::Branches { ttl: hop.ttl, routers: others(hop), within_a_flow })
}

/// The first hop that quotes each rewritten field.
fn rewritten(hops: &[Hop]) -> Vec<Remark> {
    let mut found = Vec::new();
    let quotes = || hops.iter().flat_map(|hop| hop.responders.iter().map(move |r| (hop.ttl, r)));
    let is_new = |ttl: u8, change: &Change| {
        let before = || quotes().take_while(move |(earlier, _)| *earlier < ttl);
        !before().any(|(_, r)| r.changed.contains(change))
    };
    for (ttl, responder) in quotes() {
        let fresh = responder.changed.iter().filter(|change| is_new(ttl, change));
        let (translated, marked): (Vec<_>, Vec<_>) =
            fresh.cloned().partition(|change| change.field.is_translation());
        if !translated.is_empty() {
            found.push(Remark::Translated { ttl, changed: translated });
        }
        found.extend(marked.into_iter().map(|changed| Remark::Remarked { ttl, changed }));
    }
    let hidden = quotes().filter(|(_, r)| r.error.is_none());
    let hidden = hidden.filter_map(|(ttl, r)| Some((ttl, r.quoted_ttl?.0))).find(|(_, q)| *q > 1);
    found.extend(hidden.map(|(ttl, quoted_ttl)| Remark::HiddenHops { ttl, quoted_ttl }));
    found.dedup();
    found
}

fn slow(hop: &Hop, later: &[Hop]) -> Option<Remark> {
    let avg_ns = hop.rtt?.avg_ns;
    let later_ns = later.iter().filter_map(|hop| Some(hop.rtt?.avg_ns)).min()?;
    let slow = avg_ns > later_ns.saturating_add(SLOW_NS) && avg_ns > later_ns * 2;
    slow.then_some(Remark::SlowAnswers { ttl: hop.ttl, avg_ns, later_ns })
}

impl PathEnd {
    /// Says in a few words how the path ends.
    pub fn text(&self) -> String {
        use super::report::ReachedBy;
        match self {
            Self::Reached { hops, by } => {
                let by = match by {
                    ReachedBy::EchoReply => "echo reply".to_owned(),
                    ReachedBy::PortUnreachable => "its UDP port is closed".to_owned(),
                    ReachedBy::Open { mss_bytes: Some(mss) } => {
                        format!("its TCP port is open, MSS {mss}")
                    }
                    ReachedBy::Open { .. } => "its TCP port is open".to_owned(),
                    ReachedBy::Closed => "its TCP port is closed".to_owned(),
                    ReachedBy::Datagram => "it answered by UDP".to_owned(),
                    ReachedBy::Refusal(error) => format!("it says: {}", error.text()),
                };
                format!("reached in {hops} {}: {by}", if *hops == 1 { "hop" } else { "hops" })
            }
            Self::Refused { hops, error } => {
                let from = error.from.map_or_else(|| "this host".to_owned(), |ip| ip.to_string());
                format!("ends at hop {hops}: {from} says {}", error.text())
            }
            Self::NotSent { reason, mtu_bytes: Some(mtu) } => {
                format!("not sent: {reason}; the MTU is {mtu}")
            }
            Self::NotSent { reason, .. } => format!("not sent: {reason}"),
            Self::Silent { after: 0 } => "nobody on the way answers".to_owned(),
            Self::Silent { after } => format!("nobody answers beyond hop {after}"),
            Self::Open => "not followed to its end".to_owned(),
        }
    }
}
