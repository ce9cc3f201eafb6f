//! Reads queries: BEIR's `queries.jsonl`, topics as a table, or one query per line.

use std::collections::HashMap;
use std::io::{self, BufRead};
use std::path::Path;

use treffer_types::Query;

use crate::columns::{alternatives, missing_column};
use crate::error::Error;
use crate::format::QueryFormat;
use crate::json;
use crate::lines::{Line, Lines, Numbered, utf8};
use crate::problem::{Problem, Reason};
use crate::record::Origin;
use crate::stream::ByteStream;
use crate::table::{Dialect, Row, Table};

/// Limit of one query, in bytes.
const LIMIT: u64 = 16 << 20;

/// Reads a file of queries, or standard input for `-`. Without a `format`, the file's
/// extension decides, and standard input is JSON lines.
///
/// - JSON lines: `_id` or `id`, `text` or `query`, and tags as an array of strings
///   in `tags` or `metadata.tags`.
/// - CSV: with a header. The id's column is `_id`, `id`, `qid`, `query-id` or `query_id`,
///   the text's is `text`, `query` or `title`, and an optional column `tags` holds tags
///   separated by commas.
/// - TSV: two columns, id and text, without a header; or the same as CSV if the first
///   record starts with one of the names of the id's column.
/// - Lines: each line that is not blank is a query, and its line number is the id.
///
/// If several queries have the same id, the first is kept and the others are problems.
///
/// # Errors
/// If the file cannot be opened or read to its end, its format is unknown, or a
/// table's header lacks a column.
pub fn read_queries(
    path: &Path,
    format: Option<QueryFormat>,
) -> Result<(Vec<Query>, Vec<Problem>), Error> {
    let format = match format {
        Some(format) => format,
        None => QueryFormat::from_name(path)?,
    };
    let stream = ByteStream::open(path)?;
    from_reader(stream.reader, path, format)
}

fn from_reader(
    reader: impl BufRead,
    path: &Path,
    format: QueryFormat,
) -> Result<(Vec<Query>, Vec<Problem>), Error> {
    let mut lines = Lines::new(reader, LIMIT);
    let mut collected = Collected::new(path);
    match format {
        QueryFormat::Jsonl => {
            while let Some(query) = json::next(&mut lines, json::query)
                .map_err(|source| Error::read(path, lines.number(), source))?
            {
                collected.add(query);
            }
        }
        QueryFormat::Lines => {
            while let Some(query) =
                next_line(&mut lines).map_err(|source| Error::read(path, lines.number(), source))?
            {
                collected.add(query);
            }
        }
        QueryFormat::Csv => read_table(Table::new(lines, Dialect::Csv), path, &mut collected)?,
        QueryFormat::Tsv => read_table(Table::new(lines, Dialect::Tsv), path, &mut collected)?,
    }
    Ok((collected.queries, collected.problems))
}

/// The queries and problems collected so far.
struct Collected<'a> {
    path: &'a Path,
    queries: Vec<Query>,
    problems: Vec<Problem>,
    first_lines: HashMap<String, u64>,
}

impl<'a> Collected<'a> {
    fn new(path: &'a Path) -> Self {
        Collected {
            path,
            queries: Vec::new(),
            problems: Vec::new(),
            first_lines: HashMap::new(),
        }
    }

    fn add(&mut self, (line, query): Numbered<Query>) {
        let reason = match query {
            Ok(query) => match self.first_lines.get(&query.id) {
                None => {
                    self.first_lines.insert(query.id.clone(), line);
                    self.queries.push(query);
                    return;
                }
                Some(&first_line) => Reason::DuplicateId {
                    id: query.id,
                    first_line: Some(first_line),
                },
            },
            Err(reason) => reason,
        };
        let origin = Origin {
            path: self.path.to_owned(),
            line: Some(line),
        };
        self.problems.push(origin.problem(reason));
    }
}

