//! Problems with single records: reported to the caller and skipped, never fatal in this
//! crate.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use treffer_types::Grade;

/// A bad record that was skipped. Displays as `path:line: reason`.
#[derive(Debug)]
pub struct Problem {
    /// The file; `-` is standard input.
    pub path: PathBuf,
    /// The record's first line, from 1; `None` if the problem concerns the whole file.
    pub line: Option<u64>,
    /// What is wrong with it.
    pub reason: Reason,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", display_path(&self.path))?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        write!(f, " {}", self.reason)
    }
}

// No `source`: the message includes the reason and its causes, so that a problem always
// prints on one line.
impl std::error::Error for Problem {}

/// What can be wrong with a record.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// The line is not JSON.
    #[error("not valid JSON: {message} at column {column}")]
    BrokenJson {
        /// The parser's message.
        message: String,
        /// Position in the line, in bytes from 1.
        column: usize,
    },
    /// The line is valid JSON, but not an object.
    #[error("{found} where an object is expected; each line is one JSON object")]
    NotAnObject {
        /// The kind of value found, such as `an array`.
        found: &'static str,
    },
    /// The record has no id, or an empty one.
    #[error("the id is missing or empty")]
    MissingId,
    /// A field holds a value of the wrong kind.
    #[error("`{field}` is {found}, {expected} is expected")]
    WrongType {
        /// The field's name.
        field: String,
        /// The kind of value found, such as `an array`.
        found: &'static str,
        /// The kind of value expected.
        expected: &'static str,
    },
    /// A vector cannot be used.
    #[error("its vector cannot be used: {why}")]
    BadVector {
        /// What is wrong with it.
        why: String,
    },
    /// Neither title nor text holds a visible character.
    #[error("empty text: nothing to search in")]
    EmptyText,
    /// A record of texts has no query, or a blank one.
    #[error("the query is missing or blank")]
    MissingQuery,
    /// A record of texts has no list of them.
    #[error("there are no texts; {expected} must hold a list of them")]
    MissingTexts {
        /// The names that the list may have.
        expected: String,
    },
    /// The record is not UTF-8.
    #[error("not valid UTF-8 (from byte {byte} of the record); convert the file to UTF-8")]
    InvalidUtf8 {
        /// Position of the first invalid byte within the record, from 1.
        byte: usize,
    },
    /// The record holds bytes that are no character of the file's encoding.
    #[error("not valid {encoding}; convert the file to UTF-8")]
    InvalidEncoding {
        /// The encoding that was named, or told by a byte order mark.
        encoding: &'static str,
    },
    /// A topic has none of the fields that make up the query.
    #[error("the topic has no {field}")]
    NoTopicField {
        /// The fields that were asked for, as in `<title>`.
        field: String,
    },
    /// Text between topics.
    #[error("`{text}` stands outside of any topic")]
    OutsideTopics {
        /// The text, shortened if long.
        text: String,
    },
    /// The record's number of columns does not fit the layout of its file.
    #[error("columns found: {found}, expected: {expected}")]
    WrongColumns {
        /// Number of columns in the record.
        found: usize,
        /// The layouts that would be accepted.
        expected: &'static str,
    },
    /// The record's number of columns differs from the header's.
    #[error("columns found: {found}, in the header: {header}")]
    NotAsHeader {
        /// Number of columns in the record.
        found: usize,
        /// Number of columns in the header.
        header: usize,
    },
    /// A quoted field is not closed before the end of the file or the limit of a record.
    #[error("a quoted field is opened here and never closed; only this line is skipped")]
    UnclosedQuote,
    /// The grade of a judgment is not an integer.
    #[error("the grade `{grade}` is not an integer")]
    BadGrade {
        /// The text in place of the grade, shortened if long.
        grade: String,
    },
    /// The score of a result is not a finite number.
    #[error("the score `{score}` of document `{doc}` is not a finite number")]
    BadScore {
        /// The text in place of the score, shortened if long.
        score: String,
        /// The document's id.
        doc: String,
    },
    /// A run has a document twice for one query.
    #[error(
        "document `{doc}` of query `{query}` already stands on line {first_line}, which is kept"
    )]
    DuplicateResult {
        /// The query's id.
        query: String,
        /// The document's id.
        doc: String,
        /// The first line with the document.
        first_line: u64,
    },
    /// An earlier record has the same id.
    #[error("duplicate id `{id}`{}; the first is kept", at_line(*.first_line))]
    DuplicateId {
        /// The id.
        id: String,
        /// The line of the first record, if it is known and in the same file.
        first_line: Option<u64>,
    },
    /// The same query and document were already judged earlier in the file.
    #[error(
        "document `{doc}` was already judged for query `{query}`; the first grade, {kept}, is kept"
    )]
    DuplicateJudgment {
        /// The query's id.
        query: String,
        /// The document's id.
        doc: String,
        /// The grade of the first judgment.
        kept: Grade,
    },
    /// The record is longer than the limit.
    #[error("longer than {limit} bytes, the limit for one record")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// What has the name of a text file in a folder is no file: reading it might never end.
    #[error("not a regular file but {kind}; to read it as a stream, name it by itself")]
    NotAFile {
        /// What it is, as in "a named pipe".
        kind: &'static str,
    },
    /// A file of a folder could not be read.
    #[error("could not be read: {0}")]
    Unreadable(io::Error),
    /// The index does not accept the record.
    #[error("{0}")]
    Refused(#[source] treffer_types::BoxError),
    /// A line of a list of words is none that can be used.
    #[error("no word: {why}")]
    NotAWord {
        /// Why not.
        why: String,
    },
    /// The file's name is not valid Unicode and so cannot serve as a document id.
    #[error("the file name is not valid Unicode; rename the file")]
    FileName,
}

