//! What shifts the layers: tags, labels, sessions and tunnels.

use super::layer::{Kind, Layer, Place, carried};
use super::{Builder, Tag};
use crate::capture::filter::cond::Cond;
use crate::capture::filter::error::Checked;
use crate::capture::filter::names::Transport;
use crate::capture::filter::value::{Id, Op, Size, Value};

/// Beside live packets (linux/filter.h `SKF_AD_VLAN_TAG`).
const VLAN_TAG: u32 = 0xffff_f02c;
const ETHER_IN_TUNNEL: u32 = 0x6558;

impl Builder<'_> {
    /// A VLAN tag with this number, or any (IEEE 802.1Q §9.6).
    pub(super) fn vlan(&mut self, id: Option<u32>) -> Checked<Cond> {
        if let Some(id) = id.filter(|it| *it > 0xfff) {
            return self.fail(format!("a VLAN is at most 4095, not {id}"));
        }
        if self.labels > 0 {
            return self.fail("below MPLS labels there is no VLAN tag");
        }
        if self.layer.kind != Kind::Ethernet {
            let link = self.request.link_type;
            return self.fail(format!("VLAN tags are not known on {link}"));
        }
        let first = !std::mem::replace(&mut self.tag_asked, true);
        if first && self.tag == Tag::Beside {
            return Ok(match id {
                Some(id) => self.masked(Place::at(0), VLAN_TAG, Size::Word, id, 0xfff),
                None => Cond::Always(true),
            });
        }
        let kinds = [0x8100, 0x88a8, 0x9100];
        let mut any = Vec::new();
        for kind in kinds {
            any.push(self.link_type(kind)?);
        }
        let mut cond = Cond::Any(any);
        if let Some(id) = id {
            cond = cond.and(self.masked(self.layer.payload, 0, Size::Half, id, 0xfff));
        }
        self.layer.kind_at = self.layer.kind_at.plus(4);
        self.layer.payload = self.layer.payload.plus(4);
        Ok(cond)
    }

    /// An MPLS label, or any (RFC 3032 §2.1).
    pub(super) fn mpls(&mut self, label: Option<u32>) -> Checked<Cond> {
        if let Some(label) = label.filter(|it| *it > 0xf_ffff) {
            return self.fail(format!("an MPLS label is at most 1048575, not {label}"));
        }
        let mut cond = match (self.labels, self.layer.kind) {
            (0, Kind::Ethernet | Kind::Hdlc) => self.link_type(carried::MPLS)?,
            (0, Kind::Ppp) => self.link_type(0x0281)?,
            (0, _) => {
                let link = self.request.link_type;
                return self.fail(format!("MPLS is not known on {link}"));
            }
            // The label before was not the last.
            _ => {
                let network = self.network();
                let constant = network.constant.wrapping_sub(4);
                self.masked(Place { constant, ..network }, 2, Size::Byte, 0, 1)
            }
        };
        if let Some(label) = label {
            let network = self.network();
            cond = cond.and(self.masked(network, 0, Size::Word, label << 12, 0xffff_f000));
        }
        self.layer.network += 4;
        self.layer.no_snap += 4;
        self.labels += 1;
        Ok(cond)
    }

    /// A PPPoE session, or any (RFC 2516 §4): PPP follows.
    pub(super) fn pppoes(&mut self, session: Option<u32>) -> Checked<Cond> {
        if let Some(session) = session.filter(|it| *it > 0xffff) {
            return self.fail(format!("a PPPoE session is at most 65535, not {session}"));
        }
        let mut cond = self.link_type(0x8864)?;
        let network = self.network();
        if let Some(session) = session {
            cond = cond.and(self.masked(network, 0, Size::Word, session, 0xffff));
        }
        self.layer = Layer {
            kind: Kind::Ppp,
            header: network.plus(6),
            kind_at: network.plus(6),
            payload: network.plus(8),
            network: 0,
            no_snap: 0,
        };
        Ok(cond)
    }

    /// Geneve (RFC 8926 §3): what it carries follows, with an Ethernet header or without.
    pub(super) fn geneve(&mut self, network: Option<u32>) -> Checked<Cond> {
        const PORT: u32 = 6081;
        let mut starts = self.tunnel_starts(PORT)?;
        let base = self.slot_value()?;
        for (cond, start) in &mut starts {
            let version = self.masked(*start, 0, Size::Byte, 0, 0xc0);
            let number = self.network_number(*start, network)?;
            let kept = self.keep(base, *start);
            *cond = Cond::All(vec![cond.clone(), version, number, kept]);
        }
        let [(first, _), (second, _)] = starts;
        let (header, kind_at, payload) =
            (self.slot_value()?, self.slot_value()?, self.slot_value()?);
        let start = Place::behind(base);
        // The options count in words.
        let options = self.load(start, 0, Size::Byte);
        let mask = self.values.constant(0x3f);
        let options = self.values.of(Op::And, options, mask);
        let two = self.values.constant(2);
        let options = self.values.of(Op::Shl, options, two);
        let behind = self.values.of(Op::Add, options, base);
        let eight = self.values.constant(8);
        let behind = self.values.of(Op::Add, behind, eight);
        let inner = Place::behind(header);
        let ether = self.equal(start, 2, Size::Half, ETHER_IN_TUNNEL);
        let with = vec![self.keep(kind_at, inner.plus(12)), self.keep(payload, inner.plus(14))];
        let without = vec![self.keep(kind_at, start.plus(2)), self.keep(payload, inner)];
        let kept = Cond::If(Box::new([ether, Cond::All(with), Cond::All(without)]));
        self.enter(header, kind_at, payload);
        Ok(Cond::All(vec![first.or(second), Cond::Store(header, behind), kept]))
    }

    /// VXLAN (RFC 7348 §5): Ethernet follows.
    pub(super) fn vxlan(&mut self, network: Option<u32>) -> Checked<Cond> {
        const PORT: u32 = 4789;
        let mut starts = self.tunnel_starts(PORT)?;
        let header = self.slot_value()?;
        for (cond, start) in &mut starts {
            let flag = self.masked(*start, 0, Size::Byte, 0x08, 0x08);
            let number = self.network_number(*start, network)?;
            let kept = self.keep(header, start.plus(8));
            *cond = Cond::All(vec![cond.clone(), flag, number, kept]);
        }
        let [(first, _), (second, _)] = starts;
        let inner = Place::behind(header);
        self.layer = Layer {
            kind: Kind::Ethernet,
            header: inner,
            kind_at: inner.plus(12),
            payload: inner.plus(14),
            network: 0,
            no_snap: 3,
        };
        self.labels = 0;
        Ok(first.or(second))
    }

    /// Where a tunnel over UDP begins in IPv4 and in IPv6, and the conditions for that.
    fn tunnel_starts(&mut self, port: u32) -> Checked<[(Cond, Place); 2]> {
        const UDP_HEADER: u32 = 8;
        let udp = Transport::Udp.number();
        let network = self.network();
        let ip = self.link_type(carried::IP)?;
        let carried = self.equal(network, 9, Size::Byte, udp);
        let first = self.first_fragment();
        let place = self.transport_place();
        let four = vec![ip, carried, first, self.equal(place, 2, Size::Half, port)];
        let four = (Cond::All(four), place.plus(UDP_HEADER));
        let ip = self.link_type(carried::IP6)?;
        let carried = self.equal(network, 6, Size::Byte, udp);
        let place = network.plus(40);
        let six = vec![ip, carried, self.equal(place, 2, Size::Half, port)];
        Ok([four, (Cond::All(six), place.plus(UDP_HEADER))])
    }

    /// The network's number, in the high three of four bytes.
    fn network_number(&mut self, start: Place, number: Option<u32>) -> Checked<Cond> {
        match number {
            None => Ok(Cond::Always(true)),
            Some(number) if number > 0xff_ffff => {
                self.fail(format!("a network's number is at most 16777215, not {number}"))
            }
            Some(number) => Ok(self.masked(start, 4, Size::Word, number << 8, 0xffff_ff00)),
        }
    }

    pub(super) fn slot_value(&mut self) -> Checked<Id> {
        let place = self.slot()?;
        Ok(self.values.add(Value::Slot { place, version: 0 }))
    }

    /// Keeps where a place is.
    fn keep(&mut self, slot: Id, place: Place) -> Cond {
        let constant = self.values.constant(place.constant);
        let value = match place.behind {
            Some(behind) => self.values.of(Op::Add, behind, constant),
            None => constant,
        };
        Cond::Store(slot, value)
    }

    fn enter(&mut self, header: Id, kind_at: Id, payload: Id) {
        self.labels = 0;
        self.layer = Layer {
            kind: Kind::Ethernet,
            header: Place::behind(header),
            kind_at: Place::behind(kind_at),
            payload: Place::behind(payload),
            network: 0,
            no_snap: 3,
        };
    }
}
