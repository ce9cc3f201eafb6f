//! The work that is compared: one row of the table each.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// What a bi-encoder of the BGE family wants before a query.
const BGE_QUERY_PREFIX: &str = "Represent this sentence for searching relevant passages: ";
/// Texts of every row but that of the documents.
const N_TEXTS: usize = 100;
/// Documents of the corpus that are encoded, unless all are asked for.
const N_DOCUMENTS: usize = 400;
/// The models' own limit.
const MAX_LENGTH: usize = 512;

/// A model, and whether it is cut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Model {
    /// As the product's registry knows it.
    pub(super) name: &'static str,
    /// Only so many of its layers: the speed of a smaller model of the same shape,
    /// whose scores mean nothing.
    pub(super) n_layers: Option<usize>,
}

const L12: Model = Model {
    name: "ms-marco-MiniLM-L-12-v2",
    n_layers: None,
};
const L6: Model = Model {
    name: "ms-marco-MiniLM-L-12-v2",
    n_layers: Some(6),
};
const BGE: Model = Model {
    name: "bge-small-en-v1.5",
    n_layers: None,
};

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// What `--only` calls it.
    pub(super) name: &'static str,
    pub(super) model: Model,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A query with documents of the corpus.
    Pairs,
    /// A query with passages that fill so many tokens.
    Filled(usize),
    /// Documents to vectors.
    Documents,
    /// Queries to vectors, each alone.
    Queries,
}

/// Every row, in the order of the table.
pub(super) const ROWS: [Row; 10] = [
    row("l12-pairs", L12, Kind::Pairs),
    row("l12-64", L12, Kind::Filled(64)),
    row("l12-128", L12, Kind::Filled(128)),
    row("l12-256", L12, Kind::Filled(256)),
    row("l12-512", L12, Kind::Filled(512)),
    row("l6-pairs", L6, Kind::Pairs),
    row("l6-128", L6, Kind::Filled(128)),
    row("l6-256", L6, Kind::Filled(256)),
    row("bge-documents", BGE, Kind::Documents),
    row("bge-queries", BGE, Kind::Queries),
];

const fn row(name: &'static str, model: Model, kind: Kind) -> Row {
    Row { name, model, kind }
}

/// The rows called `names`, or all.
///
/// # Errors
/// If a name is none of a row.
pub(super) fn chosen(names: &[String]) -> Result<Vec<Row>> {
    let known = ROWS.map(|row| row.name);
    for name in names {
        ensure!(
            known.contains(&name.as_str()),
            "there is no row `{name}`; there are {}",
            known.join(", ")
        );
    }
    let wanted = |row: &Row| names.is_empty() || names.iter().any(|name| name == row.name);
    Ok(ROWS.into_iter().filter(wanted).collect())
}

/// What the contestants are to do, the same for all of them.
#[derive(Debug, PartialEq)]
pub(super) struct Work {
    /// The query of all pairs; none for a bi-encoder.
    pub(super) query: Option<String>,
    pub(super) texts: Vec<String>,
    /// In tokens, special ones included.
    pub(super) max_length: usize,
    /// Whether every text is a call of its own.
    pub(super) one_by_one: bool,
}

impl Row {
    /// The words of the table's first column.
    pub(super) fn title(&self, work: &Work) -> String {
        let n = work.texts.len();
        let model = match (self.model.name, self.model.n_layers) {
            (name, None) => name.to_owned(),
            (name, Some(layers)) => format!("{name} cut to {layers} layers"),
        };
        let what = match self.kind {
            Kind::Pairs => format!("{n} SciFact pairs, real lengths"),
            Kind::Filled(tokens) => format!("{n} pairs of {tokens} tokens"),
            Kind::Documents => format!("{n} SciFact documents"),
            Kind::Queries => format!("a SciFact claim, median of {n}"),
        };
        format!("{model}: {what}")
    }

    /// Takes its texts from the collection, spread evenly over it.
    pub(super) fn work(&self, collection: &Collection, full: bool) -> Work {
        let Collection { documents, queries } = collection;
        let mut work = Work {
            query: None,
            texts: Vec::new(),
            max_length: MAX_LENGTH,
            one_by_one: false,
        };
        match self.kind {
            Kind::Pairs => {
                work.query = Some(typical(queries));
                work.texts = spread(documents, N_TEXTS);
            }
            Kind::Filled(tokens) => {
                work.query = Some(typical(queries));
                work.texts = passages(documents, N_TEXTS, tokens);
                work.max_length = tokens;
            }
            Kind::Documents if full => work.texts = documents.clone(),
            Kind::Documents => work.texts = spread(documents, N_DOCUMENTS),
            Kind::Queries => {
                let prefixed = |query: String| format!("{BGE_QUERY_PREFIX}{query}");
                work.texts = spread(queries, N_TEXTS).into_iter().map(prefixed).collect();
                work.one_by_one = true;
            }
        }
        work
    }
}

