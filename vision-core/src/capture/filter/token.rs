//! Words, numbers, addresses and signs: the longest that fits wins, as in lex.

use super::error::{Checked, FilterError, Span};
use super::words::{self, Word};

/// What the parser sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(Word),
    Sign(&'static str),
    Number(u32),
    /// `10.0.0.1`, `10.1`: two to four parts.
    Dotted(String),
    Ip6(std::net::Ipv6Addr),
    Mac([u8; 6]),
    /// `$2f`
    Arcnet(u8),
    Name(String),
    End,
}

#[derive(Debug, Clone)]
pub(super) struct Lexeme {
    pub token: Token,
    pub span: Span,
}

/// Cuts an expression into tokens; the last is [`Token::End`].
pub(super) fn tokens(text: &str) -> Checked<Vec<Lexeme>> {
    let mut found = Vec::new();
    let mut at = 0;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        at += blank;
        let rest = rest.get(blank..).unwrap_or_default();
        let Some(first) = rest.chars().next() else {
            found.push(Lexeme { token: Token::End, span: Span { at, end: at } });
            return Ok(found);
        };
        let Some((kind, length)) = longest(rest) else {
            let span = Span { at, end: at + first.len_utf8() };
            return Err(FilterError::new(span, format!("`{first}` means nothing here")));
        };
        let span = Span { at, end: at + length };
        let word = rest.get(..length).unwrap_or_default();
        let token = kind.token(word).map_err(|why| FilterError::new(span, why))?;
        found.push(Lexeme { token, span });
        at += length;
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Sign(&'static str),
    Arcnet,
    Mac,
    Number,
    Dotted,
    Ip6,
    WrongMac,
    Name,
    Escaped,
}

impl Kind {
    fn token(self, text: &str) -> Result<Token, String> {
        Ok(match self {
            Self::Sign(sign) => Token::Sign(sign),
            Self::Arcnet => Token::Arcnet(hex(text.get(1..).unwrap_or_default()) as u8),
            Self::Mac => Token::Mac(mac(text)),
            Self::Number => Token::Number(number(text)?),
            Self::Dotted => Token::Dotted(text.to_owned()),
            Self::Ip6 => match text.parse() {
                Ok(address) => Token::Ip6(address),
                Err(_) => return Err(format!("`{text}` is no IPv6 address")),
            },
            Self::WrongMac => return Err(format!("`{text}` is no Ethernet address")),
            Self::Name => match (words::word(text), words::constant(text)) {
                (Some(word), _) => Token::Word(word),
                (None, Some(value)) => Token::Number(value),
                (None, None) => Token::Name(text.to_owned()),
            },
            Self::Escaped => Token::Name(text.get(1..).unwrap_or_default().to_owned()),
        })
    }
}

/// Tries what can begin here; where two are as long, the first of the list is meant.
fn longest(text: &str) -> Option<(Kind, usize)> {
    const SIGNS: [&str; 26] = [
        ">=", "<=", "!=", "==", "<<", ">>", "&&", "||", "+", "-", "*", "/", "%", ":", "[", "]",
        "!", "<", ">", "(", ")", "&", "|", "^", "=", ",",
    ];
    let sign = SIGNS.iter().find(|it| text.starts_with(**it));
    if let Some(sign) = sign.filter(|it| **it != "," && **it != ":") {
        return Some((Kind::Sign(sign), sign.len()));
    }
    if let Some(rest) = text.strip_prefix('\\') {
        let length = rest.find([' ', '!', '(', ')', '\n', '\t']).unwrap_or(rest.len());
        return (length > 0).then_some((Kind::Escaped, length + 1));
    }
    if let Some(rest) = text.strip_prefix('$') {
        let length = run(rest, |c| c.is_ascii_hexdigit()).min(2);
        return (length > 0).then_some((Kind::Arcnet, length + 1));
    }
    let name = name(text);
    let keyword = text.get(..name).and_then(words::word).map_or(0, |_| name);
    let candidates = [
        (Kind::Name, keyword),
        (Kind::Mac, mac_length(text)),
        (Kind::Number, number_length(text)),
        (Kind::Dotted, dotted(text)),
        (Kind::Ip6, ip6(text)),
        (Kind::WrongMac, wrong_mac(text)),
        (Kind::Name, name),
        (Kind::Sign(":"), usize::from(text.starts_with(':'))),
    ];
    // `max_by_key` would return the last of equals.
    let best = candidates.iter().map(|it| it.1).max().filter(|it| *it > 0)?;
    candidates.into_iter().find(|it| it.1 == best)
}

fn run(text: &str, wanted: impl Fn(char) -> bool) -> usize {
    text.find(|c| !wanted(c)).unwrap_or(text.len())
}

/// Letters, digits, `-`, `_` and `.`; the last is no `-` nor `_`.
fn name(text: &str) -> usize {
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return 0;
    }
    let all = run(text, |c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    text.get(..all).unwrap_or_default().trim_end_matches(['-', '_']).len()
}

/// Decimal or octal digits, or `0x` and hexadecimal ones.
fn number_length(text: &str) -> usize {
    let digits = run(text, |c| c.is_ascii_digit());
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let more = hexadecimal.map_or(0, |rest| run(rest, |c| c.is_ascii_hexdigit()));
    if more > 0 { more + 2 } else { digits }
}

fn dotted(text: &str) -> usize {
    let mut length = number_length(text);
    let mut best = 0;
    for _ in 0..3 {
        let rest = text.get(length..).and_then(|rest| rest.strip_prefix('.'));
        let next = rest.map_or(0, number_length);
        if length == 0 || next == 0 {
            break;
        }
        length += 1 + next;
        best = length;
    }
    best
}

fn mac_length(text: &str) -> usize {
    let packed = text.get(..12).filter(|it| it.bytes().all(|b| b.is_ascii_hexdigit()));
    let groups = |count: usize, longest: usize, least: usize, sign: char| {
        let mut length = 0;
        for group in 0..count {
            let mut rest = text.get(length..)?;
            if group > 0 {
                rest = rest.strip_prefix(sign)?;
                length += 1;
            }
            let digits = run(rest, |c| c.is_ascii_hexdigit()).min(longest);
            if digits < least {
                return None;
            }
            length += digits;
        }
        Some(length)
    };
    let forms = [
        groups(6, 2, 1, ':'),
        groups(6, 2, 1, '-'),
        groups(6, 2, 1, '.'),
        groups(3, 4, 4, '.'),
        packed.map(str::len),
    ];
    forms.into_iter().flatten().max().unwrap_or(0)
}

/// Groups of hexadecimal digits that end with a colon: too few or too many for an address.
fn wrong_mac(text: &str) -> usize {
    let (mut length, mut groups) = (0, 0);
    loop {
        let rest = text.get(length..).unwrap_or_default();
        let digits = run(rest, |c| c.is_ascii_hexdigit());
        let colons = run(rest.get(digits..).unwrap_or_default(), |c| c == ':');
        if !(1..=2).contains(&digits) || colons == 0 {
            return if groups > 1 { length } else { 0 };
        }
        length += digits + colons;
        groups += 1;
    }
}

/// The longest beginning that has the form of an IPv6 address.
fn ip6(text: &str) -> usize {
    const LONGEST: usize = 64;
    let all = run(text, |c| c.is_ascii_hexdigit() || matches!(c, ':' | '.')).min(LONGEST);
    (2..=all).rev().find(|it| text.get(..*it).is_some_and(is_ip6)).unwrap_or(0)
}

fn is_ip6(text: &str) -> bool {
    let (head, tail) = match text.split_once("::") {
        Some((head, tail)) => (head, Some(tail)),
        None => (text, None),
    };
    let groups = |part: &str, last: bool| -> Option<usize> {
        if part.is_empty() {
            return Some(0);
        }
        let count = part.split(':').count();
        let each = part.split(':').enumerate().map(|(at, group)| {
            let plain = (1..=4).contains(&group.len()) && !group.contains('.');
            let four = last && at + 1 == count && group.split('.').count() == 4;
            let numbers = four && group.split('.').all(|it| !it.is_empty());
            if plain { Some(1) } else { numbers.then_some(2) }
        });
        each.sum()
    };
    match (groups(head, tail.is_none()), tail.map(|it| groups(it, true))) {
        (Some(8), None) => true,
        (Some(head), Some(Some(tail))) => head + tail <= 7,
        _ => false,
    }
}

fn hex(text: &str) -> u32 {
    u32::from_str_radix(text, 16).unwrap_or(0)
}

fn mac(text: &str) -> [u8; 6] {
    let mut bytes = [0; 6];
    let packed: String = match text.contains([':', '-']) || text.split('.').count() == 6 {
        true => text.split([':', '-', '.']).map(|it| format!("{:02x}", hex(it))).collect(),
        false => text.chars().filter(|c| *c != '.').collect(),
    };
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = hex(packed.get(2 * at..2 * at + 2).unwrap_or_default()) as u8;
    }
    bytes
}

