//! Passages: the pieces of a document that a model reads one at a time.

use serde::{Deserialize, Serialize};

use crate::document::{DocId, Document, joined};

/// A passage of a document, by number. A document that was not split has one, number 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PassageId {
    /// The document it belongs to.
    pub doc: DocId,
    /// Its number within the document, from 0.
    pub passage: u32,
}

impl PassageId {
    /// The one passage of a document that was not split.
    pub fn whole(doc: DocId) -> Self {
        PassageId { doc, passage: 0 }
    }
}

/// A piece of a document's text, and what a model reads before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// The title of the document and the headings that the piece stands under; may be empty.
    pub context: String,
    /// Where the piece begins, in bytes of the document's text.
    pub start: u32,
    /// Where it ends.
    pub end: u32,
}

impl Passage {
    /// The whole document as one passage, under its title.
    pub fn whole(document: &Document) -> Self {
        Passage {
            context: document.title.clone(),
            start: 0,
            end: u32::try_from(document.text.len()).unwrap_or(u32::MAX),
        }
    }

    /// The piece within the document's text; `None` if it lies beyond the text or begins or ends
    /// within a character.
    pub fn piece<'a>(&self, text: &'a str) -> Option<&'a str> {
        text.get(self.start as usize..self.end as usize)
    }

    /// What encoders read: context and piece, joined by one space, or the one that is not empty.
    pub fn full_text(&self, text: &str) -> String {
        joined(&self.context, self.piece(text).unwrap_or_default())
    }
}
