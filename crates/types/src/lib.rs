//! The data types and traits that the crates of Treffer share, without logic.
//!
//! Reading order: [`document`] and [`query`] are the input, [`language`] is that of a text,
//! [`passage`] a piece of a document, [`stage`] names the stages, [`score`] and [`candidate`] pass
//! between them, [`hit`] is what a stage contributes to a result, [`model`] describes a model
//! folder, [`scoring`] what a cross-encoder's scores are, [`settings`] what a configuration says of
//! a model, [`device`] is where a model runs, [`traits`] holds the traits that models, clocks and
//! progress reports implement, and [`qrels`] the relevance judgments.
//!
//! ```
//! use treffer_types::{Candidate, DocId, Evidence, Score, StageName};
//!
//! let mut candidate = Candidate::new(DocId(7));
//! candidate.add(StageName::BM25, Evidence::new(0, Score::new(11.5).unwrap()));
//! assert!(!candidate.is_scored_by(StageName::CROSS)); // that stage never scored it
//! ```

pub mod candidate;
pub mod device;
pub mod document;
pub mod hit;
pub mod language;
pub mod model;
pub mod passage;
pub mod qrels;
pub mod query;
pub mod score;
pub mod scoring;
pub mod settings;
pub mod stage;
pub mod traits;

pub use candidate::{Candidate, Evidence};
pub use device::{CpuBackend, CudaBackend, Device, InstructionSet, InvalidDevice};
pub use document::{DocId, Document, Heading, Metadata};
pub use hit::StageScore;
pub use language::{Language, LanguageTag};
pub use model::{
    Colbert, Expansion, Fingerprint, ModelDetails, ModelFolder, ModelRole, ModelSpec, PooledLayer,
    Pooling,
};
pub use passage::{Passage, PassageId};
pub use qrels::{Grade, Qrels};
pub use query::Query;
pub use score::Score;
pub use scoring::Scoring;
pub use settings::{EmbedderSettings, ScorerSettings};
pub use stage::{InvalidStageName, StageMap, StageName, stage_list};
pub use traits::{
    BothEmbeddings, BoxError, Clock, Embedder, Embedding, NoProgress, PairScore, PairScorer,
    Progress, TextToken, TokenEmbedder, TokenEmbedding,
};
