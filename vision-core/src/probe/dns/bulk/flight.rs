use std::time::Instant;

use super::super::report::DnsMismatch;

/// One question under way on a lane.
pub(super) struct Flight {
    pub(super) question: usize,
    pub(super) id: u16,
    pub(super) lane: usize,
    pub(super) tries: u8,
    pub(super) sent: Instant,
    pub(super) bytes: Vec<u8>,
    /// Where the question ends in `bytes`.
    pub(super) end: usize,
    /// Counts the sendings, so that old deadlines are known to be old.
    pub(super) turn: u64,
    pub(super) other_case: bool,
}

/// What a datagram with a known identifier is.
// closed: an answer, something else, or one that asks for another transport or form.
#[derive(PartialEq, Eq)]
pub(super) enum Verdicts {
    Take,
    Ignore(DnsMismatch),
    Careful,
}

pub(super) fn judge(flight: &Flight, bytes: &[u8], mixed: bool) -> Verdicts {
    let Some([_, _, high, low, questions @ .., _, _, _, _, _, _]) = bytes.first_chunk::<12>()
    else {
        return Verdicts::Ignore(DnsMismatch::Malformed);
    };
    let (is_response, truncated, rcode) = (high & 0x80 != 0, high & 2 != 0, low & 15);
    if !is_response {
        return Verdicts::Ignore(DnsMismatch::Malformed);
    }
    // FORMERR and NOTIMP may be about the extension record; answers without a question too.
    if *questions == [0, 0] && rcode != 0 || matches!(rcode, 1 | 4) {
        return Verdicts::Careful;
    }
    let asked = flight.bytes.get(12..flight.end).unwrap_or_default();
    match bytes.get(12..flight.end) {
        Some(same) if *questions == [0, 1] && same == asked && truncated => Verdicts::Careful,
        Some(same) if *questions == [0, 1] && same == asked => Verdicts::Take,
        Some(same) if *questions == [0, 1] && same.eq_ignore_ascii_case(asked) => match mixed {
            true => Verdicts::Ignore(DnsMismatch::WrongCase),
            false => Verdicts::Take,
        },
        _ => Verdicts::Ignore(DnsMismatch::WrongQuestion),
    }
}
