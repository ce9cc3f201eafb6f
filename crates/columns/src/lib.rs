//! Metadata of documents by column: filters, facets, sorting.
//!
//! The fields of an index, and their types, are a [`FieldSchema`]; [`Inference`] proposes one.
//! A [`ColumnWriter`] takes documents and writes a sealed folder, [`Columns`] reads it:
//!
//! | file | holds |
//! |---|---|
//! | `fields.table` | how many documents there are, the fields and their types |
//! | `column-N` | the values of the field at place N of that table |
//! | `checksums` | the seal (see `treffer_disk`), written last: without it there are no columns |
//!
//! A value is held as a number in the order of the values: of keywords the place in the sorted
//! words of the column, of others 64 bits, less the smallest and divided by what all have in
//! common, in the fewest bytes. So a filter is a comparison of small numbers, document by
//! document, without a tree or lists: a million documents take less than a millisecond where each
//! has at most one value. Files are mapped, and each block is verified when it is first touched;
//! opening reads headers only.
//!
//! [`Filter`] is the language of filters, and [`filter`] says what it holds.
//!
//! ```
//! use serde_json::json;
//! use treffer_columns::{ColumnWriter, Columns, FieldSchema, FieldType, Filter, SortBy};
//! use treffer_types::{DocId, Document};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let dir = folder.path();
//! let schema: FieldSchema =
//!     [("brand", FieldType::Keyword), ("volume_l", FieldType::Float)].into_iter().collect();
//! let mut writer = ColumnWriter::create(dir, &schema)?;
//! for (brand, volume) in [("Kirsch", 250), ("Kirsch", 90), ("Liebherr", 330)] {
//!     let mut document = Document::default();
//!     document.metadata.insert("brand".to_owned(), json!(brand));
//!     document.metadata.insert("volume_l".to_owned(), json!(volume));
//!     assert!(writer.push(&document)?.is_empty());
//! }
//! writer.finish()?;
//!
//! let columns = Columns::open(dir)?;
//! let filter = Filter::parse("brand:Kirsch AND volume_l:>=100")?.bind(columns.schema())?;
//! let docs = filter.matches(&columns)?;
//! assert_eq!(docs.ones().collect::<Vec<_>>(), [0]);
//!
//! let all = Filter::parse("brand:*")?.bind(columns.schema())?.matches(&columns)?;
//! let brands = columns.facets("brand", &all, None)?;
//! assert_eq!((brands.values[0].value.to_string(), brands.values[0].count), ("Kirsch".into(), 2));
//! let by: SortBy = "-volume_l".parse()?;
//! assert_eq!(columns.sorted(&by, &all, 1)?[0].1, DocId(2));
//! # Ok(())
//! # }
//! ```

mod error;
pub mod filter;

mod date;
mod schema;
mod value;

mod infer;
mod writer;

mod columns;
mod facets;
mod sort;

mod collector;
mod column;
mod convert;
mod dictionary;
mod format;
mod key;
mod leaves;

#[cfg(test)]
mod tests;

pub use columns::Columns;
pub use date::{Date, InvalidDate};
pub use error::Error;
pub use facets::{FacetCount, FacetCounts};
pub use filter::{BoundFilter, CaseHint, Filter, FilterError, FilterErrorKind};
pub use fixedbitset::FixedBitSet;
pub use infer::{Decision, Inference, InferredField, infer};
pub use schema::FieldSchema;
pub use sort::{SortBy, SortKey};
pub use value::{FieldType, Value};
pub use writer::{ColumnWriter, FieldProblem, FieldProblemKind};
