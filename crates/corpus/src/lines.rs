//! Lines of bytes, one at a time, with their numbers. What is held is one line, and
//! of a line beyond the limit nothing.

use std::io::{self, BufRead, Read};

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// Its bytes, without the line end.
    Bytes(&'a [u8]),
    /// Longer than the limit; skipped.
    TooLarge,
}

/// Splits a stream into lines. A byte order mark at its start is dropped, and
/// `\r\n` ends a line as `\n` does.
pub(crate) struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    number: u64,
    limit: u64,
}

impl<R: BufRead> Lines<R> {
    /// `limit` is the most bytes a line may have.
    pub(crate) fn new(reader: R, limit: u64) -> Self {
        Lines {
            reader,
            buffer: Vec::new(),
            number: 0,
            limit,
        }
    }

    /// Lines read so far.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The most bytes a line may have.
    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// The next line with its number from 1, `None` at the end. A stream that fails
    /// inside a line loses that line.
    pub(crate) fn next(&mut self) -> io::Result<Option<(u64, Line<'_>)>> {
        self.buffer.clear();
        // Room for a byte order mark, `\r\n` and the byte that tells a longer line.
        let most = self.limit.saturating_add(8);
        let n = self
            .reader
            .by_ref()
            .take(most)
            .read_until(b'\n', &mut self.buffer)?;
        if n == 0 {
            return Ok(None);
        }
        let ended = self.buffer.last() == Some(&b'\n');
        if !ended && n as u64 == most {
            self.reader.skip_until(b'\n')?;
        }
        self.number += 1;
        let mut end = self.buffer.len();
        if ended {
            end -= 1;
            end -= usize::from(self.buffer[..end].ends_with(b"\r"));
        }
        let marked = self.number == 1 && self.buffer.starts_with(b"\xef\xbb\xbf");
        let start = if marked { 3 } else { 0 };
        if (end - start) as u64 > self.limit {
            self.buffer = Vec::new();
            return Ok(Some((self.number, Line::TooLarge)));
        }
        Ok(Some((self.number, Line::Bytes(&self.buffer[start..end]))))
    }
}
