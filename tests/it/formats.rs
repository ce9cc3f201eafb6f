//! Indexes and settings of earlier formats, as those versions of the program wrote them
//! (`data/golden/index-format-N`): refused with what to do, and replaced where that is asked.

use std::path::{Path, PathBuf};

use crate::fixtures::{indexed, place};
use crate::util::{Place, copy_folder};

/// Each holds three documents in BM25 alone.
const FORMATS: [u32; 4] = [1, 2, 3, 4];

fn golden(format: u32) -> PathBuf {
    let folder = format!("data/golden/index-format-{format}");
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

/// A folder with `old`, the index of a format.
fn with_old_index(format: u32) -> Place {
    let here = place();
    copy_folder(&golden(format), &here.path("old"));
    here
}

#[test]
fn an_index_of_an_earlier_format_is_refused_with_both_formats_and_what_to_do() {
    for format in FORMATS {
        let here = with_old_index(format);
        here.write("q.tsv", "q\tfreezer\n");
        here.write("r.tsv", "q\tcombi\t1\n");
        for command in [
            "search old freezer",
            "info old",
            "eval old --queries q.tsv --qrels r.tsv",
            "explain old freezer combi",
        ] {
            here.treffer(command)
                .fails_with(&format!(
                    "the index in old has format {format}, this program reads format "
                ))
                .says("\nhint: ")
                .says("--replace");
        }
    }
}

#[test]
fn an_index_of_an_earlier_format_stays_until_it_is_replaced() {
    for format in FORMATS {
        let here = with_old_index(format);
        let before = here.files("old");
        here.treffer("index old corpus.jsonl --config bm25.toml")
            .fails_with("--replace");
        assert_eq!(here.files("old"), before);
        here.treffer("index old corpus.jsonl --config bm25.toml --replace")
            .succeeds();
        here.treffer("search old oven").succeeds().prints("oven");
        assert!(!here.has("old/segment-1"));
    }
}

#[test]
fn settings_of_format_1_are_refused_by_the_key_that_has_moved() {
    let here = indexed();
    let settings = std::fs::read_to_string(golden(1).join("treffer.toml")).unwrap();
    here.write("index/treffer.toml", &settings);
    here.treffer("search index oven")
        .fails_with("treffer.toml")
        .says("no key `generation`");
    here.write("index/treffer.toml", format!("generation = 1\n{settings}"));
    here.treffer("search index oven")
        .fails_with("treffer.toml")
        .says("unknown key `b`; did you mean `bm25.b`?");
}
