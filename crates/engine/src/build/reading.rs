//! The first step of a build: every record of every input, one at a time.

use std::collections::HashSet;
use std::path::PathBuf;

use treffer_columns::FieldProblem;
use treffer_corpus::{
    Origin, PassedOver, Problem, ReadOptions, Reason, Record, VectorFile, check_input,
    read_documents,
};
use treffer_types::{Document, Progress};

use super::vectors::Given;
use crate::error::{Error, stop_if_asked};

/// Reads documents.
pub(super) struct Reading<'a> {
    /// Files, folders, or `-` for standard input.
    pub(super) inputs: &'a [PathBuf],
    /// Vectors of the documents: a row for each record of all inputs, in their order, bad ones
    /// included, so that a record's row does not depend on what is wrong with others.
    pub(super) vectors: Option<&'a VectorFile>,
    /// The field that holds a record's vector, if there is no such file.
    pub(super) vector_field: Option<&'a str>,
    /// How they are read.
    pub(super) options: &'a ReadOptions,
    /// Whether the first bad record ends it.
    pub(super) strict: bool,
    pub(super) progress: &'a dyn Progress,
    pub(super) on_problem: &'a mut dyn FnMut(&Problem),
}

/// What was read.
#[derive(Default)]
pub(super) struct Counts {
    /// Documents that were kept.
    pub(super) documents: u32,
    /// Bad records, which were skipped.
    pub(super) problems: u64,
    /// Records that were kept without a value that is not of its field's type, once for each
    /// field.
    pub(super) fields_left_out: u64,
    /// Files of folders that were not read.
    pub(super) passed_over: PassedOver,
}

impl Reading<'_> {
    /// Reads every input; `keep` accepts a document or returns the problem with it.
    pub(super) fn run(self, keep: &mut Keep<'_>) -> Result<Counts, Error> {
        let mut counts = Counts::default();
        // Reading fails once it is to stop, which is not the input's fault.
        let progress = self.progress;
        let unread = |error| {
            if progress.cancelled() {
                return Error::Cancelled;
            }
            Error::Corpus(error)
        };
        let vector_field = self.vector_field.filter(|_| self.vectors.is_none());
        let options = ReadOptions {
            vector: vector_field.map(str::to_owned),
            ..self.options.clone()
        };
        // All of them, before the first takes its time.
        for input in self.inputs {
            check_input(input, &options).map_err(Error::Corpus)?;
        }
        let mut n_records: u64 = 0;
        for input in self.inputs {
            let reader = read_documents(input, &options);
            let mut reader = reader.map_err(unread)?;
            counts.passed_over.merge(&reader.passed_over());
            let step = format!("reading {}", input.display());
            self.progress.begin(&step, reader.bytes_total(), "bytes");
            let mut bytes = 0;
            while let Some(record) = reader.next() {
                stop_if_asked(self.progress)?;
                let record = record.map_err(unread)?;
                let row = match self.vectors {
                    Some(file) if n_records == file.rows() => {
                        return Err(Error::Corpus(file.other_count(None)));
                    }
                    file => file.map(|_| Given::Row(n_records)),
                };
                n_records += 1;
                let kept = match record {
                    Record::Problem(problem) => Kept::not(problem),
                    Record::Document {
                        document,
                        vector,
                        origin,
                    } => keep(&document, origin, row.or(vector.map(Given::Vector)))?,
                };
                counts.documents += u32::from(kept.is_kept);
                for problem in kept.problems {
                    if self.strict {
                        return Err(Error::Strict(problem));
                    }
                    if problem.reason.keeps_record() {
                        counts.fields_left_out += 1;
                    } else {
                        counts.problems += 1;
                    }
                    (self.on_problem)(&problem);
                }
                let now = reader.bytes_read();
                if kept.has_committed {
                    let rest = reader.bytes_total().map(|total| total.saturating_sub(now));
                    self.progress.begin(&step, rest, "bytes");
                    bytes = now;
                }
                self.progress.advance(now.saturating_sub(bytes));
                bytes = now;
            }
            self.progress.end();
        }
        if let Some(file) = self.vectors.filter(|file| file.rows() != n_records) {
            return Err(Error::Corpus(file.other_count(Some(n_records))));
        }
        match counts.documents {
            0 => Err(Error::EmptyCorpus {
                problems: counts.problems,
                passed_over: counts.passed_over,
            }),
            _ => Ok(counts),
        }
    }
}

/// Takes a document, with its vector if it comes with one.
pub(super) type Keep<'a> = dyn FnMut(&Document, Origin, Option<Given>) -> Result<Kept, Error> + 'a;

/// What became of a document.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) is_kept: bool,
    /// Why it is not kept, or what of it is not.
    pub(super) problems: Vec<Problem>,
    /// Whether a batch was committed with it, which was reported as a step of its own.
    pub(super) has_committed: bool,
}

impl Kept {
    /// A document that is not kept.
    pub(super) fn not(problem: Problem) -> Self {
        Kept {
            problems: vec![problem],
            ..Kept::default()
        }
    }

    /// A document that is kept as it is.
    pub(super) fn whole() -> Self {
        Kept {
            is_kept: true,
            ..Kept::default()
        }
    }
}

/// What columns could not take of a document: of each field, the first value.
pub(super) fn field_problems(problems: Vec<FieldProblem>, origin: &Origin) -> Vec<Problem> {
    let mut fields = HashSet::new();
    let problems = problems.into_iter();
    problems
        .filter(|problem| fields.insert(problem.field.clone()))
        .map(|problem| {
            let what = problem.to_string();
            origin.clone().problem(Reason::Field { what })
        })
        .collect()
}

/// The problem of a document whose id is taken.
pub(super) fn duplicate(document: &Document, origin: Origin) -> Problem {
    origin.problem(Reason::DuplicateId {
        id: document.id.clone(),
        first_line: None,
    })
}
