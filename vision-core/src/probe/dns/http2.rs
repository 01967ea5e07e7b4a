//! One request over HTTP/2 (RFC 9113), as much of it as a DNS query over HTTPS needs (RFC 8484).
//!
//! A pure state machine: bytes in, bytes out. One connection carries one request, so that there
//! is no dynamic table (the peer is told that its size is zero) and no flow control to speak of:
//! an answer is never longer than the window a stream begins with.

/// Sends one query and collects its answer.
pub(super) struct Exchange {
    output: Vec<u8>,
    input: Vec<u8>,
    /// A header block that more frames continue.
    headers: Option<Vec<u8>>,
    status: Option<u16>,
    body: Vec<u8>,
    over: bool,
}

/// Bytes of a frame's payload at most, as nothing else was agreed upon (RFC 9113 §4.2).
const MAX_FRAME: usize = 16_384;
/// Bytes of a DNS message at most.
const MAX_BODY: usize = 65_535;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 32;

impl Exchange {
    /// Prepares a request that posts `query` to `path`.
    pub(super) fn new(authority: &str, path: &str, query: &[u8]) -> Self {
        let mut output = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        // HEADER_TABLE_SIZE and ENABLE_PUSH, both zero.
        frame(&mut output, SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]);
        // From the static table (RFC 7541, appendix A): POST, https, then names with own values.
        let mut block = vec![0x83, 0x87];
        literal(&mut block, 1, authority.as_bytes());
        literal(&mut block, 4, path.as_bytes());
        literal(&mut block, 19, b"application/dns-message");
        literal(&mut block, 31, b"application/dns-message");
        literal(&mut block, 28, query.len().to_string().as_bytes());
        frame(&mut output, HEADERS, END_HEADERS, 1, &block);
        for (n, part) in query.chunks(MAX_FRAME).enumerate() {
            let last = (n + 1) * MAX_FRAME >= query.len();
            frame(&mut output, DATA, if last { END_STREAM } else { 0 }, 1, part);
        }
        let (input, body) = (Vec::new(), Vec::new());
        Self { output, input, headers: None, status: None, body, over: false }
    }

    /// Takes the bytes that are to be sent.
    pub(super) fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Takes bytes that came; the answer once it is whole.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Result<Option<Vec<u8>>, String> {
        self.input.extend_from_slice(bytes);
        while let Some((head, rest)) = self.input.split_first_chunk::<9>() {
            let [a, b, c, kind, flags, stream @ ..] = *head;
            let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
            if length > MAX_FRAME {
                return Err(format!("a frame of {length} bytes over HTTP/2"));
            }
            let Some(payload) = rest.get(..length).map(<[u8]>::to_vec) else {
                return Ok(None);
            };
            self.input.drain(..9 + length);
            let stream = u32::from_be_bytes(stream) & 0x7fff_ffff;
            self.frame(kind, flags, stream, &payload)?;
            if self.over {
                return self.answer().map(Some);
            }
        }
        Ok(None)
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Result<(), String> {
        match (kind, stream) {
            (SETTINGS, 0) if flags & ACK == 0 => {
                frame(&mut self.output, SETTINGS, ACK, 0, &[]);
            }
            (PING, 0) if flags & ACK == 0 => frame(&mut self.output, PING, ACK, 0, payload),
            (GOAWAY | RST_STREAM, _) => {
                let code = if kind == GOAWAY { payload.get(4..8) } else { payload.get(..4) };
                let code = code.and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
                let code = u32::from_be_bytes(code);
                // Going away without an error still answers what was asked before.
                if kind == RST_STREAM || code != 0 {
                    return Err(format!("the server ends HTTP/2 with error {code}"));
                }
            }
            (HEADERS, 1) => {
                let mut block = unpadded(flags, payload)?;
                if flags & PRIORITY != 0 {
                    block = block.get(5..).ok_or("a short frame over HTTP/2")?;
                }
                self.headers = Some(block.to_vec());
                self.end_of_headers(flags)?;
                self.over |= flags & END_STREAM != 0 && self.status.is_some();
            }
            (CONTINUATION, 1) => {
                let block = self.headers.as_mut().ok_or("a stray frame over HTTP/2")?;
                if block.len() + payload.len() > MAX_BODY {
                    return Err("endless headers over HTTP/2".to_owned());
                }
                block.extend_from_slice(payload);
                self.end_of_headers(flags)?;
            }
            (DATA, 1) => {
                let part = unpadded(flags, payload)?;
                if self.body.len() + part.len() > MAX_BODY {
                    return Err("an answer over 64 KiB".to_owned());
                }
                self.body.extend_from_slice(part);
                self.over |= flags & END_STREAM != 0;
            }
            _ => {}
        }
        Ok(())
    }

    fn end_of_headers(&mut self, flags: u8) -> Result<(), String> {
        if flags & END_HEADERS == 0 {
            return Ok(());
        }
        let block = self.headers.take().unwrap_or_default();
        // Trailers have no status, interim answers one below 200.
        if self.status.is_none() {
            let status = status(&block).ok_or("headers without a status over HTTP/2")?;
            self.status = (status >= 200).then_some(status);
        }
        Ok(())
    }

    fn answer(&mut self) -> Result<Vec<u8>, String> {
        match self.status {
            Some(200) => Ok(std::mem::take(&mut self.body)),
            Some(status) => Err(format!("the server answers HTTP {status}")),
            None => Err("an answer without a status over HTTP/2".to_owned()),
        }
    }
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap_or_default().to_be_bytes();
    out.extend_from_slice(length.get(1..).unwrap_or_default());
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend_from_slice(payload);
}

