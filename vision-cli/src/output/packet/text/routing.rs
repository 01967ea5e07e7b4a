//! What routers, bridges and the hosts beside them say to each other, as far as one line tells it.

use super::bytes::Fields;
use super::{Part, Printer};

impl Printer<'_> {
    /// RFC 2236, RFC 3376.
    pub(super) fn igmp(&mut self, part: Part<'_>) -> Option<()> {
        if self.style.quiet {
            self.text("igmp");
            return Some(());
        }
        let (kind, time) = (part.data.u8(0)?, part.data.u8(1)?);
        let group = part.data.v4(4);
        match (kind, group) {
            (0x11, Some(group)) => {
                let version = if part.len >= 12 { 3 } else { 1 + u8::from(time > 0) };
                self.fmt(format_args!("igmp query v{version}"));
                // Ten seconds is what goes without saying.
                if version > 1 && time != 100 {
                    let tenths = if version == 3 { floating(time) } else { time.into() };
                    self.fmt(format_args!(" [max resp time {}.{}s]", tenths / 10, tenths % 10));
                }
                if !group.is_unspecified() {
                    self.fmt(format_args!(" [gaddr {group}]"));
                }
            }
            (0x12, Some(group)) => self.fmt(format_args!("igmp v1 report {group}")),
            (0x16, Some(group)) => self.fmt(format_args!("igmp v2 report {group}")),
            (0x17, Some(group)) => self.fmt(format_args!("igmp leave {group}")),
            (0x22, _) => {
                let records = part.data.u16(6)?;
                self.fmt(format_args!("igmp v3 report, {records} group record(s)"));
                if self.style.verbose > 0 {
                    self.igmp_records(part.data)?;
                }
            }
            _ => self.fmt(format_args!("igmp-{kind}")),
        }
        Some(())
    }

    /// RFC 3376 §4.2.4.
    fn igmp_records(&mut self, bytes: &[u8]) -> Option<()> {
        let mut at = 8;
        for _ in 0..bytes.u16(6)? {
            let (kind, extra, count) = (bytes.u8(at)?, bytes.u8(at + 1)?, bytes.u16(at + 2)?);
            let group = bytes.v4(at + 4)?;
            let what = match kind {
                1 => "is_in",
                2 => "is_ex",
                3 => "to_in",
                4 => "to_ex",
                5 => "allow",
                6 => "block",
                _ => "[invalid type]",
            };
            self.fmt(format_args!(" [gaddr {group} {what}, {count} source(s)]"));
            at += 8 + 4 * (usize::from(count) + usize::from(extra));
        }
        Some(())
    }

    /// RFC 3768, RFC 9568.
    pub(super) fn vrrp(&mut self, part: Part<'_>) -> Option<()> {
        let bytes = part.data;
        let (head, id, priority) = (bytes.u8(0)?, bytes.u8(1)?, bytes.u8(2)?);
        let version = head >> 4;
        self.fmt(format_args!("VRRPv{version}, Advertisement, vrid {id}, prio {priority}"));
        if version == 3 {
            self.fmt(format_args!(", intvl {}cs", bytes.u16(4)? & 0xfff));
        } else {
            let name = match bytes.u8(4)? {
                0 => "none",
                1 => "simple",
                2 => "ah",
                _ => "unknown",
            };
            self.fmt(format_args!(", authtype {name}, intvl {}s", bytes.u8(5)?));
        }
        self.fmt(format_args!(", length {}", part.len));
        Some(())
    }

    /// RFC 2328 §A.3.1, RFC 5340 §A.3.1.
    pub(super) fn ospf(&mut self, part: Part<'_>) -> Option<()> {
        let (version, kind) = (part.data.u8(0)?, part.data.u8(1)?);
        let name = match kind {
            1 => "Hello",
            2 => "Database Description",
            3 => "LS-Request",
            4 => "LS-Update",
            5 => "LS-Ack",
            _ => "unknown packet type",
        };
        self.fmt(format_args!("OSPFv{version}, {name}, length {}", part.len));
        if self.style.verbose > 0 {
            let (router, area) = (part.data.v4(4)?, part.data.v4(8)?);
            self.fmt(format_args!("\n\tRouter-ID {router}, Area {area}"));
        }
        Some(())
    }

    /// RFC 7761 §4.9.
    pub(super) fn pim(&mut self, part: Part<'_>) -> Option<()> {
        let head = part.data.u8(0)?;
        let name = match head & 15 {
            0 => "Hello",
            1 => "Register",
            2 => "Register-Stop",
            3 => "Join / Prune",
            4 => "Bootstrap",
            5 => "Assert",
            6 => "Graft",
            7 => "Graft-ACK",
            8 => "Candidate RP Advertisement",
            10 => "DF Election",
            _ => "unknown type",
        };
        self.fmt(format_args!("PIMv{}, {name}, length {}", head >> 4, part.len));
        Some(())
    }

    /// RFC 7868 §6.3.
    pub(super) fn eigrp(&mut self, part: Part<'_>) -> Option<()> {
        let name = match part.data.u8(1)? {
            1 => "Update",
            3 => "Query",
            4 => "Reply",
            5 => "Hello",
            _ => "unknown opcode",
        };
        self.fmt(format_args!("EIGRP {name}, length: {}", part.len));
        Some(())
    }

    /// RFC 2453 §4.
    pub(super) fn rip(&mut self, part: Part<'_>) -> Option<()> {
        let (command, version) = (part.data.u8(0)?, part.data.u8(1)?);
        let name = match command {
            1 => "Request",
            2 => "Response",
            _ => "unknown command",
        };
        self.fmt(format_args!("RIPv{version}, {name}, length: {}", part.len));
        Some(())
    }

    /// RFC 5880 §4.1, RFC 5883.
    pub(super) fn bfd(&mut self, part: Part<'_>, multihop: bool) -> Option<()> {
        let (head, bits) = (part.data.u8(0)?, part.data.u8(1)?);
        let kind = if multihop { "Multihop" } else { "Control" };
        let state = ["AdminDown", "Down", "Init", "Up"][usize::from(bits >> 6)];
        let more = self.style.verbose > 0;
        self.fmt(format_args!("BFDv{}, ", head >> 5));
        if more {
            self.fmt(format_args!("length: {}\n\t", part.len));
        }
        self.fmt(format_args!("{kind}, State {state}, Flags: ["));
        let flags = [
            (0x20, "Poll"),
            (0x10, "Final"),
            (0x08, "Control Plane Independent"),
            (0x04, "Authentication Present"),
            (0x02, "Demand"),
        ];
        self.list(flags.into_iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| name));
        match more {
            true => self.fmt(format_args!("], Diagnostic: 0x{:02x}", head & 31)),
            false => self.fmt(format_args!("], length: {}", part.len)),
        }
        Some(())
    }

    /// RFC 2865, RFC 2866, RFC 5176.
    pub(super) fn radius(&mut self, part: Part<'_>) -> Option<()> {
        let (code, id, len) = (part.data.u8(0)?, part.data.u8(1)?, part.data.u16(2)?);
        let name = match code {
            1 => "Access-Request",
            2 => "Access-Accept",
            3 => "Access-Reject",
            4 => "Accounting-Request",
            5 => "Accounting-Response",
            11 => "Access-Challenge",
            12 => "Status-Server",
            13 => "Status-Client",
            40 => "Disconnect-Request",
            41 => "Disconnect-ACK",
            42 => "Disconnect-NAK",
            43 => "CoA-Request",
            44 => "CoA-ACK",
            45 => "CoA-NAK",
            _ => "Unknown Command",
        };
        if self.style.verbose == 0 {
            self.fmt(format_args!("RADIUS, {name} ({code}), id: 0x{id:02x} length: {len}"));
            return Some(());
        }
        self.fmt(format_args!(
            "RADIUS, length: {len}\n\t{name} ({code}), id: 0x{id:02x}, Authenticator: "
        ));
        self.hex(part.data.get(4..20)?);
        Some(())
    }

    /// IEEE 802.1X.
    pub(super) fn eapol(&mut self, part: Part<'_>) -> Option<()> {
        let (version, kind, len) = (part.data.u8(0)?, part.data.u8(1)?, part.data.u16(2)?);
        let name = match kind {
            0 => "EAP packet",
            1 => "EAPOL start",
            2 => "EAPOL logoff",
            3 => "EAPOL key",
            _ => "unknown EAPOL type",
        };
        self.fmt(format_args!("{name} ({kind}) v{version}, len {len}"));
        Some(())
    }

    /// IEEE 802.1D, 802.1w and 802.1s bridge messages.
    pub(super) fn stp(&mut self, part: Part<'_>) -> Option<()> {
        let bytes = part.data;
        let (version, kind) = (bytes.u8(2)?, bytes.u8(3)?);
        let name = match version {
            0 => "802.1d",
            2 => "802.1w",
            3 => "802.1s",
            _ => "802.1?",
        };
        if kind == 0x80 {
            self.fmt(format_args!("STP {name}, Topology Change, length {}", part.len));
            return Some(());
        }
        let what = if kind == 2 { "Rapid STP" } else { "Config" };
        let flags = bytes.u8(4)?;
        let tree = if version == 3 { "CIST " } else { "" };
        self.fmt(format_args!("STP {name}, {what}, {tree}Flags ["));
        let names = [
            (0x01, "Topology change"),
            (0x02, "Proposal"),
            (0x10, "Learn"),
            (0x20, "Forward"),
            (0x40, "Agreement"),
            (0x80, "Topology change ACK"),
        ];
        self.list(names.into_iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| name));
        self.text("]");
        if version != 3 {
            self.text(", bridge-id ");
            self.bridge(bytes, 17)?;
            self.fmt(format_args!(".{:04x}", bytes.u16(25)?));
        }
        self.fmt(format_args!(", length {}", part.len));
        if self.style.verbose > 0 && version != 3 {
            let (age, most) = (bytes.u16(27)?, bytes.u16(29)?);
            let (hello, delay) = (bytes.u16(31)?, bytes.u16(33)?);
            let secs = |value: u16| f64::from(value) / 256.0;
            self.fmt(format_args!(
                "\n\tmessage-age {:.2}s, max-age {:.2}s, hello-time {:.2}s, forwarding-delay \
                 {:.2}s\n\troot-id ",
                secs(age),
                secs(most),
                secs(hello),
                secs(delay)
            ));
            self.bridge(bytes, 5)?;
            self.fmt(format_args!(", root-pathcost {}", bytes.u32(13)?));
        }
        Some(())
    }

    fn bridge(&mut self, bytes: &[u8], at: usize) -> Option<()> {
        self.fmt(format_args!("{:04x}.", bytes.u16(at)?));
        self.mac(bytes.array(at + 2)?);
        Some(())
    }

    /// Cisco's discovery: who it is.
    pub(super) fn cdp(&mut self, part: Part<'_>) -> Option<()> {
        let bytes = part.data;
        let (version, ttl) = (bytes.u8(0)?, bytes.u8(1)?);
        self.fmt(format_args!("CDPv{version}, ttl: {ttl}s"));
        let mut at = 4;
        while let (Some(kind), Some(len)) = (bytes.u16(at), bytes.u16(at + 2)) {
            let value = bytes.get(at + 4..at + usize::from(len))?;
            let name = match kind {
                1 => Some("Device-ID"),
                3 => Some("Port-ID").filter(|_| self.style.verbose > 0),
                6 => Some("Platform").filter(|_| self.style.verbose > 0),
                _ => None,
            };
            if let Some(name) = name {
                self.fmt(format_args!(", {name} '"));
                self.escaped(value);
                self.text("'");
            }
            at += usize::from(len);
        }
        self.fmt(format_args!(", length {}", part.len));
        Some(())
    }
}

/// A time as IGMPv3 packs it, in tenths of a second (RFC 3376 §4.1.1).
fn floating(code: u8) -> u32 {
    match code {
        0..128 => code.into(),
        _ => (u32::from(code & 15) | 16) << ((code >> 4 & 7) + 3),
    }
}
