//! Filters, facets and sorting: `index --infer-fields`, `search --filter`, `delete --filter`.

use serde_json::json;

use crate::fixtures::BM25_ONLY;
use crate::util::Place;

const FRIDGES: &str = r#"{"_id": "k1", "text": "quiet laboratory fridge", "brand": "Kirsch", "price": 900, "tags": ["lab", "quiet"]}
{"_id": "k2", "text": "small fridge", "brand": "Kirsch", "price": 450.5, "published": "2021-05-01"}
{"_id": "l1", "text": "quiet fridge", "brand": "Liebherr", "price": 300, "published": "2020-06-01"}
{"_id": "o1", "text": "warm oven", "published": "2021-07-02T08:00:00Z"}
"#;

/// A folder with `index`, of four documents with fields.
fn indexed() -> Place {
    let here = Place::with(&[("corpus.jsonl", FRIDGES), ("bm25.toml", BM25_ONLY)]);
    here.treffer("index index corpus.jsonl --config bm25.toml --infer-fields")
        .succeeds();
    here
}

#[test]
fn fields_are_inferred_and_shown_as_a_configuration_holds_them() {
    let here = Place::with(&[("corpus.jsonl", FRIDGES), ("bm25.toml", BM25_ONLY)]);
    let ran = here
        .treffer(
            "index index corpus.jsonl --config bm25.toml --infer-fields --set fields.tags=keyword",
        )
        .succeeds();
    let table = "\
fields of 4 documents:
[fields]
brand = \"keyword\"  # in 3 documents
price = \"float\"  # in 3 documents
published = \"date\"  # in 3 documents
tags = \"keyword\"  # in 1 document; as configured
";
    assert!(ran.stderr.starts_with(table), "{ran}");
    let info = here.treffer("info index").succeeds();
    for line in [
        "field brand",
        "keyword, in 3 documents",
        "field published",
        "date, in 3 documents",
    ] {
        assert!(info.stdout.contains(line), "{info}");
    }
    let fields = here.treffer("info index --format json").succeeds().json()["fields"].clone();
    assert_eq!(
        fields[1],
        json!({"name": "price", "type": "float", "documents": 3})
    );
    here.treffer("check index").succeeds();

    let config = format!("{BM25_ONLY}\n{}", table.split_once('\n').unwrap().1);
    here.write("fields.toml", config);
    here.treffer("index other corpus.jsonl --config fields.toml")
        .succeeds();
    let found = |index: &str| {
        let words = format!("search {index} --filter brand:Kirsch --sort price --format json");
        here.treffer(&words).succeeds().stdout
    };
    assert_eq!(found("index"), found("other"));
}

#[test]
fn fields_cannot_be_inferred_from_what_is_read_once() {
    let here = Place::with(&[("bm25.toml", BM25_ONLY)]);
    here.treffer_reading(
        "index index - --config bm25.toml --infer-fields",
        FRIDGES.as_bytes(),
    )
    .fails_with("standard input can be read only once");
}

#[test]
fn a_filter_limits_a_search() {
    let here = indexed();
    let search = |words: &str| here.treffer(&format!("search index {words} --format json"));
    let ran = search("'quiet fridge' --filter 'brand:Kirsch AND price:<500'").succeeds();
    assert_eq!(ran.ids(), ["k2"]);
    let answer = ran.json();
    assert_eq!(answer["matched"], 1);
    let keys: Vec<&String> = answer["hits"][0].as_object().unwrap().keys().collect();
    assert_eq!(keys[keys.len() - 2..], ["title", "text"]);
    assert_eq!(
        search("'quiet fridge' --filter 'tags:(lab OR none)'")
            .succeeds()
            .ids(),
        ["k1"]
    );
    here.write("queries.tsv", "q1\tquiet\nq2\tsmall\n");
    let ran = search("--queries queries.tsv --filter 'NOT brand:Liebherr'").succeeds();
    let firsts: Vec<_> = ran
        .json_lines()
        .iter()
        .map(|line| line["hits"][0]["id"].clone())
        .collect();
    assert_eq!(firsts, ["k1", "k2"]);
}

