//! Tiny deterministic fakes for tests: no model, no network, no clock. The same
//! input gives the same output on every platform.
//!
//! [`FakeEmbedder`], [`FakeTokenEmbedder`] and [`FakeScorer`] stand in for models, [`corpus`]
//! generates random documents and queries, [`RecordingProgress`] records the progress
//! of long work, and [`FakeClock`] advances only when a test says so.
//!
//! ```
//! use treffer_testkit::{FakeEmbedder, FakeScorer};
//! use treffer_types::{Embedder, PairScorer};
//!
//! let embeddings = FakeEmbedder::new().embed_passages(&["a cold box", "A COLD BOX"]).unwrap();
//! assert_eq!(embeddings[0], embeddings[1]);
//!
//! let scorer = FakeScorer::new();
//! let reads = scorer.reads();
//! let scores = scorer.score_pairs("cold box", &["a cold box", "a warm box"]).unwrap();
//! assert!(scores[0].score > scores[1].score);
//! assert_eq!(reads.pairs(), 2);
//! ```
//!
//! An engine that holds its models behind shared trait objects takes them as
//! `FakeEmbedder::new().shared()` and `FakeScorer::new().shared()`.

mod clock;
pub mod corpus;
mod embedder;
mod progress;
mod random;
mod scorer;
mod tokens;
mod words;

pub use clock::FakeClock;
pub use corpus::{random_corpus, random_queries};
pub use embedder::FakeEmbedder;
pub use progress::{RecordedStep, RecordingProgress};
pub use random::Random;
pub use scorer::{FakeScorer, Reads};
pub use tokens::FakeTokenEmbedder;
