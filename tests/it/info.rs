//! `treffer info`: what an index holds, for people and for programs.

use crate::fixtures::{indexed, indexed_in_three_stages};

#[test]
fn the_table_names_documents_stages_and_profiles() {
    indexed_in_three_stages()
        .treffer("info index")
        .succeeds()
        .says_nothing()
        .prints("documents        60\n")
        .prints("all checksums right")
        .prints("languages        ")
        .prints("written by       treffer ")
        .prints("bm25             english analyzer, title and text as one field, k1 0.9, b 0.4\n")
        .prints("dense            tiny-bert-bi, at most 32 tokens, fingerprint ")
        .prints("m 8, ef_construction 40\n")
        .prints("cross            tiny-bert-cross, at most ")
        .prints("device           cpu (")
        .prints("profile default  hybrid, bm25 20 dense 20 cross 8, weights 0.4,0.3,0.3\n");
}

#[test]
fn an_index_without_models_shows_none() {
    let ran = indexed().treffer("info index").succeeds();
    assert!(
        !ran.stdout.contains("dense  ") && !ran.stdout.contains("cross  "),
        "{ran}"
    );
}

#[test]
fn json_holds_manifest_and_settings() {
    let value = indexed_in_three_stages()
        .treffer("info index --format json")
        .succeeds()
        .json();
    let manifest = &value["manifest"];
    assert_eq!(manifest["segments"][0]["documents"], 60);
    assert_eq!(manifest["models"]["dense"]["spec"]["name"], "tiny-bert-bi");
    assert_eq!(
        manifest["models"]["cross"]["fingerprint"]
            .as_str()
            .unwrap()
            .len(),
        64
    );
    let profile = &value["settings"]["profiles"]["default"];
    assert_eq!(profile["weights"]["bm25"], 0.4);
    assert_eq!(profile["cross_depth"], 8);
}