#[test]
fn a_wrong_filter_is_pointed_at() {
    let here = indexed();
    here.treffer("search index fridge --filter 'brand:Kirsch AND pirce:<500'").fails_with(
        "error: the filter is wrong at character 18: there is no field `pirce` to filter by; did \
         you mean `price`?\n    brand:Kirsch AND pirce:<500\n                     ^^^^^\n",
    );
    here.treffer("search index fridge --filter 'published:soon'")
        .fails_with("    published:soon\n              ^^^^\n");
    here.treffer("search index fridge --filter '(brand:Kirsch'")
        .fails_with("\n    (brand:Kirsch\n");
    here.treffer("search index fridge --sort pirce")
        .fails_with("there is no field `pirce` to sort by; did you mean `price`?");
    here.treffer("search index fridge --facet brand:0")
        .fails_with("as in brand:20");
}

#[test]
fn queries_are_evaluated_and_tuned_under_a_filter() {
    let here = indexed();
    here.write("queries.tsv", "q1\tquiet fridge\nq2\tsmall fridge\n");
    here.write(
        "qrels.tsv",
        "query-id\tcorpus-id\tscore\nq1\tl1\t1\nq1\tk1\t1\nq2\tk2\t1\nq2\to1\t1\n",
    );
    let eval = "eval index --queries queries.tsv --qrels qrels.tsv --filter";
    let answer = here
        .treffer(&format!(
            "{eval} 'brand:(Kirsch)' --metrics MAP --format json"
        ))
        .succeeds()
        .json();
    assert_eq!(
        answer["filter"],
        json!({"text": "brand:Kirsch", "documents": 2, "relevant_excluded": 2, "queries_emptied": 0})
    );
    // Of two judged relevant to each query, the one that is left is found first.
    assert_eq!(answer["rows"][0]["metrics"]["MAP"], 1.0);
    here.treffer(&format!("{eval} brand:Liebherr --report report.html"))
        .succeeds()
        .prints(
            "\nfilter brand:Liebherr: holds for 1 document; 3 relevant judgments of documents that \
             it excludes, counted as not relevant; 1 query left without a relevant document\n",
        );
    let report = here.read("report.html");
    assert!(
        report.contains("brand:Liebherr: holds for 1 documents"),
        "{report}"
    );
    here.treffer(&format!("{eval} brand:kirsch"))
        .fails_with("`brand` is nowhere `kirsch`, but `Kirsch`");
    here.treffer(&format!("{eval} pirce:1"))
        .fails_with("did you mean `price`?");
    let explained = here
        .treffer("explain index fridge k1 --filter brand:Kirsch --format json")
        .succeeds()
        .json();
    assert_eq!(explained["filter"], "brand:Kirsch");
}

#[test]
fn a_filter_that_holds_for_nothing_is_noted() {
    let here = indexed();
    for words in ["fridge --filter brand:kirsch", "--filter brand:kirsch"] {
        here.treffer(&format!("search index {words}"))
            .finds_nothing()
            .prints("nothing found")
            .says("note: the filter holds for no document; `brand` is nowhere `kirsch`, but `Kirsch`: capitals count");
    }
}

#[test]
fn values_are_counted() {
    let here = indexed();
    let ran = here
        .treffer("search index quiet --filter 'price:*' --facet brand --facet tags:1 -k 1")
        .succeeds()
        .says_nothing();
    let lines: Vec<&str> = ran.stdout.lines().map(str::trim_end).collect();
    let expected = [
        "the filter holds for 3 documents",
        "brand     documents",
        "Kirsch            2",
        "Liebherr          1",
        "tags            documents",
        "lab                     1",
        "(1 value more)",
        "(no value)              2",
    ];
    assert_eq!(lines[lines.len() - expected.len()..], expected, "{ran}");
    let all = here
        .treffer("search index --facet brand --format json")
        .succeeds()
        .json();
    assert_eq!(all["matched"], 4);
    assert_eq!(
        all["facets"][0]["values"][0],
        json!({"value": "Kirsch", "count": 2})
    );
    assert_eq!(all["facets"][0]["n_missing"], 1);
}

