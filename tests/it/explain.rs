//! `treffer explain`: which stage lost a document and what would help, in words and as JSON.

use serde_json::Value;

use crate::fixtures::{indexed, indexed_in_three_stages, place, tiny_model};
use crate::util::Place;

fn explained(here: &Place, doc: &str, flags: &str) -> Value {
    here.treffer(&format!(
        "explain index 'cold lab fridge' {doc} {flags} --format json"
    ))
    .succeeds()
    .says_nothing()
    .json()
}

#[test]
fn a_hit_is_explained_as_the_search_has_it() {
    let here = indexed_in_three_stages();
    let search = here
        .treffer("search index 'cold lab fridge' -k 100 --explain --format json")
        .succeeds()
        .json();
    for hit in search["hits"].as_array().unwrap() {
        let found = explained(&here, hit["id"].as_str().unwrap(), "");
        assert_eq!(
            (&found["rank"], &found["score"]),
            (&hit["rank"], &hit["score"])
        );
        let is_found = hit["rank"].as_u64().unwrap() <= 10;
        assert_eq!(found["outcome"] == "found", is_found, "{found}");
    }
}

#[test]
fn a_document_that_no_stage_retrieves_is_not_retrieved() {
    let here = indexed_in_three_stages();
    let shallow = "--set bm25_depth=3 --set dense_depth=3";
    let lost: Vec<Value> = (0..60)
        .map(|at| explained(&here, &format!("d{at}"), shallow))
        .filter(|found| found["outcome"] == "not retrieved")
        .collect();
    assert!(lost.len() >= 54, "{}", lost.len());
    for found in &lost {
        assert_eq!(found["by_weights"], Value::Null);
        assert!(found["if_reranked"]["weightings"].as_u64() == Some(231));
        assert!(
            found["stages"]
                .as_array()
                .unwrap()
                .iter()
                .all(|view| view["reached"] == false)
        );
    }
    let id = lost[0]["id"].as_str().unwrap();
    here.treffer(&format!("explain index 'cold lab fridge' {id} {shallow}"))
        .succeeds()
        .prints("not retrieved by any stage")
        .prints("dense: rank ")
        .prints("would retrieve it")
        .prints("if it were retrieved and reranked: ");
}

#[test]
fn a_candidate_that_was_not_reranked_ranks_below_those_that_were() {
    let here = indexed_in_three_stages();
    let flags = "-k 3 --set cross_depth=3";
    let unscored: Vec<Value> = (0..60)
        .map(|at| explained(&here, &format!("d{at}"), flags))
        .filter(|found| found["outcome"] == "not reranked")
        .collect();
    assert!(!unscored.is_empty());
    for found in &unscored {
        let cross = &found["stages"][2];
        assert!(
            cross["place"].as_u64() > Some(3) && cross["reached"] == false,
            "{found}"
        );
        // It is scored for the explanation.
        assert!(cross["raw"].is_number() && cross["rank"].is_number());
    }
    let id = unscored[0]["id"].as_str().unwrap();
    here.treffer(&format!("explain index 'cold lab fridge' {id} {flags}"))
        .succeeds()
        .prints("not reranked: it ranks below all that cross scored")
        .prints("reranks 3, this is number ")
        .prints("other weights: ")
        .prints("other weights, if it were reranked: ");
}

#[test]
fn weights_that_would_help_do_help() {
    let here = indexed_in_three_stages();
    let mut n_helped = 0;
    for at in 0..60 {
        let found = explained(
            &here,
            &format!("d{at}"),
            "-k 2 --stages bm25,dense --step 0.25",
        );
        if found["outcome"] != "outranked" || found["by_weights"]["nearest"].is_null() {
            continue;
        }
        let nearest = &found["by_weights"]["nearest"];
        let weight = |stage: &str| nearest["weights"][stage].as_f64().unwrap();
        let weights = format!("{},{},0", weight("bm25"), weight("dense"));
        let ids = here
            .treffer(&format!("search index 'cold lab fridge' -k 2 --stages bm25,dense --weights {weights} --format json"))
            .succeeds()
            .ids();
        assert_eq!(
            Some(ids.iter().position(|id| id == &format!("d{at}")).unwrap() as u64 + 1),
            nearest["rank"].as_u64()
        );
        n_helped += 1;
    }
    assert!(n_helped > 0);
}

