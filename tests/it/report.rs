//! `eval --report` and `tune --report`: one HTML file that is whole, safe and about the
//! right queries.

use html5gum::emitters::default::DefaultEmitter;
use html5gum::{Token, Tokenizer};

use crate::fixtures::{documents, indexed, place, three_stages};
use crate::util::Place;

/// Elements without an end.
const VOID: [&str; 3] = ["meta", "br", "hr"];

/// Everything that a browser would see: elements opened and closed in order, without an
/// error of the parser; and nothing that would be fetched.
#[track_caller]
fn check_html(html: &str) {
    assert!(html.starts_with("<!DOCTYPE html>"));
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let mut open: Vec<String> = Vec::new();
    for token in Tokenizer::new_with_emitter(html, emitter) {
        match token.unwrap() {
            Token::StartTag(tag) => {
                let name = String::from_utf8_lossy(&tag.name).into_owned();
                for (key, value) in &tag.attributes {
                    let (key, value) =
                        (String::from_utf8_lossy(key), String::from_utf8_lossy(value));
                    assert_ne!(key, "src", "{name} loads {value}");
                    assert!(!key.starts_with("on"), "{name} has a script in {key}");
                    let is_link = ["href", "xlink:href", "action"].contains(&key.as_ref());
                    assert!(
                        !is_link || value.starts_with('#'),
                        "{name} leads to {value}"
                    );
                }
                if !VOID.contains(&name.as_str()) {
                    open.push(name);
                }
            }
            Token::EndTag(tag) => {
                let name = String::from_utf8_lossy(&tag.name).into_owned();
                assert_eq!(open.pop(), Some(name));
            }
            Token::Error(error) => panic!("{error:?} within {open:?}"),
            Token::String(_) | Token::Comment(_) | Token::Doctype(_) => {}
        }
    }
    assert!(open.is_empty(), "not closed: {open:?}");
    for loads in [
        "@import",
        "url(",
        "fetch(",
        "XMLHttpRequest",
        "http://",
        "https://",
    ] {
        assert!(!html.contains(loads), "the report holds {loads}");
    }
    assert!(!html.contains("NaN") && !html.contains(">inf"));
}

/// Every link leads to an element of the page.
#[track_caller]
fn check_links(html: &str) {
    let targets = html.split("href=\"#").skip(1);
    let mut n = 0;
    for target in targets.filter_map(|rest| rest.split('"').next()) {
        assert!(html.contains(&format!(" id=\"{target}\"")), "no {target}");
        n += 1;
    }
    assert!(n > 0);
}

const HOSTILE: &str =
    "</details></script><script>alert(1)</script> & \"unique3\" 'x' <img src=x onerror=alert(2)>";

/// Three stages, sixty documents, twenty queries of which one means harm.
fn judged() -> Place {
    let here = place();
    let hostile = serde_json::json!({ "_id": "<b>bad</b>", "title": HOSTILE, "text": HOSTILE });
    here.write("corpus.jsonl", documents(60) + &format!("{hostile}\n"));
    here.write("three.toml", three_stages());
    here.treffer("index index corpus.jsonl --config three.toml")
        .succeeds();
    let mut queries = String::new();
    let mut qrels = String::new();
    for at in (0..60).step_by(3) {
        let tag = if at % 2 == 0 { "even" } else { "odd <i>" };
        let text = if at == 3 {
            HOSTILE.to_owned()
        } else {
            format!("unique{at}")
        };
        let query = serde_json::json!({ "_id": format!("q{at}"), "text": text, "metadata": { "tags": [tag] } });
        queries += &format!("{query}\n");
        qrels += &format!("q{at}\td{at}\t1\n");
    }
    qrels += "q3\t<b>bad</b>\t2\nq6\td59\t1\n";
    here.write("queries.jsonl", queries);
    here.write("qrels.tsv", qrels);
    here
}

const EVAL: &str = "eval index --queries queries.jsonl --qrels qrels.tsv";

#[test]
fn the_report_of_an_evaluation_is_whole_and_loads_nothing() {
    let here = judged();
    here.treffer(&format!("{EVAL} --report eval.html"))
        .succeeds()
        .says("wrote the report to eval.html");
    let html = here.read("eval.html");
    check_html(&html);
    check_links(&html);
}

#[test]
fn the_report_holds_the_figures_of_the_table() {
    let here = judged();
    let ran = here
        .treffer(&format!("{EVAL} --report eval.html --format json"))
        .succeeds();
    let html = here.read("eval.html");
    for row in ran.json()["rows"].as_array().unwrap() {
        let name = row["name"].as_str().unwrap();
        assert!(html.contains(&format!(">{name}<")), "no row {name}");
        for value in row["metrics"].as_object().unwrap().values() {
            let value = format!("{:.4}", value.as_f64().unwrap());
            assert!(html.contains(&value), "{name}: no {value}");
        }
    }
    for part in [
        "20 judged queries",
        "queries.jsonl",
        "qrels.tsv",
        "--report eval.html",
        "tiny-bert-cross",
    ] {
        assert!(html.contains(part), "no {part}");
    }
}

