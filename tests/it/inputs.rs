//! Files as people have them: encodings, delimiters, folders full of other things, and
//! thousands of bad records.

use treffer_corpus::{JudgmentOptions, Problem, RunOptions, read_judgments, read_run};
use treffer_engine::runs::run_of;
use treffer_eval::{Evaluation, Metric};

use crate::fixtures::{BM25_ONLY, indexed, place};
use crate::util::{Place, Ran};

/// Indexes with BM25.
fn index(here: &Place, words: &str) -> Ran {
    here.write("bm25.toml", BM25_ONLY);
    here.treffer(&format!("index index {words} --config bm25.toml"))
}

/// Ids found for a query.
#[track_caller]
fn found(here: &Place, query: &str) -> Vec<String> {
    here.treffer(&format!("search index '{query}' --format json"))
        .ids()
}

fn utf16(text: &str) -> Vec<u8> {
    let text = format!("\u{feff}{text}");
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn what_is_passed_over_in_a_folder_is_counted_by_kind() {
    let here = Place::with(&[
        ("docs/a.txt", "alpha"),
        ("docs/b.jsonl", "{}"),
        ("docs/deep/c.pdf", "x"),
        ("docs/d.pdf", "x"),
        ("docs/.hidden", "x"),
    ]);
    let counted = "note: 4 files passed over: 2 .pdf, 1 .jsonl, 1 hidden";
    index(&here, "docs --dry-run").succeeds().says(counted);
    index(&here, "docs").succeeds().says(counted);
    let here = Place::with(&[("docs/b.pdf", "x")]);
    index(&here, "docs")
        .fails_with("no document could be read")
        .says("1 file passed over: 1 .pdf");
}

#[test]
fn ten_bad_records_of_a_kind_are_shown_and_a_file_takes_all() {
    let here = Place::empty();
    let mut lines = "{\"text\": \"no id\"}\n".repeat(2000);
    lines += &"{\"_id\": \"a\", \"text\": \"cold\"}\n".repeat(3);
    here.write("c.jsonl", &lines);
    let ran = index(&here, "c.jsonl --problems bad.txt")
        .succeeds()
        .says("skipped: c.jsonl:10: the id is missing or empty\n")
        .says("skipped: c.jsonl:2003: duplicate id `a`")
        .says("note: 2 002 bad records skipped; not shown are 1 990 without an id (all are in bad.txt)");
    assert_eq!(ran.stderr.matches("skipped: ").count(), 12, "{ran}");
    let all = here.read("bad.txt");
    assert_eq!(all.lines().count(), 2002);
    assert!(all.starts_with("c.jsonl:1: the id is missing or empty\n"));
    index(&here, "c.jsonl --replace")
        .succeeds()
        .says("(--problems FILE takes all)");
}

#[test]
fn bad_records_are_written_even_if_none_is_good() {
    let here = indexed();
    here.write("bad.jsonl", "nonsense\n");
    here.treffer("search index --queries bad.jsonl --problems p.txt")
        .fails_with("there are no queries in bad.jsonl");
    assert!(
        here.read("p.txt")
            .starts_with("bad.jsonl:1: not valid JSON")
    );
    here.treffer("search index --queries bad.jsonl --problems none/p.txt")
        .fails_with("could not write the bad records to none/p.txt: there is no folder none");
}

#[test]
fn tables_of_spreadsheets_are_read() {
    for (table, options) in [
        (
            "id;title;text\n1;Kühlung;\"Ein; Text\"\n"
                .as_bytes()
                .to_vec(),
            "",
        ),
        ("sep=;\r\nid;text\r\n1;Ein Text\r\n".as_bytes().to_vec(), ""),
        (utf16("id\ttext\r\n1\tEin Text\r\n"), ""),
        (
            b"ID;Text\n1;Ein Text f\xfcr alle\n".to_vec(),
            "--encoding latin1",
        ),
        (
            "1^Ein Text\n".as_bytes().to_vec(),
            "--no-header --delimiter ^",
        ),
        (
            "x,Ein Text,1\n".as_bytes().to_vec(),
            "--no-header --id-column 3 --text-column 2",
        ),
    ] {
        let here = Place::empty();
        here.write("c.csv", &table);
        index(&here, &format!("c.csv --strict {options}")).succeeds();
        assert_eq!(found(&here, "text"), ["1"], "{options}");
    }
}

#[test]
fn a_header_that_cannot_be_read_names_the_reason_and_the_flag() {
    let here = Place::empty();
    here.write("c.csv", b"id,\xfcberschrift,text\n");
    index(&here, "c.csv")
        .fails_with("could not read the header of c.csv: line 1 is not valid UTF-8")
        .says("hint: name another encoding with --encoding");
    here.write("c.csv", &utf16("id,text\n")[2..]);
    index(&here, "c.csv").fails_with("it looks like UTF-16LE without a byte order mark");
    index(&here, "c.csv --encoding klingon").fails_with("unknown encoding `klingon`");
    here.write("c.csv", "id,text\n1,ok\n2,\u{fc}\n");
    here.write(
        "d.jsonl",
        b"{\"_id\": 1, \"text\": \"\xfc\"}\n{\"_id\": 2, \"text\": \"x\"}\n",
    );
    index(&here, "d.jsonl").says("note: another encoding can be named");
}

#[test]
fn columns_are_also_fields_of_json_and_refused_where_there_are_none() {
    let here = Place::with(&[
        (
            "c.jsonl",
            "{\"sku\": 7, \"id\": 1, \"name\": \"Ohne\", \"was\": \"Gefrierfach\"}\n",
        ),
        ("docs/a.txt", "alpha"),
    ]);
    let columns = "--id-column sku --title-column name --text-column was";
    index(&here, &format!("c.jsonl {columns}")).succeeds();
    assert_eq!(found(&here, "gefrierfach"), ["7"]);
    index(&here, "c.jsonl docs --id-column sku --replace")
        .fails_with("could not use a column for docs");
    index(&here, "c.jsonl --no-header --replace")
        .fails_with("could not use a table without a header for c.jsonl");
}

#[test]
fn topics_of_trec_are_queries() {
    let here = indexed();
    here.write(
        "topics.txt",
        "<top>\n<num> Number: 401\n<title> cold\n<desc> Description:\na warm oven\n</top>\n",
    );
    let search = "search index --queries topics.txt --format json -k 1";
    let first = |options: &str| {
        let answer = here
            .treffer(&format!("{search} {options}"))
            .succeeds()
            .json();
        (answer["query"].clone(), answer["hits"][0]["id"].clone())
    };
    let (query, hit) = first("");
    assert_eq!(query, serde_json::json!({"id": "401", "text": "cold"}));
    assert_eq!(hit, "freezer");
    let (query, hit) = first("--topic-fields desc");
    assert_eq!(query["text"], "a warm oven");
    assert_eq!(hit, "oven");
    here.treffer(&format!("{search} --query-format lines"))
        .succeeds()
        .says_nothing();
    here.treffer("search index cold --query-format lines")
        .fails_with("--queries");
}

#[test]
fn a_run_is_read_like_every_other_file() {
    let here = Place::with(&[
        ("q.qrels", "q1\t0 d1\t1\n"),
        ("run.trec", "q1 Q0 d1 1 2 t\nq1 Q0 d2 2 1 t\n"),
        ("bom.trec", "\u{feff}q1 Q0 d1 1 2 t\nq1 Q0 d2 2 1 t\n"),
    ]);
    here.write("utf16.trec", utf16("q1 Q0 d1 1 2 t\r\nq1 Q0 d2 2 1 t\r\n"));
    let value = here
        .treffer("compare run.trec bom.trec utf16.trec --qrels q.qrels --metrics MRR --format json")
        .succeeds()
        .json();
    assert_eq!(
        value.to_string().matches("\"mean\":1.0").count(),
        2,
        "{value}"
    );
}

#[test]
fn files_as_the_program_reads_them_have_the_values_of_trec_eval() {
    let file = |name: &str| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/eval/tests/golden");
        std::path::Path::new(folder).join(name)
    };
    let mut lines = Vec::new();
    let mut keep = |problem: &Problem| lines.extend(problem.line);
    let run = run_of(read_run(&file("run.txt"), &RunOptions::default(), &mut keep).unwrap());
    assert_eq!(lines, [41, 61, 81]);
    let options = JudgmentOptions::default();
    let mut fail = |problem: &Problem| panic!("{problem}");
    let qrels = read_judgments(&file("qrels.txt"), &options, &mut fail)
        .unwrap()
        .qrels;
    let mut n_values = 0;
    for line in std::fs::read_to_string(file("expected.tsv"))
        .unwrap()
        .lines()
    {
        let columns: Vec<&str> = line.split('\t').collect();
        let metric: Metric = columns[0].parse().unwrap();
        let evaluation = Evaluation::new(&run, &qrels, &[metric]).unwrap();
        let expected: f64 = columns[2].parse().unwrap();
        let gap = (evaluation.queries[columns[1]][0] - expected).abs();
        assert!(gap < 1e-12, "{line}");
        n_values += 1;
    }
    assert!(n_values > 100, "{n_values}");
}

