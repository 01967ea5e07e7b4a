use std::io::{self, Write};

use serde::Serialize;

use super::envelope::{Opened, Refusal};
use super::json;

/// A list that is written while it is read; with JSON, inside an envelope that stays valid
/// whatever happens.
pub struct Rows<'a, W> {
    out: &'a mut W,
    head: Option<Opened<'a>>,
    count: u64,
}

impl<'a, W: Write> Rows<'a, W> {
    /// Begins a list; with a head it is JSON.
    pub fn new(out: &'a mut W, head: Option<Opened<'a>>) -> Self {
        Self { out, head, count: 0 }
    }

    /// Tells whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Writes one row in the form asked for.
    pub fn row<T: Serialize>(
        &mut self,
        row: &T,
        human: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.head.is_none() {
            self.count += 1;
            return human(self.out);
        }
        self.open()?;
        if self.count > 0 {
            self.out.write_all(b",")?;
        }
        self.count += 1;
        json::value_only(self.out, row)
    }

    /// Ends the list with what was learnt on the way, or with what went wrong.
    pub fn end<T: Serialize>(
        &mut self,
        tail: Option<&T>,
        error: Option<&Refusal>,
    ) -> io::Result<()> {
        if self.head.is_none() {
            return Ok(());
        }
        self.open()?;
        self.out.write_all(b"]")?;
        if let Some(tail) = tail {
            // The members of the tail become members of the report.
            let mut members = Vec::new();
            json::value_only(&mut members, tail)?;
            let inner = members.get(1..members.len() - 1).unwrap_or_default();
            if !inner.is_empty() {
                self.out.write_all(b",")?;
                self.out.write_all(inner)?;
            }
        }
        self.out.write_all(b"}")?;
        if let Some(error) = error {
            self.out.write_all(b",\"error\":")?;
            json::value_only(self.out, error)?;
        }
        self.out.write_all(b"}\n")
    }

    /// Writes what comes before the first row, once.
    fn open(&mut self) -> io::Result<()> {
        let Some(head) = self.head.as_mut().filter(|head| !head.name.is_empty()) else {
            return Ok(());
        };
        let mut text = Vec::new();
        json::value_only(&mut text, &head.envelope)?;
        text.pop();
        write!(text, ",\"report\":{{\"{}\":[", head.name)?;
        head.name = "";
        self.out.write_all(&text)
    }
}
