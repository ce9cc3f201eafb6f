//! Stages that score by a field: `[field_stages]`, `--now`.

use serde_json::json;

use crate::fixtures::BM25_ONLY;
use crate::util::Place;

const CORPUS: &str = r#"{"_id": "old", "text": "quiet fridge", "published": "2024-01-01"}
{"_id": "new", "text": "quiet fridge", "published": "2024-05-31"}
{"_id": "undated", "text": "quiet fridge"}
"#;

fn indexed() -> Place {
    let config = format!(
        "{BM25_ONLY}
[fields]
published = \"date\"
[field_stages.freshness]
field = \"published\"
decay = \"exponential\"
origin = \"now\"
scale = \"30d\"
[profiles.default]
weights = {{ bm25 = 0.5, freshness = 0.5 }}
"
    );
    let here = Place::with(&[("corpus.jsonl", CORPUS), ("config.toml", &config)]);
    here.treffer("index index corpus.jsonl --config config.toml")
        .succeeds();
    here.write("queries.tsv", "q1\tquiet\nq2\tfridge\n");
    here.write("qrels.tsv", "q1\tnew\t1\nq2\tnew\t1\n");
    here
}

#[test]
fn what_is_fresh_ranks_first_and_says_why() {
    let here = indexed();
    let ran = here
        .treffer("search index quiet --explain --now 2024-05-31 --format json")
        .succeeds();
    assert_eq!(ran.ids(), ["new", "old", "undated"]);
    let answer = ran.json();
    let fresh = &answer["hits"][0]["stages"]["freshness"];
    assert_eq!(
        (&fresh["raw"], &fresh["normalized"]),
        (&json!(1.0), &json!(1.0))
    );
    assert_eq!(fresh["weighted"], 0.5);
    here.treffer("search index quiet --explain")
        .succeeds()
        .prints("freshness");
    let ran = here
        .treffer("search index quiet --weights bm25=1 --format json")
        .succeeds();
    assert_eq!(ran.ids(), ["old", "new", "undated"]);
    here.treffer("search index quiet --weights bm25=0.5,fresh=0.5")
        .fails_with("there is no stage `fresh`; stages are bm25, dense, late, cross, freshness");
    here.treffer("explain index quiet old --now 2024-05-31")
        .succeeds()
        .prints("freshness");
    here.treffer("search index quiet --stages freshness")
        .fails_with("no stage is left that retrieves")
        .says("name one of bm25 too");
}

#[test]
fn an_evaluation_says_from_when_it_counts() {
    let here = indexed();
    let eval = "eval index --queries queries.tsv --qrels qrels.tsv --metrics MRR@10";
    here.treffer(eval).fails_with("--now 2024-06-30");
    here.treffer(&format!("{eval} --now 2024-05-31 --report report.html"))
        .succeeds()
        .prints("\nnow is 2024-05-31\n");
    assert!(here.read("report.html").contains("2024-05-31"));
    let measured = here
        .treffer(&format!("{eval} --now 2024-05-31 --format json"))
        .succeeds()
        .json();
    assert_eq!(measured["now"], "2024-05-31");
    let last = &measured["rows"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["name"], &last["metrics"]["MRR@10"]),
        (&json!("hybrid"), &json!(1.0))
    );
    here.treffer(&format!("{eval} --stages bm25 --now 2024-05-31"))
        .fails_with("--now has no meaning");
    here.treffer(&format!("{eval} --stages bm25")).succeeds();
    here.treffer("search index quiet --now soon")
        .fails_with("no date: write it as 2020-03-01");
}
