//! The command against a program that writes down what it is told.

use std::os::unix::fs::PermissionsExt;

use std::fs;

use super::report::Verdict;
use super::*;

const DEFINITION: &str = r#"
    title = "Two documents"
    collection = "two"
    obtain = "write them"

    [[index]]
    name = "own"
    config.bm25.k1 = 0.9
    set = ["device=cpu"]
    models = ["some-model"]

    [[index.eval]]
    split = "test"
    stages = ["bm25", "dense"]
    limit = 7
    profile = "own"
    tune = { split = "train", limit = 9 }
    expect = [{ row = "bm25", metric = "nDCG@10", value = 0.5, tolerance = 0.01, source = "us" }]

    [[index.rerank]]
    run = "runs/given.trec"
    split = "dev"
    depth = 20
    expect = [
      { row = "given", value = 0.4, tolerance = 0.001, source = "them" },
      { row = "reranked", value = 0.6, tolerance = 0.001, source = "us" },
    ]

    [[index.fusions]]
    split = "test"
    limit = 3
    expect = [{ row = "tuned", value = 0.7, tolerance = 0.001, source = "us" }]

    [[index.order]]
    split = "order"
    profile = "own"
    rows = ["bm25", "fusion"]
    expect = [{ row = "fusion", metric = "examples", value = 1, tolerance = 0.5, source = "us" }]
"#;

/// Writes down what it was told, and measures the same whatever it is told.
const PROGRAM: &str = r#"#!/bin/sh
echo "$@" >>"$(dirname "$0")/told"
case "$*" in
eval*) echo '{"rows":[{"name":"bm25","metrics":{"nDCG@10":0.505}}]}' ;;
search*) echo '{"query":{"id":"q"},"hits":[{"id":"a","score":0.9,"stages":{"bm25":{"raw":1.0}}},
  {"id":"b","score":0.1,"stages":{"bm25":{"raw":1.0}}}]}' | tr -d '\n' ;;
compare*) echo '{"comparisons":[{"metric":"nDCG@10","baseline":0.4,"mean":0.6}]}' ;;
tune*json*) echo '{"metric":"nDCG@10","best":{"out_of_fold":0.7,"weights":{"bm25":1.0}},
  "against":[{"baseline":"bm25 alone","mean":0.8,"difference":-0.1,"interval":[-0.2,-0.01],"adjusted_p":0.01}],
  "per_query":[{"out_of_fold":0.7},{"out_of_fold":0.7}]}' ;;
esac
"#;

fn arguments() -> Arguments {
    Arguments {
        names: vec!["two".to_owned()],
        all: false,
        collections: None,
        models_cache: None,
        limit: None,
        keep_indexes: false,
        resume: false,
    }
}

fn given(folder: &Path) -> Collections {
    Collections {
        given: Some(folder.to_owned()),
        shipped: folder.join("data"),
    }
}

