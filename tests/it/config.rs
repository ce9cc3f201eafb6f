//! Presets, configuration files and single keys.

use crate::fixtures::{BM25_ONLY, indexed, place, three_stages};

#[test]
fn an_unknown_preset_names_the_known_ones() {
    place()
        .treffer("index index corpus.jsonl --preset englisch")
        .fails_with("there is no preset `englisch`")
        .says("english, german, multilingual, fast, quick");
}

#[test]
fn an_unknown_key_of_a_file_names_the_file_and_the_nearest_key() {
    let here = place();
    here.write("mine.toml", BM25_ONLY.replace("analyzer", "analyser"));
    here.treffer("index index corpus.jsonl --config mine.toml")
        .fails_with("mine.toml: unknown key `bm25.analyser`; did you mean `bm25.analyzer`?");
}

#[test]
fn an_unknown_key_of_a_profile_names_the_nearest() {
    let here = place();
    here.write(
        "mine.toml",
        three_stages().replace("cross_depth", "cros_depth"),
    );
    here.treffer("index index corpus.jsonl --config mine.toml").fails_with(
        "unknown key `profiles.default.cros_depth`; did you mean `profiles.default.cross_depth`?",
    );
}

#[test]
fn a_missing_configuration_file_is_named() {
    place()
        .treffer("index index corpus.jsonl --config none.toml")
        .fails_with("could not read none.toml");
}

#[test]
fn a_file_that_is_not_toml_is_shown_at_its_line() {
    let here = place();
    here.write("mine.toml", "[bm25]\nanalyzer = = 3\n");
    here.treffer("index index corpus.jsonl --config mine.toml")
        .fails_with("mine.toml: this is not valid TOML")
        .says("line 2");
}

#[test]
fn preset_and_file_exclude_each_other() {
    place()
        .treffer("index index corpus.jsonl --preset fast --config bm25.toml")
        .fails_with("cannot be used with");
}

#[test]
fn a_key_set_on_the_command_line_is_obeyed() {
    let here = place();
    here.treffer("index index corpus.jsonl --config bm25.toml --set bm25.k1=1.7")
        .succeeds();
    here.treffer("info index")
        .succeeds()
        .prints("k1 1.7, b 0.4");
}

#[test]
fn settings_without_a_generation_name_that_of_the_index() {
    let here = indexed();
    let settings = here.read("index/treffer.toml");
    for text in ["", "[bm25]\nk1 = 1.7\n"] {
        here.write("index/treffer.toml", text);
        for command in ["info index", "search index cold"] {
            here.treffer(command)
                .fails_with("no key `generation`, which is 1 for this index");
        }
    }
    // What it says is so, and helps.
    assert!(settings.contains("generation = 1\n"), "{settings}");
    std::fs::remove_file(here.path("index/treffer.toml")).unwrap();
    here.treffer("search index cold")
        .succeeds()
        .says("the settings that the index was built with apply");
}

#[test]
fn a_set_without_a_value_is_refused() {
    place()
        .treffer("index index corpus.jsonl --config bm25.toml --set bm25.k1")
        .fails_with("--set: `bm25.k1` is not of the form key=value");
}

#[test]
fn a_set_of_an_unknown_key_names_the_nearest() {
    place()
        .treffer("index index corpus.jsonl --config bm25.toml --set bm25.k2=1")
        .fails_with("unknown key `bm25.k2`; did you mean `bm25.k1`?");
}

#[test]
fn a_set_below_a_value_is_refused() {
    place()
        .treffer("index index corpus.jsonl --config bm25.toml --set bm25.k1.x=1")
        .fails_with("`k1` in `bm25.k1.x` is a value, not a section");
}

#[test]
fn a_value_out_of_range_names_key_and_range() {
    place()
        .treffer("index index corpus.jsonl --config bm25.toml --set bm25.b=2")
        .fails_with("section `bm25` cannot be used")
        .says("`b` is 2");
}

#[test]
fn a_value_of_the_wrong_kind_is_refused() {
    place()
        .treffer("index index corpus.jsonl --config bm25.toml --set bm25.k1=much")
        .fails_with("bm25.toml")
        .says("much");
}

#[test]
fn a_beam_narrower_than_the_list_is_refused() {
    let wide = "index index corpus.jsonl --config three.toml --set profiles.default.ef_search=19";
    let here = place();
    here.treffer(wide)
        .fails_with("profile `default`")
        .says("ef_search")
        .says("19")
        .says("20");
    assert!(!here.has("index"));
}

#[test]
fn weights_of_a_profile_must_sum_to_one() {
    let here = place();
    here.write(
        "mine.toml",
        three_stages().replace("bm25 = 0.4", "bm25 = 0.5"),
    );
    here.treffer("index index corpus.jsonl --config mine.toml")
        .fails_with("must sum to 1");
}

#[test]
fn an_unknown_device_is_refused() {
    place()
        .treffer("index index corpus.jsonl --config bm25.toml --set device=gpu")
        .fails_with("unknown device `gpu`; devices are cpu, cuda and cuda:N");
}

#[test]
fn what_a_model_does_not_say_can_be_set_and_is_shown() {
    let here = place();
    let build = "index index corpus.jsonl --config three.toml --replace";
    here.treffer(build).succeeds();
    let search = "search index fridge --stages dense --format json";
    let plain = here.treffer(search).succeeds().stdout;
    here.treffer(&format!(
        "{build} --set dense.query_prefix=cold: --set dense.passage_prefix=warm: --set dense.pooling=max"
    ))
    .succeeds();
    assert_ne!(here.treffer(search).succeeds().stdout, plain);
    here.treffer("info index")
        .succeeds()
        .prints("queries after \"cold:\", passages after \"warm:\", max pooling");
    here.treffer(&format!("{build} --set dense.pooling=median"))
        .fails_with("median");
    here.treffer(&format!("{build} --set dense.query_prefx=a"))
        .fails_with("did you mean `dense.query_prefix`?");
    here.treffer(&format!("{build} --set cross.label=relevant"))
        .fails_with("`label` is `relevant`");
}
