//! Reads a corpus in any format, one document or problem at a time.

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::columns::{Columns, Delimiter, Header};
use crate::encoding::{Encoding, Text};
use crate::error::Error;
use crate::files::{FileOptions, Files};
use crate::format::Format;
use crate::json::{self, Unseen};
use crate::lines::Lines;
use crate::passed_over::PassedOver;
use crate::record::{Origin, Record};
use crate::stop::Stop;
use crate::stream::{ByteStream, text};
use crate::table::{Dialect, Table};

/// How to read a corpus. The default suits every input whose name tells its format.
#[derive(Clone, Debug)]
pub struct ReadOptions {
    /// `None`: by the file's extension; standard input is JSON lines.
    pub format: Option<Format>,
    /// The columns of a table or fields of JSON that make a document.
    pub columns: Columns,
    /// The field of JSON that holds the vector of a document, which is then no metadata; its name
    /// is written exactly so. `None`: there is none.
    pub vector: Option<String>,
    /// What separates the fields of a CSV file; `None`: what its first lines tell.
    pub delimiter: Option<Delimiter>,
    /// Whether the first record of a table names its columns.
    pub has_header: bool,
    /// The encoding of inputs without a byte order mark; `None` means UTF-8.
    pub encoding: Option<Encoding>,
    /// Limit of one record, in bytes: of a line, or of a file in a folder. A longer record
    /// is a problem, and never more of it than this is held in memory.
    pub max_record_bytes: u64,
    /// Ends reading with an error once it is requested, also while a pipe has nothing to read.
    pub stop: Stop,
}

impl Default for ReadOptions {
    fn default() -> Self {
        ReadOptions {
            format: None,
            columns: Columns::default(),
            vector: None,
            delimiter: None,
            has_header: true,
            encoding: None,
            max_record_bytes: 256 << 20,
            stop: Stop::default(),
        }
    }
}

impl ReadOptions {
    /// Refuses what has no meaning for a format, so that no setting is ignored.
    fn check(&self, format: Format, path: &Path) -> Result<(), Error> {
        let refused = |setting, why| {
            Err(Error::NotApplicable {
                path: path.to_owned(),
                setting,
                why,
            })
        };
        let is_table = matches!(format, Format::Csv | Format::Tsv);
        if format == Format::Files && !self.columns.are_usual() {
            return refused(
                "a column",
                "text, Markdown and HTML have no columns or fields",
            );
        }
        if !is_table && !self.has_header {
            return refused("a table without a header", "only CSV and TSV are tables");
        }
        match self.delimiter {
            Some(_) if !is_table => refused("a delimiter", "only CSV and TSV are tables"),
            Some(delimiter) if format == Format::Tsv && delimiter != Delimiter(b'\t') => refused(
                "that delimiter",
                "the fields of TSV are separated by tabs; read the input as CSV instead",
            ),
            _ => Ok(()),
        }
    }

    fn files(&self) -> FileOptions {
        FileOptions {
            limit: self.max_record_bytes,
            encoding: self.encoding,
            stop: self.stop.clone(),
        }
    }
}

/// What an input is.
enum Kind {
    /// One file or stream of records.
    Records(PathBuf, Format),
    /// One file that is a document.
    File,
    /// A folder of such files.
    Folder,
}

/// Checks, without reading it, that there is such an input and that the options suit it.
///
/// # Errors
/// If the input cannot be opened, its format is unknown, or an option has no meaning for it.
pub fn check_input(input: &Path, options: &ReadOptions) -> Result<(), Error> {
    kind_of(input, options).map(|_| ())
}

fn kind_of(input: &Path, options: &ReadOptions) -> Result<Kind, Error> {
    let is_stdin = input == Path::new("-");
    if !is_stdin {
        let metadata = std::fs::metadata(input).map_err(|source| Error::Open {
            path: input.to_owned(),
            source,
        })?;
        if metadata.is_dir() {
            return kind_of_folder(input, options);
        }
    }
    let format = match options.format {
        Some(format) => format,
        None => Format::from_name(input)?,
    };
    if is_stdin && format == Format::Files {
        return Err(Error::WrongKind {
            path: input.to_owned(),
            format: Format::Files.as_str(),
            why: "standard input is one stream, not several files with names",
        });
    }
    options.check(format, input)?;
    Ok(match format {
        Format::Files => Kind::File,
        format => Kind::Records(input.to_owned(), format),
    })
}

fn kind_of_folder(folder: &Path, options: &ReadOptions) -> Result<Kind, Error> {
    if matches!(options.format, None | Some(Format::Jsonl))
        && let Some(corpus) = beir_corpus(folder)
    {
        options.check(Format::Jsonl, &corpus)?;
        return Ok(Kind::Records(corpus, Format::Jsonl));
    }
    match options.format {
        None | Some(Format::Files) => {
            options.check(Format::Files, folder)?;
            Ok(Kind::Folder)
        }
        Some(format @ (Format::Jsonl | Format::Csv | Format::Tsv)) => Err(Error::WrongKind {
            path: folder.to_owned(),
            format: format.as_str(),
            why: "it is a folder; name a file in it",
        }),
    }
}

