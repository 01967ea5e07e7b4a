//! Blanks out what is no code, so that braces and keywords can be counted.

/// The source with comments and the insides of literals as spaces. Line breaks and offsets stay.
pub(super) fn mask(source: &str) -> Vec<u8> {
    let mut masker =
        Masker { bytes: source.as_bytes(), at: 0, out: Vec::with_capacity(source.len()) };
    while masker.at < masker.bytes.len() {
        masker.step();
    }
    masker.out
}

struct Masker<'a> {
    bytes: &'a [u8],
    at: usize,
    out: Vec<u8>,
}

impl Masker<'_> {
    fn step(&mut self) {
        let rest = &self.bytes[self.at..];
        let hashes = raw_string(rest);
        let in_word = self.out.last().is_some_and(|&b| b.is_ascii_alphanumeric() || b == b'_');
        match rest {
            [b'/', b'/', ..] => {
                self.blank(rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len()))
            }
            [b'/', b'*', ..] => self.blank(block_comment(rest)),
            [b'"', ..] => self.blank(string(rest)),
            [b'\'', ..] => match char_literal(rest) {
                Some(length) => self.blank(length),
                None => self.keep(),
            },
            _ => match hashes {
                Some(length) if !in_word => self.blank(length),
                _ => self.keep(),
            },
        }
    }

    fn keep(&mut self) {
        self.out.push(self.bytes[self.at]);
        self.at += 1;
    }

    fn blank(&mut self, length: usize) {
        let end = (self.at + length.max(1)).min(self.bytes.len());
        let blanks = self.bytes[self.at..end].iter().map(|&b| if b == b'\n' { b } else { b' ' });
        self.out.extend(blanks);
        self.at = end;
    }
}

/// Length of a comment that starts here; they nest.
fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        match rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// Length of a string literal that starts with the quote here.
fn string(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != b'"' {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

/// Length of a raw string that starts here (`r"`, `r#"`, `br#"`, `cr#"`), if one does.
fn raw_string(rest: &[u8]) -> Option<usize> {
    let prefix = rest.iter().take_while(|b| b"bc".contains(b)).count();
    if prefix > 1 || rest.get(prefix) != Some(&b'r') {
        return None;
    }
    let hashes = rest[prefix + 1..].iter().take_while(|&&b| b == b'#').count();
    let open = prefix + 1 + hashes;
    if rest.get(open) != Some(&b'"') {
        return None;
    }
    let mut end = vec![b'"'];
    end.resize(hashes + 1, b'#');
    let body = &rest[open + 1..];
    let close = body.windows(end.len()).position(|window| window == end);
    Some(close.map_or(rest.len(), |close| open + 1 + close + end.len()))
}

/// Length of a character literal that starts with the quote here; a lifetime is none.
fn char_literal(rest: &[u8]) -> Option<usize> {
    if rest.get(1) == Some(&b'\\') {
        // The escaped character itself may be a quote.
        let close = rest.iter().skip(3).position(|&b| b == b'\'')?;
        return Some(close + 4);
    }
    let length = match rest.get(1)? {
        0..0x80 => 1,
        0x80..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0.. => 4,
    };
    (rest.get(1 + length) == Some(&b'\'')).then_some(length + 2)
}
