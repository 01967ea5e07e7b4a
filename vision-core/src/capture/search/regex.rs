//! The one door to the foreign regular expressions.

use std::fmt;
use std::ops::Range;

use regex_automata::Input;
use regex_automata::meta;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::Hir;

use super::MatchError;

/// Memory for one compiled expression, in bytes.
const ROOM: usize = 1 << 20;

/// An expression and the memory its search works in.
#[derive(Clone)]
pub(super) struct Regex {
    regex: meta::Regex,
    cache: meta::Cache,
}

impl Regex {
    pub(super) fn parse(pattern: &str, any_case: bool) -> Result<Self, MatchError> {
        let mut parser = ParserBuilder::new();
        // Bytes, not characters: a packet may hold anything.
        parser.unicode(false).utf8(false).case_insensitive(any_case);
        let hir = parser.build().parse(pattern).map_err(|e| syntax(&e, pattern))?;
        Self::build(&hir, pattern.len())
    }

    pub(super) fn bytes(bytes: &[u8]) -> Result<Self, MatchError> {
        Self::build(&Hir::literal(bytes), 0)
    }

    fn build(hir: &Hir, length: usize) -> Result<Self, MatchError> {
        let config = meta::Config::new().utf8_empty(false).nfa_size_limit(Some(ROOM));
        let regex = meta::Builder::new().configure(config).build_from_hir(hir).map_err(|e| {
            let message = match e.size_limit() {
                Some(_) => "it takes too much memory; repeat less".to_owned(),
                None => e.to_string(),
            };
            MatchError::new(0, length, message)
        })?;
        let cache = regex.create_cache();
        Ok(Self { regex, cache })
    }

    #[inline]
    pub(super) fn find(&mut self, bytes: &[u8]) -> Option<Range<usize>> {
        let found = self.regex.search_with(&mut self.cache, &Input::new(bytes))?;
        Some(found.range())
    }
}

impl fmt::Debug for Regex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.regex.fmt(f)
    }
}

/// Says where the pattern makes no sense.
fn syntax(error: &regex_syntax::Error, pattern: &str) -> MatchError {
    let (span, message) = match error {
        regex_syntax::Error::Parse(e) => (Some(e.span()), e.kind().to_string()),
        regex_syntax::Error::Translate(e) => {
            let unicode = matches!(e.kind(), regex_syntax::hir::ErrorKind::UnicodeNotAllowed);
            let bytes = "letters beyond ASCII have no case and no place in classes here: bytes are \
                         searched";
            let message = if unicode { bytes.to_owned() } else { e.kind().to_string() };
            (Some(e.span()), message)
        }
        other => (None, other.to_string()),
    };
    let (at, end) = span.map_or((0, pattern.len()), |it| (it.start.offset, it.end.offset));
    MatchError::new(at, end.saturating_sub(at), message)
}
