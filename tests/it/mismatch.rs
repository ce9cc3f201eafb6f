//! An index that is opened with another model than the one it was built with.

use crate::fixtures::{place, tiny_model};
use crate::util::{Place, copy_folder};

/// An index of the corpus built with models in `bi` and `cross`.
fn indexed_with_copies() -> Place {
    let here = place();
    copy_folder(&tiny_model("tiny-bert-bi"), &here.path("bi"));
    copy_folder(&tiny_model("tiny-bert-cross"), &here.path("cross"));
    let models = "--set dense.model=./bi --set cross.model=./cross";
    here.treffer(&format!(
        "index index corpus.jsonl --config three.toml {models}"
    ))
    .succeeds();
    here.treffer("search index cold").succeeds();
    here
}

#[test]
fn another_maximal_length_is_refused_with_both() {
    let here = indexed_with_copies();
    here.edit("bi/sentence_bert_config.json", "32", "16");
    here.treffer("search index cold")
        .fails_with("the bi-encoder `bi` is not the one that the index was built with")
        .says("the index has maximal length 32, the model at hand has 16")
        .says("hint: bring the model back");
}

#[test]
fn another_prefix_is_refused_with_both() {
    let here = indexed_with_copies();
    here.edit(
        "bi/config_sentence_transformers.json",
        "\"query: \"",
        "\"Frage: \"",
    );
    here.treffer("search index cold")
        .fails_with("the index has query prefix `query: `, the model at hand has `Frage: `");
}

#[test]
fn another_model_in_the_same_place_is_refused_by_fingerprint() {
    let here = indexed_with_copies();
    std::fs::remove_dir_all(here.path("cross")).unwrap();
    copy_folder(&tiny_model("tiny-electra-cross"), &here.path("cross"));
    here.treffer("search index cold")
        .fails_with("the cross-encoder `cross` is not the one that the index was built with")
        .says("the index has fingerprint ");
}

#[test]
fn stages_without_the_other_model_still_work() {
    let here = indexed_with_copies();
    here.edit("bi/sentence_bert_config.json", "32", "16");
    std::fs::remove_dir_all(here.path("cross")).unwrap();
    here.treffer("search index cold --stages bm25").succeeds();
    here.treffer("info index").succeeds();
}
