//! Reads queries: BEIR's `queries.jsonl`, topics as a table or in TREC's blocks, or one
//! query per line.

use std::collections::HashMap;
use std::io::{BufRead, Cursor, Read};
use std::path::Path;

use treffer_types::Query;

use crate::columns::{choose_delimiter, header_names, missing_column};
use crate::encoding::{Encoding, Text};
use crate::error::Error;
use crate::format::QueryFormat;
use crate::json;
use crate::lines::{Lines, Numbered};
use crate::names::{self, alternatives};
use crate::problem::{Problem, Reason};
use crate::record::Origin;
use crate::stop::Stop;
use crate::stream::{ByteStream, text};
use crate::table::{Dialect, Row, Table};
use crate::topics::{self, TopicField};

/// Limit of one query, in bytes.
const LIMIT: u64 = 16 << 20;

/// How to read queries.
#[derive(Clone, Debug, Default)]
pub struct QueryOptions {
    /// `None`: TREC's topics if the content starts so, otherwise by the file's extension;
    /// standard input is JSON lines.
    pub format: Option<QueryFormat>,
    /// Which fields of TREC's topics make up the query, in this order; `None` means the title.
    /// They have no meaning for other formats.
    pub topic_fields: Option<Vec<TopicField>>,
    /// The encoding of a file without a byte order mark; `None` means UTF-8.
    pub encoding: Option<Encoding>,
    /// Ends reading with an error once it is requested.
    pub stop: Stop,
}

/// Reads a file of queries, or standard input for `-`. Bad records are skipped and handed to
/// `on_problem`.
///
/// - JSON lines: `_id`, `id` or another usual name, `text`, `query` or `title`, and tags as
///   an array of strings in `tags` or `metadata.tags`.
/// - CSV: with a header of these names; an optional column `tags` holds tags separated by
///   commas.
/// - TSV: two columns, id and text, without a header; or the same as CSV if the first
///   record starts with one of the names of the id's column.
/// - Lines: each line that is not blank is a query, and its line number is the id.
/// - TREC's topics: blocks of `<top>` or `<topic>`.
///
/// If several queries have the same id, the first is kept and the others are problems.
///
/// # Errors
/// If the file cannot be opened or read to its end, its format is unknown, an option has no
/// meaning for it, or a table's header cannot be read or lacks a column.
pub fn read_queries(
    path: &Path,
    options: &QueryOptions,
    on_problem: &mut dyn FnMut(&Problem),
) -> Result<Vec<Query>, Error> {
    let stream = ByteStream::open(path, options.encoding, &options.stop)?;
    let text = Text {
        reader: stream.reader,
        encoding: stream.encoding,
    };
    from_text(text, path, options, on_problem)
}

/// As [`read_queries`], from a stream that is not a file. `path` names it in problems and
/// errors, and may tell its format. Compression is not detected.
///
/// # Errors
/// As [`read_queries`].
pub fn queries_from_reader(
    reader: impl BufRead + Send + 'static,
    path: &Path,
    options: &QueryOptions,
    on_problem: &mut dyn FnMut(&Problem),
) -> Result<Vec<Query>, Error> {
    let text = text(reader, path, options.encoding)?;
    from_text(text, path, options, on_problem)
}

