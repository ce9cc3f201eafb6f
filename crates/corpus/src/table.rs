//! Splits a CSV or TSV stream into records and fields. Records are delimited here rather
//! than by the csv crate, so that each has its line number and an unclosed quote costs one
//! line instead of the rest of the file.

use std::collections::VecDeque;
use std::io::{self, BufRead};

use csv_core::{ReadRecordResult, ReaderBuilder, Terminator};

use crate::lines::{Line, Lines, Numbered, utf8};
use crate::problem::Reason;

/// How fields are separated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub(crate) delimiter: u8,
    /// Whether a field may be quoted: it may then contain delimiters, line ends and doubled
    /// quotes. Otherwise a quote is an ordinary character.
    pub(crate) has_quotes: bool,
}

impl Dialect {
    pub(crate) const CSV: Dialect = Dialect {
        delimiter: b',',
        has_quotes: true,
    };
    pub(crate) const TSV: Dialect = Dialect {
        delimiter: b'\t',
        has_quotes: false,
    };
}

/// One record: its first line and its fields, or what is wrong with it.
pub(crate) type Row = Numbered<Vec<String>>;

/// Reads records. Blank lines are skipped.
pub(crate) struct Table<R> {
    lines: Lines<R>,
    dialect: Dialect,
    /// Splits a record of quoted fields. Kept, because making one takes longer than using it.
    splitter: Box<csv_core::Reader>,
    /// Lines that were read and belong to no record yet. The first one is not blank.
    held: VecDeque<HeldLine>,
    /// How many lines after the first held one are known not to close a quoted field. They
    /// are not looked at again, so that a file of unclosed quotes is read in linear time.
    n_open: usize,
    /// Bytes of the first held line and of these.
    open_bytes: u64,
    is_over: bool,
}

/// A line kept until its record is complete; `None` if it was too large to keep.
struct HeldLine {
    number: u64,
    bytes: Option<Vec<u8>>,
}

impl HeldLine {
    fn len(&self) -> u64 {
        self.bytes
            .as_ref()
            .map_or(0, |bytes| bytes.len() as u64 + 1)
    }
}

/// The next record, as far as it is delimited.
enum Frame {
    /// It has this many lines.
    Complete(usize),
    /// It is one line that cannot be used.
    Bad(Reason),
}

impl<R: BufRead> Table<R> {
    pub(crate) fn new(lines: Lines<R>, dialect: Dialect) -> Self {
        Table {
            lines,
            dialect,
            splitter: splitter(dialect.delimiter),
            held: VecDeque::new(),
            n_open: 0,
            open_bytes: 0,
            is_over: false,
        }
    }

    /// How fields are separated.
    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Separates the fields of all records that were not read yet by `delimiter`.
    pub(crate) fn set_delimiter(&mut self, delimiter: u8) {
        self.dialect.delimiter = delimiter;
        self.splitter = splitter(delimiter);
        self.n_open = 0;
    }

    /// Lines read so far.
    pub(crate) fn line_number(&self) -> u64 {
        self.lines.number()
    }

