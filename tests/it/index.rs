//! `treffer index`: inputs of every form, and what is there already.

use std::fs::File;

use crate::fixtures::{BM25_ONLY, CORPUS, indexed, place, three_stages};
use crate::util::{Place, gzip};

/// Indexes `inputs` with BM25 and returns the only hit for "gefrierfach".
#[track_caller]
fn found_after_indexing(here: &Place, inputs: &str) -> String {
    here.write("bm25.toml", BM25_ONLY);
    here.treffer(&format!("index index {inputs} --config bm25.toml"))
        .succeeds();
    let ids = here
        .treffer("search index gefrierfach --format json")
        .succeeds()
        .ids();
    assert_eq!(ids.len(), 1, "{ids:?}");
    ids[0].clone()
}

const JSONL: &str = "{\"_id\": \"a\", \"title\": \"Ohne\", \"text\": \"Gefrierfach\"}\n{\"_id\": \"b\", \"text\": \"oven\"}\n";
const CSV: &str = "id,title,text\na,\"Ohne, mit\",\"Gefrierfach\"\nb,,oven\n";
const TSV: &str = "id\ttitle\ttext\na\tOhne\tGefrierfach\nb\t\toven\n";

#[test]
fn json_lines_are_indexed() {
    let here = Place::with(&[("c.jsonl", JSONL)]);
    assert_eq!(found_after_indexing(&here, "c.jsonl"), "a");
}

#[test]
fn tables_are_indexed() {
    let here = Place::with(&[("c.csv", CSV), ("c.tsv", TSV)]);
    assert_eq!(found_after_indexing(&here, "c.csv"), "a");
    assert_eq!(found_after_indexing(&here, "c.tsv --replace"), "a");
}

#[test]
fn columns_can_be_named() {
    let here = Place::with(&[("c.csv", "nr,name,was\n7,Ohne,Gefrierfach\n8,,oven\n")]);
    let columns = "c.csv --id-column nr --title-column name --text-column was";
    assert_eq!(found_after_indexing(&here, columns), "7");
}

#[test]
fn a_column_that_is_not_there_is_named_with_those_that_are() {
    let here = place();
    here.write("c.csv", CSV);
    here.treffer("index index c.csv --config bm25.toml --text-column body")
        .fails_with("`body`")
        .says("id, title, text")
        .says("hint: name columns with --id-column");
    assert!(!here.has("index"));
    here.treffer("index index corpus.jsonl --config bm25.toml --title-column body")
        .fails_with("could not find the field `body` in any record of corpus.jsonl")
        .says("_id, title, text")
        .says("hint: name fields of JSON with --title-column and --text-column");
}

#[test]
fn compressed_files_are_indexed() {
    let here = Place::empty();
    here.write("c.jsonl.gz", gzip(JSONL.as_bytes()));
    here.write("c.csv.zst", zstd::encode_all(CSV.as_bytes(), 1).unwrap());
    assert_eq!(found_after_indexing(&here, "c.jsonl.gz"), "a");
    assert_eq!(found_after_indexing(&here, "c.csv.zst --replace"), "a");
}

#[test]
fn a_compressed_file_cut_short_is_an_error_and_leaves_nothing() {
    let here = place();
    let whole = zstd::encode_all(crate::fixtures::documents(500).as_bytes(), 1).unwrap();
    here.write("c.jsonl.zst", &whole[..whole.len() / 2]);
    here.treffer("index index c.jsonl.zst --config bm25.toml")
        .fails_with("could not read the corpus")
        .says("could not read c.jsonl.zst beyond line");
    assert!(!here.has("index"));
}

#[test]
fn a_folder_of_texts_is_indexed() {
    let here = Place::with(&[
        ("texts/a.txt", "a warm oven"),
        ("texts/deep/b.md", "# Ohne\n\nein *Gefrierfach*"),
        (
            "texts/c.html",
            "<html><title>Eis</title><body>cold</body></html>",
        ),
    ]);
    assert_eq!(found_after_indexing(&here, "texts"), "deep/b.md");
    here.treffer("search index eis").succeeds().prints("c.html");
}

#[test]
fn a_beir_folder_is_indexed_by_its_corpus() {
    let here = Place::with(&[
        ("beir/corpus.jsonl", JSONL),
        (
            "beir/queries.jsonl",
            "{\"_id\": \"q\", \"text\": \"gefrierfach\"}\n",
        ),
        (
            "beir/qrels/test.tsv",
            "query-id\tcorpus-id\tscore\nq\ta\t1\n",
        ),
    ]);
    assert_eq!(found_after_indexing(&here, "beir"), "a");
    here.treffer("info index")
        .succeeds()
        .prints("documents        2\n");
}

#[test]
fn standard_input_is_indexed() {
    let here = place();
    here.treffer_reading("index index - --config bm25.toml", JSONL.as_bytes())
        .succeeds();
    here.treffer("search index gefrierfach").succeeds();
    let again = "index index - --config bm25.toml --input-format csv --replace";
    here.treffer_reading(again, CSV.as_bytes()).succeeds();
    here.treffer("search index gefrierfach").succeeds();
}

#[test]
fn several_inputs_make_one_index() {
    let here = Place::with(&[("one.jsonl", JSONL), ("two.jsonl", CORPUS)]);
    found_after_indexing(&here, "one.jsonl two.jsonl");
    here.treffer("info index")
        .succeeds()
        .prints("documents        5\n");
}

