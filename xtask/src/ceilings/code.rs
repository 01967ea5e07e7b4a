//! Finds functions and test code in a masked source.

use std::ops::Range;

use super::mask::mask;

/// A Rust file without what is no code.
pub(super) struct Source {
    code: Vec<u8>,
    /// Where test items are.
    tests: Vec<Range<usize>>,
}

/// A function and its length, from `fn` to the closing brace.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) lines: usize,
}

impl Source {
    pub(super) fn new(text: &str) -> Self {
        let code = mask(text);
        let tests = test_items(&code);
        Self { code, tests }
    }

    /// Lines that are not part of a test item.
    pub(super) fn lines(&self) -> usize {
        let in_tests: usize =
            self.tests.iter().map(|range| breaks(&self.code[range.clone()])).sum();
        breaks(&self.code) - in_tests
    }

    /// All functions with a body that are not part of a test item.
    pub(super) fn functions(&self) -> Vec<Function> {
        let starts = (0..self.code.len()).filter(|&at| word_at(&self.code, at, b"fn"));
        let starts = starts.filter(|at| !self.tests.iter().any(|range| range.contains(at)));
        starts.filter_map(|at| self.function(at)).collect()
    }

    fn function(&self, at: usize) -> Option<Function> {
        let after = at + 2 + blanks(&self.code[at + 2..]);
        let name: String = self.code[after..]
            .iter()
            .take_while(|&&b| is_word(b))
            .map(|&b| char::from(b))
            .collect();
        // `fn(u8)` is a type, and a declaration ends at its semicolon.
        let open = (!name.is_empty()).then(|| item_body(&self.code, after))??;
        let end = matching_brace(&self.code, open);
        Some(Function { name, lines: breaks(&self.code[at..end]) + 1 })
    }
}

/// Every item with `#[cfg(test)]` before it, from the attribute to the item's end.
fn test_items(code: &[u8]) -> Vec<Range<usize>> {
    const ATTRIBUTE: &[u8] = b"#[cfg(test)]";
    let mut found: Vec<Range<usize>> = Vec::new();
    for at in 0..code.len() {
        let inside = found.last().is_some_and(|range| at < range.end);
        if inside || !code[at..].starts_with(ATTRIBUTE) {
            continue;
        }
        let after = at + ATTRIBUTE.len();
        let end = match item_body(code, after) {
            Some(open) => matching_brace(code, open),
            None => after + code[after..].iter().take_while(|&&b| b != b';').count(),
        };
        found.push(at..end);
    }
    found
}

/// Where the body of the item that starts here opens; `None` when a semicolon comes first.
fn item_body(code: &[u8], from: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, byte) in code.iter().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(at),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// Just after the brace that closes the one at `open`.
fn matching_brace(code: &[u8], open: usize) -> usize {
    let mut depth = 0_i32;
    for (at, byte) in code.iter().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

fn word_at(code: &[u8], at: usize, word: &[u8]) -> bool {
    let before = at.checked_sub(1).and_then(|at| code.get(at));
    let after = code.get(at + word.len());
    code[at..].starts_with(word)
        && !before.is_some_and(|&b| is_word(b))
        && after.is_some_and(|&b| !is_word(b))
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn blanks(code: &[u8]) -> usize {
    code.iter().take_while(|b| b.is_ascii_whitespace()).count()
}

fn breaks(code: &[u8]) -> usize {
    code.iter().filter(|&&b| b == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r##"
//! fn in_a_comment() {
/* fn nested /* { */ { */
type F = fn(u8) -> [u8; 2];
trait T { fn declared(&self) -> [u8; 4]; }
fn one() -> [u8; 4] { let c = '{'; let q = '\''; let s = "}\"{"; [0; 4] }
fn two<'a>(x: &'a str) -> &'a str {
    let r = r#"fn raw() { "# ;
    // }
    x
}
#[cfg(test)]
#[allow(dead_code)]
mod tests {
    fn three() {
    }
}
fn last() {
}
"##;

    #[test]
    fn functions_are_measured_and_tests_are_not() {
        let source = Source::new(SOURCE);
        let found: Vec<_> = source.functions().into_iter().map(|f| (f.name, f.lines)).collect();
        let expected = [("one", 1), ("two", 5), ("last", 2)];
        assert_eq!(found, expected.map(|(name, lines)| (name.to_owned(), lines)));
        assert_eq!(source.lines(), SOURCE.lines().count() - 5);
    }

    #[test]
    fn masking_keeps_every_offset() {
        for text in [SOURCE, "'ä' b'x' br\"{\" '\\u{7b}' 'static", "\"open", "/* open", "'"] {
            let masked = mask(text);
            assert_eq!(masked.len(), text.len(), "{text}");
            assert!(!masked.contains(&b'"'), "{text}");
        }
        assert_eq!(mask("a'{'b"), b"a   b");
    }
}
