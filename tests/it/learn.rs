//! `treffer tune --learn`: trees that earn their place are kept, used and explained.

use crate::fixtures::{place, three_stages};
use crate::util::Place;

const TUNE: &str = "tune index --queries queries.tsv --qrels qrels.tsv --learn";

const N_QUERIES: usize = 40;

/// An index on which the right document is the long one of five that hold the query's
/// word: BM25 prefers the short ones and the bi-encoder is random, so no weights are
/// right, but trees can see it.
fn long_is_right() -> Place {
    let here = place();
    let (mut corpus, mut queries, mut qrels) = (String::new(), String::new(), String::new());
    for query in 0..N_QUERIES {
        for at in 0..5 {
            let filler = "filler ".repeat(if at == 4 { 60 } else { 3 + at });
            corpus +=
                &format!("{{\"_id\": \"d{query}-{at}\", \"text\": \"word{query} {filler}\"}}\n");
        }
        queries += &format!("q{query}\tword{query}\n");
        qrels += &format!("q{query}\td{query}-4\t1\n");
    }
    here.write("corpus.jsonl", corpus);
    here.write("queries.tsv", queries);
    here.write("qrels.tsv", qrels);
    let weights = "bm25 = 0.9, dense = 0.1, cross = 0.0";
    let config = three_stages().replace("bm25 = 0.4, dense = 0.3, cross = 0.3", weights);
    here.write(
        "two.toml",
        config.replace("cross_depth = 8", "cross_depth = 0"),
    );
    here.treffer("index index corpus.jsonl --config two.toml")
        .succeeds();
    here
}

fn learned() -> Place {
    let here = long_is_right();
    here.treffer(TUNE)
        .succeeds()
        .prints("learned, out of fold: ")
        .prints("the trees look at length.document")
        .prints("trees over them, to profile `default` of index");
    here
}

/// The file that the settings name.
fn trees(here: &Place) -> String {
    let settings = here.read("index/treffer.toml");
    let (_, rest) = settings.split_once("\"learned/").unwrap();
    let (name, _) = rest.split_once('"').unwrap();
    format!("index/learned/{name}")
}

#[test]
fn trees_that_earn_their_place_are_kept_and_used() {
    let here = learned();
    assert!(here.has(&trees(&here)));
    here.treffer("info index")
        .succeeds()
        .prints(" and trees over them");
    for query in [3, 17] {
        here.treffer(&format!("search index word{query} -k 1"))
            .succeeds()
            .prints(&format!(" d{query}-4 "));
    }
    let rows = here
        .treffer("eval index --queries queries.tsv --qrels qrels.tsv --format json")
        .succeeds()
        .json();
    let value = |name: &str| {
        let rows = rows["rows"].as_array().unwrap();
        let row = rows.iter().find(|row| row["name"] == name).unwrap();
        row["metrics"]["nDCG@10"].as_f64().unwrap()
    };
    assert!(value("learned") > value("hybrid") + 0.2);
}

#[test]
fn every_feature_that_counted_is_explained() {
    let here = learned();
    here.treffer("search index word3 -k 1 --explain")
        .succeeds()
        .prints("trees +")
        .prints("length.document 6 ");
    let found = here
        .treffer("search index word3 -k 1 --explain --format json")
        .succeeds()
        .json();
    let hit = &found["hits"][0];
    let parts = hit["learned"].as_array().unwrap();
    assert!(
        parts
            .iter()
            .any(|part| part["feature"] == "length.document")
    );
    let sum = |parts: &mut dyn Iterator<Item = f64>| parts.sum::<f64>();
    let trees = sum(&mut parts.iter().map(|part| part["part"].as_f64().unwrap()));
    let stages = hit["stages"].as_object().unwrap().values();
    let stages = sum(&mut stages.map(|stage| stage["weighted"].as_f64().unwrap()));
    let score = hit["score"].as_f64().unwrap();
    assert!(
        (trees + stages - score).abs() < 1e-4,
        "{trees} {stages} {score}"
    );
    here.treffer("explain index word3 d3-0 -k 1")
        .succeeds()
        .prints("outranked because of the trees");
}

#[test]
fn weights_that_are_asked_for_are_all_that_counts() {
    let here = learned();
    here.treffer("search index word3 -k 1 --weights 1,0,0")
        .succeeds()
        .prints(" d3-0 ");
    here.treffer("search index word3 -k 1 --stages bm25")
        .succeeds()
        .prints(" d3-0 ");
}

#[test]
fn tuning_weights_again_takes_the_trees_away() {
    let here = learned();
    here.treffer("tune index --queries queries.tsv --qrels qrels.tsv --force")
        .succeeds()
        .says("warning: profile `default` orders by trees over its weights")
        .prints("wrote ");
    assert!(!here.read("index/treffer.toml").contains("learned"));
}

#[test]
fn a_dry_run_and_another_profile_leave_this_one_alone() {
    let here = long_is_right();
    let before = here.read("index/treffer.toml");
    here.treffer(&format!("{TUNE} --dry-run"))
        .succeeds()
        .prints("would write ");
    assert_eq!(here.read("index/treffer.toml"), before);
    here.treffer(&format!("{TUNE} --save-as trees")).succeeds();
    here.treffer("search index word3 -k 1")
        .succeeds()
        .prints(" d3-0 ");
    here.treffer("search index word3 -k 1 --profile trees")
        .succeeds()
        .prints(" d3-4 ");
}

#[test]
fn trees_that_were_changed_are_not_used() {
    let here = learned();
    let trees = trees(&here);
    here.damage(&trees);
    here.treffer("search index word3 -k 1")
        .fails_with(&format!("{trees} has checksum"))
        .says("--learn");
    here.treffer("search index word3 -k 1 --weights 1,0,0")
        .succeeds();
}
