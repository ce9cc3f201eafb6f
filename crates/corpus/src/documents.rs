//! The reader of a corpus: whatever the input is, documents and problems one at a time.

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use treffer_types::Document;

use crate::columns::{Columns, Header};
use crate::error::Error;
use crate::files::Files;
use crate::format::Format;
use crate::json;
use crate::lines::Lines;
use crate::problem::{Origin, Problem};
use crate::source::Source;
use crate::table::{Dialect, Table};

/// How a corpus is to be read. The default is right for every input that names its
/// own format.
#[derive(Clone, Debug)]
pub struct ReadOptions {
    /// `None`: told by the file's name; standard input is JSON lines.
    pub format: Option<Format>,
    /// Which columns of a table are which. JSON has its fixed fields.
    pub columns: Columns,
    /// Most bytes of one record: a line, or a file of a folder. A longer one is a
    /// problem, and no more of it than this is ever held.
    pub max_record_bytes: u64,
}

impl Default for ReadOptions {
    fn default() -> Self {
        ReadOptions {
            format: None,
            columns: Columns::default(),
            max_record_bytes: 256 << 20,
        }
    }
}

/// What a reader gives.
#[derive(Debug)]
pub enum Record {
    /// A document. That its id is unique is for the caller to check, who has all of them.
    Document {
        /// The document.
        document: Document,
        /// Where it stood.
        origin: Origin,
    },
    /// A bad record, which was skipped.
    Problem(Problem),
}

/// Opens a corpus.
///
/// `input` is a file, `-` for standard input, a BEIR folder, of which `corpus.jsonl`
/// is read (or `.gz`, `.zst`), or any other folder, of which the `.txt`, `.md` and
/// `.html` files are read, those of its subfolders too, in the order of their paths.
///
/// # Errors
/// If the input cannot be opened, its format is not known, or a table's header lacks
/// a column.
pub fn read_documents(input: &Path, options: &ReadOptions) -> Result<DocumentReader, Error> {
    if input != Path::new("-") {
        let metadata = std::fs::metadata(input).map_err(|source| Error::Open {
            path: input.to_owned(),
            source,
        })?;
        if metadata.is_dir() {
            return read_folder(input, options);
        }
    }
    let format = match options.format {
        Some(format) => format,
        None => Format::from_name(input)?,
    };
    if format == Format::Files {
        if input == Path::new("-") {
            return Err(Error::WrongKind {
                path: input.to_owned(),
                format: Format::Files.as_str(),
                why: "standard input is one stream, not files with names",
            });
        }
        let files = Files::single(input, options.max_record_bytes)?;
        return Ok(DocumentReader::from_files(files, input));
    }
    let source = Source::open(input)?;
    let mut reader = DocumentReader::from_reader(source.reader, input, format, options)?;
    reader.bytes_read = source.bytes_read;
    reader.bytes_total = source.bytes_total;
    Ok(reader)
}

fn read_folder(folder: &Path, options: &ReadOptions) -> Result<DocumentReader, Error> {
    if matches!(options.format, None | Some(Format::Jsonl))
        && let Some(corpus) = beir_corpus(folder)
    {
        return read_documents(&corpus, options);
    }
    match options.format {
        None | Some(Format::Files) => {
            let files = Files::folder(folder, options.max_record_bytes)?;
            Ok(DocumentReader::from_files(files, folder))
        }
        Some(format @ (Format::Jsonl | Format::Csv | Format::Tsv)) => Err(Error::WrongKind {
            path: folder.to_owned(),
            format: format.as_str(),
            why: "it is a folder; name the file in it",
        }),
    }
}

/// The corpus of a BEIR folder, if `folder` is one.
fn beir_corpus(folder: &Path) -> Option<PathBuf> {
    ["corpus.jsonl", "corpus.jsonl.gz", "corpus.jsonl.zst"]
        .into_iter()
        .map(|name| folder.join(name))
        .find(|path| path.is_file())
}

