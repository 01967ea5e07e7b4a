use std::io::{self, Write};

use serde::Serialize;

use super::Style;
use super::envelope::{Opened, Refusal};
use super::json::{self, Object};

/// A row of a long list, in both its forms.
pub trait Row {
    /// Writes its line, and further ones that belong to it.
    ///
    /// # Errors
    /// Never for want of room: the buffer grows.
    fn line(&self, out: &mut Vec<u8>, style: &Style) -> io::Result<()>;

    /// Writes its members: those of the library's own row first.
    ///
    /// # Errors
    /// When something in it has no JSON.
    fn members(&self, object: &mut Object<'_>) -> io::Result<()>;
}

/// A list that is written while it is read; with JSON, inside an envelope that stays valid
/// whatever happens.
pub struct Rows<'a, W> {
    out: &'a mut W,
    style: &'a Style,
    head: Option<Opened<'a>>,
    count: u64,
    text: Vec<u8>,
}

impl<'a, W: Write> Rows<'a, W> {
    /// Begins a list; with a head it is JSON.
    pub fn new(out: &'a mut W, style: &'a Style, head: Option<Opened<'a>>) -> Self {
        Self { out, style, head, count: 0, text: Vec::with_capacity(2 * ENOUGH) }
    }

    /// Tells whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Writes one row in the form asked for.
    #[inline]
    pub fn row(&mut self, row: &dyn Row) -> io::Result<()> {
        if self.head.is_none() {
            row.line(&mut self.text, self.style)?;
        } else {
            self.open()?;
            if self.count > 0 {
                self.text.push(b',');
            }
            let mut object = Object::new(&mut self.text);
            row.members(&mut object)?;
            object.end();
        }
        self.count += 1;
        match self.text.len() < ENOUGH {
            true => Ok(()),
            false => self.push_out(),
        }
    }

    /// Ends the list with what was learnt on the way, or with what went wrong.
    pub fn end<T: Serialize>(
        &mut self,
        tail: Option<&T>,
        error: Option<&Refusal>,
    ) -> io::Result<()> {
        if self.head.is_some() {
            self.open()?;
            self.text.push(b']');
            if let Some(tail) = tail {
                // The members of the tail become members of the report.
                let start = self.text.len();
                json::append(&mut self.text, tail)?;
                self.text.pop();
                let empty = self.text.len() == start + 1;
                match self.text.get_mut(start).filter(|_| !empty) {
                    Some(brace) => *brace = b',',
                    None => self.text.truncate(start),
                }
            }
            self.text.push(b'}');
            if let Some(error) = error {
                self.text.extend_from_slice(b",\"error\":");
                json::append(&mut self.text, error)?;
            }
            self.text.extend_from_slice(b"}\n");
        }
        self.push_out()
    }

    /// Writes what comes before the first row, once.
    #[inline]
    fn open(&mut self) -> io::Result<()> {
        match self.head.as_mut().filter(|head| !head.name.is_empty()) {
            Some(head) => {
                json::append(&mut self.text, &head.envelope)?;
                self.text.pop();
                write!(self.text, ",\"report\":{{\"{}\":[", head.name)?;
                head.name = "";
                Ok(())
            }
            None => Ok(()),
        }
    }

    #[cold]
    fn push_out(&mut self) -> io::Result<()> {
        let written = self.out.write_all(&self.text);
        self.text.clear();
        written
    }
}

/// Bytes to gather before they are handed to the system: a few calls for a million rows.
const ENOUGH: usize = 128 * 1024;
