//! A corpus as a command's input: its arguments, and what is said of what was read.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, RangedU64ValueParser, TypedValueParser};
use treffer_corpus::{Columns, Delimiter, Format, PassedOver, ReadOptions};
use treffer_engine::build::{PassageCounts, UnreadLanguages, WriteReport};
use treffer_report::text::count;

use crate::options::ReadArgs;
use crate::progress::Bars;
use crate::terminal::{note, warn};

/// The documents that a command reads.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct CorpusArgs {
    /// Corpus files (.jsonl, .csv, .tsv, each also .gz or .zst), BEIR folders, folders of .txt, .md and .html, or - for standard input
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    /// Format of the inputs [default: by file name; JSON lines for standard input]
    #[arg(long, value_name = "FORMAT", value_parser = input_format())]
    pub(crate) input_format: Option<Format>,
    /// Column of a table, by name or number from 1, or field of JSON that holds the id
    #[arg(long, value_name = "NAME")]
    pub(crate) id_column: Option<String>,
    /// Column or field that holds the title
    #[arg(long, value_name = "NAME")]
    pub(crate) title_column: Option<String>,
    /// Column or field that holds the text
    #[arg(long, value_name = "NAME")]
    pub(crate) text_column: Option<String>,
    /// What separates the fields of a CSV: one character, or `tab` [default: a line `sep=;`
    /// or the header tells]
    #[arg(long, value_name = "CHARACTER")]
    pub(crate) delimiter: Option<Delimiter>,
    /// The tables have no header: columns go by number, and of two, the first is the id
    #[arg(long)]
    pub(crate) no_header: bool,
    /// Vectors of the documents in NumPy's format (.npy): a row for each record of the inputs, in
    /// their order, bad records included
    #[arg(long, value_name = "FILE")]
    pub(crate) vectors: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) reading: ReadArgs,
    /// Stop at the first bad record instead of reporting and skipping it
    #[arg(long)]
    pub(crate) strict: bool,
}

impl CorpusArgs {
    /// How the inputs are read; `bars` can stop it.
    pub(crate) fn options(&self, bars: &Bars) -> ReadOptions {
        ReadOptions {
            format: self.input_format,
            columns: Columns {
                id: self.id_column.clone(),
                title: self.title_column.clone(),
                text: self.text_column.clone(),
            },
            delimiter: self.delimiter,
            has_header: !self.no_header,
            encoding: self.reading.encoding,
            stop: bars.stop(),
            ..ReadOptions::default()
        }
    }
}

/// The formats of a single input. A folder's files go by their names.
fn input_format() -> impl TypedValueParser<Value = Format> {
    let formats = Format::ALL
        .into_iter()
        .filter(|format| *format != Format::Files);
    PossibleValuesParser::new(formats.map(Format::as_str)).try_map(|name| name.parse::<Format>())
}

/// A number of documents, at least 1.
pub(crate) fn at_least_one_document() -> RangedU64ValueParser<u32> {
    RangedU64ValueParser::new().range(1..)
}

/// The time of all steps and of each, as in `2.0 s (read 0.5 s, encode 1.5 s)`.
pub(crate) fn times(steps: &[(&'static str, Duration)]) -> String {
    let total: Duration = steps.iter().map(|(_, elapsed)| *elapsed).sum();
    let steps: Vec<String> = steps
        .iter()
        .map(|(step, elapsed)| format!("{step} {:.1} s", elapsed.as_secs_f64()))
        .collect();
    format!("{:.1} s ({})", total.as_secs_f64(), steps.join(", "))
}

/// What else is to be said of documents that were written: what failed, and what was not read.
pub(crate) fn note_written(report: &WriteReport) {
    for warning in &report.warnings {
        warn(warning);
    }
    note_passed_over(&report.passed_over);
    note_unread_languages(&report.unread_languages);
    note_passages(&report.passages);
    note_cut(&report.passages, report.passages_cut, report.tokens_cut);
}

/// A folder may hold much that is no text, and little that is.
pub(crate) fn note_passed_over(passed_over: &PassedOver) {
    if !passed_over.is_empty() {
        note(&format!(
            "{passed_over} (only .txt, .md and .html are read from a folder)"
        ));
    }
}

/// Records whose language could not be read.
fn note_unread_languages(unread: &UnreadLanguages) {
    if let Some((id, value)) = &unread.first {
        note(&format!(
            "`{}` is no language tag in {}, as in {id}: {value}; their language was detected",
            unread.field,
            count(unread.records, "record"),
        ));
    }
}

/// How documents were split.
fn note_passages(passages: &PassageCounts) {
    let PassageCounts {
        passages,
        documents_split,
        most,
        titles_cut,
        title_tokens_cut,
    } = *passages;
    if documents_split > 0 {
        note(&format!(
            "{} of them split into passages, at most {most} each: {} in all",
            count(documents_split.into(), "document"),
            count(passages.into(), "passage"),
        ));
    }
    if titles_cut > 0 {
        note(&format!(
            "{} too long to be read in front of every passage; {} of them left out there (BM25 has all)",
            count(titles_cut.into(), "title"),
            count(title_tokens_cut, "token"),
        ));
    }
}

/// What the bi-encoder did not read.
fn note_cut(passages: &PassageCounts, passages_cut: u32, tokens_cut: u64) {
    if passages_cut == 0 {
        return;
    }
    let what = if passages.documents_split > 0 {
        "passage"
    } else {
        "document"
    };
    note(&format!(
        "{} longer than the bi-encoder's maximal length; it did not read {} of them (BM25 has all; [passages] in the configuration splits long documents)",
        count(passages_cut.into(), what),
        count(tokens_cut, "token"),
    ));
}
