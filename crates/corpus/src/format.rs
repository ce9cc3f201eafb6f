//! File formats of documents and queries, and how they follow from a file's name.

use std::path::Path;
use std::str::FromStr;

use crate::error::Error;

/// The format of a corpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line: `.jsonl`, `.ndjson`, `.json`.
    Jsonl,
    /// A table with a header, fields quoted as in RFC 4180: `.csv`.
    Csv,
    /// A table with a header, one record per line, fields separated by tabs and never
    /// quoted, as in the MS MARCO and BEIR collections: `.tsv`, `.tab`.
    Tsv,
    /// One document per file: `.txt`, `.md`, `.html`, or a folder of such files.
    Files,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 4] = [Format::Jsonl, Format::Csv, Format::Tsv, Format::Files];

    /// The format for a file's extension, after removing `.gz` or `.zst`. Standard input,
    /// `-`, is JSON lines.
    ///
    /// # Errors
    /// If the extension is unknown.
    pub fn from_name(path: &Path) -> Result<Format, Error> {
        if path == Path::new("-") {
            return Ok(Format::Jsonl);
        }
        match extension(path).as_deref() {
            Some("jsonl" | "ndjson" | "json") => Ok(Format::Jsonl),
            Some("csv") => Ok(Format::Csv),
            Some("tsv" | "tab") => Ok(Format::Tsv),
            Some(_) if Markup::from_name(path).is_some() => Ok(Format::Files),
            _ => Err(Error::UnknownFormat {
                path: path.to_owned(),
                expected: ".jsonl, .csv, .tsv, .txt, .md or .html (.gz or .zst may follow)",
            }),
        }
    }

    /// The name in messages and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Jsonl => "jsonl",
            Format::Csv => "csv",
            Format::Tsv => "tsv",
            Format::Files => "files",
        }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Format::ALL
            .into_iter()
            .find(|format| format.as_str() == name)
            .ok_or_else(|| {
                format!("unknown format `{name}`; formats are jsonl, csv, tsv and files")
            })
    }
}

/// The format of a file of queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryFormat {
    /// One JSON object per line: `.jsonl`, `.ndjson`, `.json`.
    Jsonl,
    /// A table with a header: `.csv`.
    Csv,
    /// Tab-separated, with or without a header: `.tsv`, `.tab`.
    Tsv,
    /// One query per line: `.txt`.
    Lines,
    /// TREC's topics, in blocks of `<top>`: told by their content, whatever the file's name.
    Trec,
}

impl QueryFormat {
    /// Every format.
    pub const ALL: [QueryFormat; 5] = [
        QueryFormat::Jsonl,
        QueryFormat::Csv,
        QueryFormat::Tsv,
        QueryFormat::Lines,
        QueryFormat::Trec,
    ];

    /// The name in messages and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            QueryFormat::Jsonl => "jsonl",
            QueryFormat::Csv => "csv",
            QueryFormat::Tsv => "tsv",
            QueryFormat::Lines => "lines",
            QueryFormat::Trec => "trec",
        }
    }

    /// The format for a file's extension, after removing `.gz` or `.zst`. Standard input,
    /// `-`, is JSON lines.
    ///
    /// # Errors
    /// If the extension is unknown.
    pub fn from_name(path: &Path) -> Result<QueryFormat, Error> {
        if path == Path::new("-") {
            return Ok(QueryFormat::Jsonl);
        }
        match extension(path).as_deref() {
            Some("jsonl" | "ndjson" | "json") => Ok(QueryFormat::Jsonl),
            Some("csv") => Ok(QueryFormat::Csv),
            Some("tsv" | "tab") => Ok(QueryFormat::Tsv),
            Some("txt") => Ok(QueryFormat::Lines),
            _ => Err(Error::UnknownFormat {
                path: path.to_owned(),
                expected: ".jsonl, .csv, .tsv or .txt (.gz or .zst may follow); TREC topics begin with <top>",
            }),
        }
    }
}

impl FromStr for QueryFormat {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        QueryFormat::ALL
            .into_iter()
            .find(|format| format.as_str() == name)
            .ok_or_else(|| {
                format!("unknown format `{name}`; formats are jsonl, csv, tsv, lines and trec")
            })
    }
}