/// Opens a corpus.
///
/// `input` is a file, or `-` for standard input, or a folder. In a BEIR folder
/// `corpus.jsonl` is read (or the same with `.gz` or `.zst`). In any other folder the
/// `.txt`, `.md` and `.html` files are read, subfolders included, in the order of their paths.
///
/// # Errors
/// If the input cannot be opened, its format is unknown, an option has no meaning for it, or
/// a table's header cannot be read or lacks a column.
pub fn read_documents(input: &Path, options: &ReadOptions) -> Result<DocumentReader, Error> {
    match kind_of(input, options)? {
        Kind::File => {
            let files = Files::single(input, options.files())?;
            Ok(DocumentReader::from_files(files, input))
        }
        Kind::Folder => {
            let files = Files::folder(input, options.files())?;
            Ok(DocumentReader::from_files(files, input))
        }
        Kind::Records(path, format) => {
            let stream = ByteStream::open(&path, options.encoding, &options.stop)?;
            let lines =
                Lines::new(stream.reader, options.max_record_bytes).decoded_from(stream.encoding);
            let mut reader = DocumentReader::from_lines(lines, &path, format, options)?;
            reader.bytes_read = stream.bytes_read;
            reader.bytes_total = stream.bytes_total;
            Ok(reader)
        }
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
/// An `Err` is the last item: the input could not be read any further, or at the end of JSON
/// lines, no record had a field that was chosen for the title or the text.
pub struct DocumentReader {
    input: Input,
    path: PathBuf,
    bytes_read: Arc<AtomicU64>,
    bytes_total: Option<u64>,
    failed: bool,
}

enum Input {
    Jsonl {
        lines: Lines<Box<dyn BufRead + Send>>,
        columns: Columns,
        vector: Option<String>,
        unseen: Unseen,
    },
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
    /// As [`read_documents`], and for [`Format::Files`].
    pub fn from_reader(
        reader: impl BufRead + Send + 'static,
        path: &Path,
        format: Format,
        options: &ReadOptions,
    ) -> Result<DocumentReader, Error> {
        options.check(format, path)?;
        let Text { reader, encoding } = text(reader, path, options.encoding)?;
        let lines = Lines::new(reader, options.max_record_bytes).decoded_from(encoding);
        DocumentReader::from_lines(lines, path, format, options)
    }

    fn from_lines(
        lines: Lines<Box<dyn BufRead + Send>>,
        path: &Path,
        format: Format,
        options: &ReadOptions,
    ) -> Result<DocumentReader, Error> {
        let ReadOptions {
            columns,
            vector,
            delimiter,
            has_header,
            ..
        } = options;
        let table = |lines, dialect| {
            let mut table = Table::new(lines, dialect);
            let header = Header::read(&mut table, path, columns, *delimiter, *has_header)?;
            Ok(Input::Table { table, header })
        };
        let input = match format {
            Format::Jsonl => Input::Jsonl {
                lines,
                columns: columns.clone(),
                vector: vector.clone(),
                unseen: Unseen::of(columns),
            },
            Format::Csv => table(lines, Dialect::CSV)?,
            Format::Tsv => table(lines, Dialect::TSV)?,
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

    /// The files of a folder that are not read because their extensions are not those of text
    /// files; none for any other input.
    pub fn passed_over(&self) -> PassedOver {
        match &self.input {
            Input::Files(files) => files.passed_over().clone(),
            Input::Jsonl { .. } | Input::Table { .. } => PassedOver::default(),
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
            Input::Jsonl {
                lines,
                columns,
                vector,
                unseen,
            } => {
                let document =
                    |line: &str| json::document(line, columns, vector.as_deref(), unseen);
                match lines.next_parsed(document) {
                    Ok(Some(record)) => record,
                    Ok(None) => return unseen.check(&self.path).map(|()| None),
                    Err(source) => return Err(Error::read(&self.path, lines.number(), source)),
                }
            }
            Input::Table { table, header } => match table.next() {
                Ok(Some((line, row))) => {
                    let document = row.and_then(|row| header.document(row));
                    (line, document.map(|document| (document, None)))
                }
                Ok(None) => return Ok(None),
                Err(source) => return Err(Error::read(&self.path, table.line_number(), source)),
            },
        };
        let origin = Origin {
            path: self.path.clone(),
            line: Some(line),
        };
        Ok(Some(match result {
            Ok((document, vector)) => Record::Document {
                document,
                vector,
                origin,
            },
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