#[test]
fn judgments_are_of_the_format_that_is_named() {
    let here = Place::with(&[
        ("q.txt", "qid,docno,rel\nq1,d1,1\n"),
        ("run.trec", "q1 Q0 d1 1 2 t\n"),
    ]);
    let compare = "compare run.trec run.trec --metrics MRR --qrels q.txt";
    here.treffer(compare).fails_with("");
    here.treffer(&format!("{compare} --qrels-format csv"))
        .succeeds()
        .prints("1.0000");
}

/// Queries that are documents: `q1` and `fridge` have the ids of documents, `q1` also the
/// text of one.
fn self_retrieval() -> Place {
    let here = place();
    here.write(
        "corpus.jsonl",
        "{\"_id\": \"d1\", \"text\": \"quiet fridge for the kitchen\"}\n\
         {\"_id\": \"q1\", \"text\": \"quiet  fridge\"}\n\
         {\"_id\": \"q2\", \"text\": \"loud oven\"}\n",
    );
    here.write("queries.tsv", "q1\tquiet fridge\nq2\tloud fridge\n");
    here.write("q.tsv", "q1\td1\t1\nq2\tq2\t1\n");
    here.treffer("index index corpus.jsonl --config bm25.toml")
        .succeeds();
    here
}

#[test]
fn a_query_that_is_a_document_does_not_find_itself() {
    let here = self_retrieval();
    let eval = "eval index --queries queries.tsv --qrels q.tsv --metrics MRR --format json";
    let mrr = |options: &str| {
        let ran = here.treffer(&format!("{eval} {options}")).succeeds();
        (
            ran.json()["rows"][0]["metrics"]["MRR"].as_f64().unwrap(),
            ran,
        )
    };
    // q1 is left out of its own results; q2 has another text, and is judged.
    let (value, ran) = mrr("");
    assert_eq!(value, 1.0);
    ran.says("note: 1 query among the documents, with the same id and text");
    let (value, ran) = mrr("--exclude-self=never");
    assert_eq!(value, 0.75);
    ran.says_nothing();
    let (value, ran) = mrr("--exclude-self");
    assert_eq!(value, 0.5);
    ran.says("note: 2 queries with the id of a document");
    // A known item: the query's own document is what is to be found.
    here.write("q.tsv", "q1\tq1\t1\n");
    assert_eq!(mrr("").0, 1.0);
}

#[test]
fn searches_and_runs_leave_the_query_out_if_asked() {
    let here = self_retrieval();
    let search = "search index --queries queries.tsv --format trec";
    let all = here.treffer(search).succeeds().stdout;
    assert!(all.starts_with("q1 Q0 q1 1 "), "{all}");
    let others = here.treffer(&format!("{search} --exclude-self")).succeeds();
    assert!(others.stdout.starts_with("q1 Q0 d1 1 "), "{others}");
    assert!(!others.stdout.contains("q2 Q0 q2 "), "{others}");
    here.write("all.trec", all);
    here.write("others.trec", &others.stdout);
    here.treffer(
        "compare all.trec others.trec --qrels q.tsv --metrics MRR --exclude-self --format json",
    )
    .succeeds()
    .says("note: 2 documents of all.trec with the id of their query: left out")
    .prints("\"baseline\":0.5,\"mean\":0.5");
    here.treffer("search index fridge --exclude-self")
        .fails_with("--queries");
}
