//! `treffer mine`, `treffer train` and `treffer distill`: from an index to a model that searches
//! or reranks it.

use serde_json::Value;

use crate::fixtures::{indexed_in_three_stages, place, tiny_model};
use crate::util::{Place, copy_folder};

const QRELS: &str = "q1 0 d3 1\nq1 0 d7 1\nq2 0 d12 1\nq2 0 d1 0\nq3 0 d30 2\n";
const MINE: &str =
    "mine index --queries queries.tsv --qrels judged.qrels --from 2 --to 30 --negatives 4";

fn judged() -> Place {
    let here = indexed_in_three_stages();
    here.write("judged.qrels", QRELS);
    here
}

fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

fn train(words: &str) -> String {
    let base = tiny_model("tiny-bert-cross");
    format!(
        "train cross --base {} --max-length 32 {words}",
        base.display()
    )
}

#[test]
fn what_is_mined_trains_a_model_that_reranks() {
    let here = judged();
    here.treffer(&format!("{MINE} --teacher --out data.jsonl"))
        .succeeds()
        .says("wrote 3 queries to data.jsonl: 4 relevant passages, 12 hard negatives (")
        .says("3 random ones")
        .says("note: the cross-encoder read 19 pairs");
    for line in lines(&here.read("data.jsonl")) {
        let len = |key: &str| line[key].as_array().unwrap().len();
        let n = len("passages");
        assert!(len("labels") == n && len("scores") == n && len("from") == n);
        assert_eq!(line["from"][0]["stage"], "judged");
        let hard = &line["from"][n - 2];
        assert!((2..=30).contains(&hard["rank"].as_u64().unwrap()), "{hard}");
        assert_eq!(line["from"][n - 1]["stage"], "random");
        assert!(line.get("silver").is_none());
    }
    here.treffer(&format!("{MINE} --out held-out.jsonl --seed 2"))
        .succeeds();
    let words = "--data data.jsonl --held-out held-out.jsonl --out model --steps 4 --batch 2 \
                 --validate-every 2 --rate 1e-3 --log-every 1";
    here.treffer(&train(words))
        .succeeds()
        .says("3 examples")
        .says("step 0: held out nDCG@10")
        .says("step 4 of 4: loss")
        .says("saved model")
        .says("trained 4 steps, best nDCG@10");
    let pairs = br#"{"query": "cold fridge", "texts": ["warm door", "cold lab fridge"]}"#;
    let reranked = here
        .treffer_reading("rerank --model ./model", pairs)
        .succeeds();
    let answer: Value = serde_json::from_str(&reranked.stdout).unwrap();
    assert_eq!(answer["results"].as_array().unwrap().len(), 2);
}

#[test]
fn triplets_have_one_relevant_passage_a_line() {
    let here = judged();
    here.treffer(&format!(
        "{MINE} --format triplets --random 0 --out data.jsonl"
    ))
    .succeeds();
    let lines = lines(&here.read("data.jsonl"));
    assert_eq!(lines.len(), 4);
    for line in &lines {
        assert!(line["positive"].is_string());
        assert_eq!(line["negatives"].as_array().unwrap().len(), 4);
        assert_eq!(line["from"].as_array().unwrap().len(), 5);
    }
    here.treffer(&train("--data data.jsonl --out model --steps 2 --batch 2"))
        .succeeds()
        .says("trained 2 steps");
}

#[test]
fn mining_refuses_what_it_cannot_do() {
    let here = judged();
    here.treffer("mine index --out silver.jsonl")
        .fails_with("no document of index has a title or heading");
    here.treffer(&format!("{MINE} --out queries.tsv"))
        .fails_with("queries.tsv exists already; pass --replace");
    here.treffer(&format!("{MINE} --guard 2 --out data.jsonl"))
        .fails_with("the guard is 2");
    for flag in [
        "--query-format tsv",
        "--topic-fields title",
        "--qrels-format trec",
        "--encoding latin1",
        "--problems bad.txt",
    ] {
        let (name, _) = flag.split_once(' ').unwrap();
        here.treffer(&format!("mine index {flag} --out data.jsonl"))
            .fails_with(&format!("{name} needs --queries and --qrels"));
    }
    assert!(!here.has("data.jsonl") && !here.has("bad.txt"));
}

#[test]
fn titles_are_silver() {
    let here = place();
    let lines: Vec<String> = (0..30)
        .map(|n| {
            format!(
                r#"{{"_id": "d{n}", "title": "cold fridge number {n}", "text": "the lab fridge {n} is cold and has an ice door and a shelf"}}"#
            )
        })
        .collect();
    here.write("titled.jsonl", lines.join("\n"));
    here.treffer("index index titled.jsonl --config bm25.toml")
        .succeeds();
    here.treffer("mine index --limit 5 --negatives 2 --random 0 --out silver.jsonl")
        .succeeds()
        .says("note: 5 queries from titles and headings, which nobody asked: marked as silver");
    let text = here.read("silver.jsonl");
    let mined = self::lines(&text);
    assert_eq!(mined.len(), 5);
    for line in mined {
        assert_eq!(line["silver"], "title");
        let passages = line["passages"].as_array().unwrap();
        assert!(
            passages
                .iter()
                .all(|passage| !passage.as_str().unwrap().contains("number"))
        );
    }
}

#[test]
fn bad_lines_are_shown_with_file_and_line() {
    let here = Place::with(&[(
        "pairs.jsonl",
        "{\"query\": \"ice\", \"passage\": \"freezer\", \"label\": 1}\n\
         {\"query\": \"ice\", \"passage\": \"\", \"label\": 0}\n\
         {\"query\": \"ice\", \"passage\": \"door\", \"label\": 0}\n\
         {\"query\": \"ice\", \"passage\": \"shelf\", \"label\": 4}\n",
    )]);
    here.treffer(&train("--data pairs.jsonl --out model --steps 1"))
        .succeeds()
        .says("pairs.jsonl:2: its passage 1 is empty")
        .says("pairs.jsonl:4: has the label 4")
        .says("1 line does not fit the loss and was left out");
    here.treffer(&train("--data pairs.jsonl --out model --steps 1"))
        .fails_with("already holds a training, at step 1")
        .says("--resume");
}

