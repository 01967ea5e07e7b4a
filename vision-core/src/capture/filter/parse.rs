//! From tokens to a tree, as libpcap's grammar has it.

mod arith;
mod foreign;
mod head;

use super::error::{Checked, FilterError, Span};
use super::token::{Lexeme, Token, tokens};
use super::tree::{Arith, Expr, Id, Join, Number, Primitive, Qualifiers};
use super::words::Word;

/// Parses an expression; `None` when there is nothing in it, which takes every packet.
pub(super) fn parse(text: &str) -> Checked<Option<Expr>> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0 };
    if *parser.peek() == Token::End {
        return Ok(None);
    }
    let first = parser.operand(None)?;
    let (expr, _) = parser.chain(first, None)?;
    match parser.peek() {
        Token::End => Ok(Some(expr)),
        _ => Err(parser.expected("`and`, `or` or the end")),
    }
}

struct Parser {
    tokens: Vec<Lexeme>,
    next: usize,
    depth: u32,
}

/// What an operand of `and` and `or` turned out to be.
enum Item {
    /// A condition, and what stays for the names that follow.
    Cond(Expr, Option<Qualifiers>),
    /// Names or numbers that took the qualifiers before them.
    Ids(Expr, Qualifiers),
    /// A number, of which nothing is said yet.
    Number(Arith),
}

/// Deeper than this nobody writes, and the stack is finite.
const DEEPEST: u32 = 128;

impl Parser {
    fn peek(&self) -> &Token {
        self.ahead(0)
    }

    fn ahead(&self, count: usize) -> &Token {
        self.tokens.get(self.next + count).map_or(&Token::End, |it| &it.token)
    }

    fn span(&self) -> Span {
        let last = self.tokens.last().map(|it| it.span);
        self.tokens.get(self.next).map(|it| it.span).or(last).unwrap_or_default()
    }

