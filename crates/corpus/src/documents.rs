//! Reads a corpus in any format, one document or problem at a time.

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::columns::{Columns, Header};
use crate::error::Error;
use crate::files::Files;
use crate::format::Format;
use crate::json;
use crate::lines::Lines;
use crate::record::{Origin, Record};
use crate::stream::ByteStream;
use crate::table::{Dialect, Table};

/// How to read a corpus. The default suits every input whose name tells its format.
#[derive(Clone, Debug)]
pub struct ReadOptions {
    /// `None`: by the file's extension; standard input is JSON lines.
    pub format: Option<Format>,
    /// Column names of a table. JSON has fixed field names.
    pub columns: Columns,
    /// Limit of one record, in bytes: of a line, or of a file in a folder. A longer record
    /// is a problem, and never more of it than this is held in memory.
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

/// Opens a corpus.
///
/// `input` is a file, or `-` for standard input, or a folder. In a BEIR folder
/// `corpus.jsonl` is read (or the same with `.gz` or `.zst`). In any other folder the
/// `.txt`, `.md` and `.html` files are read, subfolders included, in the order of their paths.
///
/// # Errors
/// If the input cannot be opened, its format is unknown, or a table's header lacks a
/// column.
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
                why: "standard input is one stream, not several files with names",
            });
        }
        let files = Files::single(input, options.max_record_bytes)?;
        return Ok(DocumentReader::from_files(files, input));
    }
    let stream = ByteStream::open(input)?;
    let mut reader = DocumentReader::from_reader(stream.reader, input, format, options)?;
    reader.bytes_read = stream.bytes_read;
    reader.bytes_total = stream.bytes_total;
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
            why: "it is a folder; name a file in it",
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

/// Iterates over the records of one input in order. Memory holds one record (and, for a
/// folder, the sorted names of its files).
///
/// An `Err` is the last item: the input could not be read any further.
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
    /// Reads from a stream that is not a file. `path` names it in problems and errors.
    /// Compression is not detected.
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
                    why: "a stream has no files with names",
                });
            }
        };
        Ok(DocumentReader::new(input, path, None))
    }

    /// Bytes read from the input so far, before decompression.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// Size of the whole input in bytes, before decompression; `None` for standard input.
    pub fn bytes_total(&self) -> Option<u64> {
        self.bytes_total
    }

    /// Number of files in a folder that were skipped because their extensions are not
    /// those of text files; 0 for any other input.
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
