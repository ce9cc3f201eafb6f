//! The files of an index: tantivy's files, whose schema is made here, and a record of how it
//! was built.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tantivy::schema::{
    FAST, Field, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions,
};

use treffer_disk::{FileWriter, Sealed};

use crate::bounds::BoundsCounts;
use crate::config::{Analyzer, Bm25Config, Fields};
use crate::error::Error;
use crate::language_column::LanguageCounts;

/// How the index was built.
pub(crate) const RECORD: &str = "bm25.json";
/// tantivy's own record, which exists from the start of a build.
pub(crate) const BEGUN: &str = "meta.json";

/// Must be incremented when the schema, the analyzers or their word lists change, and when newer
/// stemmers or Unicode tables give other terms.
const FORMAT: u32 = 7;

/// How an index was built.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    format: u32,
    analyzer: Analyzer,
    /// Whether accents were dropped.
    fold_accents: bool,
    /// Whether negated words are marked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    negation: bool,
    fields: FieldKind,
    /// Number of documents.
    pub(crate) n_docs: u32,
    /// Number of terms of all documents, in the fields' order.
    pub(crate) n_terms: Vec<u64>,
    /// What the files of bounds hold, in the fields' order.
    pub(crate) bounds: Vec<BoundsCounts>,
    /// Number of documents by language.
    pub(crate) languages: LanguageCounts,
    /// Number of words that compounds are cut into; none for a language without compounds.
    pub(crate) n_pieces: Option<u32>,
    /// Number of those that were listed; none for a language without compounds.
    pub(crate) n_listed: Option<u32>,
    /// Number of words that may be compounds; none for a language without.
    pub(crate) n_compounds: Option<u32>,
}

/// What the record of a finished index counts.
pub(crate) struct Counted {
    pub(crate) n_docs: u32,
    pub(crate) n_terms: Vec<u64>,
    pub(crate) bounds: Vec<BoundsCounts>,
    pub(crate) languages: LanguageCounts,
    pub(crate) n_pieces: Option<u32>,
    pub(crate) n_listed: Option<u32>,
    pub(crate) n_compounds: Option<u32>,
}

impl Record {
    pub(crate) fn new(config: &Bm25Config, counted: Counted) -> Self {
        Record {
            format: FORMAT,
            analyzer: config.analyzer,
            fold_accents: config.folds_accents(),
            negation: config.negation,
            fields: FieldKind::of(config.fields),
            n_docs: counted.n_docs,
            n_terms: counted.n_terms,
            bounds: counted.bounds,
            languages: counted.languages,
            n_pieces: counted.n_pieces,
            n_listed: counted.n_listed,
            n_compounds: counted.n_compounds,
        }
    }

    /// Reads the record of a sealed index.
    pub(crate) fn read(sealed: &Sealed) -> Result<Self, Error> {
        let file = sealed.file(RECORD)?;
        let bytes = file.bytes(0..file.len())?;
        let unreadable = |reason: String| Error::Damaged {
            dir: sealed.dir().to_owned(),
            reason: format!("`{RECORD}` cannot be read: {reason}"),
        };
        let FormatOf { format } =
            serde_json::from_slice(bytes).map_err(|e| unreadable(e.to_string()))?;
        if format != FORMAT {
            return Err(Error::Format {
                dir: sealed.dir().to_owned(),
                built: format,
                read: FORMAT,
            });
        }
        let record: Record =
            serde_json::from_slice(bytes).map_err(|e| unreadable(e.to_string()))?;
        let n_fields = match record.fields {
            FieldKind::Concatenated => 1,
            FieldKind::Weighted => 2,
        };
        for (what, found) in [
            ("lengths", record.n_terms.len()),
            ("bounds", record.bounds.len()),
        ] {
            if found != n_fields {
                return Err(unreadable(format!(
                    "it has {what} of {found} fields, not {n_fields}"
                )));
            }
        }
        let has_compounds = record.analyzer.has_compounds();
        let counts = [record.n_pieces, record.n_listed, record.n_compounds];
        if counts.map(|n| n.is_some()) != [has_compounds; 3] {
            return Err(unreadable("its analyzer and its words differ".to_owned()));
        }
        Ok(record)
    }

    /// Refuses `config` if the index was built with another.
    pub(crate) fn check(&self, dir: &Path, config: &Bm25Config) -> Result<(), Error> {
        let Record {
            format: _,
            analyzer,
            fold_accents,
            negation,
            fields,
            n_docs: _,
            n_terms: _,
            bounds: _,
            languages: _,
            n_pieces: _,
            n_listed: _,
            n_compounds: _,
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
        mismatch(
            "analyzer",
            analyzer.to_string(),
            config.analyzer.to_string(),
        )?;
        mismatch(
            "fold_accents",
            fold_accents.to_string(),
            config.folds_accents().to_string(),
        )?;
        mismatch(
            "negation",
            negation.to_string(),
            config.negation.to_string(),
        )?;
        let asked = FieldKind::of(config.fields);
        mismatch(
            "fields",
            fields.as_str().to_owned(),
            asked.as_str().to_owned(),
        )
    }

    pub(crate) fn write(&self, dir: &Path) -> Result<(), Error> {
        let mut file = FileWriter::create(&dir.join(RECORD))?;
        let mut text = serde_json::to_vec(self).expect("names and numbers are valid JSON");
        text.push(b'\n');
        file.push(&text)?;
        Ok(file.finish()?)
    }
}

/// The part of a record that every version has.
#[derive(Deserialize)]
struct FormatOf {
    format: u32,
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

/// A field with term frequencies, the column of its lengths, and the bounds of its terms.
#[derive(Clone, Copy)]
pub(crate) struct TextField {
    pub(crate) name: &'static str,
    pub(crate) postings: Field,
    /// The column's file.
    pub(crate) lengths: &'static str,
    /// The bounds' file.
    pub(crate) bounds: &'static str,
}

/// The schema of an index.
pub(crate) struct Layout {
    pub(crate) schema: Schema,
    /// One field for title and text, or one for each, in this order.
    pub(crate) fields: Vec<TextField>,
    /// With two fields: title and text together, without frequencies, so that the number
    /// of documents in which a term occurs is at hand.
    pub(crate) either: Option<Field>,
    /// tantivy's column of rows. The writer puts segments in order by it.
    pub(crate) doc: Field,
}

/// Name of tantivy's column of rows.
pub(crate) const DOC: &str = "doc";

impl Layout {
    pub(crate) fn new(fields: Fields) -> Self {
        let names: &[[&'static str; 3]] = match fields {
            Fields::Concatenated => &[["body", "body-length.u32", "body.bounds"]],
            Fields::Weighted { .. } => &[
                ["title", "title-length.u32", "title.bounds"],
                ["text", "text-length.u32", "text.bounds"],
            ],
        };
        let mut schema = Schema::builder();
        let doc = schema.add_u64_field(DOC, NumericOptions::from(FAST));
        let fields: Vec<TextField> = names
            .iter()
            .map(|&[name, lengths, bounds]| TextField {
                name,
                postings: schema.add_text_field(name, indexed(IndexRecordOption::WithFreqs)),
                lengths,
                bounds,
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
