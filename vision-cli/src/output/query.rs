//! A filter in the language of jq between the documents and standard output.

use std::fmt;
use std::io::{self, Write};

use jaq_core::data::JustLut;
use jaq_core::load::{Arena, Error as LoadError, File, Loader, span};
use jaq_core::{Compiler, Ctx, Exn, Filter, Vars};
use jaq_json::write::Pp;
use jaq_json::{Val, read};
use vision_core::Error;

use super::json::is_deceptive;

/// A filter that was compiled.
pub struct Query(Filter<JustLut<Val>>);

/// Why a text is no filter, and where in it: offset and length in bytes.
#[derive(Debug)]
pub struct Wrong {
    at: usize,
    length: usize,
    message: String,
}

impl Wrong {
    fn part(whole: &str, part: &str, message: String) -> Self {
        let range = span(whole, part);
        Self { at: range.start, length: range.len(), message }
    }

    /// Returns the line with the fault and, below, one that points at it.
    pub fn pointed(&self, text: &str) -> String {
        let before = text.get(..self.at).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |it| it + 1);
        let line = text.get(start..).unwrap_or_default().lines().next().unwrap_or_default();
        let blank = before.get(start..).unwrap_or_default().chars().count();
        let fault = line.get(self.at - start..).unwrap_or_default();
        let fault = fault.char_indices().take_while(|(at, _)| *at < self.length).count();
        format!("{line}\n{}^{}", " ".repeat(blank), "~".repeat(fault.saturating_sub(1)))
    }
}

impl From<Wrong> for Error {
    fn from(wrong: Wrong) -> Self {
        let why = format!("{} (at byte {})", wrong.message, wrong.at);
        Self::Invalid { what: "query", why }
    }
}

impl Query {
    /// Compiles a filter.
    ///
    /// # Errors
    /// Where it makes no sense.
    pub fn compile(text: &str) -> Result<Self, Wrong> {
        let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
        let funs = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
        let arena = Arena::default();
        let modules = Loader::new(defs)
            .load(&arena, File { code: text, path: () })
            .map_err(|errors| unread(text, &errors))?;
        let compiled = Compiler::default().with_funs(funs).compile(modules);
        let filter = compiled.map_err(|errors| {
            let first = errors.iter().flat_map(|(_, found)| found).next();
            let whole = || Wrong { at: 0, length: text.len(), message: "no filter".to_owned() };
            first.map_or_else(whole, |(name, kind)| {
                Wrong::part(text, name, format!("there is no {} `{name}`", kind.as_str()))
            })
        })?;
        Ok(Self(filter))
    }

    /// Writes what the filter makes of one document: strings bare, all else as jq does.
    fn run(&self, document: &[u8], out: &mut Vec<u8>) -> Result<(), Unfiltered> {
        let input = read::parse_single(document)
            .map_err(|e| Unfiltered(format!("what was to be filtered is no JSON: {e}")))?;
        let context = Ctx::<JustLut<Val>>::new(&self.0.lut, Vars::new([]));
        let style = Pp { indent: Some("  ".to_owned()), sep_space: true, ..Pp::default() };
        for value in self.0.id.run((context, input)) {
            match value.map_err(Exn::get_err) {
                Ok(Val::TStr(text) | Val::BStr(text)) => out.extend_from_slice(&text),
                Ok(value) => {
                    // A vector takes all.
                    let _ = jaq_json::write::write(out, &style, 0, &value);
                }
                Err(Ok(error)) => return Err(Unfiltered(format!("the query failed: {error}"))),
                // It said `halt`.
                Err(Err(_)) => break,
            }
            out.push(b'\n');
        }
        Ok(())
    }
}

/// Says what could not be read of a filter.
fn unread(text: &str, errors: &[(File<&str, ()>, LoadError<&str>)]) -> Wrong {
    let found = errors.iter().find_map(|(_, error)| match error {
        LoadError::Lex(all) => all.first().map(|(expected, at)| (expected.as_str(), *at)),
        LoadError::Parse(all) => all.first().map(|(expected, at)| (expected.as_str(), *at)),
        LoadError::Io(_) => None,
    });
    match found {
        Some((expected, at)) => {
            let mut wrong = Wrong::part(text, at, format!("expected {expected}"));
            // What is left of the text is not all at fault.
            wrong.length = wrong.length.min(at.split_whitespace().next().map_or(0, str::len));
            wrong
        }
        None => {
            let message = "modules cannot be loaded here".to_owned();
            Wrong { at: 0, length: text.len(), message }
        }
    }
}