/// The format of a file of judgments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JudgmentFormat {
    /// TREC's qrels: query, a column that is not used, document, grade.
    Trec,
    /// BEIR's: query, document, grade, with or without a header.
    Beir,
    /// A table with a header, its fields quoted as in RFC 4180: `.csv`.
    Csv,
}

impl JudgmentFormat {
    /// Every format.
    pub const ALL: [JudgmentFormat; 3] = [
        JudgmentFormat::Trec,
        JudgmentFormat::Beir,
        JudgmentFormat::Csv,
    ];

    /// The name in messages and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            JudgmentFormat::Trec => "trec",
            JudgmentFormat::Beir => "beir",
            JudgmentFormat::Csv => "csv",
        }
    }

    /// The format if the file's extension tells it: the others are told by the first line.
    pub(crate) fn from_name(path: &Path) -> Option<JudgmentFormat> {
        (extension(path)? == "csv").then_some(JudgmentFormat::Csv)
    }
}

impl FromStr for JudgmentFormat {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        JudgmentFormat::ALL
            .into_iter()
            .find(|format| format.as_str() == name)
            .ok_or_else(|| format!("unknown format `{name}`; formats are trec, beir and csv"))
    }
}

/// The markup of a text file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Markup {
    /// None: `.txt`.
    Plain,
    /// CommonMark with tables, footnotes, strikethrough and task lists: `.md`.
    Markdown,
    /// HTML or XHTML: `.html`.
    Html,
}

impl Markup {
    /// By the file's extension; `None` if it is not that of a text file.
    pub fn from_name(path: &Path) -> Option<Markup> {
        match extension(path)?.as_str() {
            "txt" | "text" => Some(Markup::Plain),
            "md" | "markdown" => Some(Markup::Markdown),
            "html" | "htm" | "xhtml" => Some(Markup::Html),
            _ => None,
        }
    }
}

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    Gzip,
    Zstd,
}

impl Compression {
    /// The compression that the extension claims.
    pub(crate) fn from_name(path: &Path) -> Option<Compression> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "gz" => Some(Compression::Gzip),
            "zst" | "zstd" => Some(Compression::Zstd),
            _ => None,
        }
    }

    /// The compression by the magic number in the first bytes. No text starts with one:
    /// they are invalid UTF-8 or contain a control character.
    pub(crate) fn from_content(start: &[u8]) -> Option<Compression> {
        match start {
            [0x1f, 0x8b, ..] => Some(Compression::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Compression::Zstd),
            // A skippable frame, which parallel compressors (pzstd) write first.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Compression::Zstd),
            _ => None,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        }
    }
}

/// The file's name without the extension of its compression.
pub(crate) fn uncompressed_name(path: &Path) -> &Path {
    match (Compression::from_name(path), path.file_stem()) {
        (Some(_), Some(stem)) => Path::new(stem),
        _ => path,
    }
}

/// The extension in lower case, without that of a compression.
pub(crate) fn extension(path: &Path) -> Option<String> {
    let extension = uncompressed_name(path).extension()?;
    Some(extension.to_str()?.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_follows_from_the_name_whatever_the_compression() {
        for (name, format) in [
            ("corpus.jsonl", Format::Jsonl),
            ("a.b/corpus.JSONL.GZ", Format::Jsonl),
            ("-", Format::Jsonl),
            ("x.csv.zst", Format::Csv),
            ("x.tsv", Format::Tsv),
            ("notes.md", Format::Files),
            ("page.html.gz", Format::Files),
        ] {
            assert_eq!(
                Format::from_name(Path::new(name)).unwrap(),
                format,
                "{name}"
            );
        }
        for name in ["corpus", "corpus.gz", ".jsonl", "corpus.pdf", ""] {
            assert!(Format::from_name(Path::new(name)).is_err(), "{name}");
        }
    }

    #[test]
    fn formats_parse_from_their_names() {
        for format in Format::ALL {
            assert_eq!(format.as_str().parse(), Ok(format));
        }
        for format in QueryFormat::ALL {
            assert_eq!(format.as_str().parse(), Ok(format));
        }
        for format in JudgmentFormat::ALL {
            assert_eq!(format.as_str().parse(), Ok(format));
        }
        assert!("tsv".parse::<JudgmentFormat>().is_err());
        assert!("pdf".parse::<Format>().is_err());
        assert!("files".parse::<QueryFormat>().is_err());
    }
}
