//! A query with its id and tags.

use serde::{Deserialize, Serialize};

/// One query. Its text is words, never query syntax.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