/// Texts of a collection in the layout of the BEIR benchmark.
pub(super) struct Collection {
    /// Title and text of each.
    documents: Vec<String>,
    queries: Vec<String>,
}

#[derive(Deserialize)]
struct Record {
    #[serde(default)]
    title: String,
    text: String,
}

impl Collection {
    /// Reads `corpus.jsonl` and `queries.jsonl` in `folder`.
    ///
    /// # Errors
    /// If one of them cannot be read or is empty.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        Ok(Collection {
            documents: texts(&folder.join("corpus.jsonl"))?,
            queries: texts(&folder.join("queries.jsonl"))?,
        })
    }
}

fn texts(path: &Path) -> Result<Vec<String>> {
    let lines = fs::read_to_string(path).with_context(|| {
        format!(
            "could not read {}; --collections names the folder that holds scifact/",
            path.display()
        )
    })?;
    let mut texts = Vec::new();
    for (number, line) in (1..).zip(lines.lines()) {
        let record: Record = serde_json::from_str(line)
            .with_context(|| format!("could not understand {}:{number}", path.display()))?;
        texts.push(
            format!("{} {}", record.title, record.text)
                .trim()
                .to_owned(),
        );
    }
    ensure!(!texts.is_empty(), "{} holds no texts", path.display());
    Ok(texts)
}

/// At most `n` of `texts`, evenly spread.
fn spread(texts: &[String], n: usize) -> Vec<String> {
    let n = n.min(texts.len());
    (0..n).map(|i| texts[i * texts.len() / n].clone()).collect()
}

/// The text of median length.
fn typical(texts: &[String]) -> String {
    let mut by_length: Vec<&String> = texts.iter().collect();
    by_length.sort_by_key(|text| text.len());
    by_length[by_length.len() / 2].clone()
}

/// `n` passages of `n_words` words, running on through the documents from evenly
/// spread starts. A word is one token at least.
fn passages(documents: &[String], n: usize, n_words: usize) -> Vec<String> {
    let passage = |i: usize| {
        let running = documents.iter().cycle().skip(i * documents.len() / n);
        let words: Vec<&str> = running
            .flat_map(|document| document.split_whitespace())
            .take(n_words)
            .collect();
        words.join(" ")
    };
    (0..n).map(passage).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collection() -> Collection {
        Collection {
            documents: (0..7).map(|i| format!("document {i} of seven")).collect(),
            queries: ["aa", "b", "cccc"].map(str::to_owned).to_vec(),
        }
    }

    #[test]
    fn a_row_that_is_not_there_is_refused_with_those_that_are() {
        let message = chosen(&["l13".to_owned()]).unwrap_err().to_string();
        assert!(
            message.contains("`l13`") && message.contains("bge-queries"),
            "{message}"
        );
        let names = ["bge-queries", "l12-64"].map(str::to_owned);
        let rows = chosen(&names).unwrap();
        assert_eq!(
            rows.iter().map(|row| row.name).collect::<Vec<_>>(),
            ["l12-64", "bge-queries"]
        );
        assert_eq!(chosen(&[]).unwrap(), ROWS);
    }

    #[test]
    fn texts_are_spread_over_the_whole_collection() {
        let texts: Vec<String> = (0..10).map(|i| i.to_string()).collect();
        assert_eq!(spread(&texts, 4), ["0", "2", "5", "7"]);
        assert_eq!(spread(&texts, 99), texts);
    }

    #[test]
    fn passages_run_on_through_the_documents_until_they_are_long_enough() {
        let passages = passages(&collection().documents, 3, 6);
        assert_eq!(passages[0], "document 0 of seven document 1");
        assert_eq!(passages[2], "document 4 of seven document 5");
        let long = super::passages(&collection().documents, 2, 100);
        assert!(long.iter().all(|text| text.split(' ').count() == 100));
    }

    #[test]
    fn every_kind_of_row_has_work() {
        for row in ROWS {
            let work = row.work(&collection(), false);
            assert!(!work.texts.is_empty());
            assert_eq!(work.query.is_some(), row.model != BGE, "{}", row.name);
            assert_eq!(work.query.as_deref().unwrap_or("aa"), "aa");
            assert_eq!(work.one_by_one, row.name == "bge-queries");
        }
        let documents = ROWS[8].work(&collection(), true);
        assert_eq!(documents.texts, collection().documents);
    }
}
