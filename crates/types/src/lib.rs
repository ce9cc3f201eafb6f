//! The words every crate of Treffer shares, and nothing that works.
//!
//! Reading order: [`document`] and [`query`] say what goes in, [`score`] and
//! [`candidate`] what passes between the stages, [`hit`] and [`trace`] what
//! comes out, [`model`] names a model folder, [`seam`] holds the traits behind
//! which the heavy crates stand, and [`qrels`] the relevance judgements.
//!
//! ```
//! use treffer_types::{Candidate, DocId, PassageId, Score, StageName};
//!
//! let mut candidate = Candidate::new(PassageId::whole(DocId(7)));
//! candidate.scores.set(StageName::Bm25, Score::new(11.5).unwrap());
//! assert_eq!(candidate.scores.get(StageName::Cross), None); // that stage never looked
//! ```

pub mod candidate;
pub mod document;
pub mod hit;
pub mod model;
pub mod qrels;
pub mod query;
pub mod score;
pub mod seam;
pub mod trace;

pub use candidate::{Candidate, PassageId, StageScores};
pub use document::{DocId, Document, Metadata};
pub use hit::{FeatureScore, Hit, StageScore};
pub use model::{Fingerprint, ModelFolder, ModelRole, ModelSpec, Pooling};
pub use qrels::{Grade, Qrels};
pub use query::Query;
pub use score::{Score, StageMap, StageName};
pub use seam::{BoxError, Clock, Embedder, Embedding, NoProgress, PairScore, PairScorer, Progress};
pub use trace::StageTrace;