/// Why a filter has no result for a document.
#[derive(Debug)]
pub struct Unfiltered(String);

impl fmt::Display for Unfiltered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unfiltered {}

/// Tells whether a failed write was a filter's.
pub fn is_unfiltered(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Unfiltered>())
}

/// Takes documents, one a line, and lets a filter's results through.
pub struct Filtered {
    query: Query,
    held: Vec<u8>,
    out: Box<dyn Write>,
    /// What is printed is looked at by a person.
    shown: bool,
    failed: bool,
}

impl Filtered {
    /// Begins.
    pub fn new(query: Query, out: Box<dyn Write>, shown: bool) -> Self {
        Self { query, held: Vec::new(), out, shown, failed: false }
    }

    fn put(&mut self, text: &[u8]) -> io::Result<()> {
        if !self.shown {
            return self.out.write_all(text);
        }
        self.out.write_all(safe(&String::from_utf8_lossy(text)).as_bytes())
    }

    fn document(&mut self, document: &[u8]) -> io::Result<()> {
        let mut text = Vec::new();
        let ran = self.query.run(document, &mut text);
        self.put(&text)?;
        ran.map_err(io::Error::other)
    }
}

impl Write for Filtered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // After a failure the buffer in front tries once more.
        if self.failed {
            return Ok(bytes.len());
        }
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (head, tail) = rest.split_at(end);
            self.held.extend_from_slice(head);
            rest = tail.get(1..).unwrap_or_default();
            let document = std::mem::take(&mut self.held);
            if let Err(error) = self.document(&document) {
                self.failed = true;
                return Err(error);
            }
        }
        self.held.extend_from_slice(rest);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Spells out what a terminal would act on or not show; the rest, backslashes too, stays.
fn safe(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => shown.push(c),
            _ if c.is_control() || is_deceptive(c) => {
                shown.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            _ => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(filter: &str, document: &str) -> Result<String, String> {
        let query = Query::compile(filter).map_err(|e| e.pointed(filter))?;
        let mut out = Vec::new();
        let ran = query.run(document.as_bytes(), &mut out);
        ran.map_err(|e| e.to_string())?;
        String::from_utf8(out).map_err(|e| e.to_string())
    }

    #[test]
    fn strings_are_bare_and_the_rest_is_as_jq_prints_it() {
        let rows = r#"{"items":[{"n":"a\nb","big":18446744073709551615},{"n":"c","x":[]}]}"#;
        assert_eq!(results(".items[].n", rows).as_deref(), Ok("a\nb\nc\n"));
        assert_eq!(results(".items[0].big", rows).as_deref(), Ok("18446744073709551615\n"));
        let last = "{\n  \"n\": \"c\",\n  \"x\": []\n}\n";
        assert_eq!(results(".items | last", rows).as_deref(), Ok(last));
        let chosen = r#".items | map(select(.n | test("^C"; "i"))) | length"#;
        assert_eq!(results(chosen, rows).as_deref(), Ok("1\n"));
        assert_eq!(results("empty", rows).as_deref(), Ok(""));
    }

    #[test]
    fn a_fault_is_pointed_at() {
        let at = |filter: &str| results(filter, "{}").expect_err(filter);
        assert_eq!(at(".a | nope(1)"), ".a | nope(1)\n     ^~~~");
        assert_eq!(at(".a | $b"), ".a | $b\n     ^~");
        assert_eq!(at(".a ]").lines().nth(1), Some("   ^"));
        assert_eq!(at(".a[").lines().nth(1), Some("   ^"));
        assert_eq!(at("\"open").lines().nth(1), Some("     ^"));
        assert!(at(".a.b[]").contains("cannot use null as iterable"), "{}", at(".a.b[]"));
    }

    #[test]
    fn a_terminal_gets_nothing_to_act_on() {
        let text = "a\tb\\n \u{1b}[31m\u{9b}\u{202e}é\n";
        assert_eq!(safe(text), "a\tb\\n \\u001b[31m\\u009b\\u202eé\n");
    }

    #[test]
    fn documents_may_come_in_pieces() {
        let query = Query::compile(".a").expect("a filter");
        let mut filtered = Filtered::new(query, Box::new(io::sink()), false);
        filtered.write_all(b"{\"a\":1}\n{\"a\"").expect("written");
        filtered.write_all(b":2}\n[").expect("written");
        let error = filtered.write_all(b"1]\n").expect_err("an array has no member");
        assert!(is_unfiltered(&error), "{error}");
        filtered.write_all(b"again").expect("nothing more is looked at");
    }
}
