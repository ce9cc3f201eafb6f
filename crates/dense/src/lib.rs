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
//! | file | holds |
//! |---|---|
//! | `vectors.f32` | the vectors, row after row |
//! | `passages.u32` | document and passage number of each row |
//! | `graph.links` | the graph: for each row the rows that it links to, by layer |
//! | `checksums` | the seal (see `treffer_disk`), written last: without it there is no index |
//!
//! Every file begins with its magic number and version; numbers are little-endian. Files
//! are mapped, and what is touched is verified first: opening an index costs the same
//! whatever it holds, and an open one takes no memory per vector beyond the pages that were
//! touched. On disk a vector of `d` dimensions takes `4 d + 8` bytes and its links, at `m` =
//! 16, about 100.
//!
//! `hnsw_rs` builds the graph and does nothing else: the links are taken out of it, vectors
//! that it left without a link that leads to them get some, and the search over the files is
//! this crate's own.
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

mod format;
mod graph;
mod passages;
mod search;
mod vectors;
mod verify;

mod build;
mod layers;
mod repair;

#[cfg(test)]
mod tests;

pub use config::GraphConfig;
pub use error::{Error, Owner};
pub use index::DenseIndex;
pub use writer::DenseWriter;