#[test]
fn a_missing_input_is_named() {
    let here = place();
    here.treffer("index index none.jsonl --config bm25.toml")
        .fails_with("could not open none.jsonl");
    assert!(!here.has("index"));
}

#[test]
fn a_file_of_unknown_form_says_what_is_known() {
    let here = place();
    here.write("corpus.docx", "");
    here.treffer("index index corpus.docx --config bm25.toml")
        .fails_with("could not tell the format of corpus.docx")
        .says("hint: name the format with --input-format");
}

#[test]
fn the_summary_counts_documents_and_says_where() {
    place()
        .treffer("index index corpus.jsonl --config bm25.toml")
        .succeeds()
        .says("indexed 3 documents into index: ");
}

#[test]
fn a_dry_run_checks_and_writes_nothing() {
    let here = place();
    here.treffer("index index corpus.jsonl --config three.toml --dry-run")
        .succeeds()
        .says("would index 3 documents into index with bm25, dense, cross")
        .says("nothing was written");
    assert!(!here.has("index"));
}

#[test]
fn a_dry_run_leaves_an_old_index_as_it_is() {
    let here = indexed();
    let before = here.files("index");
    let dry = "index index corpus.jsonl --config bm25.toml --dry-run";
    here.treffer(dry)
        .fails_with("index already holds an index of 3 documents");
    here.treffer(&format!("{dry} --replace")).succeeds();
    assert_eq!(here.files("index"), before);
}

#[test]
fn an_index_is_replaced_only_when_asked_to() {
    let here = indexed();
    let before = here.files("index");
    here.write("other.jsonl", JSONL);
    here.treffer("index index other.jsonl --config bm25.toml")
        .fails_with("index already holds an index of 3 documents")
        .says("hint: pass --replace");
    assert_eq!(here.files("index"), before);
    here.treffer("index index other.jsonl --config bm25.toml --replace")
        .succeeds();
    here.treffer("search index gefrierfach").succeeds();
    here.treffer("search index fridge").finds_nothing();
    assert!(
        !here.has("index/segment-1"),
        "the replaced segment is still there"
    );
}

#[test]
fn a_second_writer_is_turned_away_and_readers_are_not() {
    let here = indexed();
    let lock = File::options()
        .write(true)
        .open(here.path("index/writer.lock"))
        .unwrap();
    lock.lock().unwrap();
    let before = here.files("index");
    here.treffer("index index corpus.jsonl --config bm25.toml --replace")
        .fails_with("another process is writing the index in index")
        .says("hint: wait for it to finish");
    assert_eq!(here.files("index"), before);
    here.treffer("search index fridge").succeeds();
    lock.unlock().unwrap();
    here.treffer("index index corpus.jsonl --config bm25.toml --replace")
        .succeeds();
}

#[test]
fn a_folder_with_files_of_others_is_not_built_in() {
    let here = place();
    here.write("mine/letter.txt", "hello");
    here.treffer("index mine corpus.jsonl --config bm25.toml")
        .fails_with("mine holds other files and no index")
        .says("hint: name a folder that is empty or not there yet");
    assert_eq!(here.files("mine").len(), 1);
    std::fs::create_dir(here.path("empty")).unwrap();
    here.treffer("index empty corpus.jsonl --config bm25.toml")
        .succeeds();
}

#[test]
fn a_failed_build_leaves_an_empty_folder_empty() {
    let here = place();
    std::fs::create_dir(here.path("empty")).unwrap();
    here.write("bad.jsonl", "nonsense\n");
    here.treffer("index empty bad.jsonl --config bm25.toml")
        .fails_with("no document could be read");
    here.treffer("index empty corpus.jsonl --config bm25.toml")
        .succeeds();
}

#[test]
fn a_model_that_is_not_there_ends_the_build_before_any_work() {
    let here = place();
    here.write(
        "mine.toml",
        three_stages().replace("tiny-bert-bi", "tiny-bert-none"),
    );
    here.treffer("index index corpus.jsonl --config mine.toml")
        .fails_with("could not load the model")
        .says("tiny-bert-none does not exist");
    assert!(!here.has("index"));
}

#[test]
fn a_model_for_another_role_is_refused() {
    let here = place();
    here.write(
        "mine.toml",
        three_stages().replace("tiny-bert-bi", "tiny-bert-cross"),
    );
    here.treffer("index index corpus.jsonl --config mine.toml")
        .fails_with("could not load the model");
    assert!(!here.has("index"));
}

#[test]
fn a_model_folder_is_found_again_from_elsewhere() {
    let here = place();
    crate::util::copy_folder(
        &crate::fixtures::tiny_model("tiny-bert-bi"),
        &here.path("bi"),
    );
    let set =
        "--config bm25.toml --set dense.model=./bi --set dense.m=8 --set dense.ef_construction=40";
    here.treffer(&format!("index index corpus.jsonl {set}"))
        .succeeds();
    here.write("elsewhere/empty", "");
    let mut command = here.command("search ../index fridge");
    assert!(
        command
            .current_dir(here.path("elsewhere"))
            .output()
            .unwrap()
            .status
            .success()
    );
}
