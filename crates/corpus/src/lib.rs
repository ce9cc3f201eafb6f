//! Files to documents, queries and judgements: one record at a time, each bad record
//! reported with its file and line and skipped.
//!
//! Reading order: [`read_documents`] and what it gives, [`read_queries`],
//! [`read_judgements`]; [`open_input`] is for what others read. A [`Problem`] is a bad
//! record and never ends the reading; an [`Error`] does.
//!
//! ```
//! use std::path::Path;
//! use treffer_corpus::{DocumentReader, Format, ReadOptions, Record};
//!
//! let lines = "{\"_id\": 1, \"text\": \"a document\"}\n{\"text\": \"no id\"}\n";
//! let options = ReadOptions::default();
//! let reader =
//!     DocumentReader::from_reader(lines.as_bytes(), Path::new("my.jsonl"), Format::Jsonl, &options)?;
//! for record in reader {
//!     match record? {
//!         Record::Document { document, .. } => assert_eq!(document.id, "1"),
//!         Record::Problem(problem) => assert_eq!(
//!             problem.to_string(),
//!             "my.jsonl:2: the id is missing or empty"
//!         ),
//!     }
//! }
//! # Ok::<(), treffer_corpus::Error>(())
//! ```

mod columns;
mod documents;
mod error;
mod files;
mod format;
mod html;
mod json;
mod lines;
mod markdown;
mod problem;
mod prose;
mod qrels;
mod queries;
mod source;
mod table;

pub use columns::Columns;
pub use documents::{DocumentReader, ReadOptions, Record, read_documents};
pub use error::Error;
pub use format::{Format, QueryFormat};
pub use problem::{Origin, Problem, Reason};
pub use qrels::{Judgements, MODEL_JUDGE, read_judgements, read_qrels};
pub use queries::read_queries;
pub use source::open_input;
