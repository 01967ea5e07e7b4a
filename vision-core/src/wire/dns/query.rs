use super::{EdnsOption, Flags, Question};
use crate::base::{Error, Result};

/// A query to be written; the one kind of message this crate sends.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) id: u16,
    pub(crate) flags: Flags,
    pub(crate) question: Question,
    pub(crate) edns: Option<QueryEdns>,
}

/// The extension record of a query (RFC 6891 §6.1.2); version zero.
#[derive(Debug, Clone)]
pub(crate) struct QueryEdns {
    pub(crate) udp_payload_bytes: u16,
    pub(crate) do_bit: bool,
    pub(crate) options: Vec<EdnsOption>,
}

impl Query {
    /// Writes the message: header, one question, the extension record if wanted.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the options exceed 64 KiB.
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(64);
        let counts = [1, 0, 0, u16::from(self.edns.is_some())];
        for word in [self.id, self.flags.to_bits()].into_iter().chain(counts) {
            out.extend(word.to_be_bytes());
        }
        out.extend_from_slice(self.question.name.as_wire());
        out.extend(self.question.rtype.raw().to_be_bytes());
        out.extend(self.question.class.raw().to_be_bytes());
        if let Some(edns) = &self.edns {
            edns.write(&mut out)?;
        }
        match out.len() {
            0..=0xffff => Ok(out),
            length => Err(Error::invalid("query", format!("{length} bytes, at most 65535 fit"))),
        }
    }
}

impl QueryEdns {
    fn write(&self, out: &mut Vec<u8>) -> Result<()> {
        let too_long = |_| Error::invalid("EDNS options", "more than 65535 bytes");
        let mut options = Vec::new();
        for option in &self.options {
            let data = option.data.as_bytes();
            options.extend(option.code.to_be_bytes());
            options.extend(u16::try_from(data.len()).map_err(too_long)?.to_be_bytes());
            options.extend_from_slice(data);
        }
        let length = u16::try_from(options.len()).map_err(too_long)?;
        // Root name, type OPT, payload size as class, flags as lower half of the TTL.
        out.extend([0, 0, 41]);
        out.extend(self.udp_payload_bytes.to_be_bytes());
        out.extend((u32::from(self.do_bit) << 15).to_be_bytes());
        out.extend(length.to_be_bytes());
        out.extend(options);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::dns::{Message, RecordType};

    #[test]
    fn what_is_written_reads_back() {
        let query = Query {
            id: 0xabcd,
            flags: Flags { rd: true, cd: true, ..Flags::default() },
            question: Question::new("eXample.com".parse().expect("a name"), RecordType::Srv),
            edns: Some(QueryEdns {
                udp_payload_bytes: 1232,
                do_bit: true,
                options: vec![EdnsOption::new(3, [])],
            }),
        };
        let bytes = query.encode().expect("encodes");
        let message = Message::decode(&bytes).expect("decodes");
        assert_eq!((message.header.id, message.header.flags), (query.id, query.flags));
        assert_eq!(message.question(), Some(&query.question));
        assert!(message.questions[0].name.same_case(&query.question.name));
        let edns = message.edns.expect("an extension record");
        assert!(edns.do_bit && edns.udp_payload_bytes == 1232 && edns.options.len() == 1);
        assert_eq!((message.stopped, message.size_bytes), (None, bytes.len()));
    }
}
