//! Requests to an engine and its responses: owned data that serializes, for programs,
//! servers and other languages alike.
//!
//! ```
//! use treffer_api::SearchRequest;
//!
//! let request: SearchRequest = serde_json::from_str(
//!     r#"{"query": {"text": "quiet refrigerator"}, "options": {"top_k": 3}}"#,
//! )?;
//! assert_eq!(request.options.top_k, 3);
//! assert_eq!(request.options.profile, "default");
//! # Ok::<(), serde_json::Error>(())
//! ```

mod duplicates;
mod request;
mod rerank;
mod response;

pub use duplicates::{
    BothWays, Cluster, DocumentName, DuplicatePair, DuplicatesReport, DuplicatesRequest, Identity,
    NumberRule,
};
pub use request::{
    DEFAULT_PROFILE, DEFAULT_TOP_K, ExplainRequest, FacetRequest, SearchOptions, SearchRequest,
};
pub use rerank::{RankedText, RerankResponse};
pub use response::{
    FacetReport, FacetValue, FeatureScore, Hit, HitPassage, QueryName, SearchResponse, StageReport,
    TokenMatch,
};