/// Gives the records of one input in their order. Memory holds one record (and, for
/// a folder, the names of its files, which have to be sorted).
///
/// An `Err` is the end: the input could not be read further.
pub struct DocumentReader {
    input: Input,
    path: PathBuf,
    bytes_read: Arc<AtomicU64>,
    bytes_total: Option<u64>,
    failed: bool,
}

enum Input {
    Jsonl(Lines<Box<dyn BufRead + Send>>),
    Table {
        table: Table<Box<dyn BufRead + Send>>,
        header: Header,
    },
    Files(Files),
}

impl DocumentReader {
    /// Reads from a stream that is not a file; `path` names it in problems.
    /// Compression is not looked for.
    ///
    /// # Errors
    /// If a table's header cannot be read or lacks a column, or for [`Format::Files`].
    pub fn from_reader(
        reader: impl BufRead + Send + 'static,
        path: &Path,
        format: Format,
        options: &ReadOptions,
    ) -> Result<DocumentReader, Error> {
        let lines = Lines::new(
            Box::new(reader) as Box<dyn BufRead + Send>,
            options.max_record_bytes,
        );
        let table = |lines, dialect| {
            let mut table = Table::new(lines, dialect);
            let header = Header::read(&mut table, path, &options.columns)?;
            Ok(Input::Table { table, header })
        };
        let input = match format {
            Format::Jsonl => Input::Jsonl(lines),
            Format::Csv => table(lines, Dialect::Csv)?,
            Format::Tsv => table(lines, Dialect::Tsv)?,
            Format::Files => {
                return Err(Error::WrongKind {
                    path: path.to_owned(),
                    format: format.as_str(),
                    why: "a stream is not files with names",
                });
            }
        };
        Ok(DocumentReader::new(input, path, None))
    }

    /// Bytes taken from the input so far, compressed if it is.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// Bytes of the whole input, compressed if it is; `None` for standard input.
    pub fn bytes_total(&self) -> Option<u64> {
        self.bytes_total
    }

    /// Files of a folder that were not looked into, because their names do not end
    /// as text does; 0 for any other input.
    pub fn n_files_skipped(&self) -> u64 {
        match &self.input {
            Input::Files(files) => files.n_skipped(),
            Input::Jsonl(_) | Input::Table { .. } => 0,
        }
    }

    fn from_files(files: Files, path: &Path) -> DocumentReader {
        let bytes_total = files.bytes_total();
        DocumentReader::new(Input::Files(files), path, Some(bytes_total))
    }

    fn new(input: Input, path: &Path, bytes_total: Option<u64>) -> DocumentReader {
        DocumentReader {
            input,
            path: path.to_owned(),
            bytes_read: Arc::default(),
            bytes_total,
            failed: false,
        }
    }

    fn next_record(&mut self) -> Result<Option<Record>, Error> {
        let (line, result) = match &mut self.input {
            Input::Files(files) => {
                let record = files.next();
                self.bytes_read.store(files.bytes_read(), Ordering::Relaxed);
                return Ok(record);
            }
            Input::Jsonl(lines) => match json::next(lines, json::document) {
                Ok(Some(record)) => record,
                Ok(None) => return Ok(None),
                Err(source) => return Err(Error::read(&self.path, lines.number(), source)),
            },
            Input::Table { table, header } => match table.next() {
                Ok(Some((line, row))) => (line, row.and_then(|row| header.document(row))),
                Ok(None) => return Ok(None),
                Err(source) => return Err(Error::read(&self.path, table.line_number(), source)),
            },
        };
        let origin = Origin {
            path: self.path.clone(),
            line: Some(line),
        };
        Ok(Some(match result {
            Ok(document) => Record::Document { document, origin },
            Err(reason) => Record::Problem(origin.problem(reason)),
        }))
    }
}

impl Iterator for DocumentReader {
    type Item = Result<Record, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let record = self.next_record();
        self.failed = record.is_err();
        record.transpose()
    }
}

#[cfg(test)]
mod tests;
