//! What a frame carries, and who sent it to whom.

use super::Builder;
use super::layer::{Kind, Place, carried};
use crate::capture::Direction;
use crate::capture::filter::cond::{Compare, Cond};
use crate::capture::filter::error::Checked;
use crate::capture::filter::tree::Way;
use crate::capture::filter::value::Size;
use crate::capture::filter::words::Protocol;
use crate::wire::LinkType;

impl Builder<'_> {
    /// Asks for an Ethernet type, or an SAP of 802.2 where it is a length, whatever the link layer
    /// calls it.
    pub(super) fn link_type(&mut self, carried: u32) -> Checked<Cond> {
        if self.labels > 0 {
            return self.below_labels(carried);
        }
        let first = self.layer.payload;
        Ok(match self.layer.kind {
            Kind::Ethernet => self.ether_type(carried),
            Kind::Cooked | Kind::Cooked2 => self.cooked_type(carried),
            Kind::Raw => match carried {
                carried::IP => self.masked(first, 0, Size::Byte, 0x40, 0xf0),
                carried::IP6 => self.masked(first, 0, Size::Byte, 0x60, 0xf0),
                _ => Cond::Always(false),
            },
            Kind::Ip4 => Cond::Always(carried == carried::IP),
            Kind::Ip6 => Cond::Always(carried == carried::IP6),
            Kind::Null | Kind::Loop => self.family(carried),
            Kind::Ppp => {
                let number = match carried {
                    carried::IP => 0x21,
                    carried::IP6 => 0x57,
                    carried::DECNET => 0x27,
                    carried::ATALK => 0x29,
                    0x0600 => 0x25,
                    carried::SAP_ISO => 0x23,
                    carried::SAP_STP => 0x31,
                    carried::SAP_IPX => 0x2b,
                    other => other,
                };
                self.equal(self.layer.kind_at, 0, Size::Half, number)
            }
            Kind::Hdlc => {
                let number = if carried == carried::SAP_ISO { 0xfefe } else { carried };
                self.equal(self.layer.kind_at, 0, Size::Half, number)
            }
            Kind::Arcnet => self.arcnet(carried),
            Kind::Token | Kind::Wireless | Kind::Bare => {
                let link = self.request.link_type;
                return self.fail(format!("what packets of {link} carry cannot be asked for"));
            }
        })
    }

    /// Below MPLS labels the packet itself must tell what it is (RFC 4928 §2.1).
    fn below_labels(&mut self, carried: u32) -> Checked<Cond> {
        let version = match carried {
            carried::IP => 0x40,
            carried::IP6 => 0x60,
            _ => return self.fail("below MPLS only IP can be recognised"),
        };
        let network = self.network();
        let bottom = Place { constant: network.constant.wrapping_sub(4), ..network };
        let last = self.masked(bottom, 2, Size::Byte, 1, 1);
        Ok(last.and(self.masked(network, 0, Size::Byte, version, 0xf0)))
    }

    /// The families of the systems that write such files: `AF_INET6` is 24, 28 or 30 on the BSDs
    /// and 10 on Linux.
    fn family(&mut self, carried: u32) -> Cond {
        let families: &[u32] = match carried {
            carried::IP => &[2],
            carried::IP6 => &[24, 28, 30, 10],
            _ => return Cond::Always(false),
        };
        let either = self.layer.kind == Kind::Null;
        let mut any = Vec::new();
        for family in families {
            any.push(self.equal(self.layer.kind_at, 0, Size::Word, *family));
            if either {
                let swapped = family.swap_bytes();
                any.push(self.equal(self.layer.kind_at, 0, Size::Word, swapped));
            }
        }
        Cond::Any(any)
    }

    fn carried(&mut self, number: u32) -> Cond {
        self.equal(self.layer.kind_at, 0, Size::Half, number)
    }

    /// The type is a length: an 802.2 header follows.
    pub(super) fn is_length(&mut self) -> Cond {
        let kind = self.load(self.layer.kind_at, 0, Size::Half);
        self.compare(Compare::Greater, kind, carried::LONGEST).not()
    }

    fn sap(&mut self, offset: u32, size: Size, number: u32) -> Cond {
        self.equal(self.layer.payload, offset, size, number)
    }

    /// A SNAP header with this organisation and type.
    fn snap(&mut self, organisation: u32, kind: u32) -> Cond {
        let words = [(4, (organisation << 16) | kind), (0, 0xaaaa_0300 | (organisation >> 16))];
        Cond::All(words.map(|(at, word)| self.sap(at, Size::Word, word)).to_vec())
    }

    fn ether_type(&mut self, number: u32) -> Cond {
        match number {
            carried::SAP_ISO | carried::SAP_IP | carried::SAP_NETBEUI => {
                self.is_length().and(self.sap(0, Size::Half, (number << 8) | number))
            }
            carried::SAP_IPX => {
                let forms = [
                    self.sap(0, Size::Byte, carried::SAP_IPX),
                    self.sap(0, Size::Half, 0xffff),
                    self.snap(0, carried::IPX),
                ];
                let framed = self.is_length().and(Cond::Any(forms.to_vec()));
                framed.or(self.carried(carried::IPX))
            }
            carried::ATALK | carried::AARP => {
                let organisation = if number == carried::ATALK { 0x08_0007 } else { 0 };
                let framed = self.is_length().and(self.snap(organisation, number));
                framed.or(self.carried(number))
            }
            0..=carried::LONGEST => self.is_length().and(self.sap(0, Size::Byte, number)),
            _ => self.carried(number),
        }
    }

    /// As Ethernet types, but 802.2 and 802.3 have numbers of their own (linux/if_ether.h
    /// `ETH_P_802_2`).
    fn cooked_type(&mut self, number: u32) -> Cond {
        const ETH_P_802_3: u32 = 1;
        const ETH_P_802_2: u32 = 4;
        match number {
            carried::SAP_ISO | carried::SAP_IP | carried::SAP_NETBEUI => {
                let framed = self.carried(ETH_P_802_2);
                framed.and(self.sap(0, Size::Half, (number << 8) | number))
            }
            carried::SAP_IPX => {
                let sap = self.sap(0, Size::Byte, carried::SAP_IPX);
                let forms = sap.or(self.snap(0, carried::IPX));
                let framed = self.carried(ETH_P_802_2).and(forms);
                framed.or(self.carried(ETH_P_802_3)).or(self.carried(carried::IPX))
            }
            carried::ATALK | carried::AARP => {
                let organisation = if number == carried::ATALK { 0x08_0007 } else { 0 };
                let framed = self.carried(ETH_P_802_2).and(self.snap(organisation, number));
                framed.or(self.carried(number))
            }
            0..=carried::LONGEST => self.carried(ETH_P_802_2).and(self.sap(0, Size::Byte, number)),
            _ => self.carried(number),
        }
    }

    /// There are Ethernet addresses: not only what a tunnel carries without them.
    pub(super) fn ether_header(&mut self) -> Option<Cond> {
        let (header, payload) = (self.layer.header.behind?, self.layer.payload.behind?);
        Some(self.values.test(Compare::Equal, header, payload).not())
    }

    pub(super) fn ether_host(&mut self, address: [u8; 6], way: Option<Way>) -> Checked<Cond> {
        if self.layer.kind != Kind::Ethernet {
            let link = self.request.link_type;
            return self.fail(format!("Ethernet addresses are not known on {link}"));
        }
        let header = self.layer.header;
        let cond = match way {
            Some(Way::Src) => self.bytes(header, 6, address),
            Some(Way::Dst) => self.bytes(header, 0, address),
            Some(Way::Both) => self.bytes(header, 6, address).and(self.bytes(header, 0, address)),
            Some(Way::Wireless(word)) => return self.wireless(word),
            Some(Way::Either) | None => {
                self.bytes(header, 6, address).or(self.bytes(header, 0, address))
            }
        };
        Ok(match self.ether_header() {
            Some(there) => there.and(cond),
            None => cond,
        })
    }

    pub(super) fn wireless<T>(&self, word: &str) -> Checked<T> {
        self.fail(format!("`{word}` is for 802.11 only"))
    }

    pub(super) fn broadcast(&mut self, protocol: Option<Protocol>) -> Checked<Cond> {
        match protocol {
            None | Some(Protocol::Link) if self.stations().is_some() => {
                let all = self.stations().map_or(0, |it| it.2);
                self.station(all, Some(Way::Dst))
            }
            None | Some(Protocol::Link) if self.layer.kind != Kind::Ethernet => {
                let link = self.request.link_type;
                self.fail(format!("no link-layer broadcast is known on {link}: try ip broadcast"))
            }
            None | Some(Protocol::Link) => self.ether_host([0xff; 6], Some(Way::Dst)),
            Some(Protocol::Ip) => {
                let Some(mask) = self.request.netmask else {
                    let why = "the network's mask is not known, which ip broadcast needs: give it";
                    return self.fail(why);
                };
                let host = !u32::from(mask);
                let ip = self.link_type(carried::IP)?;
                let network = self.network();
                let zeros = self.masked(network, 16, Size::Word, 0, host);
                let ones = self.masked(network, 16, Size::Word, host, host);
                Ok(ip.and(zeros.or(ones)))
            }
            other => self.unfit(other, "broadcast"),
        }
    }

    pub(super) fn multicast(&mut self, protocol: Option<Protocol>) -> Checked<Cond> {
        let network = self.network();
        match protocol {
            None | Some(Protocol::Link) if self.layer.kind != Kind::Ethernet => {
                let link = self.request.link_type;
                let try_this = "try ip multicast or ip6 multicast";
                self.fail(format!("no link-layer multicast is known on {link}: {try_this}"))
            }
            None | Some(Protocol::Link) => {
                let first = self.load(self.layer.header, 0, Size::Byte);
                let cond = self.compare(Compare::Bits, first, 1);
                Ok(match self.ether_header() {
                    Some(there) => there.and(cond),
                    None => cond,
                })
            }
            Some(Protocol::Ip) => {
                let ip = self.link_type(carried::IP)?;
                Ok(ip.and(self.masked(network, 16, Size::Byte, 0xe0, 0xf0)))
            }
            Some(Protocol::Ip6) => {
                let ip = self.link_type(carried::IP6)?;
                Ok(ip.and(self.equal(network, 24, Size::Byte, 0xff)))
            }
            other => self.unfit(other, "multicast"),
        }
    }

    /// Received or sent by this host, as its header says or, live, the kernel.
    pub(super) fn bound(&mut self, direction: Direction) -> Checked<Cond> {
        const PACKET_OUTGOING: u32 = 4;
        const PKTTYPE: u32 = 0xffff_f004;
        const SLIP: LinkType = LinkType(8);
        const BROADCOM: LinkType = LinkType(281);
        let out = direction == Direction::Out;
        let first = Place::at(0);
        let outgoing = match (self.request.link_type, self.layer.kind) {
            (SLIP, _) => return Ok(self.equal(first, 0, Size::Byte, out.into())),
            (BROADCOM, _) => {
                let code = if out { 0x20 } else { 0 };
                return Ok(self.masked(first, 12, Size::Byte, code, 0xe0));
            }
            (_, Kind::Cooked) => self.equal(first, 0, Size::Half, PACKET_OUTGOING),
            (_, Kind::Cooked2) => self.equal(first, 10, Size::Byte, PACKET_OUTGOING),
            _ if self.request.live => self.equal(first, PKTTYPE, Size::Byte, PACKET_OUTGOING),
            (link, _) => {
                return self.fail(format!("packets of {link} do not carry their direction"));
            }
        };
        Ok(if out { outgoing } else { outgoing.not() })
    }

    pub(super) fn ifindex(&mut self, index: u32) -> Checked<Cond> {
        const IFINDEX: u32 = 0xffff_f008;
        match self.layer.kind {
            Kind::Cooked2 => Ok(self.equal(self.layer.header, 4, Size::Word, index)),
            _ if self.request.live => Ok(self.equal(Place::at(0), IFINDEX, Size::Word, index)),
            _ => {
                let link = self.request.link_type;
                self.fail(format!("packets of {link} do not carry the interface's number"))
            }
        }
    }
}
