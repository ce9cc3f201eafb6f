//! Reads documents, queries and relevance judgments from files, one record at a time. A
//! bad record is skipped and reported with its file and line.
//!
//! Reading order: [`read_documents`] and the [`Record`]s that it yields, [`read_queries`],
//! [`read_judgments`]; [`open_input`] opens files that another crate parses. A [`Problem`]
//! describes one bad record, and reading goes on after it; an [`Error`] ends it.
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
mod record;
mod stop;
mod stream;
mod table;

pub use columns::Columns;
pub use documents::{DocumentReader, ReadOptions, read_documents};
pub use error::Error;
pub use format::{Format, QueryFormat};
pub use problem::{Problem, Reason};
pub use qrels::{Judgments, MODEL_JUDGE, read_judgments, read_qrels};
pub use queries::read_queries;
pub use record::{Origin, Record};
pub use stop::Stop;
pub use stream::open_input;