    /// The token just taken.
    fn before(&self) -> Span {
        let taken = self.next.checked_sub(1).and_then(|it| self.tokens.get(it));
        taken.map(|it| it.span).unwrap_or_default()
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next = (self.next + 1).min(self.tokens.len());
        token
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Token::Sign(it) if *it == sign);
        self.next += usize::from(found);
        found
    }

    fn word(&mut self, word: Word) -> bool {
        let found = *self.peek() == Token::Word(word);
        self.next += usize::from(found);
        found
    }

    fn expected(&self, what: &str) -> FilterError {
        let there = match self.peek() {
            Token::End => "the expression ends".to_owned(),
            Token::Word(Word::Protocol(it)) => format!("`{}` stands", it.text()),
            Token::Sign(sign) => format!("`{sign}` stands"),
            Token::Number(_) => "a number stands".to_owned(),
            Token::Word(_) => "a word of the language stands".to_owned(),
            Token::Name(name) => format!("`{name}` stands"),
            _ => "an address stands".to_owned(),
        };
        FilterError::new(self.span(), format!("expected {what} where {there}"))
    }

    fn number(&mut self, what: &str) -> Checked<u32> {
        match self.peek() {
            Token::Number(value) => {
                let value = *value;
                self.next += 1;
                Ok(value)
            }
            _ => Err(self.expected(what)),
        }
    }

    /// A number, perhaps in parentheses.
    fn maybe_number(&mut self) -> Checked<Option<u32>> {
        let mut open = 0;
        while matches!(self.ahead(open), Token::Sign("(")) {
            open += 1;
        }
        let Token::Number(value) = *self.ahead(open) else { return Ok(None) };
        self.next += open + 1;
        for _ in 0..open {
            if !self.sign(")") {
                return Err(self.expected("`)`"));
            }
        }
        Ok(Some(value))
    }

    fn deeper(&mut self) -> Checked<()> {
        self.depth += 1;
        match self.depth > DEEPEST {
            true => Err(FilterError::new(self.span(), "nested too deep")),
            false => Ok(()),
        }
    }

    fn join(&mut self) -> Option<Join> {
        let join = match self.peek() {
            Token::Word(Word::And) | Token::Sign("&&") => Join::And,
            Token::Word(Word::Or) | Token::Sign("||") => Join::Or,
            _ => return None,
        };
        self.next += 1;
        Some(join)
    }

    /// What follows the first operand.
    fn chain(
        &mut self,
        first: Item,
        outer: Option<Qualifiers>,
    ) -> Checked<(Expr, Option<Qualifiers>)> {
        let (first, mut qualifiers) = self.settle(first, outer)?;
        let mut more = Vec::new();
        while let Some(join) = self.join() {
            let next = self.operand(qualifiers)?;
            let (next, now) = self.settle(next, qualifiers)?;
            qualifiers = now;
            more.push((join, next));
        }
        let expr = if more.is_empty() { first } else { Expr::Chain(Box::new(first), more) };
        Ok((expr, qualifiers))
    }

    fn settle(&self, item: Item, outer: Option<Qualifiers>) -> Checked<(Expr, Option<Qualifiers>)> {
        match item {
            Item::Cond(expr, qualifiers) => Ok((expr, qualifiers)),
            Item::Ids(expr, qualifiers) => Ok((expr, Some(qualifiers))),
            Item::Number(arith) => self.number_as_id(&arith, outer).map(|(e, q)| (e, Some(q))),
        }
    }

    /// A number without comparison is what the qualifiers before ask for.
    fn number_as_id(
        &self,
        arith: &Arith,
        outer: Option<Qualifiers>,
    ) -> Checked<(Expr, Qualifiers)> {
        match (&arith.node, outer) {
            (Number::Constant(value), Some(outer)) => {
                let id = Primitive::Id(outer, Id::Number(*value));
                Ok((Expr::Test(id, arith.span), outer))
            }
            (Number::Constant(_), None) => {
                let what = "a number alone says nothing: expected a comparison behind it, or \
                            host, net, port or proto before it";
                Err(FilterError::new(arith.span, what))
            }
            _ => Err(self.expected("a comparison such as `!= 0`")),
        }
    }

    /// One operand of `and` and `or`; a comparison is taken whole.
    fn operand(&mut self, outer: Option<Qualifiers>) -> Checked<Item> {
        let item = self.side(outer)?;
        let Item::Number(arith) = item else { return Ok(item) };
        let left = self.climb(arith, 1)?;
        let Some(relation) = self.relation() else { return Ok(Item::Number(left)) };
        let right = self.arith(1)?;
        let span = left.span.to(right.span);
        let test = Primitive::Relation(relation, left, right);
        Ok(Item::Cond(Expr::Test(test, span), None))
    }

    fn side(&mut self, outer: Option<Qualifiers>) -> Checked<Item> {
        match self.peek() {
            Token::Word(Word::Not) | Token::Sign("!") => {
                self.next += 1;
                self.deeper()?;
                let item = self.operand(outer)?;
                self.depth -= 1;
                Ok(match item {
                    Item::Cond(expr, q) => Item::Cond(Expr::Not(Box::new(expr)), q),
                    Item::Ids(expr, q) => Item::Ids(Expr::Not(Box::new(expr)), q),
                    Item::Number(arith) => {
                        let (expr, q) = self.number_as_id(&arith, outer)?;
                        Item::Ids(Expr::Not(Box::new(expr)), q)
                    }
                })
            }
            Token::Sign("(") => self.group(outer),
            Token::Number(_) | Token::Sign("-") | Token::Word(Word::Len) => {
                self.primary().map(Item::Number)
            }
            Token::Word(Word::Protocol(_)) if *self.ahead(1) == Token::Sign("[") => {
                self.primary().map(Item::Number)
            }
            Token::Word(_) => {
                let (expr, qualifiers) = self.term()?;
                Ok(Item::Cond(expr, qualifiers))
            }
            Token::Sign(_) | Token::End => {
                Err(self.expected("a condition such as `tcp port 80` or `host 10.0.0.2`"))
            }
            _ => match outer {
                Some(outer) => self.id(outer).map(|expr| Item::Ids(expr, outer)),
                None => Err(self.expected("host, net, port or another word that says what it is")),
            },
        }
    }

    fn group(&mut self, outer: Option<Qualifiers>) -> Checked<Item> {
        let open = self.span();
        self.next += 1;
        self.deeper()?;
        let first = self.operand(outer)?;
        let item = match first {
            Item::Number(mut arith) if matches!(self.peek(), Token::Sign(")")) => {
                arith.span = open.to(self.span());
                Item::Number(arith)
            }
            Item::Cond(..) => {
                let (expr, _) = self.chain(first, outer)?;
                Item::Cond(expr, outer)
            }
            first => {
                let (first, outer) = match first {
                    Item::Ids(expr, outer) => (expr, outer),
                    Item::Number(arith) => self.number_as_id(&arith, outer)?,
                    Item::Cond(..) => return Err(self.expected("a name or number")),
                };
                Item::Ids(self.ids(first, outer)?, outer)
            }
        };
        if !self.sign(")") {
            return Err(self.expected("`)`"));
        }
        self.depth -= 1;
        Ok(item)
    }

    /// Names and numbers joined inside of parentheses, all with the same qualifiers.
    fn ids(&mut self, first: Expr, outer: Qualifiers) -> Checked<Expr> {
        let mut more = Vec::new();
        while let Some(join) = self.join() {
            more.push((join, self.id(outer)?));
        }
        Ok(if more.is_empty() { first } else { Expr::Chain(Box::new(first), more) })
    }
}

#[cfg(test)]
mod tests;