#[test]
fn a_model_is_written_over_only_if_asked_and_the_base_never() {
    let line = |passage, label| {
        format!("{{\"query\": \"ice\", \"passage\": \"{passage}\", \"label\": {label}}}\n")
    };
    let pairs = line("freezer", 1) + &line("door", 0);
    let here = Place::with(&[("pairs.jsonl", &pairs)]);
    copy_folder(&tiny_model("tiny-bert-cross"), &here.path("base"));
    copy_folder(&tiny_model("tiny-bert-cross"), &here.path("mine"));
    let train = |words: &str| {
        here.treffer(&format!(
            "train cross --data pairs.jsonl --max-length 32 --steps 1 {words}"
        ))
    };
    let before = (here.files("base"), here.files("mine"));
    train("--base ./base --out mine")
        .fails_with("is of a model that is there already")
        .says("--replace");
    train("--base ./base --out mine --resume").fails_with("there is no checkpoint");
    for flag in ["", "--replace", "--resume"] {
        train(&format!("--base ./base --out mine/../base {flag}"))
            .fails_with("it holds the base itself");
    }
    here.treffer(
        "distill cross --data pairs.jsonl --base ./base --teacher ./base --max-length 32 --out mine",
    )
    .fails_with("is of a model that is there already");
    assert_eq!((here.files("base"), here.files("mine")), before);
    train("--base ./base --out mine --replace")
        .succeeds()
        .says("trained 1 steps");
    assert_ne!(here.files("mine"), before.1);
    train("--base ./base --out mine --resume --replace").fails_with("--resume");
}

fn train_bi(words: &str) -> String {
    let base = tiny_model("tiny-bert-bi");
    format!("train bi --base {} --max-length 32 {words}", base.display())
}

#[test]
fn what_is_mined_trains_a_bi_encoder_that_searches() {
    let here = judged();
    // With a teacher's scores, next to which the labels are seen.
    here.treffer(&format!("{MINE} --teacher --out data.jsonl"))
        .succeeds();
    let words = "--data data.jsonl --held-out data.jsonl --out model --steps 4 --batch 2 \
                 --validate-every 2 --rate 1e-3 --log-every 1";
    here.treffer(&train_bi(words))
        .succeeds()
        .says("3 examples")
        .says("step 0: held out nDCG@10")
        .says("step 4 of 4: loss")
        .says("trained 4 steps, best nDCG@10");
    here.treffer("index second sixty.jsonl --config three.toml --set dense.model=./model")
        .succeeds();
    here.treffer("search second 'cold lab fridge' -k 3")
        .succeeds();
}

#[test]
fn a_cross_encoder_begins_a_bi_encoder_only_if_its_pooling_is_named() {
    let here = Place::with(&[(
        "pairs.jsonl",
        "{\"query\": \"ice\", \"positive\": \"freezer\"}\n\
         {\"query\": \"ice\", \"positive\": [\" \"]}\n\
         {\"query\": \"ice\", \"passages\": [\"freezer\", \"door\"]}\n\
         {\"query\": \"cold\", \"passages\": [\"fridge\", \"door\"], \"labels\": [0, 0]}\n\
         {\"query\": \"cold\", \"positive\": \"fridge\"}\n",
    )]);
    let base = tiny_model("tiny-bert-cross");
    let command = format!(
        "train bi --data pairs.jsonl --base {} --max-length 32 --steps 1 --out model",
        base.display()
    );
    here.treffer(&command)
        .fails_with("cannot begin a bi-encoder with")
        .says("--pooling mean");
    here.treffer(&format!("{command} --pooling mean"))
        .succeeds()
        .says("pairs.jsonl:2: its passage 1 is empty")
        .says("pairs.jsonl:3: has neither labels nor scores")
        .says("pairs.jsonl:4: has no label above 0")
        .says("trained 1 steps");
}

#[test]
fn a_teacher_is_asked_once() {
    let here = judged();
    here.treffer(&format!("{MINE} --out data.jsonl")).succeeds();
    let teacher = tiny_model("tiny-bert-cross");
    let teacher = teacher.display();
    let bi = tiny_model("tiny-bert-bi");
    let bi = format!(
        "distill bi --data data.jsonl --base {} --steps 2 --batch 2 --out bi",
        bi.display()
    );
    here.treffer(&bi)
        .fails_with("data.jsonl:1 has no scores of a teacher, and with it 2 other lines of 3");
    here.treffer(&format!("{bi} --teacher {teacher}"))
        .succeeds()
        .says("note: the teacher read 3 lines; the scores of 0 were in bi/teacher-scores.jsonl")
        .says("trained 2 steps");
    here.treffer(&format!("{bi} --teacher {teacher} --resume"))
        .succeeds()
        .says("note: the teacher read 0 lines; the scores of 3 were in")
        .says("trained 2 steps");
    here.treffer(&format!("{bi} --loss multiple-negatives"))
        .fails_with("learns from labels");
    here.treffer(&format!(
        "distill cross --data data.jsonl --teacher {teacher} --base {teacher} --max-length 32 \
         --steps 2 --batch 2 --out small"
    ))
    .succeeds()
    .says("trained 2 steps");
    let config: Value = serde_json::from_str(&here.read("small/config.json")).unwrap();
    assert_eq!(config["num_hidden_layers"], 1);
}
