//! The tiny models of data/golden, for tests of what is private.

use std::path::Path;

use treffer_types::{ModelFolder, ModelRole, ModelSpec, Pooling};

/// The cross-encoder of this name, which reads 32 tokens.
pub(crate) fn folder(name: &str) -> ModelFolder {
    ModelFolder {
        path: Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../data/golden")
            .join(name),
        spec: ModelSpec {
            name: name.to_owned(),
            role: ModelRole::CrossEncoder,
            pooling: Pooling::Cls,
            query_prefix: String::new(),
            passage_prefix: String::new(),
            max_length: 32,
            license: "CC0-1.0".to_owned(),
            details: Default::default(),
        },
        sha256: Default::default(),
    }
}