/// As C reads it: `0x` is hexadecimal, a leading zero octal.
pub(super) fn number(text: &str) -> Result<u32, String> {
    let lower = text.to_ascii_lowercase();
    let (digits, radix) = match (lower.strip_prefix("0x"), lower.strip_prefix('0')) {
        (Some(rest), _) => (rest, 16),
        (None, Some(rest)) if !rest.is_empty() => (rest, 8),
        _ => (lower.as_str(), 10),
    };
    if let Some(wrong) = digits.chars().find(|c| !c.is_digit(radix)) {
        return Err(format!("`{text}` is octal because of its leading 0, and has a {wrong}"));
    }
    let over = || format!("`{text}` does not fit in 32 bits");
    u32::from_str_radix(digits, radix).map_err(|_| over())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<Token> {
        let found = tokens(text).expect(text);
        found.into_iter().map(|it| it.token).filter(|it| *it != Token::End).collect()
    }

    #[test]
    fn the_longest_wins() {
        let name = |text: &str| Token::Name(text.to_owned());
        assert_eq!(all("25-53"), [name("25-53")]);
        assert_eq!(all("tcp-syn"), [Token::Number(2)]);
        assert_eq!(all("10.0.0.1"), [Token::Dotted("10.0.0.1".into())]);
        assert_eq!(all("10.0.0.1.example"), [name("10.0.0.1.example")]);
        assert_eq!(all("000000000001"), [Token::Mac([0, 0, 0, 0, 0, 1])]);
        assert_eq!(all("\\tcp"), [name("tcp")]);
        let three = [Token::Number(0), Token::Sign(":"), Token::Number(2)];
        assert_eq!(all("0:2"), three);
        assert_eq!(all("$f"), [Token::Arcnet(15)]);
    }

    #[test]
    fn addresses_have_many_forms() {
        let mac = Token::Mac([0xab, 0xcd, 0xef, 0, 0, 3]);
        for text in ["ab:cd:ef:0:0:3", "ab-cd-ef-00-00-03", "abcd.ef00.0003", "abcdef000003"] {
            assert_eq!(all(text), std::slice::from_ref(&mac), "{text}");
        }
        for text in ["::", "fe80::1", "1:2:3:4:5:6:7:8", "::ffff:10.0.0.1", "1::", "::1:2"] {
            let address = text.parse().expect(text);
            assert_eq!(all(text), [Token::Ip6(address)], "{text}");
        }
        assert!(tokens("1:2:3:4:5:").is_err());
        assert!(tokens("fe80::10.256.30.40").is_err());
    }

    #[test]
    fn numbers_are_read_as_in_c() {
        assert_eq!(all("0x10 010 10"), [16, 8, 10].map(Token::Number));
        for bad in ["08", "4294967296", "0x100000000", "003777777777778"] {
            assert!(tokens(bad).is_err(), "{bad}");
        }
    }
}
