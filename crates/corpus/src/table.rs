//! Records of a CSV or TSV stream as fields, framed here so that each knows its line
//! and a quote that is never closed costs one line instead of the rest of the file.

use std::collections::VecDeque;
use std::io::{self, BufRead};

use csv_core::ReadRecordResult;

use crate::lines::{Line, Lines};
use crate::problem::Reason;

/// How fields are set apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// By commas; a field may be quoted and then hold commas, line ends and doubled quotes.
    Csv,
    /// By tabs; a quote is a character like any other.
    Tsv,
}

/// One record: its first line and its fields, or what is wrong with it.
pub(crate) type Row = (u64, Result<Vec<String>, Reason>);

/// Reads records. Blank lines are skipped.
pub(crate) struct Table<R> {
    lines: Lines<R>,
    dialect: Dialect,
    /// Lines to be read again, before those of `lines`.
    again: VecDeque<HeldLine>,
}

/// A line kept until its record is complete; `None` if it was too large to keep.
struct HeldLine {
    number: u64,
    bytes: Option<Vec<u8>>,
}

impl<R> Table<R> {
    /// How fields are set apart.
    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }
}

impl<R: BufRead> Table<R> {
    pub(crate) fn new(lines: Lines<R>, dialect: Dialect) -> Self {
        Table {
            lines,
            dialect,
            again: VecDeque::new(),
        }
    }

    /// Lines read so far.
    pub(crate) fn line_number(&self) -> u64 {
        self.lines.number()
    }

    /// The next record, `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Row>> {
        let mut record = Vec::new();
        let mut held: Vec<HeldLine> = Vec::new();
        let mut state = State::FieldStart;
        while let Some(line) = self.next_line()? {
            let Some(bytes) = &line.bytes else {
                if held.is_empty() {
                    let limit = self.lines.limit();
                    return Ok(Some((line.number, Err(Reason::TooLarge { limit }))));
                }
                held.push(line);
                break;
            };
            if held.is_empty() && bytes.is_empty() {
                continue;
            }
            record.extend_from_slice(bytes);
            record.push(b'\n');
            if self.dialect == Dialect::Csv {
                state = bytes.iter().fold(state, |state, &byte| state.after(byte));
            }
            let first = held.first().map_or(line.number, |first| first.number);
            if state != State::Quoted {
                record.pop();
                return Ok(Some((first, self.dialect.fields(&record))));
            }
            held.push(line);
            if record.len() as u64 > self.lines.limit() {
                break;
            }
        }
        Ok(self.give_up(held))
    }

    /// Reports the first line of an unclosed field; the others are read again.
    fn give_up(&mut self, held: Vec<HeldLine>) -> Option<Row> {
        let mut held = held.into_iter();
        let first = held.next()?;
        for line in held.rev() {
            self.again.push_front(line);
        }
        Some((first.number, Err(Reason::UnclosedQuote)))
    }

    fn next_line(&mut self) -> io::Result<Option<HeldLine>> {
        if let Some(line) = self.again.pop_front() {
            return Ok(Some(line));
        }
        Ok(self.lines.next()?.map(|(number, line)| HeldLine {
            number,
            bytes: match line {
                Line::Bytes(bytes) => Some(bytes.to_vec()),
                Line::TooLarge => None,
            },
        }))
    }
}

/// Where the reader of a CSV record stands between two bytes, after RFC 4180.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    FieldStart,
    Bare,
    Quoted,
    /// After a quote inside a quoted field: it closes the field or is half of a doubled one.
    Quote,
}

impl State {
    fn after(self, byte: u8) -> State {
        match (self, byte) {
            (State::Quoted, b'"') => State::Quote,
            (State::Quoted, _) => State::Quoted,
            (State::FieldStart | State::Quote, b'"') => State::Quoted,
            (_, b',') => State::FieldStart,
            _ => State::Bare,
        }
    }
}

impl Dialect {
    /// The fields of one complete record.
    fn fields(self, record: &[u8]) -> Result<Vec<String>, Reason> {
        let text = std::str::from_utf8(record).map_err(|error| Reason::InvalidUtf8 {
            byte: error.valid_up_to() + 1,
        })?;
        Ok(match self {
            Dialect::Tsv => text.split('\t').map(str::to_owned).collect(),
            Dialect::Csv => csv_fields(text),
        })
    }
}

fn csv_fields(record: &str) -> Vec<String> {
    // Fields are never longer than what they were read from, nor more than its commas tell.
    let mut fields = vec![0; record.len() + 1];
    let mut ends = vec![0; record.bytes().filter(|&byte| byte == b',').count() + 2];
    let mut reader = csv_core::Reader::new();
    let (mut n_read, mut n_written, mut n_ends) = (0, 0, 0);
    loop {
        // An empty input says that the record is over.
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
                unreachable!("the buffers hold as much as the record could give")
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
