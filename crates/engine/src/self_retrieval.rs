//! Collections in which queries are documents (ArguAna, Quora): a query is not to find
//! itself.

use treffer_types::{DocId, Qrels, Query};

use crate::engine::Engine;
use crate::error::{Error, part};

/// Whether the document with a query's id is left out of its results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExcludeSelf {
    /// It is a document like any other.
    #[default]
    Never,
    /// Only if it is the query itself: its text or title is that of the query, and it is not
    /// judged for it. In many collections queries and documents are both numbered from 1, and
    /// an equal id alone means nothing.
    SameText,
    /// Whatever its text, as in BEIR's own evaluation.
    Always,
}

impl Engine {
    /// Has the queries [exclude](Query::exclude) the documents with their ids. Returns how
    /// many do.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub fn exclude_self(
        &self,
        queries: &mut [Query],
        which: ExcludeSelf,
        qrels: &Qrels,
    ) -> Result<usize, Error> {
        let mut n_excluded = 0;
        for query in queries {
            let Some(doc) = self.find(&query.id)? else {
                continue;
            };
            let is_excluded = match which {
                ExcludeSelf::Never => false,
                ExcludeSelf::Always => true,
                ExcludeSelf::SameText => {
                    qrels.grade(&query.id, &query.id).is_none() && self.is_same(query, doc)?
                }
            };
            if is_excluded {
                query.exclude.push(query.id.clone());
                n_excluded += 1;
            }
        }
        Ok(n_excluded)
    }

    /// Whether a document says what the query says.
    fn is_same(&self, query: &Query, doc: DocId) -> Result<bool, Error> {
        let document = self.store().document(doc);
        let document = document.map_err(part("read", "store", self.dir()))?;
        let full_text = document.full_text();
        let texts = [&document.text, &document.title, &full_text];
        let is_query = |text: &&String| text.split_whitespace().eq(query.text.split_whitespace());
        Ok(texts.iter().any(is_query))
    }
}
