//! Late interaction: the vectors of all tokens of a passage, compared with those of a query
//! token by token (ColBERT: Khattab and Zaharia 2020, <https://arxiv.org/abs/2004.12832>).
//!
//! This crate deals with neither text nor models. It keeps unit vectors, any number of them for
//! each [`PassageId`](treffer_types::PassageId), and answers the token vectors of a query with
//! the score of a passage: the mean over the tokens of the query of the greatest cosine similarity
//! with a token of the passage. That is MaxSim divided by the number of the query's tokens, so that
//! scores are in -1..=1 for queries of any length.
//!
//! [`LateIndex::retrieve`] finds the best passages without scoring all: each folder of many passages
//! lists them by the centroids that their tokens are near to.
//!
//! An index is any number of folders ([`LatePart`]), each written once and never changed.
//! Documents are numbered from 0 in each folder; which of them are deleted is told when an
//! index is opened. Scores are the same bit for bit on every processor.
//!
//! | file | holds |
//! |---|---|
//! | `tokens` | the vectors, token after token |
//! | `scales` | of `int8` and `int4`, what the integers of each token are multiplied by |
//! | `passages.u32` | document and passage number of each row, and where its tokens end |
//! | `centroids.u16` | of residuals, the number of the centroid of each token |
//! | `codebook` | of residuals, the centroids and the levels |
//! | `lists` | for each centroid, the rows that have a token near it; not of few passages |
//! | `list-centroids` | the centroids of the lists, unless they are those of residuals |
//! | `projection` | the matrix that made the vectors narrower, if one did |
//! | `checksums` | the seal (see `treffer_disk`), written last: without it there is no index |
//!
//! Every file begins with its magic number and version; numbers are little-endian. Files are
//! mapped, and each block is verified when it is first touched: the cost of opening an index does
//! not depend on its size. A token of `d` values takes `2 d` bytes as `f16`, `d + 4` as
//! `int8`, `d / 2 + 4` as `int4`, `d / 4 + 2` as `residual2` and `d / 8 + 2` as `residual1`. Two
//! things make them fewer: a [`Projection`] to fewer values, learned from tokens of the collection
//! itself, and [`pooling`], which puts one vector in the place of several that are alike.
//!
//! ```
//! use treffer_late::{Compression, LateIndex, LateWriter, Learned};
//! use treffer_types::{DocId, NoProgress, PassageId};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let dir = folder.path();
//! let mut writer = LateWriter::create(dir, 2, &Compression::default(), Learned::default())?;
//! writer.add(PassageId::whole(DocId(0)), &[1.0, 0.0, 0.6, 0.8])?; // two tokens
//! writer.add(PassageId::whole(DocId(1)), &[0.0, 1.0])?;
//! writer.finish(&NoProgress)?;
//!
//! let index = LateIndex::open_folder(dir)?;
//! let query = index.query(&[0.0, 1.0, 1.0, 0.0])?;
//! let scores = index.score_docs(&query, &[DocId(0), DocId(1)])?;
//! assert!((scores[0].1.value() - 0.9).abs() < 0.01); // the mean of 0.8 and 1
//! assert!((scores[1].1.value() - 0.5).abs() < 0.01); // the mean of 1 and 0
//! # Ok(())
//! # }
//! ```

mod align;
mod config;
mod error;
mod index;
mod learned;
mod part;
mod retrieve;
mod writer;

mod codebook;
mod format;
mod kmeans;
mod listing;
mod lists;
mod mapped;
mod passages;
pub mod pooling;
mod projection;
mod tokens;
mod verify;

#[cfg(test)]
mod tests;

pub use align::Alignment;
pub use codebook::Codebook;
pub use config::{Compression, Storage};
pub use error::{Error, Owner};
pub use index::{LateIndex, LateQuery};
pub use learned::Learned;
pub use part::LatePart;
pub use projection::Projection;
pub use retrieve::Pruning;
pub use treffer_kernels::maxsim::Nearest;
pub use writer::LateWriter;
