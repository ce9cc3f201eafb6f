//! What the tests search in: a few documents, configurations, generated corpora.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::util::Place;

/// Three documents of equal length, so that every BM25 order is plain to see.
pub(crate) const CORPUS: &str = r#"{"_id": "fridge", "title": "", "text": "cold quiet fridge"}
{"_id": "freezer", "title": "", "text": "cold cold freezer"}
{"_id": "oven", "title": "", "text": "warm loud oven"}
"#;

/// BM25 alone: no models.
pub(crate) const BM25_ONLY: &str = r#"
[bm25]
analyzer = "english"
k1 = 0.9
b = 0.4
fields = "concatenated"
"#;

/// All three stages with tiny models; the graph is used however small the index.
pub(crate) fn three_stages() -> String {
    format!(
        "{BM25_ONLY}
[dense]
model = {:?}
m = 8
ef_construction = 40

[cross]
model = {:?}

[profiles.default]
bm25_depth = 20
dense_depth = 20
ef_search = 40
exact_below = 0
cross_depth = 8
weights = {{ bm25 = 0.4, dense = 0.3, cross = 0.3 }}
",
        tiny_model("tiny-bert-bi"),
        tiny_model("tiny-bert-cross"),
    )
}

/// The folder of a tiny model with random weights.
pub(crate) fn tiny_model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("data/golden")
        .join(name)
}

/// A folder with the corpus and both configurations.
pub(crate) fn place() -> Place {
    Place::with(&[
        ("corpus.jsonl", CORPUS),
        ("bm25.toml", BM25_ONLY),
        ("three.toml", &three_stages()),
    ])
}

/// A folder with `index`, a BM25 index of the corpus.
pub(crate) fn indexed() -> Place {
    let here = place();
    here.treffer("index index corpus.jsonl --config bm25.toml")
        .succeeds();
    here
}

/// A folder with `index`, a three-stage index of sixty generated documents, and
/// with `queries.tsv`.
pub(crate) fn indexed_in_three_stages() -> Place {
    let here = place();
    here.write("sixty.jsonl", documents(60));
    here.write(
        "queries.tsv",
        "q1\tcold lab fridge\nq2\tfreezer without ice\nq3\tquiet 280 liter\n",
    );
    here.treffer("index index sixty.jsonl --config three.toml")
        .succeeds();
    here
}

const WORDS: [&str; 16] = [
    "cold",
    "warm",
    "ice",
    "door",
    "shelf",
    "lab",
    "fridge",
    "freezer",
    "din",
    "13277",
    "13271",
    "liter",
    "280",
    "quiet",
    "loud",
    "gefrierfach",
];

/// JSON lines of documents `d0`, `d1`, ..., each of a word of its own and of common
/// ones, chosen by a linear congruential generator.
pub(crate) fn documents(n: usize) -> String {
    let mut state = 1_u32;
    let mut word = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        WORDS[(state >> 28) as usize]
    };
    let mut lines = String::new();
    for at in 0..n {
        let words: Vec<&str> = (0..4 + at % 9).map(|_| word()).collect();
        let text = format!("unique{at} {}", words.join(" "));
        lines += &format!("{}\n", json!({ "_id": format!("d{at}"), "text": text }));
    }
    lines
}
