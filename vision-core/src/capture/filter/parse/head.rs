use super::Parser;
use crate::capture::filter::error::{Checked, FilterError, Span};
use crate::capture::filter::token::Token;
use crate::capture::filter::tree::{Expr, Id, Primitive, Qualifiers, Sort, Way};
use crate::capture::filter::words::{Protocol, Word};

impl Parser {
    /// A condition that begins with a word.
    pub(super) fn term(&mut self) -> Checked<(Expr, Option<Qualifiers>)> {
        let start = self.span();
        let protocol = match self.peek() {
            Token::Word(Word::Protocol(it)) => Some(*it),
            _ => None,
        };
        self.next += usize::from(protocol.is_some());
        let word = match self.peek() {
            Token::Word(word) => Some(*word),
            _ => None,
        };
        if let Some(qualifiers) = self.head(protocol, start, word)? {
            return self.id(qualifiers).map(|expr| (expr, Some(qualifiers)));
        }
        let primitive = match word {
            Some(Word::Broadcast) => self.taken(Primitive::Broadcast(protocol)),
            Some(Word::Multicast) => self.taken(Primitive::Multicast(protocol)),
            Some(Word::Foreign(word @ ("type" | "subtype" | "dir" | "direction"), only)) => {
                self.next += 1;
                self.foreign(word, only)?
            }
            _ => match protocol {
                Some(protocol) => Primitive::Protocol(protocol),
                None => self.other()?,
            },
        };
        Ok((Expr::Test(primitive, start.to(self.before())), None))
    }

    fn taken(&mut self, primitive: Primitive) -> Primitive {
        self.next += 1;
        primitive
    }

    /// Qualifiers behind a protocol or without one.
    fn head(
        &mut self,
        protocol: Option<Protocol>,
        start: Span,
        word: Option<Word>,
    ) -> Checked<Option<Qualifiers>> {
        let sort = |word: Option<&Token>| match word {
            Some(Token::Word(Word::Host)) => Some(Sort::Host),
            Some(Token::Word(Word::Net)) => Some(Sort::Net),
            Some(Token::Word(Word::Port)) => Some(Sort::Port),
            Some(Token::Word(Word::Portrange)) => Some(Sort::Portrange),
            _ => None,
        };
        let (direction, kind) = match word {
            Some(Word::Src | Word::Dst | Word::Wireless(_)) => {
                let direction = self.direction()?;
                let kind = sort(Some(self.peek()));
                self.next += usize::from(kind.is_some());
                (Some(direction), kind)
            }
            Some(word) => {
                let kind = match word {
                    Word::Proto => Some(Sort::Proto),
                    Word::Protochain => Some(Sort::Protochain),
                    Word::Gateway => Some(Sort::Gateway),
                    _ => sort(Some(self.peek())),
                };
                if kind.is_none() {
                    return Ok(None);
                }
                self.next += 1;
                (None, kind)
            }
            None => return Ok(None),
        };
        let span = start.to(self.before());
        Ok(Some(Qualifiers { span, protocol, direction, kind }))
    }

    fn direction(&mut self) -> Checked<Way> {
        let first = self.take();
        let (one, other, word) = match first {
            Token::Word(Word::Wireless(name)) => return Ok(Way::Wireless(name)),
            Token::Word(Word::Src) => (Way::Src, Word::Dst, "`dst`"),
            _ => (Way::Dst, Word::Src, "`src`"),
        };
        let both = match self.peek() {
            Token::Word(Word::And) | Token::Sign("&&") => Way::Both,
            Token::Word(Word::Or) | Token::Sign("||") => Way::Either,
            _ => return Ok(one),
        };
        self.next += 1;
        match self.word(other) {
            true => Ok(both),
            false => Err(self.expected(word)),
        }
    }

