//! Documents come and go: `add`, `delete`, `compact`, `check --repair`.

use crate::fixtures::{CORPUS, indexed, place};
use crate::util::Place;

/// Two documents: one new, one in the place of another.
const MORE: &str = r#"{"_id": "oven", "title": "", "text": "warm silent oven"}
{"_id": "stove", "title": "", "text": "hot stove"}
{"_id": "fridge", "title": "", "text": "cold quiet fridge"}
"#;

fn added() -> Place {
    let here = indexed();
    here.write("more.jsonl", MORE);
    here.treffer("add index more.jsonl").succeeds();
    here
}

#[test]
fn adding_says_what_became_of_each_document() {
    let here = indexed();
    here.write("more.jsonl", MORE);
    here.treffer("add index more.jsonl")
        .succeeds()
        .says("added 1 document to index, replaced 1, found 1 unchanged: 4 documents now");
    here.treffer("search index silent")
        .succeeds()
        .prints("oven");
    here.treffer("search index loud").finds_nothing();
    here.treffer("search index stove")
        .succeeds()
        .prints("stove");
    here.treffer("add index more.jsonl")
        .succeeds()
        .says("added 0 documents to index, replaced 0, found 3 unchanged");
}

#[test]
fn deleting_reports_ids_that_are_not_there() {
    let here = added();
    here.treffer("delete index stove nobody")
        .succeeds()
        .says("deleted 1 document from index: 3 documents now")
        .says("1 id that no document has: nobody");
    here.treffer("search index stove").finds_nothing();
    here.treffer("delete index stove").finds_nothing();
    here.write("gone.txt", "oven\n\nfreezer\n");
    here.treffer("delete index --ids-from gone.txt")
        .succeeds()
        .says("deleted 2 documents");
    here.write("more.txt", "\u{feff}fridge\r\n");
    here.compress("more.txt");
    here.treffer("delete index --ids-from more.txt.gz")
        .succeeds()
        .says("deleted 1 document from index: 0 documents now");
    here.treffer("delete index").fails_with("--ids-from");
    here.treffer("delete index --ids-from nowhere.txt")
        .fails_with("nowhere.txt");
}

#[test]
fn an_index_without_documents_can_be_searched_and_added_to() {
    let here = indexed();
    here.treffer("delete index fridge freezer oven")
        .succeeds()
        .says("0 documents now");
    here.treffer("search index cold").finds_nothing();
    here.treffer("info index").succeeds();
    here.treffer("check index").succeeds();
    here.treffer("add index corpus.jsonl")
        .succeeds()
        .says("3 documents now");
    here.treffer("search index cold")
        .succeeds()
        .prints("freezer");
}

#[test]
fn compacting_leaves_one_segment_without_what_is_deleted() {
    let here = indexed();
    here.write("more.jsonl", MORE);
    here.treffer("add index more.jsonl --no-merge").succeeds();
    here.treffer("info index")
        .succeeds()
        .prints("4, and 1 deleted, which `treffer compact` removes, in 2 segments");
    here.treffer("compact index")
        .succeeds()
        .says("4 documents instead of 2 segments and 1 document deleted");
    here.treffer("compact index")
        .succeeds()
        .says("index is compact already: 4 documents in one segment");
    here.treffer("check index").succeeds();
    here.treffer("search index silent")
        .succeeds()
        .prints("oven");
}

#[test]
fn a_bad_record_is_reported_and_the_others_are_added() {
    let here = indexed();
    let bad = format!(
        "{}not json\n{}",
        r#"{"_id": "kettle", "text": "loud kettle"}"#.to_owned() + "\n",
        MORE
    );
    here.write("more.jsonl", &bad);
    here.treffer("add index more.jsonl")
        .succeeds()
        .says("more.jsonl:2")
        .says("added 2 documents");
    here.treffer("add index more.jsonl --strict")
        .fails_with("more.jsonl:2");
}

#[test]
fn what_is_no_index_is_not_changed() {
    let here = place();
    for command in [
        "add nothing corpus.jsonl",
        "delete nothing oven",
        "compact nothing",
    ] {
        here.treffer(command)
            .fails_with("there is no index in nothing");
        assert!(!here.has("nothing"));
    }
}

#[test]
fn a_build_goes_on_where_it_was_interrupted() {
    let here = place();
    let (first, rest) = CORPUS.split_at(CORPUS.find('\n').unwrap() + 1);
    here.write("broken.jsonl", format!("{first}{{\n{rest}"));
    here.treffer("index index broken.jsonl --config bm25.toml --commit-every 1 --strict")
        .fails_with("broken.jsonl:2");
    here.treffer("search index quiet")
        .succeeds()
        .prints("fridge");
    here.treffer("info index")
        .succeeds()
        .prints("was interrupted");
    here.treffer("index index corpus.jsonl --config bm25.toml --commit-every 1")
        .succeeds()
        .says("indexed 3 documents")
        .says("1 document of them committed before");
    here.treffer("search index loud").succeeds().prints("oven");
    here.treffer("index index corpus.jsonl --config bm25.toml")
        .fails_with("--replace");
    here.treffer("index index corpus.jsonl --config bm25.toml --commit-every 1 --replace")
        .fails_with("--replace");
}

#[test]
fn a_damaged_inverted_index_is_made_again() {
    let here = added();
    let folder = here.path("index");
    let segment = std::fs::read_dir(&folder).unwrap().filter_map(Result::ok);
    let segment = segment
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("segment-"))
        .map(|entry| entry.path())
        .min()
        .unwrap();
    let record = segment.join("bm25").join("bm25.json");
    std::fs::write(&record, "{}").unwrap();
    here.treffer("search index silent")
        .fails_with("bm25.json")
        .says("--repair");
    here.treffer("check index --repair")
        .succeeds()
        .says("bm25-");
    here.treffer("check index").succeeds();
    here.treffer("search index silent")
        .succeeds()
        .prints("oven");
}
