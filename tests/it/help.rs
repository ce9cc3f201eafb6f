//! Help, completions, and the plan of the quickstart.

use expect_test::expect;

use crate::fixtures::indexed;
use crate::util::Place;

#[test]
fn the_help_is_one_page() {
    let help = Place::empty()
        .treffer("--help")
        .succeeds()
        .says_nothing()
        .stdout;
    expect![[r#"
        A multi-stage retrieval engine: BM25, a bi-encoder, late interaction and a cross-encoder, fused with
        weights tuned per index

        Usage: treffer [OPTIONS] <COMMAND>

        Commands:
          index        Build an index from a corpus
          add          Add documents to an index, in the place of those with the same ids
          delete       Delete documents from an index
          compact      Make one segment of an index, without what is deleted
          search       Search an index
          eval         Measure every stage and the fusion against relevance judgments
          tune         Find the fusion weights for an index on judged queries
          explain      Explain why a document ranks where it does, or is not found
          analyze      Show what becomes of a text in BM25: characters, words, terms, language
          compare      Compare runs with a baseline and test whether they differ significantly
          fuse         Fuse runs of any programs into one
          rerank       Rerank the run of any program, or texts without an index, with a cross-encoder
          judge        Judge queries with the cross-encoder where nobody has judged them
          mine         Find training data in an index: queries with answers and hard negatives
          train        Train a cross-encoder or a bi-encoder on queries and passages of your own
          distill      Train a smaller model on what a cross-encoder thinks of your data
          duplicates   Find documents of an index that say the same
          info         Show what an index holds, and check its files
          check        Read every file of an index and report what is damaged
          model        List, fetch and check models
          quickstart   Index, search, measure and tune the sample corpus with real models
          completions  Print a completion script for a shell
          help         Print this message or the help of the given subcommand(s)

        Options:
              --models <DIR>  Folder in which pulled models are kept [default: the user's cache folder]
                              [env: TREFFER_MODELS]
              --offline       Never use the network: a model that is not in the cache is an error [env:
                              TREFFER_OFFLINE]
              --threads <N>   Threads for the models [default: one per core]; results do not depend on it
          -h, --help          Print help
          -V, --version       Print version
    "#]].assert_eq(&help);
}

#[test]
fn every_command_has_help() {
    let here = Place::empty();
    for command in [
        "index",
        "add",
        "delete",
        "compact",
        "search",
        "eval",
        "tune",
        "explain",
        "analyze",
        "compare",
        "fuse",
        "rerank",
        "judge",
        "mine",
        "train",
        "train cross",
        "train bi",
        "distill",
        "distill cross",
        "distill bi",
        "duplicates",
        "info",
        "model",
        "model list",
        "model pull",
        "model verify",
        "model path",
        "quickstart",
        "completions",
    ] {
        let usage = format!("Usage: treffer {command}");
        here.treffer(&format!("{command} --help"))
            .succeeds()
            .says_nothing()
            .prints(&usage);
        here.treffer(&format!("help {command}"))
            .succeeds()
            .prints(&usage);
    }
}

#[test]
fn commands_for_runs_show_examples() {
    let here = Place::empty();
    for command in ["explain", "analyze", "compare", "fuse", "rerank", "judge"] {
        here.treffer(&format!("{command} --help"))
            .succeeds()
            .prints("\nExamples:\n")
            .prints(&format!("  treffer {command} "));
    }
}

#[test]
fn a_word_that_is_no_command_names_the_nearest() {
    let here = Place::empty();
    here.treffer("serch index cold")
        .fails_with("unrecognized subcommand 'serch'")
        .says("'search'");
    here.treffer("search index cold --explan")
        .fails_with("unexpected argument '--explan'")
        .says("'--explain'");
}

#[test]
fn the_version_is_printed() {
    let expected = concat!("treffer ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(
        Place::empty().treffer("--version").succeeds().stdout,
        expected
    );
}

#[test]
fn shells_get_their_completions() {
    let here = Place::empty();
    for (shell, sign) in [
        ("bash", "complete -F _treffer"),
        ("zsh", "#compdef treffer"),
        ("fish", "complete -c treffer"),
    ] {
        here.treffer(&format!("completions {shell}"))
            .succeeds()
            .says_nothing()
            .prints(sign)
            .prints("quickstart");
    }
    here.treffer("completions dos").fails_with("bash");
}

#[test]
fn bash_takes_the_completions() {
    let here = Place::empty();
    here.write("script", here.treffer("completions bash").succeeds().stdout);
    let status = std::process::Command::new("bash")
        .arg("-n")
        .arg(here.path("script"))
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn the_quickstart_can_be_read_before_it_runs() {
    let here = Place::empty();
    here.treffer("quickstart --dry-run")
        .succeeds()
        .says("would unpack the sample into treffer-quickstart/sample and run:")
        .says("  treffer model pull multilingual-e5-small treffer-mini-de-en\n")
        .says("  treffer index treffer-quickstart/index treffer-quickstart/sample/corpus.jsonl --config ")
        .says("  treffer search treffer-quickstart/index 'Kühlschrank ohne Gefrierfach' -k 3 --explain")
        .says("  treffer tune ");
    assert!(!here.has("treffer-quickstart"));
}

#[test]
fn the_quickstart_stops_at_the_step_that_fails() {
    let here = Place::empty();
    here.treffer("quickstart new")
        .says("\n# Fetch the models, once\n$ treffer model pull ")
        .says("`treffer model pull multilingual-e5-small treffer-mini-de-en` failed");
    assert!(here.has("new/sample/corpus.jsonl") && !here.has("new/index"));
}

#[test]
fn options_of_all_commands_can_be_given_anywhere() {
    let here = indexed();
    here.treffer("--threads 1 search index cold").succeeds();
    here.treffer("search --threads 1 index cold --offline")
        .succeeds();
}
