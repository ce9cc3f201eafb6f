//! Bad records: a few of each kind are shown, all are counted, and a file takes all of them.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result};
use treffer_corpus::Problem;
use treffer_disk::Output;
use treffer_report::text::{count, grouped};

use crate::output;
use crate::terminal::{note, say, visible, warn};

/// How many of each kind are shown: what is wrong with one record is often wrong with all.
const SHOWN: u64 = 10;

/// Reports bad records, input by input.
pub(crate) struct Problems {
    file: Option<ProblemFile>,
    /// Of the current input, by kind.
    counts: Counts,
    /// The same of records that were kept without what is wrong in them.
    kept: Counts,
}

/// How many there are of each kind.
type Counts = BTreeMap<&'static str, u64>;

struct ProblemFile {
    path: PathBuf,
    out: Output,
    failure: Option<std::io::Error>,
}

impl Problems {
    /// `path` is the file that takes every bad record, if one is wanted.
    pub(crate) fn new(path: Option<&Path>) -> Result<Self> {
        let file = match path {
            None => None,
            Some(path) => {
                output::check_target(path, FILE)?;
                Some(ProblemFile {
                    path: path.to_owned(),
                    out: Output::open(path).with_context(|| failed(path))?,
                    failure: None,
                })
            }
        };
        Ok(Problems {
            file,
            counts: BTreeMap::new(),
            kept: BTreeMap::new(),
        })
    }

    /// Takes a bad record, and shows it unless many of its kind were shown.
    pub(crate) fn add(&mut self, problem: &Problem, show: &dyn Fn(&str)) {
        // An id may hold anything, and each record is one line.
        let line = visible(&problem.to_string()).replace('\n', "\\n");
        let (counts, fate) = if problem.reason.keeps_record() {
            (&mut self.kept, "kept in part")
        } else {
            (&mut self.counts, "skipped")
        };
        let n = counts.entry(problem.reason.kind()).or_default();
        *n += 1;
        if *n <= SHOWN {
            show(&format!("{fate}: {line}"));
        }
        if let Some(file) = &mut self.file
            && file.failure.is_none()
        {
            file.failure = writeln!(file.out, "{line}").err();
        }
    }

    /// Ends an input: says how many of its records were bad, and how many were not shown.
    /// `noun` names a record, as in "bad record", and `of` says where it is if that is needed.
    pub(crate) fn end_input(&mut self, noun: &str, of: Option<&Path>) {
        let counts = std::mem::take(&mut self.counts);
        self.note(&counts, noun, of, "skipped");
        if counts.keys().any(|kind| kind.contains("UTF-8")) {
            note("another encoding can be named, as in --encoding windows-1252");
        }
        let kept = std::mem::take(&mut self.kept);
        self.note(
            &kept,
            "value",
            of,
            "left out of filters, facets and sorting",
        );
    }

    fn note(&self, counts: &Counts, noun: &str, of: Option<&Path>, fate: &str) {
        let total: u64 = counts.values().sum();
        if total == 0 {
            return;
        }
        let of = of.map_or_else(String::new, |path| format!(" of {}", path.display()));
        let mut text = format!("{}{of} {fate}", count(total, noun));
        let not_shown: Vec<String> = counts
            .iter()
            .filter(|(_, n)| **n > SHOWN)
            .map(|(kind, n)| format!("{} {kind}", grouped(*n - SHOWN)))
            .collect();
        if !not_shown.is_empty() {
            text.push_str(&format!("; not shown are {}", not_shown.join(", ")));
            text.push_str(&match &self.file {
                Some(file) => format!(" (all are in {})", file.path.display()),
                None => " (--problems FILE takes all)".to_owned(),
            });
        }
        note(&text);
    }

    /// Completes the file.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.file.take().map_or(Ok(()), ProblemFile::finish)
    }
}

/// What is wrong with an input is wanted most where nothing could be made of it.
impl Drop for Problems {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.file.take().map(ProblemFile::finish) {
            warn(&format!("{error:#}"));
        }
    }
}

impl ProblemFile {
    fn finish(self) -> Result<()> {
        let ProblemFile { path, out, failure } = self;
        match failure {
            Some(error) => Err(Error::new(error)),
            None => out.commit().map_err(Error::new),
        }
        .with_context(|| failed(&path))?;
        say(&format!("wrote the bad records to {}", path.display()));
        Ok(())
    }
}

/// What is written, as messages name it.
const FILE: &str = "the bad records";

fn failed(path: &Path) -> String {
    format!("could not write {FILE} to {}", path.display())
}
