//! Dense retrieval: unit vectors, an exact scan over them, and the HNSW graph.
//!
//! The only crate that knows `hnsw_rs`, and it knows neither text nor models.
//! Vectors come in with the [`PassageId`](treffer_types::PassageId) they stand for; a
//! query vector goes in and passages with their cosine similarity come out. The
//! distances of the graph library stay inside.
//!
//! Every score, whichever method gives it, is one function of the two vectors with a
//! fixed order of summation, so that the methods agree bit for bit on every processor.
//!
//! A vector of `d` dimensions and its passage number take `4 d + 8` bytes, in memory
//! and on disk alike, and are nowhere held twice. The graph adds, per vector and at
//! `m` = 16, up to 760 bytes on disk and about 4 kB in memory (measured after opening;
//! most of it is the library's own bookkeeping of links), in proportion to `m`.
//!
//! ```
//! use treffer_dense::{DenseIndex, DenseWriter, GraphConfig};
//! use treffer_types::{DocId, NoProgress, PassageId};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let dir = folder.path();
//! let config = GraphConfig { m: 16, ef_construction: 100 };
//! let mut writer = DenseWriter::create(dir, 2, &config)?;
//! writer.add(PassageId::whole(DocId(0)), &[1.0, 0.0])?;
//! writer.add(PassageId::whole(DocId(1)), &[0.6, 0.8])?;
//! writer.finish(&NoProgress)?;
//!
//! let index = DenseIndex::open(dir)?;
//! let found = index.search(&[0.0, 1.0], 1, 10)?;
//! assert_eq!(found[0].0.doc, DocId(1));
//! assert_eq!(found, index.exact(&[0.0, 1.0], 1)?);
//! # Ok(())
//! # }
//! ```

mod config;
mod error;
mod index;
mod writer;

mod dump;
mod files;
mod graph;
mod vectors;

#[cfg(test)]
mod tests;

pub use config::GraphConfig;
pub use error::{Error, Owner};
pub use index::DenseIndex;
pub use writer::DenseWriter;
