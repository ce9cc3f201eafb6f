//! The texts of the check: pairs of certain lengths, documents, and topics to rank.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::texts::{Collection, passages, read, records, spread};

/// Tokens of the pairs whose passages fill them.
const LENGTHS: [usize; 3] = [64, 128, 256];
/// The models' own limit, for pairs at their real lengths.
const MAX_LENGTH: usize = 512;
/// Passages of a query: what a search re-ranks.
const PASSAGES: usize = 100;
/// Queries that are in flight at a time, so that none is asked twice.
const QUERIES: usize = 32;
const DOCUMENTS: usize = 2000;
/// Candidates of a topic.
const CANDIDATES: usize = 50;

/// Everything that is measured.
pub(super) struct Work {
    texts: Collection,
    topics: Vec<Topic>,
}

struct Topic {
    query: String,
    /// Identifiers and texts.
    candidates: Vec<(String, String)>,
    judgments: BTreeMap<String, i32>,
}

impl Work {
    /// Texts of scifact and topics of msmarco-dl20, or both of `sample`.
    ///
    /// # Errors
    /// If a file is missing, cannot be understood, or there are no texts.
    pub(super) fn read(collections: Option<&Path>, sample: &Path) -> Result<Self> {
        let Some(folder) = collections else {
            return Ok(Work {
                texts: Collection::read(sample)?,
                topics: judged_topics(sample)?,
            });
        };
        let topics = folder.join("msmarco-dl20");
        Ok(Work {
            texts: Collection::read(&folder.join("scifact"))?,
            topics: ranked_topics(&topics, &topics.join("runs/bm25.dl20.trec"))?,
        })
    }

    /// What benches/gpu and the scripts read.
    pub(super) fn json(&self, quick: bool) -> Value {
        let few = |n: usize| if quick { n.div_ceil(16) } else { n };
        let Collection { documents, queries } = &self.texts;
        let asked = spread(queries, few(QUERIES));
        let set = |name: String, max_length: usize, passages: Vec<String>| {
            json!({
                "name": name, "max_length": max_length, "queries": asked, "passages": passages,
            })
        };
        // A word is one token at least, so that every pair has to be cut.
        let mut sets: Vec<Value> = (LENGTHS.iter())
            .map(|&n| {
                set(
                    format!("{n} tokens"),
                    n,
                    passages(documents, few(PASSAGES), n),
                )
            })
            .collect();
        let real = spread(documents, few(PASSAGES));
        sets.push(set("real lengths".to_owned(), MAX_LENGTH, real));
        let topics: Vec<Value> = (self.topics.iter().take(few(self.topics.len())))
            .map(|topic| {
                let n = few(CANDIDATES).max(10).min(topic.candidates.len());
                json!({
                    "query": topic.query,
                    "candidates": topic.candidates[..n],
                    "judgments": topic.judgments,
                })
            })
            .collect();
        json!({
            "sets": sets, "documents": spread(documents, few(DOCUMENTS)), "topics": topics,
        })
    }
}

/// Topics with the first candidates of a run.
fn ranked_topics(folder: &Path, run: &Path) -> Result<Vec<Topic>> {
    let mut candidates: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (number, line) in (1..).zip(read(run)?.lines()) {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [topic, _, document, ..] = columns[..] else {
            anyhow::bail!("{}:{number} is no line of a TREC run", run.display());
        };
        let of_topic = candidates.entry(topic.to_owned()).or_default();
        if of_topic.len() < CANDIDATES {
            of_topic.push(document.to_owned());
        }
    }
    topics(folder, |topic, _| {
        candidates.remove(topic).unwrap_or_default()
    })
}

/// Topics whose candidates are the judged documents and as many others.
fn judged_topics(folder: &Path) -> Result<Vec<Topic>> {
    let all: Vec<String> = records(&folder.join("corpus.jsonl"))?
        .into_iter()
        .map(|record| record.id)
        .collect();
    topics(folder, |_, judgments| {
        let judged = judgments.keys().cloned();
        let others = spread(&all, CANDIDATES);
        let mut found: Vec<String> = judged.chain(others).collect();
        found.truncate(CANDIDATES);
        found.sort();
        found.dedup();
        found
    })
}