#[test]
fn an_index_of_bm25_alone_is_explained_too() {
    let here = indexed();
    here.treffer("explain index cold oven")
        .succeeds()
        .prints("not retrieved by any stage")
        .prints("bm25: no term of the query occurs in it");
    here.treffer("explain index cold fridge -k 1")
        .succeeds()
        .prints("fridge: rank 2 of 2 candidates; outranked because of bm25, which gives it ")
        .prints(" less than freezer at rank 1")
        .prints("other weights: none of 1 weightings");
    here.treffer("explain index cold fridge")
        .succeeds()
        .prints("rank 2 of 2 candidates, within the first 10");
}

#[test]
fn what_cannot_be_explained_says_why() {
    let here = indexed();
    here.treffer("explain index cold gone")
        .fails_with("the index holds no document `gone`");
    here.treffer("explain index ' ' oven")
        .fails_with("the query is empty");
    here.treffer("explain index cold oven -k 0")
        .fails_with("--top-k");
    here.treffer("explain index cold oven --step 0.3")
        .fails_with("it must divide 1");
    here.treffer("explain index cold oven --stages cross")
        .fails_with("no cross stage");
    here.treffer("explain none cold oven")
        .fails_with("there is no index in none");
}

#[test]
fn the_terms_of_the_query_add_up_to_the_bm25_score() {
    let here = indexed_in_three_stages();
    let found = explained(&here, "d1", "");
    let terms = found["terms"].as_array().unwrap();
    assert!(!terms.is_empty(), "{found}");
    let sum: f64 = terms
        .iter()
        .map(|term| term["score"].as_f64().unwrap())
        .sum();
    let raw = found["stages"][0]["raw"].as_f64().unwrap();
    assert!((sum - raw).abs() < 1e-4, "{sum} {raw}");
    for term in terms {
        let n = |key: &str| term[key].as_u64().unwrap();
        assert!(n("tf") >= 1 && n("df") >= 1 && n("df") <= 60, "{term}");
    }
    let ran = here
        .treffer("explain index 'cold lab fridge' d1")
        .succeeds();
    let head = ["bm25", "term", "tf", "df", "idf", "weight", "part"];
    let is_head = |line: &str| line.split_whitespace().eq(head);
    assert!(ran.stdout.lines().any(is_head), "{ran}");
}

#[test]
fn late_interaction_says_which_token_met_which() {
    let here = place();
    let late = format!("late.model={:?}", tiny_model("tiny-colbert"));
    let index = format!("index index corpus.jsonl --config three.toml --set '{late}'");
    here.treffer(&index).succeeds();
    here.write("queries.tsv", "q1\tcold fridge\n");
    here.write("qrels.txt", "q1 0 fridge 1\n");
    let search = "search index 'cold fridge' --explain";
    here.treffer(search).succeeds().prints("late: cold = ");
    let json = here.treffer(&format!("{search} --format json"));
    let hits = json.succeeds().json();
    let hit = &hits["hits"][0];
    let alignment = &hit["passages"][0]["alignment"];
    let query_tokens = |alignment: &Value| -> Vec<Value> {
        let all = alignment.as_array().unwrap().iter();
        let of_query = all.filter(|one| !one["query_place"].is_null());
        of_query.map(|one| one["query_token"].clone()).collect()
    };
    assert!(
        query_tokens(alignment).contains(&Value::from("cold")),
        "{hit}"
    );
    let id = hit["id"].as_str().unwrap();
    let found = explained(&here, id, "");
    assert_eq!(found["query"], "cold lab fridge");
    assert!(query_tokens(&found["passage"]["alignment"]).contains(&Value::from("cold")));
    here.treffer(&format!("explain index 'cold fridge' {id}"))
        .succeeds()
        .prints("late: cold = ");
    here.treffer("eval index --queries queries.tsv --qrels qrels.txt --report eval.html")
        .succeeds();
    let page = here.read("eval.html");
    assert!(page.contains("What late interaction compared in"), "{page}");
    assert!(page.contains("<mark class="), "{page}");
}
