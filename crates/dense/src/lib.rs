//! Dense retrieval: unit vectors, an exact scan over them, and the HNSW graph.
//!
//! This is the only crate that depends on `hnsw_rs`, and it deals with neither text nor
//! models. It indexes vectors, each with its [`PassageId`](treffer_types::PassageId), and
//! answers a query vector with passages and their cosine similarity.
//!
//! An index is any number of folders ([`DensePart`]), each written once and never changed.
//! Documents are numbered from 0 in each folder; which of them are deleted is told when an
//! index is opened, and every search may be limited to a set of documents.
//!
//! All methods compute scores by one function for each form in which vectors are kept
//! ([`Storage`]), with a fixed order of summation, so that they agree bit for bit on every
//! processor.
//!
//! | file | holds |
//! |---|---|
//! | `vectors` | the vectors, row after row |
//! | `passages.u32` | document and passage number of each row |
//! | `graph.links` | the graph: for each row the rows that it links to, by layer; small folders have none and are scanned |
//! | `checksums` | the seal (see `treffer_disk`), written last: without it there is no index |
//!
//! Every file begins with its magic number and version; numbers are little-endian. Files
//! are mapped, and each block is verified when it is first touched: the cost of opening an
//! index does not depend on its size, and an open one takes no memory per vector beyond the
//! pages that were touched. On disk a vector of `d` dimensions takes `4 d + 8` bytes (`2 d + 8`
//! as `f16`) and its links, at `m` = 16, about 100.
//!
//! Graphs are built by this crate or by `hnsw_rs` ([`Builder`]). The library inserts vectors
//! one after the other on one thread if a build is to be repeatable, and leaves vectors out of
//! reach; this crate builds in batches on all threads, with the same result on any number of
//! them. Whatever the builder, vectors that cannot be reached get links that lead to them, and
//! the search over the files is this crate's own.
//!
//! ```
//! use treffer_dense::{DenseIndex, DenseWriter, GraphConfig, Storage};
//! use treffer_types::{DocId, NoProgress, PassageId};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let dir = folder.path();
//! let config = GraphConfig::new(16, 100);
//! let mut writer = DenseWriter::create(dir, 2, &config, Storage::F32)?;
//! writer.add(PassageId::whole(DocId(0)), &[1.0, 0.0])?;
//! writer.add(PassageId::whole(DocId(1)), &[0.6, 0.8])?;
//! writer.finish(&NoProgress)?;
//!
//! let index = DenseIndex::open_folder(dir)?;
//! let found = index.search(&[0.0, 1.0], 1, 10, None)?;
//! assert_eq!(found[0].0.doc, DocId(1));
//! assert_eq!(found, index.exact(&[0.0, 1.0], 1, None)?);
//! # Ok(())
//! # }
//! ```

mod config;
mod error;
mod index;
mod part;
mod writer;

mod dot;
mod filter;
mod filtered;
mod format;
mod graph;
mod passages;
mod search;
mod storage;
mod vectors;
mod verify;

mod batches;
mod build;
mod codes;
mod layers;
mod library;
mod order;
mod repair;

#[cfg(test)]
mod tests;

pub use config::{Builder, GraphConfig};
pub use error::{Error, Owner};
pub use index::DenseIndex;
pub use part::DensePart;
pub use storage::Storage;
pub use writer::DenseWriter;
