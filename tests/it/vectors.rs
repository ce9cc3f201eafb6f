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
    here.write("v.json", "\u{feff}[2, 1]");
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

#[test]
fn a_vector_without_a_text_is_a_query_and_one_that_nothing_reads_is_refused() {
    let here = indexed();
    here.treffer("search index --vector [0.5,1] --stages dense")
        .succeeds()
        .prints("  1  1.0000  y  ");
    here.treffer("search index one --vector [0.5,1] --stages bm25")
        .fails_with("--vector needs the dense stage, and what runs here is bm25");
    here.write("q.tsv", "q1\tone\n");
    here.write("r.tsv", "q1\ty\t1\n");
    here.write("q.npy", npy(&[[0.0, 1.0]]));
    let eval = "eval index --queries q.tsv --qrels r.tsv --query-vectors q.npy --stages";
    here.treffer(&format!("{eval} bm25"))
        .fails_with("--query-vectors needs the dense stage, and what runs here is bm25");
    here.treffer(&format!("{eval} bm25,dense")).succeeds();
}

/// An array of two columns as numpy.save writes it.
fn npy(rows: &[[f32; 2]]) -> Vec<u8> {
    let n = rows.len();
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({n}, 2), }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(rows.iter().flatten().flat_map(|value| value.to_le_bytes()));
    bytes
}

#[test]
fn vectors_of_documents_and_queries_come_from_files() {
    let config = format!("{BM25_ONLY}[dense]\nmodel = \"none\"\nm = 8\nef_construction = 40\n");
    let here = Place::with(&[
        (
            "corpus.jsonl",
            "{\"_id\": \"x\", \"text\": \"one\"}\nno record\n{\"_id\": \"y\", \"text\": \"two\"}\n",
        ),
        ("vectors.toml", &config),
    ]);
    here.write("v.npy", npy(&[[1.0, 0.0], [9.0, 9.0], [0.0, 2.0]]));
    here.treffer("index index corpus.jsonl --config vectors.toml")
        .fails_with("--vectors");
    here.treffer("index index corpus.jsonl --config vectors.toml --vectors v.npy")
        .succeeds()
        .says("indexed 2 documents");
    let found = here.treffer("search index --vector [0.5,1] --stages dense --format json");
    assert_eq!(found.succeeds().ids(), ["y", "x"]);
    here.write("more.jsonl", "{\"_id\": \"z\", \"text\": \"three\"}\n");
    here.treffer("add index more.jsonl").fails_with("--vectors");
    here.treffer("add index more.jsonl --vectors v.npy")
        .fails_with("v.npy: it has 3 rows, one for each record of the input, bad ones included, and there is 1 of these");
    here.write("more.npy", npy(&[[0.4, 1.0]]));
    here.treffer("add index more.jsonl --vectors more.npy")
        .succeeds();
    let found = here.treffer("search index --vector [0.5,1] --stages dense --format json");
    assert_eq!(found.succeeds().ids(), ["z", "y", "x"]);
    here.treffer("check index").succeeds();

    here.write("q.tsv", "q1\tnothing\nq2\tno more\n");
    here.write("q.npy", npy(&[[0.0, 1.0], [1.0, 0.0]]));
    here.write("r.tsv", "q1\ty\t1\nq2\tx\t1\n");
    let eval = "eval index --queries q.tsv --qrels r.tsv --stages bm25,dense --format json";
    let measured = here
        .treffer(&format!("{eval} --query-vectors q.npy --metrics P@1"))
        .succeeds()
        .json();
    assert_eq!(measured["rows"][1]["name"], "dense");
    assert_eq!(measured["rows"][1]["metrics"]["P@1"], 1.0);
    here.treffer(&format!("{eval} --query-vectors more.npy"))
        .fails_with("there are 2 queries, but more.npy has 1 rows");
    here.treffer(eval).fails_with("a vector has to be given");
}