    /// A name, an address or a number, or several in parentheses, with the qualifiers before it.
    pub(super) fn id(&mut self, qualifiers: Qualifiers) -> Checked<Expr> {
        let span = self.span();
        let id = match self.take() {
            Token::Word(Word::Not) | Token::Sign("!") => {
                self.deeper()?;
                let expr = self.id(qualifiers)?;
                self.depth -= 1;
                return Ok(Expr::Not(Box::new(expr)));
            }
            Token::Sign("(") => {
                self.deeper()?;
                let first = self.id(qualifiers)?;
                let expr = self.ids(first, qualifiers)?;
                self.depth -= 1;
                return match self.sign(")") {
                    true => Ok(expr),
                    false => Err(self.expected("`)`")),
                };
            }
            Token::Name(name) => Id::Name(name),
            Token::Number(value) => Id::Number(value),
            Token::Dotted(text) => self.dotted(text)?,
            Token::Ip6(address) => match self.sign("/") {
                true => Id::Prefix6(address, self.number("a prefix length")?),
                false => Id::Ip6(address),
            },
            Token::Mac(address) => Id::Mac(address),
            Token::Arcnet(address) => Id::Arcnet(address),
            other => {
                self.next = self.next.saturating_sub(usize::from(other != Token::End));
                return Err(self.expected_id(qualifiers, &other, span));
            }
        };
        let span = span.to(self.before());
        Ok(Expr::Test(Primitive::Id(qualifiers, id), span))
    }

    fn dotted(&mut self, text: String) -> Checked<Id> {
        if self.sign("/") {
            return Ok(Id::Prefix(text, self.number("a prefix length")?));
        }
        if self.word(Word::Mask) {
            return match self.take() {
                Token::Dotted(mask) => Ok(Id::Masked(text, mask)),
                _ => {
                    self.next = self.next.saturating_sub(1);
                    Err(self.expected("a mask such as 255.255.0.0"))
                }
            };
        }
        Ok(Id::Dotted(text))
    }

    fn expected_id(&self, qualifiers: Qualifiers, found: &Token, span: Span) -> FilterError {
        let what = match qualifiers.kind {
            Some(Sort::Port) => "a port's number or name",
            Some(Sort::Portrange) => "a range of ports such as 8000-8100",
            Some(Sort::Net) => "a network such as 10.0.0.0/8",
            Some(Sort::Proto | Sort::Protochain) => "a protocol's number or name",
            _ => "an address",
        };
        match (found, qualifiers.kind) {
            (Token::Word(Word::Protocol(it)), Some(Sort::Proto | Sort::Protochain)) => {
                let name = it.text();
                let why = format!("`{name}` is a word of the language: write \\{name} here");
                FilterError::new(span, why)
            }
            _ => self.expected(what),
        }
    }

    /// Conditions without qualifiers.
    fn other(&mut self) -> Checked<Primitive> {
        let word = match self.take() {
            Token::Word(word) => word,
            _ => return Err(self.expected("a condition")),
        };
        Ok(match word {
            Word::Less => Primitive::Less(self.number("a length in bytes")?),
            Word::Greater => Primitive::Greater(self.number("a length in bytes")?),
            Word::Byte => {
                let at = self.number("which byte")?;
                let sign = match self.take() {
                    Token::Sign(sign @ ("=" | "==" | "<" | ">" | "&" | "|")) => sign,
                    _ => {
                        self.next = self.next.saturating_sub(1);
                        return Err(self.expected("`=`, `<`, `>`, `&` or `|`"));
                    }
                };
                Primitive::Byte(at, sign, self.number("a value of a byte")?)
            }
            Word::Inbound => Primitive::Inbound,
            Word::Outbound => Primitive::Outbound,
            Word::Ifindex => Primitive::Ifindex(self.number("an interface's number")?),
            Word::Vlan => Primitive::Vlan(self.maybe_number()?),
            Word::Mpls => Primitive::Mpls(self.maybe_number()?),
            Word::Pppoed => Primitive::Pppoed,
            Word::Pppoes => Primitive::Pppoes(self.maybe_number()?),
            Word::Geneve => Primitive::Geneve(self.maybe_number()?),
            Word::Vxlan => Primitive::Vxlan(self.maybe_number()?),
            Word::Llc => Primitive::Llc(self.llc()),
            Word::Foreign(word, only) => self.foreign(word, only)?,
            _ => {
                self.next = self.next.saturating_sub(1);
                return Err(self.expected("a condition such as `tcp port 80`"));
            }
        })
    }

    /// The kind of LLC frame, where one is named.
    fn llc(&mut self) -> Option<String> {
        let name = match self.peek() {
            Token::Name(name) => name.clone(),
            Token::Word(Word::Foreign("rnr", _)) => "rnr".to_owned(),
            _ => return None,
        };
        self.next += 1;
        Some(name)
    }
}
