//! From a tree to conditions on the bytes of one link type. What is asked goes from left to right:
//! `vlan`, `mpls`, `pppoes`, `geneve` and `vxlan` shift what comes after them.

mod arith;
mod chain;
mod foreign;
mod host;
mod layer;
mod link;
mod llc;
mod port;
mod protocol;
mod tunnel;

use self::layer::{Layer, Place};
use super::cond::{Compare, Cond};
use super::error::{Checked, FilterError, Span};
use super::request::FilterRequest;
use super::tree::{Expr, Primitive};
use super::value::{Id, Size, Value, Values};
use super::words::Protocol;
use crate::capture::Direction;

/// Builds the condition, and for live packets one more for those whose tag the kernel took out.
pub(super) fn whole(expr: &Expr, request: &FilterRequest<'_>) -> Checked<Built> {
    /// Whether there is one (linux/filter.h `SKF_AD_VLAN_TAG_PRESENT`).
    const TAG_PRESENT: u32 = 0xffff_f030;
    let mut builder = Builder::new(request, Values::default(), Tag::Inside);
    let inside = builder.expr(expr)?;
    if !builder.tag_asked || !request.live {
        let loops = builder.loops;
        return Ok(Built { cond: inside, values: builder.values, loops });
    }
    let mut builder = Builder::new(request, builder.values, Tag::Beside);
    let beside = builder.expr(expr)?;
    let present = builder.equal(Place::at(0), TAG_PRESENT, Size::Word, 0).not();
    let cond = Cond::If(Box::new([present, beside, inside]));
    Ok(Built { cond, values: builder.values, loops: builder.loops })
}

/// A condition on packets.
pub(super) struct Built {
    pub cond: Cond,
    pub values: Values,
    /// It follows headers in a loop.
    pub loops: bool,
}

/// Where the outer VLAN tag of a live packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    /// Among the bytes.
    Inside,
    /// Beside the packet: the kernel took it out (linux/filter.h `SKF_AD_VLAN_TAG`).
    Beside,
}

struct Builder<'a> {
    request: &'a FilterRequest<'a>,
    values: Values,
    layer: Layer,
    /// What is being built, for errors.
    span: Span,
    slots: u8,
    /// How many MPLS labels have been passed.
    labels: u32,
    tag: Tag,
    tag_asked: bool,
    loops: bool,
}

/// How often scratch memory can be written to (linux/filter.h `BPF_MEMWORDS`), less what
/// arithmetic wants.
const SLOTS: u8 = 12;

impl<'a> Builder<'a> {
    fn new(request: &'a FilterRequest<'a>, values: Values, tag: Tag) -> Self {
        let mut builder = Self {
            request,
            values,
            layer: Layer::of(request.link_type),
            span: Span::default(),
            slots: 0,
            labels: 0,
            tag,
            tag_asked: false,
            loops: false,
        };
        builder.find_header();
        builder
    }

    fn fail<T>(&self, why: impl Into<String>) -> Checked<T> {
        Err(FilterError::new(self.span, why))
    }

    fn expr(&mut self, expr: &Expr) -> Checked<Cond> {
        match expr {
            Expr::Chain(first, more) => {
                let first = self.expr(first)?;
                let mut rest = Vec::with_capacity(more.len());
                for (join, next) in more {
                    rest.push((*join, self.expr(next)?));
                }
                Ok(Cond::Chain(Box::new(first), rest))
            }
            Expr::Not(inner) => Ok(self.expr(inner)?.not()),
            Expr::Test(primitive, span) => {
                self.span = *span;
                self.primitive(primitive)
            }
        }
    }

