/// What a protocol counter means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct CounterMeaning {
    /// Whether packets or connections were lost, or somebody else is at fault.
    pub is_fault: bool,
    /// One sentence.
    pub text: &'static str,
}

impl CounterMeaning {
    /// Returns what a counter of [`Counters`] means, for those that tell something about a fault
    /// or the lack of one; the rest count what is in order.
    ///
    /// [`Counters`]: crate::inventory::Counters
    ///
    /// ```
    /// use vision_core::inventory::CounterMeaning;
    ///
    /// let meaning = CounterMeaning::of("TcpExt", "ListenOverflows").expect("a known one");
    /// assert!(meaning.is_fault);
    /// assert_eq!(CounterMeaning::of("Ip", "InReceives"), None);
    /// ```
    pub fn of(group: &str, name: &str) -> Option<Self> {
        let known = |list: &[(&str, &str, &'static str)]| {
            list.iter().find(|(g, n, _)| *g == group && *n == name).map(|(.., text)| *text)
        };
        let fault = known(FAULTS).map(|text| Self { is_fault: true, text });
        fault.or_else(|| known(NOTES).map(|text| Self { is_fault: false, text }))
    }
}

/// Group, name, sentence.
const FAULTS: &[(&str, &str, &str)] = &[
    (
        "Ip",
        "InHdrErrors",
        "Packets with a bad header or a time to live that ended here were dropped.",
    ),
    (
        "Ip",
        "InAddrErrors",
        "Packets for an address that is not of this namespace came in while forwarding is off.",
    ),
    ("Ip", "InUnknownProtos", "Packets of an IP protocol nobody here handles were dropped."),
    (
        "Ip",
        "InDiscards",
        "Good packets that came in were dropped: no memory, or a socket's filter.",
    ),
    (
        "Ip",
        "OutDiscards",
        "Packets to be sent were dropped: no memory, no neighbour, or a firewall on the way out.",
    ),
    ("Ip", "OutNoRoutes", "Packets could not be sent because no route leads to their destination."),
    ("Ip", "ReasmFails", "Fragments could not be put together: some were lost or came too late."),
    ("Ip", "ReasmTimeout", "Fragments were given up because the rest did not come in time."),
    (
        "Ip",
        "FragFails",
        "Packets were too large for the next link and may not be cut: their senders rely on path MTU discovery.",
    ),
    ("Icmp", "InErrors", "ICMP messages that could not be used came in."),
    (
        "Icmp",
        "InCsumErrors",
        "ICMP messages with a wrong checksum came in: something on the way damages packets.",
    ),
    ("Icmp", "InDestUnreachs", "Somebody said that what was sent from here cannot be delivered."),
    (
        "Icmp",
        "InTimeExcds",
        "Packets sent from here ran out of hops: a routing loop, or a traceroute.",
    ),
    (
        "Icmp",
        "OutRateLimitGlobal",
        "ICMP answers were held back by the limit of the whole namespace (icmp_msgs_per_sec).",
    ),
    (
        "Icmp",
        "OutRateLimitHost",
        "ICMP answers were held back by the limit for one destination (icmp_ratelimit).",
    ),
    ("Tcp", "AttemptFails", "Connects failed: refused, or the handshake was not finished."),
    (
        "Tcp",
        "EstabResets",
        "Established connections ended with a reset, from here or from the far end.",
    ),
    (
        "Tcp",
        "RetransSegs",
        "Segments were sent again: packets or their acknowledgements are lost on the way.",
    ),
    ("Tcp", "InErrs", "Bad TCP segments came in."),
    (
        "Tcp",
        "InCsumErrors",
        "TCP segments with a wrong checksum came in: something on the way damages packets.",
    ),
    ("Udp", "NoPorts", "UDP packets came in for a port where nobody listens."),
    (
        "Udp",
        "InErrors",
        "UDP packets came in that could not be delivered, those of the counters below included.",
    ),
    (
        "Udp",
        "RcvbufErrors",
        "UDP packets were dropped because the program does not read fast enough: its receive buffer was full.",
    ),
    (
        "Udp",
        "SndbufErrors",
        "UDP packets could not be sent because the socket's send buffer was full.",
    ),
    (
        "Udp",
        "InCsumErrors",
        "UDP packets with a wrong checksum came in: something on the way damages packets.",
    ),
    (
        "Udp",
        "MemErrors",
        "UDP packets were dropped because all sockets together took too much memory (udp_mem).",
    ),
    ("Udp6", "NoPorts", "UDP packets came in over IPv6 for a port where nobody listens."),
    ("Udp6", "InErrors", "UDP packets came in over IPv6 that could not be delivered."),
    (
        "Udp6",
        "RcvbufErrors",
        "UDP packets over IPv6 were dropped because the program does not read fast enough.",
    ),
    (
        "Udp6",
        "SndbufErrors",
        "UDP packets over IPv6 could not be sent because the socket's send buffer was full.",
    ),
    ("Udp6", "InCsumErrors", "UDP packets over IPv6 with a wrong checksum came in."),
    (
        "TcpExt",
        "SyncookiesFailed",
        "Acknowledgements with a wrong SYN cookie came in: stray packets, or connections older than the cookie.",
    ),
    (
        "TcpExt",
        "SyncookiesSent",
        "The queue of half-open connections was full: a flood, or a program that accepts too slowly.",
    ),
    ("TcpExt", "EmbryonicRsts", "Half-open connections were reset by the client."),
    (
        "TcpExt",
        "PruneCalled",
        "Receive buffers were full and had to be tidied: a program does not read fast enough.",
    ),
    ("TcpExt", "RcvPruned", "Received data was dropped for want of memory in a socket."),
    (
        "TcpExt",
        "OfoPruned",
        "Data received out of order was dropped for want of memory in a socket.",
    ),
    (
        "TcpExt",
        "OutOfWindowIcmps",
        "ICMP messages about a connection did not fit it: stray, or forged.",
    ),
    ("TcpExt", "LockDroppedIcmps", "ICMP messages were passed over because the socket was busy."),
    ("TcpExt", "TWKilled", "Closed connections were forgotten early to make room."),
    (
        "TcpExt",
        "PAWSEstab",
        "Segments with too old a time stamp were dropped: typical of NAT in front of several clients.",
    ),
    ("TcpExt", "PAWSActive", "Answers to connects had too old a time stamp and were dropped."),
    (
        "TcpExt",
        "ListenOverflows",
        "Connections were dropped because the accept queue of a listening socket was full: the program accepts too slowly, or its backlog is small.",
    ),
    (
        "TcpExt",
        "ListenDrops",
        "Connections to a listening socket were dropped, for a full accept queue above all.",
    ),
    (
        "TcpExt",
        "TCPReqQFullDrop",
        "SYNs were dropped because the queue of half-open connections was full.",
    ),
    (
        "TcpExt",
        "TCPReqQFullDoCookies",
        "SYNs were answered with cookies because the queue of half-open connections was full.",
    ),
    (
        "TcpExt",
        "TCPLostRetransmit",
        "Segments that had been sent again were lost again: the way is bad.",
    ),
    (
        "TcpExt",
        "TCPTimeouts",
        "Nothing was acknowledged for so long that sending began anew: heavy loss, or a far end that is gone.",
    ),
    ("TcpExt", "TCPSynRetrans", "SYNs were sent again: the far end did not answer the first one."),
    ("TcpExt", "TCPLossFailures", "Recoveries from loss ended in a timeout."),
    ("TcpExt", "TCPSackFailures", "Recoveries by selective acknowledgement ended in a timeout."),
    (
        "TcpExt",
        "TCPRenoFailures",
        "Recoveries without selective acknowledgement ended in a timeout.",
    ),
    ("TcpExt", "TCPSlowStartRetrans", "Segments were sent again after a timeout."),
    ("TcpExt", "TCPFastRetrans", "Segments were sent again as soon as their loss was noticed."),
    (
        "TcpExt",
        "TCPRcvCollapsed",
        "Received segments were merged for want of memory: a program does not read fast enough.",
    ),
    (
        "TcpExt",
        "TCPBacklogDrop",
        "Segments were dropped because a socket was busy and its backlog full.",
    ),
    ("TcpExt", "TCPMinTTLDrop", "Segments were dropped for too small a time to live (IP_MINTTL)."),
    (
        "TcpExt",
        "TCPDeferAcceptDrop",
        "Clients connected and said nothing, and TCP_DEFER_ACCEPT gave them up.",
    ),
    ("TcpExt", "TCPRcvQDrop", "Received segments were dropped because the receive queue was full."),
    (
        "TcpExt",
        "TCPOFODrop",
        "Segments out of order were dropped because the receive buffer was full.",
    ),
    (
        "TcpExt",
        "TCPZeroWindowDrop",
        "Segments were dropped because the receiver had closed its window: a program does not read.",
    ),
    (
        "TcpExt",
        "TCPToZeroWindowAdv",
        "A receive buffer filled up and the sender was told to stop: a program does not read fast enough.",
    ),
    (
        "TcpExt",
        "TCPAbortOnData",
        "Connections were closed with data nobody had read, which resets them.",
    ),
    (
        "TcpExt",
        "TCPAbortOnClose",
        "Connections were closed by a program before it had read all, which resets them.",
    ),
    (
        "TcpExt",
        "TCPAbortOnMemory",
        "Connections were reset because there were too many orphans or too little memory.",
    ),
    (
        "TcpExt",
        "TCPAbortOnTimeout",
        "Connections were given up because nothing was acknowledged for too long.",
    ),
    (
        "TcpExt",
        "TCPAbortOnLinger",
        "Closed connections were given up because the far end did not finish in time.",
    ),
    ("TcpExt", "TCPAbortFailed", "A reset could not be sent for want of memory."),
    (
        "TcpExt",
        "TCPMemoryPressures",
        "All TCP sockets together came near their limit of memory (tcp_mem).",
    ),
    (
        "TcpExt",
        "TCPMemoryPressuresChrono",
        "Milliseconds that all TCP sockets together were near their limit of memory (tcp_mem).",
    ),
    ("TcpExt", "TCPMD5NotFound", "Segments without the signature that was agreed on were dropped."),
    (
        "TcpExt",
        "TCPMD5Unexpected",
        "Segments with a signature that was not agreed on were dropped.",
    ),
    ("TcpExt", "TCPMD5Failure", "Segments with a wrong signature were dropped."),
    (
        "TcpExt",
        "TCPTimeWaitOverflow",
        "Closed connections were forgotten at once because there were too many (tcp_max_tw_buckets).",
    ),
    (
        "TcpExt",
        "TCPRetransFail",
        "Segments could not be sent again: no route, no memory, or a local filter.",
    ),
    (
        "TcpExt",
        "TCPChallengeACK",
        "Segments that did not fit their connection were answered with a challenge: stray, forged, or a middlebox.",
    ),
    (
        "TcpExt",
        "TCPSYNChallenge",
        "SYNs came in on established connections and were answered with a challenge.",
    ),
    (
        "TcpExt",
        "TCPFastOpenBlackhole",
        "TCP Fast Open was switched off for a while: something on the way swallows its SYNs.",
    ),
    (
        "TcpExt",
        "TCPFastOpenListenOverflow",
        "TCP Fast Open was not used because too many such connections waited.",
    ),
    ("TcpExt", "TCPWqueueTooBig", "Segments could not be cut because too much waited to be sent."),
    ("TcpExt", "PFMemallocDrop", "Packets were dropped because the machine was short of memory."),
    (
        "TcpExt",
        "IPReversePathFilter",
        "Packets were dropped because the way back does not lead through the interface they came in by (rp_filter).",
    ),
    (
        "TcpExt",
        "TCPSpuriousRTOs",
        "Sending began anew although nothing was lost: the way became slower at once.",
    ),
    (
        "TcpExt",
        "TCPSpuriousRtxHostQueues",
        "Segments were not sent again because the first copy still waits in this machine: a slow queue here.",
    ),
    (
        "IpExt",
        "InNoRoutes",
        "Packets came in that could not be forwarded because no route leads on.",
    ),
    ("IpExt", "InTruncatedPkts", "Packets came in that were shorter than their header says."),
    (
        "IpExt",
        "InCsumErrors",
        "Packets with a wrong header checksum came in: something on the way damages packets.",
    ),
    ("Ip6", "InHdrErrors", "IPv6 packets with a bad header or no hops left were dropped."),
    (
        "Ip6",
        "InTooBigErrors",
        "IPv6 packets were too large for the next link; their senders were told.",
    ),
    ("Ip6", "InNoRoutes", "IPv6 packets came in that no route leads on."),
    ("Ip6", "InAddrErrors", "IPv6 packets came in for an address that is not of this namespace."),
    ("Ip6", "InUnknownProtos", "IPv6 packets with a next header nobody here handles were dropped."),
    ("Ip6", "InTruncatedPkts", "IPv6 packets came in that were shorter than their header says."),
    ("Ip6", "InDiscards", "Good IPv6 packets that came in were dropped."),
    (
        "Ip6",
        "OutDiscards",
        "IPv6 packets to be sent were dropped: no memory, no neighbour, or a firewall on the way out.",
    ),
    (
        "Ip6",
        "OutNoRoutes",
        "IPv6 packets could not be sent because no route leads to their destination.",
    ),
    ("Ip6", "ReasmFails", "IPv6 fragments could not be put together."),
    ("Ip6", "ReasmTimeout", "IPv6 fragments were given up because the rest did not come in time."),
    ("Ip6", "FragFails", "IPv6 packets could not be cut for the next link."),
    ("Icmp6", "InErrors", "ICMPv6 messages that could not be used came in."),
    ("Icmp6", "OutErrors", "ICMPv6 messages could not be sent."),
    ("Icmp6", "InCsumErrors", "ICMPv6 messages with a wrong checksum came in."),
    (
        "Icmp6",
        "InDestUnreachs",
        "Somebody said that what was sent from here over IPv6 cannot be delivered.",
    ),
    (
        "Icmp6",
        "InPktTooBigs",
        "A link on the way is too small for packets sent from here; they must be sent smaller.",
    ),
    (
        "Icmp6",
        "InTimeExcds",
        "IPv6 packets sent from here ran out of hops: a routing loop, or a traceroute.",
    ),
    (
        "Icmp6",
        "OutRateLimitHost",
        "ICMPv6 answers were held back by the limit for one destination.",
    ),
    ("MPTcpExt", "MPTCPRetrans", "Data was sent again on another path."),
    ("MPTcpExt", "MPFallbackTokenInit", "Connections went on as plain TCP for want of a token."),
    (
        "MPTcpExt",
        "DSSCorruptionFallback",
        "Connections went on as plain TCP because a middlebox changed them.",
    ),
    ("MPTcpExt", "DSSCorruptionReset", "Paths were reset because a middlebox changed them."),
];

const NOTES: &[(&str, &str, &str)] = &[
    ("Tcp", "CurrEstab", "Connections that are established now."),
    (
        "Tcp",
        "OutRsts",
        "Resets sent: connects to ports where nobody listens, and connections ended in anger.",
    ),
    ("Tcp", "ActiveOpens", "Connects from here."),
    ("Tcp", "PassiveOpens", "Connections accepted here."),
    ("Icmp", "OutDestUnreachs", "Senders were told that their packets cannot be delivered here."),
    (
        "Icmp6",
        "OutDestUnreachs",
        "Senders were told that their IPv6 packets cannot be delivered here.",
    ),
    ("Ip", "ForwDatagrams", "Packets forwarded."),
    ("Ip6", "OutForwDatagrams", "IPv6 packets forwarded."),
    ("Ip", "FragCreates", "Fragments made: packets were larger than the next link takes."),
    ("TcpExt", "TW", "Connections that ended and waited for stragglers."),
    ("TcpExt", "DelayedACKs", "Acknowledgements held back a moment, as usual."),
    (
        "TcpExt",
        "DelayedACKLost",
        "A segment came again because its acknowledgement was late or lost.",
    ),
    ("TcpExt", "TCPDSACKOldSent", "The far end sent again what had arrived."),
    (
        "TcpExt",
        "TCPDSACKRecv",
        "The far end got something twice: what was sent again had not been lost.",
    ),
    ("TcpExt", "TCPSACKReorder", "Packets arrived in another order than sent."),
    ("TcpExt", "TCPTSReorder", "Packets arrived in another order than sent."),
    ("TcpExt", "TCPOFOQueue", "Segments arrived before an earlier one."),
    ("TcpExt", "TCPLossProbes", "The end of what was sent was probed for loss."),
    ("TcpExt", "TCPFromZeroWindowAdv", "A receive buffer had room again."),
    (
        "TcpExt",
        "TCPWantZeroWindowAdv",
        "A receive buffer was full but the window could not be closed at once.",
    ),
    ("TcpExt", "TCPKeepAlive", "Idle connections were asked whether they live."),
    (
        "TcpExt",
        "TCPWinProbe",
        "A closed window was asked whether it is open again: the far end does not read.",
    ),
    ("IpExt", "InCEPkts", "Packets came in marked as congested on the way."),
    ("Ip6", "InCEPkts", "IPv6 packets came in marked as congested on the way."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sentence_is_one_and_no_counter_has_two() {
        let mut seen = std::collections::BTreeSet::new();
        for (group, name, text) in FAULTS.iter().chain(NOTES) {
            assert!(seen.insert((group, name)), "{group} {name}");
            assert!(text.ends_with('.') && text.matches(". ").count() == 0, "{text}");
        }
    }
}
