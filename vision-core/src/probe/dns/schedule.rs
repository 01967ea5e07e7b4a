use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use super::report::{DnsCause, DnsTransport};
use crate::wire::dns::{Message, Rcode};

/// One query that may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) server: SocketAddr,
    pub(super) transport: DnsTransport,
    pub(super) cause: DnsCause,
    pub(super) wait: Duration,
    pub(super) edns: bool,
    pub(super) mixed_case: bool,
}

/// How a query is asked: which servers, how often, and what counts as an answer.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    /// Servers in order, each with how long it is waited for.
    pub(crate) servers: Vec<(SocketAddr, Duration)>,
    pub(crate) tries: u8,
    pub(crate) transport: super::Transport,
    pub(crate) edns: bool,
    pub(crate) letters: super::Letters,
    pub(crate) verdict: Verdict,
}

/// Which answers end a query.
// closed: a tool shows what it gets, a stub resolver looks for better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Any.
    Any,
    /// As glibc: SERVFAIL, NOTIMP, REFUSED and lame referrals go on to the next server.
    Stub,
    /// As musl: only NOERROR and NXDOMAIN count.
    Conclusive,
}

impl Policy {
    /// Upper bound of the queries sent: each try may be repeated without EDNS and over TCP.
    pub(crate) fn most_queries(&self) -> usize {
        self.servers.len() * usize::from(self.tries) * 6
    }
}

/// What an answer leads to.
// closed: it settles the question, needs the same server once more, or counts as a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Nothing,
    FollowUp,
    GoOn,
}

/// What is to be sent next, after what came back.
#[derive(Debug)]
pub(super) struct Schedule {
    policy: Policy,
    planned: VecDeque<Planned>,
}

impl Schedule {
    pub(super) fn new(policy: Policy) -> Self {
        let transport = match policy.transport {
            super::Transport::Tcp => DnsTransport::Tcp,
            super::Transport::Tls => DnsTransport::Tls,
            super::Transport::Https => DnsTransport::Https,
            _ => DnsTransport::Udp,
        };
        let rounds = (0..policy.tries).flat_map(|_| policy.servers.iter());
        let planned = rounds.enumerate().map(|(n, (server, wait))| Planned {
            server: *server,
            transport,
            cause: if n == 0 { DnsCause::First } else { DnsCause::Retry },
            wait: *wait,
            edns: policy.edns,
            // A handshake already proves the source.
            mixed_case: transport == DnsTransport::Udp && policy.letters == super::Letters::Mixed,
        });
        Self { planned: planned.collect(), policy }
    }

    pub(super) fn next(&mut self) -> Option<Planned> {
        self.planned.pop_front()
    }

    pub(super) fn clear(&mut self) {
        self.planned.clear();
    }

    /// Takes an answer to `asked` and plans what follows from it.
    pub(super) fn answered(&mut self, asked: &Planned, answer: &Message) -> Next {
        let rcode = answer.header.rcode;
        let misread = matches!(rcode, Rcode::FormErr | Rcode::NotImp) && answer.edns.is_none();
        if asked.edns && misread {
            for later in self.planned.iter_mut().filter(|p| p.server == asked.server) {
                later.edns = false;
            }
            self.follow_up(Planned { edns: false, cause: DnsCause::WithoutEdns, ..*asked });
            return Next::FollowUp;
        }
        if rcode == Rcode::BadCookie && answer.edns.is_some() {
            // Its cookie is known now; if that does not do, a handshake proves as much.
            match asked.cause {
                DnsCause::BadCookie if asked.transport == DnsTransport::Udp => {
                    self.over_tcp(asked, DnsCause::BadCookie);
                    return Next::FollowUp;
                }
                DnsCause::BadCookie => {}
                _ => {
                    self.follow_up(Planned { cause: DnsCause::BadCookie, ..*asked });
                    return Next::FollowUp;
                }
            }
        }
        let may_use_tcp = self.policy.transport == super::Transport::Auto;
        if answer.header.flags.tc && asked.transport == DnsTransport::Udp && may_use_tcp {
            self.over_tcp(asked, DnsCause::Truncated);
            return Next::FollowUp;
        }
        match self.policy.verdict {
            Verdict::Stub if is_refusal(answer) => Next::GoOn,
            Verdict::Conclusive if !is_conclusive(answer) => Next::GoOn,
            _ => {
                self.planned.clear();
                Next::Nothing
            }
        }
    }

    /// Asks a server that repeats names in another case without mixing from now on.
    pub(super) fn give_up_mixing(&mut self, server: SocketAddr) {
        for (n, later) in self.planned.iter_mut().filter(|p| p.server == server).enumerate() {
            later.mixed_case = false;
            if n == 0 {
                later.cause = DnsCause::PlainCase;
            }
        }
    }

    fn over_tcp(&mut self, asked: &Planned, cause: DnsCause) {
        let transport = DnsTransport::Tcp;
        self.follow_up(Planned { transport, cause, mixed_case: false, ..*asked });
    }

    fn follow_up(&mut self, planned: Planned) {
        self.planned.push_front(planned);
    }
}

/// Tells whether musl would take the answer (src/network/res_msend.c).
pub(super) fn is_conclusive(answer: &Message) -> bool {
    matches!(answer.header.rcode, Rcode::NoError | Rcode::NxDomain)
}

/// Tells whether glibc would ask the next server (resolv/res_send.c, `send_dg`).
fn is_refusal(answer: &Message) -> bool {
    let header = &answer.header;
    let refused = matches!(header.rcode, Rcode::ServFail | Rcode::NotImp | Rcode::Refused);
    let [_, answers, _, additionals] = header.counts;
    let empty = answers == 0 && additionals == 0;
    let lame = header.rcode == Rcode::NoError && empty && !header.flags.aa && !header.flags.ra;
    refused || lame
}