    fn primitive(&mut self, primitive: &Primitive) -> Checked<Cond> {
        match primitive {
            Primitive::Id(qualifiers, id) => self.id(*qualifiers, id),
            Primitive::Protocol(protocol) => self.protocol(*protocol),
            Primitive::Relation(relation, a, b) => self.relation(*relation, a, b),
            Primitive::Broadcast(protocol) => self.broadcast(*protocol),
            Primitive::Multicast(protocol) => self.multicast(*protocol),
            Primitive::Less(most) => Ok(self.length(Compare::Greater, *most).not()),
            Primitive::Greater(least) => Ok(self.length(Compare::AtLeast, *least)),
            Primitive::Byte(at, sign, value) => self.byte(*at, sign, *value),
            Primitive::Inbound => self.bound(Direction::In),
            Primitive::Outbound => self.bound(Direction::Out),
            Primitive::Ifindex(index) => self.ifindex(*index),
            Primitive::Vlan(id) => self.vlan(*id),
            Primitive::Mpls(label) => self.mpls(*label),
            Primitive::Pppoed => self.link_type(0x8863),
            Primitive::Pppoes(session) => self.pppoes(*session),
            Primitive::Geneve(network) => self.geneve(*network),
            Primitive::Vxlan(network) => self.vxlan(*network),
            Primitive::Llc(kind) => self.llc(kind.as_deref()),
            Primitive::Control { at, value, mask } => self.frame_control(*at, *value, *mask),
            Primitive::Routing(field, values) => self.routing(field, values),
            Primitive::Foreign(word, only) => self.signal_unit(word, only),
        }
    }

    fn load(&mut self, place: Place, offset: u32, size: Size) -> Id {
        self.values.load(size, place.constant.wrapping_add(offset), place.behind)
    }

    fn compare(&mut self, compare: Compare, a: Id, k: u32) -> Cond {
        let k = self.values.constant(k);
        self.values.test(compare, a, k)
    }

    /// Compares what a place holds.
    fn equal(&mut self, place: Place, offset: u32, size: Size, k: u32) -> Cond {
        let value = self.load(place, offset, size);
        self.compare(Compare::Equal, value, k)
    }

    /// Compares some bits of what a place holds.
    fn masked(&mut self, place: Place, offset: u32, size: Size, k: u32, mask: u32) -> Cond {
        if mask == 0 {
            return Cond::Always(true);
        }
        let value = self.load(place, offset, size);
        let mask = self.values.constant(mask);
        let value = self.values.of(super::value::Op::And, value, mask);
        self.compare(Compare::Equal, value, k)
    }

    fn bytes(&mut self, place: Place, offset: u32, bytes: [u8; 6]) -> Cond {
        let [a, b, c, d, e, f] = bytes;
        let last = self.equal(place, offset + 2, Size::Word, u32::from_be_bytes([c, d, e, f]));
        let first = self.equal(place, offset, Size::Half, u32::from(u16::from_be_bytes([a, b])));
        last.and(first)
    }

    /// The network layer's header.
    fn network(&self) -> Place {
        self.layer.payload.plus(self.layer.network)
    }

    fn length(&mut self, compare: Compare, k: u32) -> Cond {
        let length = self.values.add(Value::Length);
        self.compare(compare, length, k)
    }

    fn byte(&mut self, at: u32, sign: &str, value: u32) -> Checked<Cond> {
        if value > 255 {
            return self.fail(format!("a byte is at most 255, not {value}"));
        }
        let byte = self.load(self.layer.header, at, Size::Byte);
        Ok(match sign {
            "<" => self.compare(Compare::AtLeast, byte, value).not(),
            ">" => self.compare(Compare::Greater, byte, value),
            "&" => self.compare(Compare::Bits, byte, value),
            "|" => {
                let value = self.values.constant(value);
                let either = self.values.of(super::value::Op::Or, byte, value);
                self.compare(Compare::Equal, either, 0).not()
            }
            _ => self.compare(Compare::Equal, byte, value),
        })
    }

    /// A new word of scratch memory.
    fn slot(&mut self) -> Checked<u8> {
        if self.slots == SLOTS {
            return self.fail("too many tunnels and protocol chains for one filter");
        }
        self.slots += 1;
        Ok(self.slots - 1)
    }

    fn unfit<T>(&self, protocol: Option<Protocol>, what: &str) -> Checked<T> {
        match protocol {
            Some(it) => self.fail(format!("`{}` cannot stand before {what}", it.text())),
            None => self.fail(format!("{what} makes no sense alone")),
        }
    }
}
