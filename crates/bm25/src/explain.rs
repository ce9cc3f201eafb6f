//! The explanation of a score: every number in it.

use serde::Serialize;
use treffer_types::Score;

/// The part of one query term in the score of one document.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TermScore {
    /// The term, as the analyzer made it.
    pub term: String,
    /// How often the term occurs in the query, at least 1.
    pub query_tf: u32,
    /// How often it occurs in the document's searched fields, at least 1.
    pub tf: u32,
    /// Number of documents in which it occurs.
    pub df: u32,
    /// `ln(1 + (N - df + 0.5) / (df + 0.5))`.
    pub idf: f64,
    /// 1, or less for a part of a compound, which gives less than the compound.
    pub weight: f64,
    /// Each field in which it occurs: one, `body`, for concatenated fields, else `title`
    /// or `text` or both.
    pub fields: Vec<FieldScore>,
    /// `query_tf * weight * idf * tf' / (k1 + tf')` with `tf'` the sum of
    /// [`FieldScore::normalized_tf`] over the fields.
    pub score: Score,
}

/// A term in one field of a document.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldScore {
    /// `body`, `title` or `text`.
    pub field: &'static str,
    /// The configured weight; 1 for `body`.
    pub weight: f64,
    /// How often the term occurs, at least 1.
    pub tf: u32,
    /// Number of terms in the field.
    pub length: u32,
    /// Mean number of terms in the field, over all documents.
    pub average_length: f64,
    /// `1 - b + b * length / average_length`.
    pub length_norm: f64,
    /// `weight * tf / length_norm`.
    pub normalized_tf: f64,
}
