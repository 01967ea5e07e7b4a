//! Pointing at what is wrong in something a person wrote.

/// Returns the line of a text in which a fault lies and, below, a line that points at it.
pub(super) fn pointed(text: &str, at: usize, length: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |it| it + 1);
    let line = text.get(start..).unwrap_or_default().lines().next().unwrap_or_default();
    let shown: String = line.chars().map(plain).collect();
    let blank = before.get(start..).unwrap_or_default().chars().count();
    let fault = line.get(at - start.min(at)..).unwrap_or_default();
    let fault = fault.char_indices().take_while(|(at, _)| *at < length).count();
    let rest = "~".repeat(fault.saturating_sub(1));
    format!("{shown}\n{}^{rest}", " ".repeat(blank))
}

/// What a line of text can show in the place of a character.
fn plain(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}
