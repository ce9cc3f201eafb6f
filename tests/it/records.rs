//! Bad records: reported with file and line, skipped, counted, or fatal.

use crate::fixtures::{CORPUS, place};

const BAD: &str = r#"{"_id": "good", "text": "cold"}
{"_id": "broken", "text":
{"text": "no id"}
{"_id": "good", "text": "the same id"}
{"_id": "empty", "title": " ", "text": ""}
[1, 2]
{"_id": "also good", "text": "warm"}
"#;

#[test]
fn each_bad_record_is_reported_with_file_and_line_and_skipped() {
    let here = place();
    here.write("bad.jsonl", BAD);
    here.treffer("index index bad.jsonl --config bm25.toml")
        .succeeds()
        .says("skipped: bad.jsonl:2: not valid JSON")
        .says("skipped: bad.jsonl:3: the id is missing or empty")
        .says("skipped: bad.jsonl:4: duplicate id `good`")
        .says("skipped: bad.jsonl:5: empty text")
        .says("skipped: bad.jsonl:6: an array where an object is expected")
        .says("indexed 2 documents")
        .says("note: 5 bad records skipped");
    here.treffer("search index warm")
        .succeeds()
        .prints("also good");
}

#[test]
fn invalid_utf8_is_a_bad_record() {
    let here = place();
    let mut bytes = CORPUS.as_bytes().to_vec();
    bytes.extend(b"{\"_id\": \"latin\", \"text\": \"K\xfchlschrank\"}\n");
    here.write("bad.jsonl", bytes);
    here.treffer("index index bad.jsonl --config bm25.toml")
        .succeeds()
        .says("skipped: bad.jsonl:4: not valid UTF-8")
        .says("note: 1 bad record skipped");
}

#[test]
fn a_bad_record_of_standard_input_is_reported_by_line() {
    place()
        .treffer_reading("index index - --config bm25.toml", BAD.as_bytes())
        .succeeds()
        .says("skipped: standard input:2: not valid JSON");
}

#[test]
fn strict_makes_the_first_bad_record_fatal() {
    let here = place();
    here.write("bad.jsonl", BAD);
    here.treffer("index index bad.jsonl --config bm25.toml --strict")
        .fails_with("bad.jsonl:2: not valid JSON");
    assert!(!here.has("index"));
}

#[test]
fn a_dry_run_reports_the_same_records() {
    let here = place();
    here.write("bad.jsonl", BAD);
    let dry = here
        .treffer("index index bad.jsonl --config bm25.toml --dry-run")
        .succeeds();
    let real = here
        .treffer("index index bad.jsonl --config bm25.toml")
        .succeeds();
    let skipped = |text: &str| -> Vec<String> {
        text.lines()
            .filter(|line| line.starts_with("skipped"))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(skipped(&dry.stderr), skipped(&real.stderr));
    dry.says("would index 2 documents")
        .says("5 bad records skipped");
}

#[test]
fn a_corpus_without_a_good_record_is_an_error() {
    let here = place();
    here.write("empty.jsonl", "");
    here.write("bad.jsonl", "nonsense\n");
    here.treffer("index index empty.jsonl --config bm25.toml")
        .fails_with("no document could be read from the input");
    here.treffer("index index bad.jsonl --config bm25.toml")
        .fails_with("no document could be read from the input");
    assert!(!here.has("index"));
}

#[test]
fn a_document_of_a_million_words_is_indexed_and_what_is_not_read_is_reported() {
    let here = place();
    let text = "cold ".repeat(1_000_000);
    here.write(
        "long.jsonl",
        format!("{{\"_id\": \"long\", \"text\": \"{text}gefrierfach\"}}\n"),
    );
    here.treffer("index index corpus.jsonl long.jsonl --config three.toml")
        .succeeds()
        .says("note: 1 document longer than the bi-encoder");
    let found = here
        .treffer("search index gefrierfach --stages bm25 --format json")
        .succeeds();
    assert_eq!(found.ids(), ["long"]);
}

#[test]
fn unknown_fields_are_kept_and_do_no_harm() {
    let here = place();
    here.write(
        "more.jsonl",
        "{\"_id\": \"a\", \"text\": \"cold\", \"price\": {\"eur\": [1, 2.5]}, \"ok\": null}\n",
    );
    here.treffer("index index more.jsonl --config bm25.toml --strict")
        .succeeds();
    here.treffer("search index cold").succeeds();
}
