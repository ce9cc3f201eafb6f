//! Inputs in which each file is one document: a single file or a folder.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use treffer_types::{Document, Metadata};

use crate::error::Error;
use crate::format::{Markup, uncompressed_name};
use crate::html;
use crate::lines::utf8;
use crate::markdown;
use crate::problem::Reason;
use crate::prose::Readable;
use crate::record::{Origin, Record};
use crate::stream::ByteStream;

/// Reads the files one at a time, in the order of their paths.
///
/// A document's id is its path relative to the folder, with `/` as the separator. Its
/// title is the one found in its text, else the file's name without extensions.
pub(crate) struct Files {
    entries: std::vec::IntoIter<Entry>,
    n_skipped: u64,
    bytes_read: u64,
    bytes_total: u64,
    limit: u64,
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
    pub(crate) fn single(path: &Path, limit: u64) -> Result<Files, Error> {
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
        Ok(Files::new(vec![entry], 0, limit))
    }

    /// The text files of a folder and its subfolders. Names that begin with a dot are
    /// skipped, and links to folders are not followed, because they may form a cycle.
    pub(crate) fn folder(root: &Path, limit: u64) -> Result<Files, Error> {
        let mut walk = Walk {
            root,
            entries: Vec::new(),
            n_skipped: 0,
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
        Ok(Files::new(walk.entries, walk.n_skipped, limit))
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
            Ok(document) => Record::Document { document, origin },
            Err(reason) => Record::Problem(origin.problem(reason)),
        })
    }

    /// Files skipped because they are not text files by their names.
    pub(crate) fn n_skipped(&self) -> u64 {
        self.n_skipped
    }

    /// Total size of the files read so far, in bytes.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// Total size of all files, in bytes.
    pub(crate) fn bytes_total(&self) -> u64 {
        self.bytes_total
    }

    fn new(entries: Vec<Entry>, n_skipped: u64, limit: u64) -> Files {
        Files {
            bytes_total: entries.iter().map(|entry| entry.bytes).sum(),
            entries: entries.into_iter(),
            n_skipped,
            bytes_read: 0,
            limit,
        }
    }

    fn read(&self, origin: &mut Origin, id: String, markup: Markup) -> Result<Document, Reason> {
        let bytes = self.bytes(&origin.path)?;
        let text = match utf8(&bytes) {
            Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
            Err(reason) => {
                if let Reason::InvalidUtf8 { byte } = reason {
                    let before = bytes[..byte - 1].iter().filter(|&&b| b == b'\n').count();
                    origin.line = Some(before as u64 + 1);
                }
                return Err(reason);
            }
        };
        let Readable { title, text } = match markup {
            Markup::Plain => Readable {
                title: None,
                text: text.trim().to_owned(),
            },
            Markup::Markdown => markdown::readable(text),
            Markup::Html => html::readable(text),
        };
        if title.is_none() && text.is_empty() {
            return Err(Reason::EmptyText);
        }
        Ok(Document {
            id,
            title: title.unwrap_or_else(|| stem(&origin.path)),
            text,
            metadata: Metadata::new(),
        })
    }

    /// The whole file, decompressed.
    fn bytes(&self, path: &Path) -> Result<Vec<u8>, Reason> {
        let stream = ByteStream::open(path).map_err(|error| match error {
            Error::Open { source, .. } | Error::Read { source, .. } => Reason::Unreadable(source),
            other => Reason::Unreadable(io::Error::new(io::ErrorKind::InvalidData, other)),
        })?;
        let mut bytes = Vec::new();
        stream
            .reader
            .take(self.limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(Reason::Unreadable)?;
        if bytes.len() as u64 > self.limit {
            return Err(Reason::TooLarge { limit: self.limit });
        }
        Ok(bytes)
    }
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
    n_skipped: u64,
    /// Folders not yet listed.
    folders: Vec<PathBuf>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
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
            self.n_skipped += 1;
            return;
        };
        // Follows links, so that a link to a file is read and a broken one is reported.
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) => return self.bad(path, Reason::Unreadable(error)),
        };
        if !metadata.is_file() {
            self.n_skipped += 1;
            return;
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
