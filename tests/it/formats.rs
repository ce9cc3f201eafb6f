//! An index and settings of an earlier format, as that version of the program wrote them
//! (`data/golden/index-format-1`): refused with what to do, and replaced where that is asked.

use std::path::Path;

use crate::hay::{indexed, place};
use crate::util::{Place, copy_folder};

/// Three documents in BM25 alone.
const FORMAT_1: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/golden/index-format-1");

/// A folder with `old`, the index of format 1.
fn with_old_index() -> Place {
    let here = place();
    copy_folder(Path::new(FORMAT_1), &here.path("old"));
    here
}

#[test]
fn an_index_of_format_1_is_refused_with_both_formats_and_what_to_do() {
    let here = with_old_index();
    here.write("q.tsv", "q\tfreezer\n");
    here.write("r.tsv", "q\tcombi\t1\n");
    for command in [
        "search old freezer",
        "info old",
        "eval old --queries q.tsv --qrels r.tsv",
        "explain old freezer combi",
    ] {
        here.treffer(command)
            .fails_with("the index in old has format 1, this program reads format ")
            .says("\nhint: ")
            .says("--replace");
    }
}

#[test]
fn an_index_of_format_1_stays_until_it_is_replaced() {
    let here = with_old_index();
    let before = here.files("old");
    here.treffer("index old corpus.jsonl --config bm25.toml")
        .fails_with("--replace");
    assert_eq!(here.files("old"), before);
    here.treffer("index old corpus.jsonl --config bm25.toml --replace")
        .succeeds();
    here.treffer("search old oven").succeeds().prints("oven");
    assert!(!here.has("old/segment-1/lexical"));
}

#[test]
fn settings_of_format_1_are_refused_by_the_key_that_has_moved() {
    let here = indexed();
    let settings = Path::new(FORMAT_1).join("treffer.toml");
    here.write("index/treffer.toml", std::fs::read(settings).unwrap());
    here.treffer("search index oven")
        .fails_with("treffer.toml")
        .says("unknown key `b`; did you mean `bm25.b`?");
}
