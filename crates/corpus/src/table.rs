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
pub(crate) enum Dialect {
    /// By commas. A quoted field may contain commas, line ends and doubled quotes.
    Csv,
    /// By tabs. A quote is an ordinary character.
    Tsv,
}

/// One record: its first line and its fields, or what is wrong with it.
pub(crate) type Row = Numbered<Vec<String>>;

/// Reads records. Blank lines are skipped.
pub(crate) struct Table<R> {
    lines: Lines<R>,
    dialect: Dialect,
    /// Lines to read again before the rest of `lines`.
    pending: VecDeque<HeldLine>,
}

/// A line kept until its record is complete; `None` if it was too large to keep.
struct HeldLine {
    number: u64,
    bytes: Option<Vec<u8>>,
}

impl<R> Table<R> {
    /// How fields are separated.
    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }
}

impl<R: BufRead> Table<R> {
    pub(crate) fn new(lines: Lines<R>, dialect: Dialect) -> Self {
        Table {
            lines,
            dialect,
            pending: VecDeque::new(),
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

    /// Reports the first line of an unclosed quoted field; the other lines are read again.
    fn give_up(&mut self, held: Vec<HeldLine>) -> Option<Row> {
        let mut held = held.into_iter();
        let first = held.next()?;
        for line in held.rev() {
            self.pending.push_front(line);
        }
        Some((first.number, Err(Reason::UnclosedQuote)))
    }

    fn next_line(&mut self) -> io::Result<Option<HeldLine>> {
        if let Some(line) = self.pending.pop_front() {
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
    fn after(self, byte: u8) -> State {
        match (self, byte) {
            (State::Quoted, b'"') => State::Quote,
            (State::Quoted, _) => State::Quoted,
            (State::FieldStart | State::Quote, b'"') => State::Quoted,
            (_, b',') => State::FieldStart,
            _ => State::Unquoted,
        }
    }
}

impl Dialect {
    /// The fields of one complete record.
    fn fields(self, record: &[u8]) -> Result<Vec<String>, Reason> {
        let text = utf8(record)?;
        Ok(match self {
            Dialect::Tsv => text.split('\t').map(str::to_owned).collect(),
            Dialect::Csv => csv_fields(text),
        })
    }
}

fn csv_fields(record: &str) -> Vec<String> {
    // The fields together are not longer than the record, and there is at most one more
    // of them than there are commas.
    let mut fields = vec![0; record.len() + 1];
    let mut ends = vec![0; record.bytes().filter(|&byte| byte == b',').count() + 2];
    // A lone `\r` is an ordinary character, not a line end.
    let mut reader = ReaderBuilder::new()
        .terminator(Terminator::Any(b'\n'))
        .build();
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(input: &str, limit: u64) -> Vec<Row> {
        let mut table = Table::new(Lines::new(input.as_bytes(), limit), Dialect::Csv);
        std::iter::from_fn(|| table.next().unwrap()).collect()
    }

    /// Records by the csv crate, which reads an unclosed field to the end of the input.
    fn oracle(input: &str) -> Vec<(u64, Vec<String>)> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .terminator(csv::Terminator::Any(b'\n'))
            .from_reader(input.as_bytes());
        let records = reader.records().map(|record| {
            let record = record.unwrap();
            let fields = record.iter().map(str::to_owned).collect();
            (record.position().unwrap().line(), fields)
        });
        records.collect()
    }

    #[test]
    fn large_fields_and_many_fields_fit_the_buffers() {
        let text = "word, \"\" ".repeat(10_000);
        let input = format!("1,\"{text}\"\n{}\n", ",".repeat(5_000));
        let rows = rows(&input, 1 << 20);
        let (_, first) = &rows[0];
        assert_eq!(first.as_ref().unwrap()[1], text.replace("\"\"", "\""));
        assert_eq!(rows[1].1.as_ref().unwrap().len(), 5_001);
        assert_eq!(rows.len(), 2);
    }

    #[test]
    fn lines_after_an_unclosed_quote_are_read_even_if_the_field_exceeds_the_limit() {
        let input = format!("1,\"a\n{}", "2,b\n".repeat(100));
        let rows = rows(&input, 50);
        assert!(matches!(rows[0], (1, Err(Reason::UnclosedQuote))));
        assert_eq!(rows.len(), 101);
        assert!(rows[1..].iter().all(|(_, row)| row.is_ok()));
    }

    proptest! {
        #[test]
        fn records_are_those_of_the_csv_crate(input in "[ab,\"\n é]{0,40}") {
            let rows = rows(&input, 1 << 20);
            // The two differ on purpose if a quote is never closed.
            let good: Result<Vec<_>, Reason> =
                rows.into_iter().map(|(line, row)| row.map(|row| (line, row))).collect();
            if let Ok(good) = good {
                // The csv crate gives a record the line number of the blank lines before it.
                let fields: Vec<_> = good.iter().map(|(_, fields)| fields.clone()).collect();
                let expected: Vec<_> = oracle(&input).into_iter().map(|(_, fields)| fields).collect();
                prop_assert_eq!(fields, expected);
                let without_blanks = !input.starts_with('\n') && !input.contains("\n\n");
                if without_blanks {
                    let lines: Vec<u64> = good.iter().map(|(line, _)| *line).collect();
                    let expected: Vec<u64> =
                        oracle(&input).into_iter().map(|(line, _)| line).collect();
                    prop_assert_eq!(lines, expected);
                }
            }
        }

        #[test]
        fn what_the_csv_crate_writes_is_read(
            table in proptest::collection::vec(("[ab,\"\n\t é]{0,6}", "[x\"]{1,2}"), 0..8),
        ) {
            let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
            for (a, b) in &table {
                writer.write_record([a, b]).unwrap();
            }
            let written = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            let read: Vec<_> = rows(&written, 1 << 20)
                .into_iter()
                .map(|(_, row)| row.unwrap())
                .collect();
            let table: Vec<_> = table.into_iter().map(|(a, b)| vec![a, b]).collect();
            prop_assert_eq!(read, table);
        }
    }
}
