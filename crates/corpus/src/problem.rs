//! What is wrong with one record, and where: reported and skipped, never fatal here.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use treffer_types::Grade;

/// A bad record. It prints as `path:line: reason`.
#[derive(Debug)]
pub struct Problem {
    /// The file; `-` is standard input.
    pub path: PathBuf,
    /// The record's first line, from 1; `None` if the whole file is meant.
    pub line: Option<u64>,
    /// What is wrong.
    pub reason: Reason,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", shown(&self.path))?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        write!(f, " {}", self.reason)
    }
}

// The reason is in the message, causes and all, so that a problem is always one line.
impl std::error::Error for Problem {}

/// Where a record stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file; `-` is standard input.
    pub path: PathBuf,
    /// The record's first line, from 1; `None` if the file is the record.
    pub line: Option<u64>,
}

impl Origin {
    /// A problem of the record that stood here.
    pub fn problem(self, reason: Reason) -> Problem {
        Problem {
            path: self.path,
            line: self.line,
            reason,
        }
    }
}

/// What can be wrong with a record.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// The line is not JSON.
    #[error("not valid JSON: {message} at column {column}")]
    BrokenJson {
        /// What the parser found.
        message: String,
        /// Byte of the line, from 1.
        column: usize,
    },
    /// The line is JSON but holds no record.
    #[error("{found} where an object is expected; each line is one JSON object")]
    NotAnObject {
        /// What stands there, such as `an array`.
        found: &'static str,
    },
    /// The record has no id, or an empty one.
    #[error("the id is missing or empty")]
    MissingId,
    /// A field holds a value of the wrong kind.
    #[error("`{field}` is {found}, {expected} is expected")]
    WrongType {
        /// The field's name.
        field: &'static str,
        /// What it holds, such as `an array`.
        found: &'static str,
        /// What it should hold.
        expected: &'static str,
    },
    /// Neither title nor text holds a visible character.
    #[error("empty text: nothing to search in")]
    EmptyText,
    /// The record is not UTF-8.
    #[error("not valid UTF-8 (from byte {byte} of the record); convert the file to UTF-8")]
    InvalidUtf8 {
        /// The first wrong byte, from 1, counted from the record's start.
        byte: usize,
    },
    /// The record does not have the columns of its file.
    #[error("columns found: {found}, expected: {expected}")]
    WrongColumns {
        /// As many as the record has.
        found: usize,
        /// As many as it should have.
        expected: &'static str,
    },
    /// The record does not have the columns of its file's header.
    #[error("columns found: {found}, in the header: {header}")]
    NotAsHeader {
        /// As many as the record has.
        found: usize,
        /// As many as the header has.
        header: usize,
    },
    /// A quoted field runs to the end of the file, or beyond all measure.
    #[error("a quoted field is opened here and never closed; only this line is skipped")]
    UnclosedQuote,
    /// The grade of a judgement is not an integer.
    #[error("the grade `{grade}` is not an integer")]
    BadGrade {
        /// What stands in its place.
        grade: String,
    },
    /// Another record came first with this id.
    #[error("duplicate id `{id}`{}; the first is kept", at_line(*.first_line))]
    DuplicateId {
        /// The id.
        id: String,
        /// The line of the first record, if it is known and in the same file.
        first_line: Option<u64>,
    },
    /// The pair was judged before in the same file.
    #[error(
        "document `{doc}` was already judged for query `{query}`; the first grade, {kept}, is kept"
    )]
    DuplicateJudgement {
        /// The query's id.
        query: String,
        /// The document's id.
        doc: String,
        /// The first grade.
        kept: Grade,
    },
    /// The record is longer than the limit.
    #[error("longer than {limit} bytes, the most that one record may have")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// A file of a folder could not be read.
    #[error("could not be read: {0}")]
    Unreadable(io::Error),
    /// The index cannot hold it.
    #[error("{0}")]
    Refused(#[source] treffer_types::BoxError),
    /// A file's name cannot be an id, because it is not Unicode.
    #[error("the file name is not valid Unicode; rename the file")]
    FileName,
}

fn at_line(line: Option<u64>) -> String {
    line.map_or_else(String::new, |line| format!(" (first seen at line {line})"))
}

/// The beginning of a text that may be long.
pub(crate) fn excerpt(text: &str) -> String {
    const MOST: usize = 100;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// A path as messages name it.
pub(crate) fn shown(path: &Path) -> std::borrow::Cow<'_, str> {
    if path == Path::new("-") {
        "standard input".into()
    } else {
        path.to_string_lossy()
    }
}
