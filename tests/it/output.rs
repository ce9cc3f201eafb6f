//! What is printed and written: whole files or none, and no trouble with streams that are
//! closed or full.

use std::fs::File;
use std::io::Read;
use std::process::Stdio;

use crate::fixtures::{indexed, indexed_in_three_stages};
use crate::util::{Place, Ran};

fn with_runs() -> Place {
    Place::with(&[
        ("a.trec", "q1 Q0 x 1 30 a\nq1 Q0 y 2 20 a\n"),
        ("old", "precious"),
    ])
}

/// The names in a test's folder that a file in the making would have.
fn temporary(here: &Place) -> Vec<String> {
    let names = std::fs::read_dir(here.path("")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".tmp")).collect()
}

#[test]
fn a_command_that_fails_leaves_the_old_file() {
    let here = with_runs();
    for words in [
        "fuse a.trec --output old --tag 'two words'",
        "fuse a.trec --output old --tag ''",
        "fuse a.trec gone.trec --output old",
    ] {
        assert_eq!(here.treffer(words).code(), Some(2), "{words}");
        assert_eq!(here.read("old"), "precious", "{words}");
    }
    here.treffer("fuse a.trec --output old").succeeds();
    assert!(here.read("old").starts_with("q1 Q0 x 1 "));
    assert!(temporary(&here).is_empty());
}

/// A three-stage index of two documents, of which one has a blank in its id.
fn with_a_blank_id() -> Place {
    let here = crate::fixtures::place();
    here.write(
        "corpus.jsonl",
        "{\"_id\": \"a b\", \"text\": \"cold fridge\"}\n{\"_id\": \"c\", \"text\": \"warm oven\"}\n",
    );
    here.treffer("index index corpus.jsonl --config three.toml")
        .succeeds();
    here.write("queries.tsv", "q1\tcold\n");
    here.write("qrels.tsv", "query-id\tcorpus-id\tscore\nq1\tc\t1\n");
    here
}

#[test]
fn ids_that_cannot_be_columns_are_refused_before_a_file_is_replaced() {
    let here = with_a_blank_id();
    here.write("runs/bm25.trec", "precious");
    let eval = "eval index --queries queries.tsv --qrels qrels.tsv --run-dir runs";
    let ran = here.treffer(eval);
    assert_eq!(ran.code(), Some(2), "{ran}");
    ran.says("document id `a b`").prints("nDCG@10");
    assert_eq!(here.read("runs/bm25.trec"), "precious");
    assert_eq!(here.files("runs").len(), 1);
    assert!(temporary(&here).is_empty());
}

#[test]
fn ids_of_queries_are_refused_before_any_work() {
    let here = indexed_in_three_stages();
    here.write("queries.jsonl", "{\"_id\": \"a b\", \"text\": \"cold\"}\n");
    here.write("qrels.tsv", "query-id\tcorpus-id\tscore\na b\td1\t1\n");
    for words in [
        "search index --queries queries.jsonl --format trec",
        "eval index --queries queries.jsonl --qrels qrels.tsv --run-dir runs",
    ] {
        here.treffer(words).fails_with("query id `a b`");
    }
    assert!(!here.has("runs"));
    here.treffer("search index --queries queries.jsonl --format json")
        .succeeds();
    // Columns of judgments are separated by tabs.
    here.write(
        "queries.jsonl",
        "{\"_id\": \"a\\tb\", \"text\": \"cold\"}\n",
    );
    here.treffer("judge index --queries queries.jsonl")
        .fails_with("query id `a\tb`");
}

#[test]
fn an_id_cannot_steer_the_terminal() {
    let here = crate::fixtures::place();
    here.write(
        "corpus.jsonl",
        "{\"_id\": \"e\\u001b[31m1\", \"text\": \"alpha\"}\n{\"_id\": \"e\\u001b[31m1\", \"text\": \"twice\"}\n",
    );
    let ran = here
        .treffer("index index corpus.jsonl --config bm25.toml")
        .succeeds();
    assert!(!ran.stderr.contains('\u{1b}'), "{ran}");
    let ran = here.treffer("search index alpha").succeeds();
    assert!(!ran.stdout.contains('\u{1b}'), "{ran}");
    ran.prints("e\\u{1b}[31m1");
}

#[test]
fn a_reader_that_goes_away_is_no_error_and_stops_no_work() {
    let here = crate::fixtures::place();
    here.write("corpus.jsonl", crate::fixtures::documents(60));
    here.treffer("index index corpus.jsonl --config three.toml")
        .succeeds();
    let lines = |line: fn(usize) -> String| (0..60).step_by(3).map(line).collect::<String>();
    here.write("queries.tsv", lines(|at| format!("q{at}\tunique{at}\n")));
    here.write("qrels.tsv", lines(|at| format!("q{at}\td{at}\t1\n")));
    let words = "tune index --queries queries.tsv --qrels qrels.tsv --step 0.25 --force --format json --report tune.html";
    let mut child = here.command(words).spawn().unwrap();
    drop(child.stdout.take()); // before anything is printed
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{stderr}");
    assert!(here.read("index/treffer.toml").contains("n_queries = 20"));
    assert!(here.read("tune.html").contains("</html>"));
}

#[cfg(target_os = "linux")]
#[test]
fn full_and_closed_streams_make_no_panic() {
    let here = indexed();
    here.write("queries.tsv", "q1\t\nq2\tcold\n"); // the first is reported
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let words = "search index --queries queries.tsv";
    let mut quiet = here.command(words);
    quiet.stderr(full());
    let ran = Ran::new(words, quiet.output().unwrap()).succeeds();
    ran.prints("freezer");
    let mut lost = here.command(words);
    lost.stdout(Stdio::from(full()));
    let ran = Ran::new(words, lost.output().unwrap());
    assert_eq!(ran.code(), Some(2), "{ran}");
    ran.says("error: ").says("No space left on device");
    for closed in ["2>&-", ">&-", ">&- 2>&-"] {
        let program = env!("CARGO_BIN_EXE_treffer");
        let status = std::process::Command::new("sh")
            .args(["-c", &format!("'{program}' {words} {closed}")])
            .current_dir(here.path(""))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert_ne!(status.unwrap().code(), Some(101), "{closed}");
    }
}
