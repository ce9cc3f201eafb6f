//! Everything that reads the files of a model folder, for fuzzing.

use std::path::Path;

use treffer_types::{
    Device, Embedder, EmbedderSettings, ModelFolder, ModelRole, PairScorer, Pooling,
    ScorerSettings, TokenEmbedder,
};

use crate::{
    BiEncoder, CrossEncoder, LateEncoder, describe, describe_embedder, describe_late,
    describe_scorer, fingerprint,
};

/// Describes, loads and runs the model in the folder at `path` in every way, and ignores
/// errors: whatever the files hold, it must return.
#[doc(hidden)]
pub fn exercise(path: &Path) {
    let text = "How cold is the Labor-Kühlschrank? \u{5e9}\0 [SEP] ½";
    let settings = EmbedderSettings {
        query_prefix: Some("query: ".to_owned()),
        passage_prefix: Some(String::new()),
        pooling: Some(Pooling::Max),
    };
    let label = ScorerSettings {
        label: Some("0".to_owned()),
        grades: None,
    };
    let specs = [
        describe(path, None),
        describe_embedder(path, &settings),
        describe_scorer(path, &label),
        describe_late(path),
    ];
    for spec in specs.into_iter().flatten() {
        let folder = ModelFolder {
            path: path.to_owned(),
            spec,
            sha256: Default::default(),
        };
        let _ = fingerprint(&folder);
        match folder.spec.role {
            ModelRole::BiEncoder => {
                if let Ok(model) = BiEncoder::load(&folder, Device::CPU) {
                    let _ = model.embed_queries(&[text, ""]);
                }
            }
            ModelRole::LateInteraction => {
                if let Ok(model) = LateEncoder::load(&folder, Device::CPU) {
                    let _ = model.embed_passages(&[text, ""]);
                }
            }
            ModelRole::CrossEncoder => {
                if let Ok(model) = CrossEncoder::load(&folder, Device::CPU) {
                    let _ = model.score_pairs(text, &[text, ""]);
                }
            }
        }
    }
}
