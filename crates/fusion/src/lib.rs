//! From the raw scores of a pool to a ranking: normalize, weight, sum, sort.
//!
//! Everything here is pure, total and deterministic: the same pool in any order
//! gives the same ranking, bit for bit.
//!
//! Reading order: [`weights`] holds the stages' shares, [`aggregation`] turns the scores
//! of passages into one per document, [`normalizer`] brings raw scores to a common scale
//! and `text` reads and writes it, [`normalization`] is these two for all stages,
//! [`prepared`] orders a normalized pool,
//! [`fusion`] combines them and shows what each stage contributed, and [`mod@combine`] fuses
//! the runs of any number of systems. With the feature `learned` there are also trees that
//! correct a fusion of stages, and [`lengths`] holds what they use besides scores.
//!
//! ```
//! use treffer_fusion::{Fusion, Normalization, Normalizer, fuse};
//! use treffer_types::{Candidate, DocId, Evidence, Score, StageMap, StageName};
//!
//! let stages = [StageName::BM25, StageName::DENSE];
//! let candidate = |doc, bm25: f32, dense: f32| {
//!     let mut candidate = Candidate::new(DocId(doc));
//!     for (stage, score) in stages.into_iter().zip([bm25, dense]) {
//!         candidate.add(stage, Evidence::new(0, Score::new(score).unwrap()));
//!     }
//!     candidate
//! };
//! let fusion = Fusion {
//!     normalization: Normalization {
//!         normalizers: StageMap::from_fn(&stages, |_| Normalizer::MinMax),
//!         ..Normalization::default()
//!     },
//!     weights: "bm25=0.4,dense=0.6".parse().unwrap(),
//! };
//! let fused = fuse(&[candidate(0, 12.0, 0.3), candidate(1, 8.0, 0.7)], &fusion);
//! assert_eq!(fused[0].doc, DocId(1)); // best in the stage of weight 0.6
//! assert_eq!(fused[0].stages.get(StageName::DENSE).unwrap().weighted, 0.6);
//! ```

pub mod aggregation;
mod columns;
pub mod combine;
pub mod error;
pub mod fusion;
#[cfg(feature = "learned")]
pub mod learned;
#[cfg(not(feature = "learned"))]
#[path = "learned_off.rs"]
pub mod learned;
pub mod lengths;
pub mod normalization;
pub mod normalizer;
pub mod prepared;
#[cfg(test)]
mod testing;
mod text;
pub mod weights;

pub use aggregation::Aggregation;
pub use combine::{Combined, System, combine, shares};
pub use error::Error;
pub use fusion::{Fused, Fusion, fuse};
#[cfg(feature = "learned")]
pub use learned::{Boosting, QueryGroup};
pub use learned::{Contribution, LearnError, Learned};
pub use lengths::Lengths;
pub use normalization::{Normalization, StandIn};
pub use normalizer::Normalizer;
pub use prepared::Prepared;
pub use weights::Weights;