#[test]
fn a_hostile_query_is_shown_and_does_nothing() {
    let here = judged();
    here.treffer(&format!("{EVAL} --report eval.html"))
        .succeeds();
    let html = here.read("eval.html");
    assert!(!html.contains("<script>alert") && !html.contains("<img"));
    assert!(html.contains("&lt;/details&gt;&lt;/script&gt;&lt;script&gt;alert(1)"));
    assert!(html.contains("&lt;b&gt;bad&lt;/b&gt;"));
}

#[test]
fn a_document_that_was_missed_comes_with_the_command_that_explains_it() {
    let here = judged();
    here.treffer(&format!(
        "{EVAL} --report eval.html --set bm25_depth=2 --set dense_depth=2"
    ))
    .succeeds();
    let html = here.read("eval.html");
    let command = "treffer explain --set bm25_depth=2 --set dense_depth=2 index unique6 d59";
    assert!(html.contains(command), "no {command}");
    here.treffer(&command["treffer ".len()..])
        .succeeds()
        .prints("d59");
}

#[test]
fn one_stage_and_one_query_have_a_report_too() {
    let here = indexed();
    here.write("queries.tsv", "cold\tcold\n");
    here.write("qrels.tsv", "cold\tfreezer\t1\n");
    here.treffer("eval index --queries queries.tsv --qrels qrels.tsv --report one.html")
        .succeeds();
    let html = here.read("one.html");
    check_html(&html);
    check_links(&html);
}

#[test]
fn a_dry_run_of_an_evaluation_writes_no_report() {
    let here = judged();
    here.treffer(&format!("{EVAL} --report eval.html --dry-run"))
        .succeeds()
        .says("would write the report to eval.html");
    assert!(!here.has("eval.html"));
}

#[test]
fn where_no_report_can_be_written_nothing_is_measured() {
    let here = judged();
    here.treffer(&format!("{EVAL} --report there/is/none.html"))
        .fails_with("there is no folder there/is");
    here.treffer(&format!("{EVAL} --report index"))
        .fails_with("it is a folder");
}

const TUNE: &str =
    "tune index --queries queries.jsonl --qrels qrels.tsv --step 0.1 --dry-run --report tune.html";

#[test]
fn the_report_of_a_tuning_holds_what_is_printed() {
    let here = judged();
    let printed = here
        .treffer(&format!("{TUNE} --format json"))
        .succeeds()
        .says("wrote the report to tune.html")
        .json();
    let html = here.read("tune.html");
    check_html(&html);
    check_links(&html);
    assert!(!html.contains("<script>alert") && !html.contains("<img"));
    let mut values = vec![
        &printed["best"]["out_of_fold"],
        &printed["best"]["in_sample"],
    ];
    values.extend(
        printed["against"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| &one["mean"]),
    );
    for value in values {
        let value = format!("{:.4}", value.as_f64().unwrap());
        assert!(html.contains(&value), "no {value}");
    }
    for part in [
        "20 queries",
        "best two-way",
        "id=\"tags\"",
        "--step 0.1",
        "out of fold",
    ] {
        assert!(html.contains(part), "no {part}");
    }
    // The page sets the name of the profile as code.
    let decision = printed["decision"].as_str().unwrap();
    for said in decision.split('`').step_by(2).map(str::trim) {
        assert!(html.contains(said), "no {said}");
    }
}

#[test]
fn every_point_of_the_grid_has_a_cell_and_only_those() {
    let here = judged();
    // The profile's own weights are tried too, and lie between the points of this grid.
    here.treffer(&format!("{TUNE} --weights 0.33,0.33,0.34"))
        .succeeds();
    let html = here.read("tune.html");
    assert_eq!(html.matches("class=\"cell\"").count(), 66);
    assert!(html.contains("over 67 weightings"));
}

#[test]
fn two_stages_have_a_profile_instead_of_a_triangle() {
    let here = judged();
    here.treffer(&format!("{TUNE} --stages bm25,dense"))
        .succeeds();
    let html = here.read("tune.html");
    check_html(&html);
    check_links(&html);
    assert!(html.contains("weight of dense (the rest is bm25&#39;s)"));
    assert!(!html.contains("class=\"cell\""));
}

#[test]
fn a_full_search_shows_quality_against_time() {
    let here = judged();
    here.treffer(&format!("{TUNE} --search full")).succeeds();
    let html = here.read("tune.html");
    check_html(&html);
    check_links(&html);
    assert!(html.contains("id=\"depths\"") && html.contains("milliseconds per query"));
}
