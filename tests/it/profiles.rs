//! Weights and profiles: those of the index, and those of one run.

use crate::fixtures::{indexed, indexed_in_three_stages};

#[test]
fn weights_change_the_order() {
    let here = indexed_in_three_stages();
    let ids = |weights: &str| {
        let query = "search index 'cold lab fridge' -k 5 --format json";
        here.treffer(&format!("{query} --weights {weights}"))
            .succeeds()
            .ids()
    };
    let by_stage = [ids("1,0,0"), ids("0,1,0"), ids("0,0,1")];
    assert_eq!(
        ids("1,0,0"),
        here.treffer("search index 'cold lab fridge' -k 5 --stages bm25 --format json")
            .succeeds()
            .ids()
    );
    assert!(
        by_stage[0] != by_stage[1] && by_stage[1] != by_stage[2],
        "{by_stage:?}"
    );
}

#[test]
fn weights_that_are_none_are_refused() {
    let here = indexed();
    let refused = |weights: &str| here.treffer(&format!("search index cold --weights {weights}"));
    refused("-0.2,0.6,0.6").fails_with("the weight of bm25 is -0.2; a weight is between 0 and 1");
    refused("0.2,0.3,0.6").fails_with("sum to 1.1; they must sum to 1");
    refused("0.5,0.5").fails_with("found 2 values where three are needed");
    refused("0.5,0.5,x").fails_with("could not read the weight of cross");
    refused("NaN,0.5,0.5").fails_with("the weight of bm25");
}

#[test]
fn weights_can_be_given_by_name() {
    let here = indexed_in_three_stages();
    let hits = |weights: &str| {
        let query = "search index 'cold lab fridge' --explain --format json";
        here.treffer(&format!("{query} --weights {weights}"))
            .succeeds()
            .json()["hits"]
            .clone()
    };
    assert_eq!(
        hits("cross=0.5,bm25=0.2,dense=0.3"),
        hits("0.2,0.3,0.5"),
        "in any order"
    );
    assert_eq!(hits("bm25=0.4,dense=0.6"), hits("0.4,0.6,0"));
    let refused = |weights: &str| here.treffer(&format!("search index cold --weights {weights}"));
    refused("bm25=0.4,dens=0.6")
        .fails_with("there is no stage `dens`; stages are bm25, dense, late, cross");
    refused("bm25=0.4,0.6").fails_with("0.6");
    refused("bm25=0.4,bm25=0.6").fails_with("bm25");
    here.treffer("search --help")
        .succeeds()
        .prints("bm25=0.4,dense=0.6");
}

#[test]
fn all_weight_goes_to_the_stages_that_ran() {
    // The index has BM25 only; its profile would give that 0.2.
    let here = indexed();
    let value = here
        .treffer("search index cold --explain --format json")
        .succeeds()
        .json();
    assert_eq!(value["hits"][0]["score"], 1.0);
}

#[test]
fn weights_that_weigh_nothing_are_refused() {
    let here = indexed_in_three_stages();
    here.treffer("search index cold --weights 0,1,0 --stages bm25")
        .fails_with("--weights 0,1,0 gives nothing to what runs here: bm25");
    here.treffer("search index cold --weights 0,1,0 --stages dense")
        .succeeds();
}

#[test]
fn an_unknown_profile_names_those_of_the_index() {
    indexed()
        .treffer("search index cold --profile deep")
        .fails_with("there is no profile `deep`; this index has default");
}

#[test]
fn profiles_written_by_hand_are_used() {
    let here = indexed_in_three_stages();
    let settings = here.read("index/treffer.toml");
    let mine = "\n[profiles.mine]\nmode = \"two-stage\"\nfirst_stage = \"dense\"\ndense_depth = 3\ncross_depth = 2\n";
    here.write("index/treffer.toml", settings + mine);
    let value = here
        .treffer("search index cold --profile mine --format json")
        .succeeds()
        .json();
    assert_eq!(value["n_candidates"], 3);
    here.edit(
        "index/treffer.toml",
        "first_stage = \"dense\"\ndense_depth = 3",
        "frist_stage = \"dense\"",
    );
    here.treffer("search index cold").fails_with(
        "unknown key `profiles.mine.frist_stage`; did you mean `profiles.mine.first_stage`?",
    );
}

#[test]
fn a_profile_can_be_changed_for_one_run() {
    let here = indexed_in_three_stages();
    let query = "search index cold --format json --set";
    let cascade = here
        .treffer(&format!("{query} mode=cascade"))
        .succeeds()
        .json();
    assert_eq!(cascade["stages"].as_array().unwrap().len(), 3);
    here.treffer(&format!("{query} cross_depht=3"))
        .fails_with("did you mean `cross_depth`?");
    here.treffer(&format!("{query} ef_search=19"))
        .fails_with("ef_search")
        .says("19")
        .says("20");
    here.treffer(&format!("{query} mode=waterfall"))
        .fails_with("waterfall")
        .says("cascade");
    here.treffer(&format!("{query} mode=exhaustive"))
        .fails_with("raise cross_depth");
    let exhaustive = here
        .treffer(&format!("{query} mode=exhaustive --set cross_depth=60"))
        .succeeds()
        .json();
    assert_eq!(exhaustive["stages"][2]["scored"], 60);
}

#[test]
fn a_cross_encoder_without_weight_is_not_loaded() {
    let here = indexed_in_three_stages();
    here.edit("index/treffer.toml", "cross = 0.3", "cross = 0.0");
    here.edit("index/treffer.toml", "bm25 = 0.4", "bm25 = 0.7");
    let value = here
        .treffer("search index cold --format json")
        .succeeds()
        .json();
    assert!(
        value["stages"]
            .as_array()
            .unwrap()
            .iter()
            .all(|stage| stage["stage"] != "cross"),
        "{value}"
    );
}
