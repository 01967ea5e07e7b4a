use super::row::string;
use crate::netlink::attr::{self, Attrs};

macro_rules! route_metrics {
    ($($(#[$meta:meta])* $field:ident = $kind:literal $scale:literal,)+) => {
        /// Limits a route sets for connections through it (linux/rtnetlink.h `RTAX_*`).
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[non_exhaustive]
        pub struct RouteMetrics {
            $($(#[$meta])* pub $field: Option<u32>,)+
            /// Name of the congestion control.
            pub congestion_control: Option<String>,
        }

        impl RouteMetrics {
            /// Reads the nest; an empty one is none.
            pub(super) fn read(nest: &[u8]) -> Option<Self> {
                let mut metrics = Self::default();
                for (kind, value) in Attrs::new(nest) {
                    match kind {
                        $($kind => {
                            metrics.$field = attr::u32(value).map(|v| v.saturating_mul($scale));
                        })+
                        RTAX_CC_ALGO => {
                            metrics.congestion_control = Some(string(attr::text(value)));
                        }
                        _ => {}
                    }
                }
                Some(metrics).filter(|m| *m != Self::default())
            }
        }
    };
}

route_metrics! {
    /// Bit n: the metric of type n must not be changed by path discovery.
    lock = 1 1,
    /// Largest packet.
    mtu_bytes = 2 1,
    /// Largest window.
    window_bytes = 3 1,
    /// First estimate of the round trip; the kernel keeps eighths of a millisecond.
    rtt_us = 4 125,
    /// First estimate of its variance; the kernel keeps quarters of a millisecond.
    rttvar_us = 5 250,
    /// Slow start threshold.
    ssthresh_segments = 6 1,
    /// Clamp of the congestion window.
    cwnd_segments = 7 1,
    /// Segment size to advertise.
    advmss_bytes = 8 1,
    /// Reordering to expect.
    reordering_segments = 9 1,
    /// Hop limit of packets sent.
    hoplimit = 10 1,
    /// Initial congestion window.
    initcwnd_segments = 11 1,
    /// Bits: ECN, SACK, timestamps, whole addresses.
    features = 12 1,
    /// Smallest retransmission timeout.
    rto_min_ms = 13 1,
    /// Initial receive window.
    initrwnd_segments = 14 1,
    /// Quick acknowledgements.
    quickack = 15 1,
    /// Fast open without a cookie.
    fastopen_no_cookie = 17 1,
}

const RTAX_CC_ALGO: u16 = 16;