fn from_text(
    text: Text,
    path: &Path,
    options: &QueryOptions,
    on_problem: &mut dyn FnMut(&Problem),
) -> Result<Vec<Query>, Error> {
    let Text {
        mut reader,
        encoding,
    } = text;
    let format = match options.format {
        Some(format) => format,
        None if path == Path::new("-") => QueryFormat::Jsonl,
        None => {
            let mut start = Vec::new();
            let head = reader.by_ref().take(SNIFFED).read_to_end(&mut start);
            head.map_err(|source| Error::read(path, 0, source))?;
            let format = format_of(path, &start)?;
            reader = Box::new(Cursor::new(start).chain(reader));
            format
        }
    };
    if format != QueryFormat::Trec && options.topic_fields.is_some() {
        return Err(Error::NotApplicable {
            path: path.to_owned(),
            setting: "fields of topics",
            why: "only TREC's topics have a title, desc and narr",
        });
    }
    let mut lines = Lines::new(reader, LIMIT).decoded_from(encoding);
    let mut collected = Collected {
        path,
        queries: Vec::new(),
        first_lines: HashMap::new(),
        on_problem,
    };
    match format {
        QueryFormat::Jsonl => {
            while let Some(query) = lines
                .next_parsed(json::query)
                .map_err(|source| Error::read(path, lines.number(), source))?
            {
                collected.add(query);
            }
        }
        QueryFormat::Lines => {
            let owned = |line: &str| Ok(line.trim().to_owned());
            while let Some((line, text)) = lines
                .next_parsed(owned)
                .map_err(|source| Error::read(path, lines.number(), source))?
            {
                let query = |text| Query {
                    id: line.to_string(),
                    text,
                    ..Query::default()
                };
                collected.add((line, text.map(query)));
            }
        }
        QueryFormat::Trec => {
            let fields = options.topic_fields.as_deref();
            let fields = fields.unwrap_or(&[TopicField::Title]);
            let read = topics::read(&mut lines, fields, |query| collected.add(query));
            read.map_err(|source| Error::read(path, lines.number(), source))?;
        }
        QueryFormat::Csv => read_table(Table::new(lines, Dialect::CSV), path, &mut collected)?,
        QueryFormat::Tsv => read_table(Table::new(lines, Dialect::TSV), path, &mut collected)?,
    }
    Ok(collected.queries)
}

/// How much of a file is looked at to tell its format.
const SNIFFED: u64 = 1024;

/// By the content if it starts as topics do, which no other format can, else by the name.
fn format_of(path: &Path, start: &[u8]) -> Result<QueryFormat, Error> {
    if topics::is_start(start) {
        return Ok(QueryFormat::Trec);
    }
    QueryFormat::from_name(path)
}

/// The queries collected so far.
struct Collected<'a> {
    path: &'a Path,
    queries: Vec<Query>,
    first_lines: HashMap<String, u64>,
    on_problem: &'a mut dyn FnMut(&Problem),
}

impl Collected<'_> {
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
        (self.on_problem)(&origin.problem(reason));
    }
}

fn read_table<R: BufRead>(
    mut table: Table<R>,
    path: &Path,
    collected: &mut Collected<'_>,
) -> Result<(), Error> {
    choose_delimiter(&mut table, path, None, |names| {
        QueryColumns::of_names(names).is_ok()
    })?;
    let failed = |table: &Table<R>, source| Error::read(path, table.line_number(), source);
    let first = table.peek().map_err(|source| failed(&table, source))?;
    let has_header = table.dialect().has_quotes
        || match &first {
            Some((_, Ok(names))) => {
                let first: Vec<String> = names.iter().take(1).cloned().collect();
                names::position(&first, names::QUERY_ID).is_some()
            }
            _ => false,
        };
    let columns = if has_header {
        let header = table.next().map_err(|source| failed(&table, source))?;
        let names = header_names(header, path)?;
        let columns = QueryColumns::of_names(&names);
        Some(columns.map_err(|wanted| missing_column(path, &wanted, &names))?)
    } else {
        None
    };
    while let Some(row) = table.next().map_err(|source| failed(&table, source))? {
        collected.add(query_of(row, columns.as_ref()));
    }
    Ok(())
}

/// The columns of a query's fields, by a table's header.
struct QueryColumns {
    n_columns: usize,
    id: usize,
    text: usize,
    tags: Option<usize>,
}

impl QueryColumns {
    /// By the names of columns, or the one that is missing.
    fn of_names(names: &[String]) -> Result<QueryColumns, String> {
        let place = |usual| names::position(names, usual).ok_or_else(|| alternatives(usual));
        Ok(QueryColumns {
            n_columns: names.len(),
            id: place(names::QUERY_ID)?,
            text: place(names::QUERY_TEXT)?,
            tags: names::position(names, names::TAGS),
        })
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
        let (id, text) = (names::id(id)?, text.trim());
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
            ..Query::default()
        })
    });
    (line, query)
}

#[cfg(test)]
mod tests;