fn unpadded(flags: u8, payload: &[u8]) -> Result<&[u8], String> {
    if flags & PADDED == 0 {
        return Ok(payload);
    }
    let padded = payload
        .split_first()
        .and_then(|(pad, rest)| rest.get(..rest.len().checked_sub(usize::from(*pad))?));
    padded.ok_or_else(|| "bad padding over HTTP/2".to_owned())
}

/// A header whose name is in the static table and whose value is not to be remembered
/// (RFC 7541 §6.2.2).
fn literal(out: &mut Vec<u8>, name: usize, value: &[u8]) {
    integer(out, 0, 4, name);
    integer(out, 0, 7, value.len());
    out.extend_from_slice(value);
}

/// A number in the lower bits of a byte, and in more bytes if it is large (RFC 7541 §5.1).
fn integer(out: &mut Vec<u8>, head: u8, bits: u32, number: usize) {
    let most = (1_usize << bits) - 1;
    if number < most {
        out.push(head | number as u8);
        return;
    }
    out.push(head | most as u8);
    let mut rest = number - most;
    while rest >= 128 {
        out.push((rest & 127) as u8 | 128);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Finds the status, which comes before every other header (RFC 9113 §8.3).
fn status(block: &[u8]) -> Option<u16> {
    let mut rest = block;
    loop {
        let first = *rest.first()?;
        let (bits, is_update) = match first {
            0x80.. => (7, false),
            0x40.. => (6, false),
            0x20.. => (5, true),
            _ => (4, false),
        };
        let (number, after) = number(rest, bits)?;
        rest = after;
        if is_update {
            continue;
        }
        let known = [200, 204, 206, 304, 400, 404, 500];
        let of_table = number.checked_sub(8).and_then(|n| known.get(n)).copied();
        if first >= 0x80 {
            return of_table;
        }
        // A literal: its name is the table's, or one of its own.
        let mut is_status = of_table.is_some();
        if number == 0 {
            let (name, packed, after) = string(rest)?;
            // `:status` in Huffman code has not been seen; its own name is the table's.
            is_status = !packed && name == b":status";
            rest = after;
        }
        let (value, packed, _) = string(rest)?;
        let digits = if packed { digits(value)? } else { value.to_vec() };
        let text = String::from_utf8(digits).ok().filter(|_| is_status)?;
        return text.parse().ok();
    }
}

fn number(bytes: &[u8], bits: u32) -> Option<(usize, &[u8])> {
    let (first, mut rest) = bytes.split_first()?;
    let most = (1_usize << bits) - 1;
    let mut value = usize::from(*first) & most;
    if value < most {
        return Some((value, rest));
    }
    for shift in [0, 7, 14] {
        let (byte, after) = rest.split_first()?;
        rest = after;
        value += usize::from(byte & 127) << shift;
        if byte & 128 == 0 {
            return Some((value, rest));
        }
    }
    None
}

/// Its bytes, whether they are in Huffman code, and what follows.
fn string(bytes: &[u8]) -> Option<(&[u8], bool, &[u8])> {
    let packed = bytes.first()? & 0x80 != 0;
    let (length, rest) = number(bytes, 7)?;
    let (text, after) = rest.split_at_checked(length)?;
    Some((text, packed, after))
}

/// Unpacks digits (RFC 7541, appendix B): `0` to `2` have five bits, the others six.
fn digits(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |n| byte >> n & 1));
    let mut out = Vec::new();
    while out.len() < 3 {
        let mut code = 0;
        for _ in 0..5 {
            code = code << 1 | bits.next()?;
        }
        if code < 3 {
            out.push(b'0' + code);
            continue;
        }
        code = code << 1 | bits.next()?;
        // 011001 is `3`, 011111 is `9`.
        out.push(b'0' + code.checked_sub(22).filter(|digit| (3..=9).contains(digit))?);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(block: &[u8], flags: u8) -> Vec<u8> {
        let mut out = Vec::new();
        frame(&mut out, HEADERS, flags, 1, block);
        out
    }

    fn data(body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        frame(&mut out, DATA, END_STREAM, 1, body);
        out
    }

    #[test]
    fn an_answer_comes_whole_however_its_bytes_arrive() {
        let mut stream = Vec::new();
        frame(&mut stream, SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]);
        frame(&mut stream, 8, 0, 0, &[0, 0, 255, 255]);
        stream.extend(headers(&[0x88, 0x5f, 1, b'x'], END_HEADERS));
        stream.extend(data(b"answer"));
        let mut exchange = Exchange::new("dns.test", "/dns-query", b"query");
        assert!(exchange.take_output().ends_with(b"query"));
        let mut answer = None;
        for byte in &stream {
            answer = exchange.receive(&[*byte]).expect("no fault").or(answer);
        }
        assert_eq!(answer.as_deref(), Some(&b"answer"[..]));
        let mut ack = Vec::new();
        frame(&mut ack, SETTINGS, ACK, 0, &[]);
        assert_eq!(exchange.take_output(), ack);
    }

    #[test]
    fn every_form_of_a_status_is_read() {
        assert_eq!(status(&[0x88]), Some(200));
        assert_eq!(status(&[0x20, 0x3f, 0xe1, 0x1f, 0x8d]), Some(404));
        assert_eq!(status(&[0x48, 3, b'4', b'1', b'5']), Some(415));
        // In Huffman code (RFC 7541, appendix C.6).
        assert_eq!(status(&[0x48, 0x82, 0x6c, 0x02]), Some(502));
        assert_eq!(status(&[0x08, 0x82, 0x64, 0x02]), Some(302));
        assert_eq!(status(&[0x48, 0x83, 0x64, 0x0e, 0xff]), Some(307));
        assert_eq!(
            status(&[0x00, 7, b':', b's', b't', b'a', b't', b'u', b's', 3, b'5', b'0', b'3']),
            Some(503)
        );
        assert_eq!(status(&[]), None);
    }

    #[test]
    fn refusals_and_nonsense_are_faults() {
        let fault =
            |bytes: &[u8]| Exchange::new("a", "/", b"q").receive(bytes).expect_err("a fault");
        let refused = [headers(&[0x8d], END_HEADERS), data(b"not here")].concat();
        assert_eq!(fault(&refused), "the server answers HTTP 404");
        assert!(fault(&[0xff; 9]).contains("bytes over HTTP/2"));
        let mut reset = Vec::new();
        frame(&mut reset, RST_STREAM, 0, 1, &[0, 0, 0, 7]);
        assert_eq!(fault(&reset), "the server ends HTTP/2 with error 7");
        let big = vec![0; MAX_FRAME];
        let mut flood = headers(&[0x88], END_HEADERS);
        for _ in 0..5 {
            frame(&mut flood, DATA, 0, 1, &big);
        }
        assert_eq!(fault(&flood), "an answer over 64 KiB");
    }
}