#[test]
fn the_program_is_told_what_the_definition_says() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    fs::create_dir_all(at("two/qrels")).unwrap();
    fs::create_dir_all(at("two/runs")).unwrap();
    for file in [
        "corpus.jsonl",
        "queries.jsonl.gz",
        "qrels/dev.tsv",
        "qrels/test.tsv",
        "qrels/train.tsv",
        "runs/given.trec",
    ] {
        fs::write(at("two").join(file), "").unwrap();
    }
    let judged = "query-id\tcorpus-id\tscore\nq\ta\t1\nq\tb\t0\n";
    fs::write(at("two/qrels/order.tsv"), judged).unwrap();
    fs::write(at("two.toml"), DEFINITION).unwrap();
    fs::write(at("treffer"), PROGRAM).unwrap();
    fs::set_permissions(at("treffer"), fs::Permissions::from_mode(0o755)).unwrap();

    let experiments = chosen(folder.path(), &arguments()).unwrap();
    let measure = |arguments: &Arguments| {
        let bench = Bench {
            binary: at("treffer"),
            checksum: "some".to_owned(),
            indexes: at("indexes"),
            collections: given(folder.path()),
            arguments,
        };
        bench.measure(&experiments[0], &experiments[0].index[0])
    };
    let measured = measure(&arguments()).unwrap();
    let verdicts: Vec<Verdict> = measured.findings.iter().map(Finding::verdict).collect();
    use Verdict::{AsExpected, MeasuredOnly};
    let expected = [
        AsExpected,
        AsExpected,
        AsExpected,
        MeasuredOnly,
        AsExpected,
        MeasuredOnly,
        AsExpected,
    ];
    assert_eq!(verdicts, expected);
    let refused = judge(&measured).unwrap_err().to_string();
    assert!(refused.starts_with("on two the tuned profile"), "{refused}");

    let told = fs::read_to_string(at("told")).unwrap();
    let told = told.replace(&format!("{}/", folder.path().display()), "");
    assert_eq!(
        told.lines().collect::<Vec<_>>(),
        [
            "model pull some-model",
            "index indexes/two/own two/corpus.jsonl --config indexes/two/own.toml --set device=cpu",
            "tune indexes/two/own --queries two/queries.jsonl.gz --qrels two/qrels/train.tsv --limit 9 \
             --force --stages bm25,dense --save-as own",
            "eval indexes/two/own --queries two/queries.jsonl.gz --qrels two/qrels/test.tsv --limit 7 \
             --format json --stages bm25,dense --profile own",
            "rerank indexes/two/own two/runs/given.trec --queries two/queries.jsonl.gz --depth 20 \
             --output indexes/two/own.trec",
            "compare two/runs/given.trec indexes/two/own.trec --qrels two/qrels/dev.tsv \
             --metrics nDCG@10 --format json",
            "tune indexes/two/own --queries two/queries.jsonl.gz --qrels two/qrels/test.tsv --limit 3 \
             --learn --dry-run --format json",
            "search indexes/two/own --queries two/queries.jsonl.gz --explain --top-k 1000 \
             --format json --profile own",
        ]
    );
    let config = fs::read_to_string(at("indexes/two/own.toml")).unwrap();
    assert_eq!(config, "[bm25]\nk1 = 0.9\n");
    assert_eq!(
        order::table(&measured.orders),
        "| example | bm25 (own) | fusion (own) |\n| --- | --- | --- |\n\
         | q | no | yes |\n| all | 0 of 1 | 1 of 1 |\n"
    );

    // The stand-in makes no index, so only a question that is still open needs one.
    let resumed = Arguments {
        resume: true,
        ..arguments()
    };
    fs::remove_file(at("told")).unwrap();
    assert_eq!(measure(&resumed).unwrap().findings, measured.findings);
    assert!(!at("told").exists(), "measured again");
    let more = Arguments {
        limit: Some(2),
        ..resumed
    };
    measure(&more).unwrap();
    let told = fs::read_to_string(at("told")).unwrap();
    assert!(
        told.contains("--limit 2") && !told.contains("rerank"),
        "{told}"
    );
    measure(&arguments()).unwrap();
    let told = fs::read_to_string(at("told")).unwrap();
    assert!(told.contains("rerank"), "{told}");
}

#[test]
fn a_missing_collection_is_named_with_where_to_get_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("two.toml"), DEFINITION).unwrap();
    let experiment = Experiment::read(folder.path(), "two").unwrap();
    let error = files_of(&experiment, &given(folder.path()))
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("qrels/dev.tsv") && error.ends_with("write them"),
        "{error}"
    );
}

#[test]
fn only_collections_from_elsewhere_need_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str, text: &str| {
        fs::write(folder.path().join(format!("{name}.toml")), text).unwrap();
        Experiment::read(folder.path(), name).unwrap()
    };
    let collections = Collections {
        given: None,
        shipped: "data".into(),
    };
    let shipped = read("own", &format!("shipped = true\n{DEFINITION}"));
    let found = collections.folder(&shipped).unwrap();
    assert_eq!(found, Path::new("data").join("two"));
    let error = collections.folder(&read("two", DEFINITION)).unwrap_err();
    assert!(error.to_string().contains("--collections"), "{error}");
}
