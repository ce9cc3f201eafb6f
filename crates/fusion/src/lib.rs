//! Normalize, weigh, order: what turns the raw scores of a pool into a ranking.
//!
//! Everything here is pure, total and deterministic: the same pool in any order
//! gives the same ranking, bit for bit.
//!
//! Reading order: [`weights`] holds the stages' shares, [`normalizer`] brings raw
//! scores to one scale, [`prepared`] orders a normalized pool, [`fusion`] puts the
//! three together and says what each stage contributed, [`mod@combine`] does the same
//! for any number of systems that are no stages of ours, and [`learned`] corrects a
//! fusion of stages by trees.
//!
//! ```
//! use treffer_fusion::{Fusion, Normalizer, fuse};
//! use treffer_types::{Candidate, DocId, PassageId, Score, StageMap, StageName};
//!
//! let candidate = |doc, bm25: f32, dense: f32| {
//!     let mut candidate = Candidate::new(PassageId::whole(DocId(doc)));
//!     candidate.scores.set(StageName::Bm25, Score::new(bm25).unwrap());
//!     candidate.scores.set(StageName::Dense, Score::new(dense).unwrap());
//!     candidate
//! };
//! let fusion = Fusion {
//!     normalizers: StageMap::from_fn(|_| Normalizer::MinMax),
//!     weights: "0.4,0.6,0".parse().unwrap(),
//! };
//! let fused = fuse(&[candidate(0, 12.0, 0.3), candidate(1, 8.0, 0.7)], &fusion);
//! assert_eq!(fused[0].doc, DocId(1)); // best in the stage that weighs 0.6
//! assert_eq!(fused[0].stages.dense.weighted, 0.6);
//! ```

mod columns;
pub mod combine;
pub mod error;
pub mod fusion;
pub mod learned;
pub mod normalizer;
pub mod prepared;
#[cfg(test)]
mod testing;
pub mod weights;

pub use combine::{Combined, System, combine, shares};
pub use error::Error;
pub use fusion::{Fused, Fusion, fuse};
pub use learned::{Boosting, Contribution, LearnError, Learned, Lengths, QueryGroup};
pub use normalizer::Normalizer;
pub use prepared::Prepared;
pub use weights::Weights;
