//! Inputs in which each file is one document: a single file or a folder.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use treffer_types::{Document, Metadata};

use crate::encoding::Encoding;
use crate::error::Error;
use crate::format::{Markup, extension, uncompressed_name};
use crate::html;
use crate::lines::utf8;
use crate::markdown;
use crate::names;
use crate::passed_over::PassedOver;
use crate::problem::Reason;
use crate::prose::Readable;
use crate::record::{Origin, Record};
use crate::stop::Stop;
use crate::stream::ByteStream;

/// Reads the files one at a time, in the order of their paths.
///
/// A document's id is its path relative to the folder, with `/` as the separator. Its
/// title is the one found in its text, else the file's name without extensions.
pub(crate) struct Files {
    entries: std::vec::IntoIter<Entry>,
    passed_over: PassedOver,
    bytes_read: u64,
    bytes_total: u64,
    reading: FileOptions,
}

/// How each file is read.
#[derive(Clone)]
pub(crate) struct FileOptions {
    /// The most bytes a file may have.
    pub(crate) limit: u64,
    /// The encoding of files without a byte order mark; `None` means UTF-8.
    pub(crate) encoding: Option<Encoding>,
    /// Ends reading once it is requested.
    pub(crate) stop: Stop,
}

struct Entry {
    path: PathBuf,
    bytes: u64,
    content: Content,
}

enum Content {
    /// A file to read.
    Text { id: String, markup: Markup },
    /// Known to be unreadable before it is opened.
    Bad(Reason),
}

impl Files {
    /// One file, with any extension.
    pub(crate) fn single(path: &Path, reading: FileOptions) -> Result<Files, Error> {
        let metadata = fs::metadata(path).map_err(|source| Error::Open {
            path: path.to_owned(),
            source,
        })?;
        let entry = Entry {
            path: path.to_owned(),
            bytes: metadata.len(),
            content: match path.file_name().and_then(|name| name.to_str()) {
                Some(name) => Content::Text {
                    id: name.to_owned(),
                    markup: Markup::from_name(path).unwrap_or(Markup::Plain),
                },
                None => Content::Bad(Reason::FileName),
            },
        };
        Ok(Files::new(vec![entry], PassedOver::default(), reading))
    }

    /// The text files of a folder and its subfolders. Names that begin with a dot are
    /// skipped, and links to folders are not followed, because they may form a cycle.
    pub(crate) fn folder(root: &Path, reading: FileOptions) -> Result<Files, Error> {
        let mut walk = Walk {
            root,
            entries: Vec::new(),
            passed_over: PassedOver::default(),
            folders: Vec::new(),
        };
        walk.folder(root).map_err(|source| Error::Open {
            path: root.to_owned(),
            source,
        })?;
        while let Some(folder) = walk.folders.pop() {
            if let Err(error) = walk.folder(&folder) {
                walk.bad(folder, Reason::Unreadable(error));
            }
        }
        walk.entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Files::new(walk.entries, walk.passed_over, reading))
    }

    /// The next file as a record, `None` at the end.
    pub(crate) fn next(&mut self) -> Option<Record> {
        let entry = self.entries.next()?;
        self.bytes_read += entry.bytes;
        let mut origin = Origin {
            path: entry.path,
            line: None,
        };
        let document = match entry.content {
            Content::Bad(reason) => Err(reason),
            Content::Text { id, markup } => self.read(&mut origin, id, markup),
        };
        Some(match document {
            Ok(document) => Record::Document {
                document,
                vector: None,
                origin,
            },
            Err(reason) => Record::Problem(origin.problem(reason)),
        })
    }

    /// What was not read because it is no text file by its name.
    pub(crate) fn passed_over(&self) -> &PassedOver {
        &self.passed_over
    }

    /// Total size of the files read so far, in bytes.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// Total size of all files, in bytes.
    pub(crate) fn bytes_total(&self) -> u64 {
        self.bytes_total
    }

    fn new(entries: Vec<Entry>, passed_over: PassedOver, reading: FileOptions) -> Files {
        Files {
            bytes_total: entries.iter().map(|entry| entry.bytes).sum(),
            entries: entries.into_iter(),
            passed_over,
            bytes_read: 0,
            reading,
        }
    }

    fn read(&self, origin: &mut Origin, id: String, markup: Markup) -> Result<Document, Reason> {
        let (bytes, encoding) = self.bytes(&origin.path)?;
        let declared;
        let text = match utf8(&bytes, encoding) {
            Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
            Err(reason) => {
                // What was named for all files counts more than what one declares.
                let of_page = match markup {
                    Markup::Html if self.reading.encoding.is_none() => Encoding::declared(&bytes),
                    _ => None,
                };
                declared = of_page.and_then(|encoding| encoding.decode(&bytes));
                match &declared {
                    Some(text) => text,
                    None => {
                        origin.line = Some(line_of_fault(&bytes));
                        return Err(reason);
                    }
                }
            }
        };
        let Readable {
            title,
            text,
            headings,
        } = markup.readable(text);
        if title.is_none() && text.is_empty() {
            return Err(Reason::EmptyText);
        }
        Ok(Document {
            id: names::id(&id)?.to_owned(),
            title: title.unwrap_or_else(|| stem(&origin.path)),
            text,
            headings,
            metadata: Metadata::new(),
        })
    }

    /// The whole file, decompressed and decoded, and what it was decoded from.
    fn bytes(&self, path: &Path) -> Result<(Vec<u8>, Encoding), Reason> {
        let FileOptions {
            limit,
            encoding,
            ref stop,
        } = self.reading;
        let stream = ByteStream::open(path, encoding, stop).map_err(|error| match error {
            Error::Open { source, .. } | Error::Read { source, .. } => Reason::Unreadable(source),
            Error::NotText { why, .. } => {
                Reason::Unreadable(io::Error::new(io::ErrorKind::InvalidData, why))
            }
            other => Reason::Unreadable(io::Error::new(io::ErrorKind::InvalidData, other)),
        })?;
        let mut bytes = Vec::new();
        stream
            .reader
            .take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(Reason::Unreadable)?;
        if bytes.len() as u64 > limit {
            return Err(Reason::TooLarge { limit });
        }
        Ok((bytes, stream.encoding))
    }
}

