use std::io::Write;

use vision_core::capture::Frame;

/// Writes a packet as a line.
pub fn line(out: &mut Vec<u8>, number: u64, frame: &Frame<'_>) {
    if let Some(time) = frame.time {
        let nanos = time.as_unix_nanos().rem_euclid(86_400_000_000_000);
        let (secs, micros) = (nanos / 1_000_000_000, nanos / 1000 % 1_000_000);
        let (hour, minute, second) = (secs / 3600, secs / 60 % 60, secs % 60);
        let _ = write!(out, "{hour:02}:{minute:02}:{second:02}.{micros:06} ");
    }
    let _ = writeln!(out, "#{number} {}, length {}", frame.link_type, frame.len);
}
