//! Models of a folder and of the registry, without a network.

use treffer::models::Registry;
use treffer::types::{EmbedderSettings, Pooling, ScorerSettings, Scoring};
use treffer::{Device, ModelSource, StandardModels};

/// A bi-encoder and a cross-encoder of data/golden.
const BI_ENCODER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../data/golden/tiny-bert-bi"
);
const CROSS_ENCODER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../data/golden/tiny-bert-cross"
);
const THREE_CLASSES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../data/golden/tiny-bert-cross-3class"
);

fn offline(cache: &tempfile::TempDir) -> StandardModels<'static> {
    StandardModels::new(Registry::new(cache.path().into()).offline(true))
}

#[test]
fn a_folder_is_loaded_as_what_its_files_say() {
    let cache = tempfile::tempdir().unwrap();
    let models = offline(&cache);
    let embedder = models.embedder(BI_ENCODER, Device::CPU).unwrap();
    let embeddings = embedder.embed_queries(&["a word"]).unwrap();
    assert_eq!(embeddings[0].vector.len(), embedder.dimension());
    let scorer = models.pair_scorer(CROSS_ENCODER, Device::CPU).unwrap();
    let scores = scorer
        .score_pairs("a word", &["a word", "another"])
        .unwrap();
    assert!(scores.iter().all(|score| score.score.is_finite()));
}

#[test]
fn a_registered_model_of_another_role_is_refused_before_it_is_fetched() {
    let cache = tempfile::tempdir().unwrap();
    let error = offline(&cache)
        .pair_scorer("bge-small-en-v1.5", Device::CPU)
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("is a bi-encoder, but a cross-encoder"),
        "{error}"
    );
}

#[test]
fn a_model_that_cannot_be_fetched_is_named_with_what_to_do() {
    let cache = tempfile::tempdir().unwrap();
    let error = offline(&cache)
        .embedder("bge-small-en-v1.5", Device::CPU)
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("could not get model `bge-small-en-v1.5`"),
        "{error}"
    );
    assert!(error.contains("TREFFER_MODELS"), "{error}");
}

#[test]
fn settings_of_the_configuration_reach_the_model() {
    let cache = tempfile::tempdir().unwrap();
    let models = offline(&cache);
    let settings = EmbedderSettings {
        query_prefix: Some("quiet: ".to_owned()),
        passage_prefix: None,
        pooling: Some(Pooling::Cls),
    };
    let plain = models.embedder(BI_ENCODER, Device::CPU).unwrap();
    let set = models
        .embedder_with(BI_ENCODER, &settings, Device::CPU)
        .unwrap();
    let spec = set.spec();
    assert_eq!(
        (&*spec.query_prefix, &*spec.passage_prefix),
        ("quiet: ", "passage: ")
    );
    assert_eq!(spec.pooling, Pooling::Cls);
    assert_ne!(set.fingerprint(), plain.fingerprint());

    let label = ScorerSettings {
        label: Some("LABEL_2".to_owned()),
        grades: None,
    };
    let scorer = models
        .pair_scorer_with(THREE_CLASSES, &label, Device::CPU)
        .unwrap();
    assert_eq!(
        scorer.spec().details.scoring,
        Scoring::Label("LABEL_2".to_owned())
    );
    let error = models
        .pair_scorer(THREE_CLASSES, Device::CPU)
        .err()
        .unwrap();
    assert!(error.to_string().contains("cross.label"), "{error}");
}
