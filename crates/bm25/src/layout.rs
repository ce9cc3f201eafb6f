//! What lies in the directory of an index: tantivy's files, whose schema is made here,
//! and a record of how it was built, written last.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use tantivy::schema::{
    FAST, Field, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions,
};

use crate::config::{Analyzer, Fields, Bm25Config};
use crate::error::Error;

/// Its presence marks a finished index.
pub(crate) const RECORD: &str = "bm25.json";
/// tantivy's own record, present as soon as an index was begun.
pub(crate) const BEGUN: &str = "meta.json";

/// To be raised when the schema, the analyzers or their word lists change, and when a
/// newer tantivy brings stemmers that stem otherwise.
const FORMAT: u32 = 1;

/// How an index was built.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    format: u32,
    analyzer: Analyzer,
    fields: FieldKind,
    /// Number of documents, against files that are whole but foreign.
    pub(crate) n_docs: u32,
}

impl Record {
    pub(crate) fn new(config: &Bm25Config, n_docs: u32) -> Self {
        Record {
            format: FORMAT,
            analyzer: config.analyzer,
            fields: FieldKind::of(config.fields),
            n_docs,
        }
    }

    /// Reads the record of the index in `dir`.
    pub(crate) fn read(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(RECORD);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(Error::Missing {
                    dir: dir.to_owned(),
                    record: RECORD,
                });
            }
            Err(source) => {
                return Err(Error::Io {
                    action: "read",
                    path,
                    source,
                });
            }
        };
        serde_json::from_slice(&bytes).map_err(|e| Error::Damaged {
            dir: dir.to_owned(),
            reason: format!("`{RECORD}` cannot be read: {e}"),
        })
    }

    /// Refuses `config` if the index was built with another.
    pub(crate) fn check(&self, dir: &Path, config: &Bm25Config) -> Result<(), Error> {
        let Record {
            format,
            analyzer,
            fields,
            n_docs: _,
        } = self;
        let mismatch = |setting, built: String, asked: String| {
            if built == asked {
                return Ok(());
            }
            Err(Error::Mismatch {
                dir: dir.to_owned(),
                setting,
                built,
                asked,
            })
        };
        mismatch("format", format.to_string(), FORMAT.to_string())?;
        mismatch(
            "analyzer",
            analyzer.to_string(),
            config.analyzer.to_string(),
        )?;
        let asked = FieldKind::of(config.fields);
        mismatch(
            "fields",
            fields.as_str().to_owned(),
            asked.as_str().to_owned(),
        )
    }

    /// Writes the record by rename, then makes every file of `dir` durable.
    pub(crate) fn write(&self, dir: &Path) -> Result<(), Error> {
        let path = dir.join(RECORD);
        let unfinished = dir.join("bm25.json.tmp");
        let io = |action| {
            let path = path.clone();
            move |source| Error::Io {
                action,
                path,
                source,
            }
        };
        sync_files(dir)?;
        let mut file = File::create(&unfinished).map_err(io("create"))?;
        serde_json::to_writer(&mut file, self).map_err(|e| io("write")(e.into()))?;
        file.write_all(b"\n").map_err(io("write"))?;
        file.sync_all().map_err(io("write"))?;
        fs::rename(&unfinished, &path).map_err(io("rename"))?;
        sync(dir)
    }
}

/// Which fields an index has.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FieldKind {
    Concatenated,
    Weighted,
}

impl FieldKind {
    fn of(fields: Fields) -> Self {
        match fields {
            Fields::Concatenated => FieldKind::Concatenated,
            Fields::Weighted { .. } => FieldKind::Weighted,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            FieldKind::Concatenated => "concatenated",
            FieldKind::Weighted => "weighted",
        }
    }
}

/// A field with term frequencies, and the column of its lengths.
#[derive(Clone, Copy)]
pub(crate) struct TextField {
    pub(crate) name: &'static str,
    pub(crate) postings: Field,
    pub(crate) length: Field,
    pub(crate) length_name: &'static str,
}

/// The schema of an index.
pub(crate) struct Layout {
    pub(crate) schema: Schema,
    /// One field for title and text, or one for each, in this order.
    pub(crate) fields: Vec<TextField>,
    /// With two fields: title and text together, without frequencies, so that the number
    /// of documents in which a term occurs is at hand.
    pub(crate) either: Option<Field>,
    /// The column of document numbers.
    pub(crate) doc: Field,
}

/// Name of the column of document numbers.
pub(crate) const DOC: &str = "doc";

impl Layout {
    pub(crate) fn new(fields: Fields) -> Self {
        let names: &[(&'static str, &'static str)] = match fields {
            Fields::Concatenated => &[("body", "body-length")],
            Fields::Weighted { .. } => &[("title", "title-length"), ("text", "text-length")],
        };
        let mut schema = Schema::builder();
        let doc = schema.add_u64_field(DOC, NumericOptions::from(FAST));
        let fields: Vec<TextField> = names
            .iter()
            .map(|&(name, length_name)| TextField {
                name,
                postings: schema.add_text_field(name, indexed(IndexRecordOption::WithFreqs)),
                length: schema.add_u64_field(length_name, NumericOptions::from(FAST)),
                length_name,
            })
            .collect();
        let either = (fields.len() > 1)
            .then(|| schema.add_text_field("either", indexed(IndexRecordOption::Basic)));
        Layout {
            schema: schema.build(),
            fields,
            either,
            doc,
        }
    }
}

/// Texts reach tantivy as terms with a space between, already analyzed. Its own field
/// norms are not kept: they round lengths to one byte.
fn indexed(option: IndexRecordOption) -> TextOptions {
    TextOptions::default().set_indexing_options(
        TextFieldIndexing::default()
            .set_tokenizer("whitespace")
            .set_fieldnorms(false)
            .set_index_option(option),
    )
}

fn sync_files(dir: &Path) -> Result<(), Error> {
    let list = |source| Error::Io {
        action: "list",
        path: dir.to_owned(),
        source,
    };
    for entry in fs::read_dir(dir).map_err(list)? {
        let entry = entry.map_err(list)?;
        if entry.file_type().map_err(list)?.is_file() {
            sync(&entry.path())?;
        }
    }
    Ok(())
}

fn sync(path: &Path) -> Result<(), Error> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(|source| Error::Io {
            action: "make durable",
            path: path.to_owned(),
            source,
        })
}