    /// The next record, `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Row>> {
        Ok(match self.frame()? {
            None => None,
            Some(Frame::Bad(reason)) => self.drop_line().map(|number| (number, Err(reason))),
            Some(Frame::Complete(n_lines)) => {
                let row = self.row(n_lines);
                for _ in 0..n_lines {
                    self.drop_line();
                }
                row
            }
        })
    }

    /// The record that comes next, `None` at the end.
    pub(crate) fn peek(&mut self) -> io::Result<Option<Row>> {
        Ok(match self.frame()? {
            None => None,
            Some(Frame::Bad(reason)) => self.held.front().map(|line| (line.number, Err(reason))),
            Some(Frame::Complete(n_lines)) => self.row(n_lines),
        })
    }

    /// Takes the line `sep=;` with which spreadsheets name the delimiter of a file, and returns
    /// the delimiter.
    pub(crate) fn take_separator_line(&mut self) -> io::Result<Option<u8>> {
        if !self.has_line()? {
            return Ok(None);
        }
        let Some(HeldLine {
            number: 1,
            bytes: Some(line),
        }) = self.held.front()
        else {
            return Ok(None);
        };
        let line = match line.as_slice() {
            [b'"', inner @ .., b'"'] => inner,
            line => line,
        };
        let found = match line {
            [name @ .., b'=', delimiter] if name.eq_ignore_ascii_case(b"sep") => Some(*delimiter),
            _ => None,
        };
        let found = found.filter(|delimiter| is_delimiter(*delimiter));
        if found.is_some() {
            self.drop_line();
        }
        Ok(found)
    }

    /// Delimits the next record. Its lines stay held.
    fn frame(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if !self.has_line()? {
                return Ok(None);
            }
            let line = self.held.front().and_then(|line| line.bytes.as_ref());
            let Some(bytes) = line else {
                let limit = self.lines.limit();
                return Ok(Some(Frame::Bad(Reason::TooLarge { limit })));
            };
            if bytes.is_empty() {
                self.drop_line();
                continue;
            }
            if !self.is_open_after(State::FieldStart, bytes) {
                return Ok(Some(Frame::Complete(1)));
            }
            return Ok(Some(match self.closing_line()? {
                Some(place) => Frame::Complete(place + 1),
                None => Frame::Bad(Reason::UnclosedQuote),
            }));
        }
    }

    /// The place of the first line after the first held one that closes the quoted field which
    /// the first one opens; `None` if none does before the end or the limit of a record.
    fn closing_line(&mut self) -> io::Result<Option<usize>> {
        if self.n_open == 0 {
            self.open_bytes = self.held.front().map_or(0, HeldLine::len);
        }
        loop {
            let place = self.n_open + 1;
            if self.open_bytes > self.lines.limit()
                || (place == self.held.len() && !self.read_line()?)
            {
                return Ok(None);
            }
            let line = &self.held[place];
            let Some(bytes) = &line.bytes else {
                return Ok(None);
            };
            if !self.is_open_after(State::Quoted, bytes) {
                return Ok(Some(place));
            }
            self.open_bytes += line.len();
            self.n_open = place;
        }
    }

    fn is_open_after(&self, state: State, line: &[u8]) -> bool {
        let Dialect {
            delimiter,
            has_quotes,
        } = self.dialect;
        has_quotes
            && State::Quoted
                == line
                    .iter()
                    .fold(state, |state, &byte| state.after(byte, delimiter))
    }

    /// The record of the first `n_lines` held lines.
    fn row(&mut self, n_lines: usize) -> Option<Row> {
        let first = self.held.front()?.number;
        let lines: Vec<&[u8]> = self
            .held
            .iter()
            .take(n_lines)
            .filter_map(|line| line.bytes.as_deref())
            .collect();
        let record = lines.join(&b'\n');
        let Dialect {
            delimiter,
            has_quotes,
        } = self.dialect;
        let fields = utf8(&record, self.lines.encoding()).map(|text| {
            if has_quotes {
                return quoted_fields(&mut self.splitter, text, delimiter);
            }
            let fields = text.split(char::from(delimiter));
            fields.map(str::to_owned).collect()
        });
        Some((first, fields))
    }

    /// Drops the first held line and returns its number.
    fn drop_line(&mut self) -> Option<u64> {
        let line = self.held.pop_front()?;
        // What is known of the lines after it is also true of those after the next one.
        self.open_bytes = self.open_bytes.saturating_sub(line.len());
        self.n_open = self.n_open.saturating_sub(1);
        Some(line.number)
    }

    /// Whether a line is held, after reading one if there is none.
    fn has_line(&mut self) -> io::Result<bool> {
        Ok(!self.held.is_empty() || self.read_line()?)
    }

    /// Holds one more line; `false` at the end.
    fn read_line(&mut self) -> io::Result<bool> {
        if self.is_over {
            return Ok(false);
        }
        match self.lines.next()? {
            None => self.is_over = true,
            Some((number, line)) => self.held.push_back(HeldLine {
                number,
                bytes: match line {
                    Line::Bytes(bytes) => Some(bytes.to_vec()),
                    Line::TooLarge => None,
                },
            }),
        }
        Ok(!self.is_over)
    }
}

/// Whether a byte can separate fields: a visible or white character that is neither a letter
/// nor a digit nor has another meaning.
pub(crate) fn is_delimiter(byte: u8) -> bool {
    byte.is_ascii() && !byte.is_ascii_alphanumeric() && !matches!(byte, b'"' | b'\n' | b'\r' | 0)
}

/// State of a CSV record between two bytes, following RFC 4180.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    FieldStart,
    Unquoted,
    Quoted,
    /// After a quote within a quoted field: it closes the field or is the first of a doubled quote.
    Quote,
}

impl State {
    fn after(self, byte: u8, delimiter: u8) -> State {
        match (self, byte) {
            (State::Quoted, b'"') => State::Quote,
            (State::Quoted, _) => State::Quoted,
            (State::FieldStart | State::Quote, b'"') => State::Quoted,
            (_, byte) if byte == delimiter => State::FieldStart,
            _ => State::Unquoted,
        }
    }
}

fn splitter(delimiter: u8) -> Box<csv_core::Reader> {
    let reader = ReaderBuilder::new()
        .delimiter(delimiter)
        // A lone `\r` is an ordinary character, not a line end.
        .terminator(Terminator::Any(b'\n'))
        .build();
    Box::new(reader)
}

/// The fields of one complete record.
fn quoted_fields(reader: &mut csv_core::Reader, record: &str, delimiter: u8) -> Vec<String> {
    reader.reset();
    // The fields together are not longer than the record, and there is at most one more of
    // them than there are delimiters.
    let mut fields = vec![0; record.len() + 1];
    let n_delimiters = record.bytes().filter(|&byte| byte == delimiter).count();
    let mut ends = vec![0; n_delimiters + 2];
    let (mut n_read, mut n_written, mut n_ends) = (0, 0, 0);
    loop {
        // An empty input tells the reader that the record has ended.
        let (result, read, written, ended) = reader.read_record(
            &record.as_bytes()[n_read..],
            &mut fields[n_written..],
            &mut ends[n_ends..],
        );
        n_read += read;
        n_written += written;
        n_ends += ended;
        match result {
            ReadRecordResult::InputEmpty => {}
            ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                unreachable!("the buffers are large enough for any split of the record")
            }
            ReadRecordResult::Record | ReadRecordResult::End => break,
        }
    }
    let mut start = 0;
    ends[..n_ends]
        .iter()
        .map(|&end| {
            let field = &fields[start..end];
            start = end;
            String::from_utf8_lossy(field).into_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests;
