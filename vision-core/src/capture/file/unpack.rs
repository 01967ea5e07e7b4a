//! Compressed input, with members and frames one after the other.

use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::Compression;

type Input = BufReader<Chain<Cursor<Vec<u8>>, Box<dyn Read + Send>>>;

/// Puts the unpacking in front of a stream of which `head` was read already.
pub(super) fn unpack(
    kind: Compression,
    head: Vec<u8>,
    rest: Box<dyn Read + Send>,
) -> Box<dyn Read + Send> {
    let input = BufReader::with_capacity(64 * 1024, Cursor::new(head).chain(rest));
    match kind {
        Compression::Gzip => Box::new(MultiGzDecoder::new(input)),
        Compression::Zstd => Box::new(Zstd { input, frame: FrameDecoder::new(), inside: false }),
    }
}

/// Frames one after the other, of which the library reads one.
struct Zstd {
    input: Input,
    frame: FrameDecoder,
    inside: bool,
}

impl Read for Zstd {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.inside {
                if self.input.fill_buf()?.is_empty() {
                    return Ok(0);
                }
                self.begin()?;
                continue;
            }
            while self.frame.can_collect() == 0 && !self.frame.is_finished() {
                let more = BlockDecodingStrategy::UptoBytes(room.len());
                if let Err(e) = self.frame.decode_blocks(&mut self.input, more) {
                    self.inside = false;
                    return Err(bad(e));
                }
            }
            let got = self.frame.read(room)?;
            if got > 0 {
                return Ok(got);
            }
            self.inside = false;
        }
    }
}

impl Zstd {
    /// Reads the header of the next frame, or steps over one that is to be skipped.
    fn begin(&mut self) -> io::Result<()> {
        match self.frame.reset(&mut self.input) {
            Ok(()) => self.inside = true,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length,
                ..
            })) => {
                let length = u64::from(length);
                if io::copy(&mut (&mut self.input).take(length), &mut io::sink())? != length {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            Err(e) => return Err(bad(e)),
        }
        Ok(())
    }
}

fn bad(e: FrameDecoderError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("zstd: {e}"))
}