fn topics(
    folder: &Path,
    mut candidates: impl FnMut(&str, &BTreeMap<String, i32>) -> Vec<String>,
) -> Result<Vec<Topic>> {
    let documents: BTreeMap<String, String> = records(&folder.join("corpus.jsonl"))?
        .into_iter()
        .map(|record| (record.id.clone(), record.full_text()))
        .collect();
    let mut judgments: BTreeMap<String, BTreeMap<String, i32>> = BTreeMap::new();
    for part in ["dev.tsv", "test.tsv", "train.tsv"] {
        let path = folder.join("qrels").join(part);
        if !path.exists() {
            continue;
        }
        for (number, line) in (1..).zip(read(&path)?.lines()).skip(1) {
            let columns: Vec<&str> = line.split('\t').collect();
            let judged = match columns[..] {
                [topic, document, grade] => grade.trim().parse().ok().map(|g| (topic, document, g)),
                _ => None,
            };
            let (topic, document, grade) = judged.with_context(|| {
                format!(
                    "{}:{number} is no judgment: topic, document and grade",
                    path.display()
                )
            })?;
            let of_topic = judgments.entry(topic.to_owned()).or_default();
            of_topic.insert(document.to_owned(), grade);
        }
    }
    let mut topics = Vec::new();
    for query in records(&folder.join("queries.jsonl"))? {
        let Some(judged) = judgments.remove(&query.id) else {
            continue;
        };
        let candidates: Vec<(String, String)> = candidates(&query.id, &judged)
            .into_iter()
            .filter_map(|id| Some((id.clone(), documents.get(&id)?.clone())))
            .collect();
        if !candidates.is_empty() {
            topics.push(Topic {
                query: query.text,
                candidates,
                judgments: judged,
            });
        }
    }
    ensure!(
        !topics.is_empty(),
        "{} has no query with judgments and candidates",
        folder.display()
    );
    Ok(topics)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            crate::bench::write(&folder.join(name), text.as_bytes()).unwrap();
        }
    }

    const CORPUS: &str = r#"{"_id": "d1", "title": "One", "text": "cold"}
{"_id": "d2", "text": "warm"}
{"_id": "d3", "text": "hot"}
"#;

    #[test]
    fn the_sample_makes_a_work_that_has_everything() {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/sample");
        let work = Work::read(None, &sample).unwrap();
        for quick in [false, true] {
            let json = work.json(quick);
            let sets = json["sets"].as_array().unwrap();
            let lengths: Vec<_> = sets.iter().map(|set| &set["max_length"]).collect();
            assert_eq!(lengths, [64, 128, 256, 512]);
            for set in sets {
                assert!(!set["queries"].as_array().unwrap().is_empty());
                let expected = if quick { 7 } else { 100 };
                assert_eq!(set["passages"].as_array().unwrap().len(), expected);
            }
            let topics = json["topics"].as_array().unwrap();
            assert!(
                topics
                    .iter()
                    .all(|t| t["candidates"].as_array().unwrap().len() >= 10)
            );
            assert!(!json["documents"].as_array().unwrap().is_empty());
        }
    }

    #[test]
    fn candidates_are_those_of_the_run_in_its_order() {
        let folder = tempfile::tempdir().unwrap();
        let queries = r#"{"_id": "q1", "text": "cold?"}
{"_id": "q2", "text": "not judged"}
"#;
        write(
            folder.path(),
            &[
                ("corpus.jsonl", CORPUS),
                ("queries.jsonl", queries),
                ("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t3\n"),
                (
                    "run",
                    "q1 Q0 d3 1 9 x\nq1 Q0 d1 2 8 x\nq1 Q0 gone 3 7 x\nq2 Q0 d1 1 9 x\n",
                ),
            ],
        );
        let topics = ranked_topics(folder.path(), &folder.path().join("run")).unwrap();
        assert_eq!(topics.len(), 1);
        let expected =
            [("d3", "hot"), ("d1", "One cold")].map(|(i, t)| (i.to_owned(), t.to_owned()));
        assert_eq!(topics[0].candidates, expected);
        assert_eq!(topics[0].judgments["d1"], 3);
    }

    #[test]
    fn a_bad_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &[("run", "q1 Q0 d3 1 9 x\nq1\n")]);
        let error = ranked_topics(folder.path(), &folder.path().join("run"))
            .err()
            .unwrap();
        assert!(error.to_string().contains("run:2 is no line"), "{error}");
        write(
            folder.path(),
            &[
                ("corpus.jsonl", CORPUS),
                ("queries.jsonl", ""),
                (
                    "qrels/test.tsv",
                    "query-id\tcorpus-id\tscore\nq1\td1\tmany\n",
                ),
            ],
        );
        let error = judged_topics(folder.path()).err().unwrap();
        assert!(
            error.to_string().contains("test.tsv:2 is no judgment"),
            "{error}"
        );
    }
}
