//! A query with its id and tags.

use serde::{Deserialize, Serialize};

/// One query. Its text is words, never query syntax.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Query {
    /// The query set's own id; empty for a query typed by hand.
    #[serde(default)]
    pub id: String,
    /// The text of the query.
    pub text: String,
    /// What the query tests, for breaking an evaluation down; often empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Ids of documents that are left out of its results, as if the index lacked them: the
    /// query itself in a collection in which queries are documents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Its vector, instead of what the bi-encoder makes of its text; of any length but 0, as
    /// only its direction counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vector: Option<Vec<f32>>,
}

impl Query {
    /// A query typed by hand: no id, no tags.
    pub fn text(text: impl Into<String>) -> Self {
        Query {
            text: text.into(),
            ..Query::default()
        }
    }
}
