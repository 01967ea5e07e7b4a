use std::io::Write;

use vision_core::capture::Frame;

/// Writes a packet as one JSON object and a line feed.
pub fn line(out: &mut Vec<u8>, number: u64, frame: &Frame<'_>) {
    let _ = write!(out, "{{\"type\":\"event\",\"number\":{number}");
    if let Some(time) = frame.time {
        let nanos = time.as_unix_nanos();
        let (secs, rest) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000));
        let _ = write!(out, ",\"time\":\"{secs}.{rest:09}\"");
    }
    let (len, kept, interface) = (frame.len, frame.data.len(), frame.interface);
    let _ = write!(out, ",\"len\":{len},\"caplen\":{kept},\"interface\":{interface}");
    out.extend_from_slice(b",\"layers\":[]}\n");
}
