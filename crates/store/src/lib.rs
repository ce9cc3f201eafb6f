//! Documents by number, in compressed blocks.
//!
//! The engine's other parts refer to documents by [`DocId`](treffer_types::DocId); this crate
//! returns the documents, and maps the corpus's own ids to numbers and back without reading
//! text.
//!
//! A store is a list of folders, each written once and never changed, and the documents in them
//! that are deleted. Of each folder:
//!
//! | file | holds |
//! |---|---|
//! | `documents.zst` | the documents as JSON, with where their passages begin and end, in blocks of about 32 KiB, each compressed alone |
//! | `blocks.table` | how many documents there are, and where each block is |
//! | `ids.table` | the external ids, in order, and where each ends |
//! | `hashes.table` | a hash of each id with the document's number, by hash |
//! | `passages.table` | how many passages all documents before each one have |
//! | `checksums` | the seal (see `treffer_disk`), written last: without it there is no store |
//!
//! Every file begins with its magic number and version; numbers are little-endian. Files are
//! mapped, and each block is verified when it is first touched: the cost of opening a store
//! does not depend on its size, and an open one takes no memory per document beyond the pages
//! that were touched.
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
//! let store = Store::open_folder(dir)?;
//! assert_eq!(store.find("doc-1")?, Some(DocId(0)));
//! assert_eq!(store.document(DocId(0))?, document);
//! # Ok(())
//! # }
//! ```

mod error;
mod folder;
mod store;
mod writer;

mod blocks;
mod format;
mod ids;
mod passages;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use store::{Store, StorePart};
pub use writer::StoreWriter;
