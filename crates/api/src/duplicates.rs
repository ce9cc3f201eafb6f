//! Documents of an index that say the same: what is asked, and what is found.

use serde::{Deserialize, Serialize};
use treffer_types::Score;

/// When two documents are duplicates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DuplicatesRequest {
    /// How many of the nearest documents are compared with each, at least 1.
    pub depth: usize,
    /// Least [`similarity`](DuplicatePair::similarity), above 0 and at most 1.
    pub similarity: f64,
    /// Least [`overlap`](DuplicatePair::overlap), from 0 to 1.
    pub overlap: f64,
    /// Which differences in numbers part two documents.
    pub numbers: NumberRule,
    /// Least place of both scores of the cross-encoder on the scale from 0 to 1 (the probability,
    /// if they are logits); `None`: it is not asked.
    pub cross: Option<f64>,
}

impl Default for DuplicatesRequest {
    fn default() -> Self {
        DuplicatesRequest {
            depth: 10,
            similarity: 0.8,
            overlap: 0.0,
            numbers: NumberRule::Conflict,
            cross: None,
        }
    }
}

/// Which differences in numbers part two documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NumberRule {
    /// Each has a number that the other lacks.
    #[default]
    Conflict,
    /// One has a number that the other lacks.
    Any,
    /// None.
    Ignore,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DuplicatesReport {
    /// Documents that were compared.
    pub n_documents: usize,
    /// Pairs of neighbors whose similarity was computed.
    pub n_candidates: usize,
    /// The cosine of texts that have nothing to do with each other, for this bi-encoder.
    pub baseline: f64,
    /// Documents that are connected by duplicates: the largest cluster first, then by their
    /// first documents.
    pub clusters: Vec<Cluster>,
    /// Pairs that only their numbers part, the most similar first. The first of identical
    /// documents stands for all of them.
    pub differing: Vec<DuplicatePair>,
}

/// Documents that are connected by pairs of duplicates. Two of them need not be such a pair
/// themselves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// In the order of the index, at least two.
    pub documents: Vec<DocumentName>,
    /// The pairs that connect them, the most similar first. Of identical documents, only the
    /// pairs with the first of them.
    pub pairs: Vec<DuplicatePair>,
}

/// A document by its id and title.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentName {
    /// The corpus's id.
    pub id: String,
    /// Possibly empty.
    pub title: String,
}

/// Two documents, and what speaks for and against their saying the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DuplicatePair {
    /// The corpus's id of the document that comes first in the index.
    pub a: String,
    /// The corpus's id of the other.
    pub b: String,
    /// What is the same in both to the letter, white space aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identical: Option<Identity>,
    /// The cosine on a scale on which unrelated texts are at 0 and equal ones at 1:
    /// `(cosine - baseline) / (1 - baseline)`.
    pub similarity: f64,
    /// Cosine of the embeddings. Of documents in several passages: the mean over the passages
    /// of one document of the best cosine with a passage of the other, or that of the other
    /// document if it is less.
    pub cosine: Score,
    /// Share of the BM25 terms of either document that both have, from 0 to 1.
    pub overlap: f64,
    /// Numbers, with unit or prefix, that only the first has.
    pub only_a: Vec<String>,
    /// Numbers that only the other has.
    pub only_b: Vec<String>,
    /// The scores of the cross-encoder, if it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cross: Option<BothWays>,
}

/// What is the same in two documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Identity {
    /// Title and text: they are duplicates whatever else was asked for.
    Document,
    /// The text, under different titles.
    Text,
}

/// Raw scores of the cross-encoder, reading each document as the query once.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BothWays {
    /// The first as the query, the other as the passage.
    pub ab: Score,
    /// The other way.
    pub ba: Score,
    /// Tokens that were cut, in both readings together.
    pub tokens_cut: u32,
}
