//! Numbered lines of bytes, one at a time. Memory holds one line, and nothing of a line
//! beyond the limit.

use std::io::{self, BufRead, Read};

use crate::encoding::Encoding;
use crate::problem::Reason;

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// Its bytes, without the line end.
    Bytes(&'a [u8]),
    /// A line longer than the limit, which was skipped.
    TooLarge,
}

/// Splits a stream into lines, ended by `\n` or `\r\n`. A byte order mark at the start
/// of the stream is dropped.
pub(crate) struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    number: u64,
    limit: u64,
    encoding: Encoding,
}

impl<R: BufRead> Lines<R> {
    /// `limit` is the most bytes a line may have.
    pub(crate) fn new(reader: R, limit: u64) -> Self {
        Lines {
            reader,
            buffer: Vec::new(),
            number: 0,
            limit,
            encoding: Encoding::UTF_8,
        }
    }

    /// The same of bytes that were decoded from `encoding`, which messages then name.
    pub(crate) fn decoded_from(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// What the bytes were decoded from.
    pub(crate) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Lines read so far.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The most bytes a line may have.
    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// The next line with its number from 1, `None` at the end. If reading fails within
    /// a line, that line is lost.
    pub(crate) fn next(&mut self) -> io::Result<Option<(u64, Line<'_>)>> {
        self.buffer.clear();
        // Room for a byte order mark, `\r\n` and one byte more, which shows that the line
        // is longer than the limit.
        let max_read = self.limit.saturating_add(8);
        let n = self
            .reader
            .by_ref()
            .take(max_read)
            .read_until(b'\n', &mut self.buffer)?;
        if n == 0 {
            return Ok(None);
        }
        let ended = self.buffer.last() == Some(&b'\n');
        if !ended && n as u64 == max_read {
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

    /// Parses the next line that is not blank.
    pub(crate) fn next_parsed<T>(
        &mut self,
        mut parse: impl FnMut(&str) -> Result<T, Reason>,
    ) -> io::Result<Option<Numbered<T>>> {
        let (limit, encoding) = (self.limit, self.encoding);
        while let Some((number, line)) = self.next()? {
            let result = match line {
                Line::TooLarge => Err(Reason::TooLarge { limit }),
                Line::Bytes(bytes) => match utf8(bytes, encoding) {
                    Ok(text) if text.trim().is_empty() => continue,
                    Ok(text) => parse(text),
                    Err(reason) => Err(reason),
                },
            };
            return Ok(Some((number, result)));
        }
        Ok(None)
    }
}

/// The number of a record's first line, and the record or what is wrong with it.
pub(crate) type Numbered<T> = (u64, Result<T, Reason>);

/// The bytes, which were decoded from `encoding`, as text.
pub(crate) fn utf8(bytes: &[u8], encoding: Encoding) -> Result<&str, Reason> {
    std::str::from_utf8(bytes).map_err(|error| {
        if encoding == Encoding::UTF_8 {
            Reason::InvalidUtf8 {
                byte: error.valid_up_to() + 1,
            }
        } else {
            Reason::InvalidEncoding {
                encoding: encoding.name(),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(input: impl BufRead, limit: u64) -> Vec<(u64, Option<String>)> {
        let mut lines = Lines::new(input, limit);
        let mut found = Vec::new();
        while let Some((number, line)) = lines.next().unwrap() {
            found.push(match line {
                Line::Bytes(bytes) => (number, Some(String::from_utf8(bytes.to_vec()).unwrap())),
                Line::TooLarge => (number, None),
            });
        }
        found
    }

    #[test]
    fn the_limit_counts_neither_the_line_end_nor_the_byte_order_mark() {
        let exact = Some("abcd".to_owned());
        for input in ["abcd", "abcd\n", "abcd\r\n", "\u{feff}abcd\r\n"] {
            assert_eq!(numbered(input.as_bytes(), 4), [(1, exact.clone())]);
            assert_eq!(numbered(input.as_bytes(), 3), [(1, None)]);
        }
        let mixed = "abcd\nabcde\r\n\nabcdefghijklmnopqrst\nabcd";
        let empty = Some(String::new());
        assert_eq!(
            numbered(mixed.as_bytes(), 4),
            [
                (1, exact.clone()),
                (2, None),
                (3, empty),
                (4, None),
                (5, exact)
            ],
        );
    }

    #[test]
    fn a_very_long_line_is_skipped_without_being_held_in_memory() {
        let endless = io::repeat(b'x').take(64 << 20).chain(&b"\nnext"[..]);
        let mut lines = Lines::new(io::BufReader::new(endless), 1000);
        assert_eq!(lines.next().unwrap(), Some((1, Line::TooLarge)));
        assert!(lines.buffer.capacity() < 4096);
        assert_eq!(lines.next().unwrap(), Some((2, Line::Bytes(b"next"))));
        assert_eq!(lines.next().unwrap(), None);
    }

    #[test]
    fn a_carriage_return_or_byte_order_mark_elsewhere_is_an_ordinary_character() {
        assert_eq!(
            numbered("a\rb\r\r\n\u{feff}c\r".as_bytes(), 100),
            [
                (1, Some("a\rb\r".to_owned())),
                (2, Some("\u{feff}c\r".to_owned()))
            ],
        );
    }
}