fn next_line<R: BufRead>(lines: &mut Lines<R>) -> io::Result<Option<Numbered<Query>>> {
    while let Some((number, line)) = lines.next()? {
        let text = match line {
            Line::TooLarge => Err(Reason::TooLarge { limit: LIMIT }),
            Line::Bytes(bytes) => utf8(bytes).map(str::trim),
        };
        match text {
            Ok("") => {}
            Ok(text) => {
                let query = Query {
                    id: number.to_string(),
                    text: text.to_owned(),
                    tags: Vec::new(),
                };
                return Ok(Some((number, Ok(query))));
            }
            Err(reason) => return Ok(Some((number, Err(reason)))),
        }
    }
    Ok(None)
}

fn read_table<R: BufRead>(
    mut table: Table<R>,
    path: &Path,
    collected: &mut Collected<'_>,
) -> Result<(), Error> {
    let mut columns = None;
    let mut is_first = true;
    loop {
        let row = table
            .next()
            .map_err(|source| Error::read(path, table.line_number(), source))?;
        let Some((line, fields)) = row else {
            return Ok(());
        };
        if std::mem::take(&mut is_first) {
            columns = QueryColumns::of_header(&table, path, &fields)?;
            if columns.is_some() {
                continue;
            }
        }
        collected.add(query_of((line, fields), columns.as_ref()));
    }
}

/// The columns of a query's fields, by a table's header.
struct QueryColumns {
    n_columns: usize,
    id: usize,
    text: usize,
    tags: Option<usize>,
}

impl QueryColumns {
    /// `None` if the first record of a TSV file is not a header. A CSV file always has one.
    fn of_header<R>(
        table: &Table<R>,
        path: &Path,
        fields: &Result<Vec<String>, Reason>,
    ) -> Result<Option<QueryColumns>, Error> {
        const IDS: [&str; 5] = ["_id", "id", "qid", "query-id", "query_id"];
        const TEXTS: [&str; 3] = ["text", "query", "title"];
        let fields = fields.as_deref().unwrap_or_default();
        let names: Vec<String> = fields.iter().map(|name| name.trim().to_owned()).collect();
        let is_header = names
            .first()
            .is_some_and(|name| IDS.contains(&name.as_str()));
        if table.dialect() == Dialect::Tsv && !is_header {
            return Ok(None);
        }
        let column = |defaults: &[&str]| {
            defaults
                .iter()
                .find_map(|wanted| names.iter().position(|name| name == wanted))
        };
        let missing = |defaults: &[&str]| missing_column(path, alternatives(defaults), &names);
        Ok(Some(QueryColumns {
            n_columns: names.len(),
            id: column(&IDS).ok_or_else(|| missing(&IDS))?,
            text: column(&TEXTS).ok_or_else(|| missing(&TEXTS))?,
            tags: column(&["tags"]),
        }))
    }
}

fn query_of((line, fields): Row, columns: Option<&QueryColumns>) -> Numbered<Query> {
    let query = fields.and_then(|fields| {
        let (id, text, tags) = match columns {
            None => match fields.as_slice() {
                [id, text] => (id, text, None),
                _ => {
                    return Err(Reason::WrongColumns {
                        found: fields.len(),
                        expected: "2 (id and text)",
                    });
                }
            },
            Some(columns) if fields.len() != columns.n_columns => {
                return Err(Reason::NotAsHeader {
                    found: fields.len(),
                    header: columns.n_columns,
                });
            }
            Some(columns) => (
                &fields[columns.id],
                &fields[columns.text],
                columns.tags.map(|tags| &fields[tags]),
            ),
        };
        let (id, text) = (id.trim(), text.trim());
        if id.is_empty() {
            return Err(Reason::MissingId);
        }
        if text.is_empty() {
            return Err(Reason::EmptyText);
        }
        let tags = tags.into_iter().flat_map(|tags| tags.split(','));
        Ok(Query {
            id: id.to_owned(),
            text: text.to_owned(),
            tags: tags
                .map(|tag| tag.trim().to_owned())
                .filter(|tag| !tag.is_empty())
                .collect(),
        })
    });
    (line, query)
}

#[cfg(test)]
mod tests;
