//! Folders that hold no index, half of one, or a damaged one.

use crate::fixtures::{indexed, indexed_in_three_stages, place, tiny_model};
use crate::util::{Place, copy_folder};

/// What every command that reads an index must say of this folder.
#[track_caller]
fn refused(here: &Place, dir: &str, part: &str) {
    here.write("q.tsv", "q\tcold\n");
    here.write("r.tsv", "q\tfridge\t1\n");
    for command in [
        "search DIR cold",
        "eval DIR --queries q.tsv --qrels r.tsv",
        "tune DIR --queries q.tsv --qrels r.tsv",
        "info DIR",
    ] {
        here.treffer(&command.replace("DIR", dir))
            .fails_with(part)
            .says("\nhint: ");
    }
}

#[test]
fn a_missing_folder_has_its_own_message() {
    refused(
        &place(),
        "none",
        "there is no index in none: the folder does not exist",
    );
}

#[test]
fn an_empty_folder_has_its_own_message() {
    let here = place();
    std::fs::create_dir(here.path("empty")).unwrap();
    refused(
        &here,
        "empty",
        "there is no index in empty: the folder is empty",
    );
}

#[test]
fn a_foreign_folder_has_its_own_message() {
    let here = Place::with(&[("photos/cat.jpg", "meow")]);
    refused(
        &here,
        "photos",
        "there is no index in photos: the folder holds other files",
    );
    refused(&here, "photos/cat.jpg", "it is not a folder");
}

#[test]
fn a_half_written_index_has_its_own_message_and_can_be_finished() {
    let here = indexed();
    std::fs::remove_file(here.path("index/manifest.json")).unwrap();
    refused(
        &here,
        "index",
        "the folder holds an index that was never completed",
    );
    here.treffer("index index corpus.jsonl --config bm25.toml")
        .succeeds();
    here.treffer("search index cold").succeeds();
}

#[test]
fn another_format_is_refused_with_both_numbers() {
    let here = indexed();
    let text = here
        .read("index/manifest.json")
        .replace("\"format\": 5", "\"format\": 9");
    let manifest = text
        .split_once("\"manifest\": ")
        .unwrap()
        .1
        .strip_suffix("}\n")
        .unwrap();
    let sum = crc32fast::hash(manifest.as_bytes());
    here.write(
        "index/manifest.json",
        format!("{{\"crc32\": {sum}, \"manifest\": {manifest}}}\n"),
    );
    refused(&here, "index", "has format 9, this program reads format 5");
}

#[test]
fn a_flipped_bit_in_any_file_of_an_index_is_noticed_and_named() {
    let here = indexed_in_three_stages();
    copy_folder(&here.path("index"), &here.path("whole"));
    let search = "search index cold --stages bm25";
    let found = here.treffer(search).succeeds().stdout;
    let checked = here.treffer("check index").succeeds();
    checked.prints("all as they were written");
    for path in here.files("index").keys() {
        let name = path.strip_prefix(here.path("")).unwrap().to_str().unwrap();
        if name.ends_with("treffer.toml") || name.ends_with("writer.lock") {
            continue; // made to be edited, or without meaning
        }
        here.damage(name);
        here.treffer("info index")
            .fails_with(" is damaged: ")
            .says(name)
            .says("index the corpus again");
        // A manifest that cannot be read leaves nothing to list.
        let checked = here.treffer("check index");
        assert_eq!(checked.code(), Some(2), "{checked}");
        assert!(checked.stdout.contains(name) || name.ends_with("manifest.json"));
        checked.says(name).says("index the corpus again");
        // A search verifies what it touches: it fails, or it gives what it always gave.
        let searched = here.treffer("search index cold --stages bm25");
        if searched.stdout != found {
            searched.says("index the corpus again");
        }
        std::fs::copy(here.path(&name.replacen("index", "whole", 1)), path).unwrap();
    }
    here.treffer("search index cold").succeeds();
}

#[test]
fn a_missing_and_a_shortened_file_are_named() {
    let here = indexed();
    let files = here.files("index/segment-1");
    let (path, content) = files
        .iter()
        .find(|(_, content)| content.len() > 10)
        .unwrap();
    std::fs::write(path, &content[..10]).unwrap();
    here.treffer("search index cold")
        .fails_with(" is damaged: it has 10 bytes instead of ");
    std::fs::remove_file(path).unwrap();
    let checked = here.treffer("check index");
    assert_eq!(checked.code(), Some(2), "{checked}");
    checked.prints("is missing");
}

#[test]
fn a_damaged_index_can_be_replaced() {
    let here = indexed();
    here.damage("index/manifest.json");
    here.treffer("index index corpus.jsonl --config bm25.toml")
        .fails_with("manifest.json is damaged");
    here.treffer("index index corpus.jsonl --config bm25.toml --replace")
        .succeeds();
    here.treffer("search index cold").succeeds();
}

#[test]
fn settings_that_are_broken_are_named_by_file_and_line() {
    let here = indexed();
    here.edit("index/treffer.toml", "k1 = 0.9", "k1 = = 0.9");
    here.treffer("search index cold")
        .fails_with("treffer.toml: this is not valid TOML")
        .says("k1 = = 0.9");
    here.edit("index/treffer.toml", "k1 = = 0.9", "k1 = -0.9");
    here.treffer("search index cold").fails_with("`k1` is -0.9");
    here.edit("index/treffer.toml", "k1 = -0.9", "");
    here.treffer("search index cold")
        .fails_with("treffer.toml")
        .says("missing field `k1`");
    std::fs::remove_file(here.path("index/treffer.toml")).unwrap();
    here.treffer("search index cold")
        .succeeds()
        .says("the settings that the index was built with apply: there is no index/treffer.toml");
}

#[test]
fn a_flipped_bit_in_any_file_of_a_model_is_noticed() {
    let here = place();
    copy_folder(&tiny_model("tiny-bert-bi"), &here.path("bi"));
    here.treffer("index index corpus.jsonl --config three.toml --set dense.model=./bi")
        .succeeds();
    for file in ["model.safetensors", "tokenizer.json", "config.json"] {
        here.damage(&format!("bi/{file}"));
        here.treffer("search index cold").fails_with("model");
        here.damage(&format!("bi/{file}")); // a second flip heals it
    }
    here.treffer("search index cold").succeeds();
}
