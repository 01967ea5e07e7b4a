//! Chains of headers: what is behind extension headers and AH.

use super::Builder;
use super::layer::{Place, carried};
use crate::capture::filter::cond::{Cond, HeaderChain};
use crate::capture::filter::error::Checked;
use crate::capture::filter::value::{Id, Op, Size, Value};

/// So many headers are followed on live packets: the kernel takes no program that jumps back. RFC
/// 8200 §4.1 wants each at most once, of seven kinds.
const LONGEST: u16 = 12;

/// Counted in words of eight bytes behind the first: hop-by-hop options, routing, fragment and
/// destination options.
const EXTENSIONS: [u32; 4] = [0, 60, 43, 44];
/// Counted in words of four bytes behind the first two (RFC 4302 §2.2).
const AH: u32 = 51;

impl Builder<'_> {
    pub(super) fn chain4(&mut self, wanted: u32) -> Checked<Cond> {
        let ip = self.link_type(carried::IP)?;
        let network = self.network();
        let protocol = self.load(network, 9, Size::Byte);
        let place = self.transport_place();
        let behind = place.behind.unwrap_or(protocol);
        Ok(ip.and(self.chain(wanted, protocol, behind, place.constant, &[])?))
    }

    pub(super) fn chain6(&mut self, wanted: u32) -> Checked<Cond> {
        let ip = self.link_type(carried::IP6)?;
        let network = self.network();
        let protocol = self.load(network, 6, Size::Byte);
        let behind = self.values.constant(40);
        Ok(ip.and(self.chain(wanted, protocol, behind, network.constant, &EXTENSIONS)?))
    }

    /// Follows headers: what the one before says of the next is kept in two words.
    fn chain(
        &mut self,
        wanted: u32,
        protocol: Id,
        behind: Id,
        constant: u32,
        extensions: &[u32],
    ) -> Checked<Cond> {
        let network = self.network();
        if network.behind.is_some() {
            return self.fail("protochain cannot be asked for behind geneve and vxlan");
        }
        if !self.request.live {
            self.loops = true;
            let (six, place) = (!extensions.is_empty(), self.slot()?);
            return Ok(Cond::Follow(HeaderChain { network: constant, six, wanted, place }));
        }
        let slots = [self.slot()?, self.slot()?];
        let keep = |builder: &mut Self, version: u16| {
            slots.map(|place| builder.values.add(Value::Slot { place, version }))
        };
        // From the last header to the first.
        let mut rest = Cond::Always(false);
        for version in (0..LONGEST).rev() {
            let [now, at] = if version == 0 { [protocol, behind] } else { keep(self, version) };
            let next = keep(self, version + 1);
            let place = Place { constant, behind: Some(at) };
            let found = self.compare(super::Compare::Equal, now, wanted);
            let any = extensions.iter().map(|it| self.compare(super::Compare::Equal, now, *it));
            let extension = Cond::Any(any.collect());
            let long = self.step(place, at, next, [1, 3]);
            let ah = self.compare(super::Compare::Equal, now, AH);
            let short = self.step(place, at, next, [2, 2]);
            let moved = Cond::If(Box::new([extension, long, ah.and(short)]));
            rest = found.or(moved.and(rest));
        }
        Ok(rest)
    }

    /// Keeps the next protocol and where it begins.
    fn step(&mut self, place: Place, at: Id, [protocol, next]: [Id; 2], counts: [u32; 2]) -> Cond {
        let [more, shift] = counts.map(|it| self.values.constant(it));
        let length = self.load(place, 1, Size::Byte);
        let length = self.values.of(Op::Add, length, more);
        let length = self.values.of(Op::Shl, length, shift);
        let end = self.values.of(Op::Add, length, at);
        let kind = self.load(place, 0, Size::Byte);
        // The place goes last: the kind is behind the old one.
        Cond::All(vec![Cond::Store(protocol, kind), Cond::Store(next, end)])
    }
}
