//! What a reader yields for each record: a document or a problem, and where it came from.

use std::path::PathBuf;

use treffer_types::Document;

use crate::problem::{Problem, Reason};

/// One record of a corpus.
#[derive(Debug)]
pub enum Record {
    /// A document. Whether its id is unique is for the caller to check, since a reader
    /// does not remember earlier documents.
    Document {
        /// The document.
        document: Document,
        /// What the field that [`ReadOptions::vector`](crate::ReadOptions::vector) names holds, if
        /// the record has it: finite numbers, at least one of them not 0.
        vector: Option<Vec<f32>>,
        /// Where it was read from.
        origin: Origin,
    },
    /// A bad record, which was skipped.
    Problem(Problem),
}

/// Where a record was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file; `-` is standard input.
    pub path: PathBuf,
    /// The record's first line, from 1; `None` if the whole file is the record.
    pub line: Option<u64>,
}

impl Origin {
    /// A problem with the record at this place.
    pub fn problem(self, reason: Reason) -> Problem {
        Problem {
            path: self.path,
            line: self.line,
            reason,
        }
    }
}
