//! Reads relevance judgments (qrels) in BEIR's or TREC's layout, told apart by the first
//! line, or as a table.

use std::collections::BTreeSet;
use std::collections::btree_map::Entry;
use std::io::BufRead;
use std::path::Path;

use treffer_types::{Grade, Qrels};

use crate::columns::{choose_delimiter, header_names, missing_column};
use crate::encoding::{Encoding, Text};
use crate::error::Error;
use crate::fields::{by_blanks, by_tabs, columns};
use crate::format::JudgmentFormat;
use crate::lines::Lines;
use crate::names::{self, alternatives};
use crate::problem::{Problem, Reason, excerpt};
use crate::record::Origin;
use crate::stop::Stop;
use crate::stream::{ByteStream, text};
use crate::table::{Dialect, Table};

/// Limit of one judgment, in bytes.
const LIMIT: u64 = 1 << 20;

/// Prefix in the second column of TREC's layout that marks a judgment as made by a model;
/// the model's name follows. Other programs ignore that column, so they can read the file.
pub const MODEL_JUDGE: &str = "judge:";

/// How to read judgments.
#[derive(Clone, Debug, Default)]
pub struct JudgmentOptions {
    /// `None`: CSV by the file's extension, otherwise what the first line tells.
    pub format: Option<JudgmentFormat>,
    /// The encoding of a file without a byte order mark; `None` means UTF-8.
    pub encoding: Option<Encoding>,
    /// Ends reading with an error once it is requested.
    pub stop: Stop,
}

/// The content of a file of judgments.
#[derive(Debug, Default)]
pub struct Judgments {
    /// The judgments.
    pub qrels: Qrels,
    /// Names of the models that made judgments, see [`MODEL_JUDGE`]; empty if people made
    /// them all.
    pub judges: BTreeSet<String>,
}

/// Reads a file of judgments, or standard input for `-`. Bad lines are skipped and handed to
/// `on_problem`.
///
/// Three columns are BEIR's (query, document, grade; a header is optional), four are TREC's
/// (query, a column that is unused but for [`MODEL_JUDGE`], document, grade), and the first
/// line decides for the file. A header may name the columns in another order. Blanks and tabs
/// may be mixed. If a pair of query and document is judged twice, the first judgment is kept
/// and the second is a problem.
///
/// # Errors
/// If the file cannot be opened or read to its end, or the header of a CSV file lacks a
/// column.
pub fn read_judgments(
    path: &Path,
    options: &JudgmentOptions,
    on_problem: &mut dyn FnMut(&Problem),
) -> Result<Judgments, Error> {
    let stream = ByteStream::open(path, options.encoding, &options.stop)?;
    let lines = Lines::new(stream.reader, LIMIT).decoded_from(stream.encoding);
    from_lines(lines, path, options.format, on_problem)
}

/// As [`read_judgments`], from a stream that is not a file. `path` names it in problems and
/// errors. Compression is not detected.
///
/// # Errors
/// As [`read_judgments`].
pub fn judgments_from_reader(
    reader: impl BufRead + Send + 'static,
    path: &Path,
    options: &JudgmentOptions,
    on_problem: &mut dyn FnMut(&Problem),
) -> Result<Judgments, Error> {
    let Text { reader, encoding } = text(reader, path, options.encoding)?;
    let lines = Lines::new(reader, LIMIT).decoded_from(encoding);
    from_lines(lines, path, options.format, on_problem)
}

fn from_lines<R: BufRead>(
    mut lines: Lines<R>,
    path: &Path,
    format: Option<JudgmentFormat>,
    on_problem: &mut dyn FnMut(&Problem),
) -> Result<Judgments, Error> {
    let mut judgments = Judgments::default();
    let mut report = |line, reason| {
        let origin = Origin {
            path: path.to_owned(),
            line: Some(line),
        };
        on_problem(&origin.problem(reason));
    };
    let mut layout = match format.or_else(|| JudgmentFormat::from_name(path)) {
        Some(JudgmentFormat::Csv) => {
            return from_table(Table::new(lines, Dialect::CSV), path, &mut report);
        }
        Some(JudgmentFormat::Trec) => Some(Layout::TREC),
        Some(JudgmentFormat::Beir) => Some(Layout::BEIR),
        None => None,
    };
    let mut is_first = true;
    loop {
        let next = lines.next_parsed(|line| {
            let line = line.trim();
            if is_first && let Some(named) = Layout::of_header(line) {
                (layout, is_first) = (Some(named), false);
                return Ok(());
            }
            add(&mut judgments, &mut layout, line, &mut is_first)
        });
        match next {
            Err(source) => return Err(Error::read(path, lines.number(), source)),
            Ok(None) => return Ok(judgments),
            Ok(Some((_, Ok(())))) => {}
            Ok(Some((line, Err(reason)))) => report(line, reason),
        }
    }
}

/// The places of a judgment's columns.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Layout {
    n_columns: usize,
    query: usize,
    judge: Option<usize>,
    document: usize,
    grade: usize,
    expected: &'static str,
}

