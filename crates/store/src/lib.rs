//! Documents by number, in compressed blocks.
//!
//! The engine's other parts know documents by [`DocId`](treffer_types::DocId); this crate
//! gives the document back, and leads from the corpus's own ids to numbers and back
//! without touching text.
//!
//! | file | holds |
//! |---|---|
//! | `documents.zst` | the documents as JSON, in blocks of about 32 KiB, each compressed alone |
//! | `blocks.table` | where each block is, and its checksum; written last |
//! | `ids.table` | the external ids, in order |
//! | `hashes.table` | a hash of each id with the document's number, by hash |
//!
//! Memory of an open store: 24 bytes per document and its id, 24 bytes per block.
//!
//! ```
//! use treffer_store::{Store, StoreWriter};
//! use treffer_types::{DocId, Document};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let dir = folder.path();
//! let document = Document {
//!     id: "doc-1".to_owned(),
//!     text: "A laboratory refrigerator.".to_owned(),
//!     ..Document::default()
//! };
//! let mut writer = StoreWriter::create(dir)?;
//! assert_eq!(writer.add(&document)?, DocId(0));
//! writer.finish()?;
//!
//! let store = Store::open(dir)?;
//! assert_eq!(store.find("doc-1")?, Some(DocId(0)));
//! assert_eq!(store.document(DocId(0))?, document);
//! # Ok(())
//! # }
//! ```

mod error;
mod store;
mod writer;

mod blocks;
mod ids;
mod table;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use store::Store;
pub use writer::StoreWriter;
