use super::Parser;
use crate::capture::filter::error::Checked;
use crate::capture::filter::token::Token;
use crate::capture::filter::tree::{Arith, Number, Relation};
use crate::capture::filter::words::Word;

/// What binds tighter than all but a sign. `%` and `^` take on their right all that comes.
const TIGHTEST: u8 = 6;

impl Parser {
    pub(super) fn relation(&mut self) -> Option<Relation> {
        let Token::Sign(sign) = self.peek() else { return None };
        let relation = match *sign {
            "=" | "==" => Relation::Equal,
            "!=" => Relation::Differ,
            "<" => Relation::Less,
            "<=" => Relation::LessOrEqual,
            ">" => Relation::Greater,
            ">=" => Relation::GreaterOrEqual,
            _ => return None,
        };
        self.next += 1;
        Some(relation)
    }

    /// A number whose operators bind at least so tight.
    pub(super) fn arith(&mut self, least: u8) -> Checked<Arith> {
        let left = self.primary()?;
        self.climb(left, least)
    }

    /// The operators behind a number.
    pub(super) fn climb(&mut self, mut left: Arith, least: u8) -> Checked<Arith> {
        let depth = self.depth;
        while let Some((sign, level)) = self.operator().filter(|it| it.1 >= least) {
            self.next += 1;
            // Each step makes the tree one deeper.
            self.deeper()?;
            let right = self.arith(if level == TIGHTEST { 1 } else { level + 1 })?;
            let span = left.span.to(right.span);
            left = Arith { span, node: Number::Of(sign, Box::new(left), Box::new(right)) };
        }
        self.depth = depth;
        Ok(left)
    }

    fn operator(&self) -> Option<(char, u8)> {
        let Token::Sign(sign) = self.peek() else { return None };
        Some(match *sign {
            "|" => ('|', 1),
            "&" => ('&', 2),
            "<<" => ('<', 3),
            ">>" => ('>', 3),
            "+" => ('+', 4),
            "-" => ('-', 4),
            "*" => ('*', 5),
            "/" => ('/', 5),
            "%" => ('%', TIGHTEST),
            "^" => ('^', TIGHTEST),
            _ => return None,
        })
    }

    pub(super) fn primary(&mut self) -> Checked<Arith> {
        let span = self.span();
        match self.take() {
            Token::Number(value) => Ok(Arith { span, node: Number::Constant(value) }),
            Token::Word(Word::Len) => Ok(Arith { span, node: Number::Length }),
            Token::Sign("-") => {
                self.deeper()?;
                let of = self.arith(TIGHTEST)?;
                self.depth -= 1;
                Ok(Arith { span: span.to(of.span), node: Number::Negated(Box::new(of)) })
            }
            Token::Sign("(") => {
                self.deeper()?;
                let mut inner = self.arith(1)?;
                self.depth -= 1;
                if !self.sign(")") {
                    return Err(self.expected("`)` or an operator"));
                }
                inner.span = span.to(self.before());
                Ok(inner)
            }
            Token::Word(Word::Protocol(protocol)) if self.sign("[") => {
                self.deeper()?;
                let index = self.arith(1)?;
                self.depth -= 1;
                let size = match self.sign(":") {
                    true => self.number("how many bytes: 1, 2 or 4")?,
                    false => 1,
                };
                if !self.sign("]") {
                    return Err(self.expected("`]`, `:` or an operator"));
                }
                let span = span.to(self.before());
                Ok(Arith { span, node: Number::Load(protocol, Box::new(index), size) })
            }
            _ => {
                self.next = self.next.saturating_sub(1);
                Err(self.expected("a number, `len` or bytes such as `tcp[0:2]`"))
            }
        }
    }
}