#[test]
fn documents_are_listed_in_the_order_of_a_field() {
    let here = indexed();
    let listed = |words: &str| {
        let ran = here
            .treffer(&format!("search index {words} --format json"))
            .succeeds();
        ran.says_nothing().ids()
    };
    assert_eq!(listed("--sort price"), ["l1", "k2", "k1", "o1"]);
    assert_eq!(listed("--sort -price -k 2"), ["k1", "k2"]);
    assert_eq!(
        listed("--filter 'published:*' --sort -published"),
        ["o1", "k2", "l1"]
    );
    assert_eq!(listed("--filter 'NOT brand:Kirsch'"), ["l1", "o1"]);
    // With a query, what it finds.
    assert_eq!(listed("fridge --sort price"), ["l1", "k2", "k1"]);
    let ran = here.treffer("search index --sort price").succeeds();
    let first = ran.stdout.lines().next().unwrap();
    assert_eq!(first, "  1  300.0  l1  quiet fridge", "{ran}");
    let last = ran.stdout.lines().last().unwrap();
    assert_eq!(last, "  4  -  o1  warm oven", "{ran}");
}

#[test]
fn what_needs_a_query_or_scores_is_refused_without() {
    let here = indexed();
    for flag in [
        "--explain",
        "--timings",
        "--answers",
        "--stages bm25",
        "--format trec",
    ] {
        let ran = here.treffer(&format!("search index --filter 'price:*' {flag}"));
        ran.fails_with("needs a query");
    }
    here.treffer("search index fridge --sort price --format trec")
        .fails_with("a TREC run is ordered by score");
    here.treffer("search index")
        .fails_with("required arguments were not provided");
    for flag in [
        "--facet brand",
        "--passages 2",
        "--answers",
        "--explain",
        "--timings",
    ] {
        let name = flag.split(' ').next().unwrap();
        here.treffer(&format!("search index fridge {flag} --format trec"))
            .fails_with(&format!("leave out {name}, or use --format json"));
    }
}

#[test]
fn documents_are_deleted_by_a_filter() {
    let here = indexed();
    here.treffer("delete index --filter 'brand:Kirsch OR pirce:3'")
        .fails_with("there is no field `pirce`");
    here.treffer("delete index k1 --filter brand:Kirsch")
        .fails_with("cannot be used with");
    here.treffer("delete index --filter brand:Kirsch")
        .succeeds()
        .says("deleted 2 documents from index: 2 documents now");
    here.treffer("delete index --filter brand:Kirsch")
        .finds_nothing();
    let left = here
        .treffer("search index --sort published --format json")
        .succeeds();
    assert_eq!(left.ids(), ["l1", "o1"]);
}

#[test]
fn a_document_that_is_filtered_out_is_explained() {
    let here = indexed();
    here.treffer("explain index fridge k1 --filter brand:Liebherr")
        .succeeds()
        .prints("k1: the filter does not hold for it");
    let explained = here.treffer("explain index fridge k1 --filter brand:Kirsch --format json");
    assert_eq!(explained.succeeds().json()["outcome"], "found");
}

#[test]
fn values_of_another_type_are_reported_and_the_documents_kept() {
    let here = indexed();
    here.write(
        "more.jsonl",
        r#"{"_id": "n1", "text": "a new fridge", "brand": "Novo", "price": "on request"}
{"_id": "n2", "text": ""}
"#,
    );
    here.treffer("add index more.jsonl --strict")
        .fails_with("more.jsonl:1: the field `price` is of type float, and \"on request\" is none");
    here.treffer("add index more.jsonl")
        .succeeds()
        .says("kept in part: more.jsonl:1: the field `price` is of type float")
        .says("skipped: more.jsonl:2: empty text")
        .says("note: 1 bad record skipped")
        .says("note: 1 value left out of filters, facets and sorting");
    let ran = here
        .treffer("search index new --filter 'NOT price:*' --format json")
        .succeeds();
    assert_eq!(ran.ids(), ["n1"]);
    here.treffer("search index --filter brand:Novo --format json")
        .succeeds();
}

#[test]
fn fields_of_a_configuration_are_checked() {
    let here = Place::with(&[("corpus.jsonl", FRIDGES), ("bm25.toml", BM25_ONLY)]);
    let index = |set: &str| {
        here.treffer(&format!(
            "index index corpus.jsonl --config bm25.toml {set}"
        ))
    };
    index("--set fields.brand=text").fails_with("unknown variant `text`");
    index("--set fields.size.width=integer").succeeds();
    let info = here.treffer("info index").succeeds();
    assert!(info.stdout.contains("field size.width"), "{info}");
}
