//! A document as the corpus gives it, and the number the engine gives it.

use serde::{Deserialize, Serialize};

/// Fields of a corpus record that the engine does not interpret, in their order.
pub type Metadata = serde_json::Map<String, serde_json::Value>;

/// The engine's number of a document: assigned in order of arrival from 0, never reused.
///
/// It breaks ties: of two equal scores, the one with the lower `DocId` ranks first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DocId(pub u32);

/// One record of a corpus.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// The corpus's own id, unique within an index.
    pub id: String,
    /// May be empty; `title` and `text` are never both empty.
    pub title: String,
    /// The body.
    pub text: String,
    /// The headings within `text`, in order; empty if its structure is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headings: Vec<Heading>,
    /// Everything else the record held.
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
}

/// A heading of a document: a line of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heading {
    /// Where its line begins, in bytes of the text.
    pub at: u32,
    /// Its level, from 1 for the highest to 6.
    pub level: u8,
}

impl Document {
    /// Title and body as one text, the form that encoders read: `title text`,
    /// joined by one space, or the one that is not empty.
    pub fn full_text(&self) -> String {
        joined(&self.title, &self.text)
    }
}

/// Both texts with one space between them, or the one that is not empty.
pub(crate) fn joined(before: &str, text: &str) -> String {
    match (before.is_empty(), text.is_empty()) {
        (true, _) => text.to_owned(),
        (_, true) => before.to_owned(),
        _ => format!("{before} {text}"),
    }
}