impl Markup {
    /// The title and the plain text of a file with this markup.
    pub fn readable(self, text: &str) -> Readable {
        match self {
            Markup::Plain => Readable {
                title: None,
                text: text.trim().to_owned(),
                headings: Vec::new(),
            },
            Markup::Markdown => markdown::readable(text),
            Markup::Html => html::readable(text),
        }
    }
}

/// The line of the first byte that is not UTF-8, from 1.
fn line_of_fault(bytes: &[u8]) -> u64 {
    let valid = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    valid.matches('\n').count() as u64 + 1
}

/// The file's name without the extensions of format and compression.
fn stem(path: &Path) -> String {
    let name = uncompressed_name(path);
    name.file_stem()
        .unwrap_or(name.as_os_str())
        .to_string_lossy()
        .into_owned()
}

/// A folder being listed.
struct Walk<'a> {
    root: &'a Path,
    entries: Vec<Entry>,
    passed_over: PassedOver,
    /// Folders not yet listed.
    folders: Vec<PathBuf>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                self.passed_over.add("hidden");
                continue;
            }
            if entry.file_type()?.is_dir() {
                self.folders.push(entry.path());
            } else {
                self.file(entry.path());
            }
        }
        Ok(())
    }

    fn file(&mut self, path: PathBuf) {
        let Some(markup) = Markup::from_name(&path) else {
            // Follows links, as below.
            if path.is_dir() {
                self.passed_over.add("links to folders");
            } else {
                self.pass_over(&path);
            }
            return;
        };
        // Follows links, so that a link to a file is read and a broken one is reported.
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) => return self.bad(path, Reason::Unreadable(error)),
        };
        if metadata.is_dir() {
            return self.passed_over.add("links to folders");
        }
        if !metadata.is_file() {
            let kind = kind(metadata.file_type());
            return self.bad(path, Reason::NotAFile { kind });
        }
        let Some(id) = self.id(&path) else {
            return self.bad(path, Reason::FileName);
        };
        self.entries.push(Entry {
            path,
            bytes: metadata.len(),
            content: Content::Text { id, markup },
        });
    }

    /// Counts a file that is not read, by its extension.
    fn pass_over(&mut self, path: &Path) {
        match extension(path) {
            Some(extension) => self.passed_over.add(&format!(".{extension}")),
            None => self.passed_over.add("without extension"),
        }
    }

    fn bad(&mut self, path: PathBuf, reason: Reason) {
        self.entries.push(Entry {
            path,
            bytes: 0,
            content: Content::Bad(reason),
        });
    }

    fn id(&self, path: &Path) -> Option<String> {
        let below = path.strip_prefix(self.root).ok()?;
        let names: Option<Vec<&str>> = below.iter().map(|name| name.to_str()).collect();
        Some(names?.join("/"))
    }
}

/// What a file that is not a regular one is.
fn kind(file_type: fs::FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if file_type.is_fifo() {
            return "a named pipe";
        }
        if file_type.is_socket() {
            return "a socket";
        }
        if file_type.is_char_device() || file_type.is_block_device() {
            return "a device";
        }
    }
    let _ = file_type;
    "something else"
}
