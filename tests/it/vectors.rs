//! Vectors of one's own, in records and queries.

use crate::fixtures::BM25_ONLY;
use crate::util::Place;

const CORPUS: &str = r#"{"_id": "x", "text": "one", "vec": [1, 0]}
{"_id": "y", "text": "two", "vec": [0, 2]}
{"_id": "bad", "text": "three", "vec": [0, 2, 1]}
"#;

fn indexed() -> Place {
    let config = format!(
        "{BM25_ONLY}[dense]\nmodel = \"none\"\nvectors = \"vec\"\ndimension = 2\nm = 8\nef_construction = 40\n"
    );
    let here = Place::with(&[("corpus.jsonl", CORPUS), ("vectors.toml", &config)]);
    here.treffer("index index corpus.jsonl --config vectors.toml")
        .succeeds()
        .says("indexed 2 documents")
        .says(
            "corpus.jsonl:3: its vector cannot be used: it has 3 values, those of the index have 2",
        );
    here
}

#[test]
fn a_vector_is_searched_for_without_a_model() {
    let here = indexed();
    let found = here.treffer("search index --vector [0.5,1] --stages dense --format json");
    assert_eq!(found.succeeds().ids(), ["y", "x"]);
    here.write("v.json", "[2, 1]");
    let found = here.treffer("search index --vector v.json --stages dense --format json");
    assert_eq!(found.succeeds().ids(), ["x", "y"]);
    here.treffer("check index").succeeds();
}

#[test]
fn queries_of_a_file_bring_their_vectors() {
    let here = indexed();
    here.write(
        "q.jsonl",
        "{\"_id\": \"q1\", \"text\": \"one\", \"vector\": [0, 1]}\n",
    );
    here.write("r.tsv", "q1\ty\t1\n");
    here.treffer("search index --queries q.jsonl --stages dense --format trec")
        .succeeds()
        .prints("q1 Q0 y 1 ");
    here.treffer("eval index --queries q.jsonl --qrels r.tsv --stages bm25,dense")
        .succeeds();
}

#[test]
fn a_text_is_no_vector_and_a_bad_one_is_named() {
    let here = indexed();
    here.treffer("search index one --stages dense")
        .fails_with("a vector has to be given");
    here.treffer("search index one --stages bm25").succeeds();
    here.treffer("search index --vector [1,2,3] --stages dense")
        .fails_with("the query's vector has 3 values, those of the index have 2");
    here.treffer("search index --vector [0,0] --stages dense")
        .fails_with("it has no direction");
    here.treffer("search index --vector nowhere.json --stages dense")
        .fails_with("nowhere.json");
}