impl Layout {
    const BEIR: Layout = Layout {
        n_columns: 3,
        query: 0,
        judge: None,
        document: 1,
        grade: 2,
        expected: "3 (query, document, grade)",
    };
    const TREC: Layout = Layout {
        n_columns: 4,
        query: 0,
        judge: Some(1),
        document: 2,
        grade: 3,
        expected: "4 (query, 0, document, grade)",
    };

    /// By a header that names all columns which are needed.
    fn of_header(line: &str) -> Option<Layout> {
        let by_tabs = by_tabs(line);
        let cells = match by_tabs.len() {
            1 => by_blanks(line),
            _ => by_tabs,
        };
        let names: Vec<String> = cells.into_iter().map(str::to_owned).collect();
        Layout::of_names(&names).ok()
    }

    /// By the names of columns, or the one that is missing.
    fn of_names(names: &[String]) -> Result<Layout, String> {
        let place = |usual| names::position(names, usual).ok_or_else(|| alternatives(usual));
        Ok(Layout {
            n_columns: names.len(),
            query: place(names::JUDGED_QUERY)?,
            judge: None,
            document: place(names::JUDGED_DOCUMENT)?,
            grade: place(names::GRADE)?,
            expected: "as many as in the header",
        })
    }

    /// By the first judgment.
    fn of_first(line: &str) -> Option<Layout> {
        let (blanks, tabs) = (by_blanks(line), by_tabs(line));
        let is_unused =
            |column: &str| matches!(column, "0" | "Q0" | "q0") || column.starts_with(MODEL_JUDGE);
        match (blanks.len(), tabs.len()) {
            // Four columns with tabs between some of them and blanks between others.
            (4, _) if is_unused(blanks[1]) => Some(Layout::TREC),
            // Ids may hold blanks.
            (_, 3) => Some(Layout::BEIR),
            (_, 4) => Some(Layout::TREC),
            (3, _) => Some(Layout::BEIR),
            (4, _) => Some(Layout::TREC),
            _ => None,
        }
    }
}

/// Adds the judgment on `line`, unless it is the header: the first line that has as many
/// columns as a judgment.
fn add(
    judgments: &mut Judgments,
    layout: &mut Option<Layout>,
    line: &str,
    is_first: &mut bool,
) -> Result<(), Reason> {
    *layout = layout.or_else(|| Layout::of_first(line));
    let Some(layout) = layout else {
        return Err(Reason::WrongColumns {
            found: columns(line, 3).map_or_else(|found| found, |columns| columns.len()),
            expected: "3 (query, document, grade) or 4 (TREC)",
        });
    };
    let columns = columns(line, layout.n_columns).map_err(|found| Reason::WrongColumns {
        found,
        expected: layout.expected,
    })?;
    let (query, grade) = (columns[layout.query], columns[layout.grade]);
    let is_header = std::mem::take(is_first)
        && grade.parse::<Grade>().is_err()
        && names::position(&[query.to_owned()], names::JUDGED_QUERY).is_some();
    if is_header {
        return Ok(());
    }
    let judge = layout.judge.map_or("", |judge| columns[judge]);
    keep(judgments, query, judge, columns[layout.document], grade)
}

fn from_table<R: BufRead>(
    mut table: Table<R>,
    path: &Path,
    report: &mut dyn FnMut(u64, Reason),
) -> Result<Judgments, Error> {
    let mut judgments = Judgments::default();
    choose_delimiter(&mut table, path, None, |names| {
        Layout::of_names(names).is_ok()
    })?;
    let failed = |table: &Table<R>, source| Error::read(path, table.line_number(), source);
    let header = table.next().map_err(|source| failed(&table, source))?;
    let names = header_names(header, path)?;
    let layout =
        Layout::of_names(&names).map_err(|wanted| missing_column(path, &wanted, &names))?;
    while let Some((line, fields)) = table.next().map_err(|source| failed(&table, source))? {
        let kept = fields.and_then(|fields| {
            if fields.len() != layout.n_columns {
                return Err(Reason::NotAsHeader {
                    found: fields.len(),
                    header: layout.n_columns,
                });
            }
            let [query, document, grade] =
                [layout.query, layout.document, layout.grade].map(|place| fields[place].as_str());
            keep(&mut judgments, query, "", document, grade.trim())
        });
        if let Err(reason) = kept {
            report(line, reason);
        }
    }
    Ok(judgments)
}

/// Keeps a judgment unless its pair of query and document has one.
fn keep(
    judgments: &mut Judgments,
    query: &str,
    judge: &str,
    doc: &str,
    grade: &str,
) -> Result<(), Reason> {
    let (query, doc) = (names::id(query)?, names::id(doc)?);
    let grade: Grade = grade.parse().map_err(|_| Reason::BadGrade {
        grade: excerpt(grade),
    })?;
    if let Some(judge) = judge.strip_prefix(MODEL_JUDGE) {
        judgments.judges.insert(judge.to_owned());
    }
    let of_query = judgments.qrels.0.entry(query.to_owned()).or_default();
    match of_query.entry(doc.to_owned()) {
        Entry::Vacant(place) => {
            place.insert(grade);
            Ok(())
        }
        Entry::Occupied(place) => Err(Reason::DuplicateJudgment {
            query: query.to_owned(),
            doc: doc.to_owned(),
            kept: *place.get(),
        }),
    }
}

#[cfg(test)]
mod tests;
