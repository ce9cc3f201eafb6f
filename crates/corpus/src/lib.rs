//! Reads documents, queries, relevance judgments and runs from files, one record at a time.
//! A bad record is skipped and reported with its file and line.
//!
//! Reading order: [`read_documents`] and the [`Record`]s that it yields, [`read_queries`],
//! [`read_judgments`], [`read_run`], [`read_pairs`]. A [`Problem`] describes one bad record, and reading goes
//! on after it; an [`Error`] ends it.
//!
//! All of them open a file in the same way (`stream`: compression, encoding, byte order
//! mark), take lines from one reader (`lines`) and know the same names of fields and the
//! same rule for ids (`names`).
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
mod encoding;
mod error;
mod fields;
mod files;
mod format;
mod front_matter;
mod gunzip;
mod html;
mod json;
mod lines;
mod markdown;
mod names;
mod npy;
mod pairs;
mod passed_over;
mod problem;
mod prose;
mod qrels;
mod queries;
mod record;
mod runs;
mod stop;
mod stream;
mod table;
mod topics;
mod word_list;

pub use columns::{Columns, Delimiter};
pub use documents::{DocumentReader, ReadOptions, check_input, read_documents};
pub use encoding::Encoding;
pub use error::Error;
pub use format::{Format, JudgmentFormat, Markup, QueryFormat};
pub use json::vector;
pub use npy::VectorFile;
pub use pairs::{PairOptions, PairReader, PairText, Pairs, read_pairs};
pub use passed_over::PassedOver;
pub use problem::{Problem, Reason};
pub use prose::Readable;
pub use qrels::{JudgmentOptions, Judgments, MODEL_JUDGE, judgments_from_reader, read_judgments};
pub use queries::{QueryOptions, queries_from_reader, read_queries};
pub use record::{Origin, Record};
pub use runs::{Rankings, RunDocument, RunOptions, read_run, run_from_reader};
pub use stop::Stop;
pub use topics::TopicField;
pub use word_list::{read_ids, read_words};