impl Reason {
    /// The kind of reason in a few words that follow a number of records, as in "without an
    /// id": for counting what is not listed.
    pub fn kind(&self) -> &'static str {
        match self {
            Reason::BrokenJson { .. } => "not valid JSON",
            Reason::NotAnObject { .. } => "not a JSON object",
            Reason::MissingId => "without an id",
            Reason::WrongType { .. } => "with a value of the wrong type",
            Reason::BadVector { .. } => "with a vector that cannot be used",
            Reason::EmptyText => "without text",
            Reason::MissingQuery => "without a query",
            Reason::MissingTexts { .. } => "without texts",
            Reason::InvalidUtf8 { .. } => "not valid UTF-8",
            Reason::InvalidEncoding { .. } => "not valid in their encoding",
            Reason::NoTopicField { .. } => "without the field of the topic",
            Reason::OutsideTopics { .. } => "outside of any topic",
            Reason::WrongColumns { .. } | Reason::NotAsHeader { .. } => {
                "with another number of columns"
            }
            Reason::UnclosedQuote => "with a quoted field that is never closed",
            Reason::BadGrade { .. } => "with a grade that is not an integer",
            Reason::BadScore { .. } => "with a score that is not a number",
            Reason::DuplicateResult { .. } => "repeating a document of their query",
            Reason::DuplicateId { .. } => "with a duplicate id",
            Reason::DuplicateJudgment { .. } => "judging a document again",
            Reason::TooLarge { .. } => "longer than the limit",
            Reason::NotAFile { .. } => "not a regular file",
            Reason::Unreadable(_) => "that could not be read",
            Reason::Refused(_) => "that the index does not accept",
            Reason::NotAWord { .. } => "without a word that can be used",
            Reason::FileName => "with a file name that is not valid Unicode",
        }
    }
}

fn at_line(line: Option<u64>) -> String {
    line.map_or_else(String::new, |line| format!(" (first seen at line {line})"))
}

/// The text, cut to at most 100 characters.
pub(crate) fn excerpt(text: &str) -> String {
    const MAX_CHARS: usize = 100;
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// The path for use in messages.
pub(crate) fn display_path(path: &Path) -> std::borrow::Cow<'_, str> {
    if path == Path::new("-") {
        "standard input".into()
    } else {
        path.to_string_lossy()
    }
}
