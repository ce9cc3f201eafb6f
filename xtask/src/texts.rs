//! Texts of a collection, and what benchmarks take of them.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// Texts of a collection in the layout of the BEIR benchmark.
pub(crate) struct Collection {
    /// Title and text of each.
    pub(crate) documents: Vec<String>,
    /// Queries without their identifiers.
    pub(crate) queries: Vec<String>,
}

/// A document or query.
#[derive(Deserialize)]
pub(crate) struct Record {
    #[serde(rename = "_id")]
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) title: String,
    pub(crate) text: String,
}

impl Record {
    /// What models read of it.
    pub(crate) fn full_text(&self) -> String {
        format!("{} {}", self.title, self.text).trim().to_owned()
    }
}

impl Collection {
    /// Reads `corpus.jsonl` and `queries.jsonl` in `folder`.
    ///
    /// # Errors
    /// If one of them cannot be read or is empty.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        Ok(Collection {
            documents: texts(&folder.join("corpus.jsonl"))?,
            queries: texts(&folder.join("queries.jsonl"))?,
        })
    }
}

fn texts(path: &Path) -> Result<Vec<String>> {
    let records = records(path)?;
    ensure!(!records.is_empty(), "{} holds no texts", path.display());
    Ok(records.iter().map(Record::full_text).collect())
}

/// Reads documents or queries, a line of JSON each.
///
/// # Errors
/// If the file cannot be read, or a line is no record.
pub(crate) fn records(path: &Path) -> Result<Vec<Record>> {
    let lines = read(path)?;
    let parsed = (1..).zip(lines.lines()).map(|(number, line)| {
        serde_json::from_str(line)
            .with_context(|| format!("could not understand {}:{number}", path.display()))
    });
    parsed.collect()
}

/// Reads a file of a collection.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| {
        format!(
            "could not read {}; --collections names the folder that holds the collections",
            path.display()
        )
    })
}

/// At most `n` of `texts`, evenly spread.
pub(crate) fn spread(texts: &[String], n: usize) -> Vec<String> {
    let n = n.min(texts.len());
    (0..n).map(|i| texts[i * texts.len() / n].clone()).collect()
}

/// The text of median length.
pub(crate) fn typical(texts: &[String]) -> String {
    let mut by_length: Vec<&String> = texts.iter().collect();
    by_length.sort_by_key(|text| text.len());
    by_length[by_length.len() / 2].clone()
}

/// `n` passages of `n_words` words, running on through the documents from evenly
/// spread starts. A word is one token at least.
pub(crate) fn passages(documents: &[String], n: usize, n_words: usize) -> Vec<String> {
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

    fn documents() -> Vec<String> {
        (0..7).map(|i| format!("document {i} of seven")).collect()
    }

    #[test]
    fn texts_are_spread_over_the_whole_collection() {
        let texts: Vec<String> = (0..10).map(|i| i.to_string()).collect();
        assert_eq!(spread(&texts, 4), ["0", "2", "5", "7"]);
        assert_eq!(spread(&texts, 99), texts);
    }

    #[test]
    fn passages_run_on_through_the_documents_until_they_are_long_enough() {
        let passages = passages(&documents(), 3, 6);
        assert_eq!(passages[0], "document 0 of seven document 1");
        assert_eq!(passages[2], "document 4 of seven document 5");
        let long = super::passages(&documents(), 2, 100);
        assert!(long.iter().all(|text| text.split(' ').count() == 100));
    }
}
