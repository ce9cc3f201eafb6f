//! Which documents a search is about: what a filter leaves, what is counted of them, and the order
//! that was asked for.

use std::sync::Arc;

use fixedbitset::FixedBitSet;
use treffer_api::{FacetReport, SearchOptions, SearchResponse};
use treffer_types::DocId;

use crate::engine::Engine;
use crate::error::Error;
use crate::fields::{Selection, SortBy, SortKey, check_field};
use crate::pipeline::Available;

/// The documents that searches with the same options are about.
pub(crate) struct Scope {
    /// Only if documents are filtered, counted or sorted.
    selection: Option<Selection>,
    is_filtered: bool,
    facets: Vec<FacetReport>,
    sort: Option<SortBy>,
}

impl Scope {
    /// Filters and counts.
    ///
    /// # Errors
    /// If the filter is wrong, a field is not there, or the index cannot be read.
    pub(crate) fn new(engine: &Engine, options: &SearchOptions) -> Result<Self, Error> {
        let SearchOptions {
            filter,
            facets,
            sort,
            ..
        } = options;
        let sort: Option<SortBy> = match sort {
            None => None,
            Some(text) => {
                let Ok(by) = text.parse::<SortBy>();
                check_field(engine.fields(), &by.field, "sort by")?;
                Some(by)
            }
        };
        let selection = match filter {
            Some(filter) => Some(engine.filter(filter)?),
            None if facets.is_empty() && sort.is_none() => None,
            None => Some(engine.all_documents()),
        };
        // There is a selection if anything is to be counted.
        let counted = selection.iter().flat_map(|selection| {
            let of_selection = |request| engine.facets(request, selection);
            facets.iter().map(of_selection)
        });
        Ok(Scope {
            facets: counted.collect::<Result<_, _>>()?,
            is_filtered: filter.is_some(),
            selection,
            sort,
        })
    }

    /// The documents among which to search; `None` for all.
    pub(crate) fn allowed(&self) -> Option<Arc<FixedBitSet>> {
        let filtered = self.selection.as_ref().filter(|_| self.is_filtered);
        filtered.map(|selection| Arc::clone(selection.docs()))
    }

    /// Whether a search can find a document.
    pub(crate) fn allows(&self, doc: DocId) -> bool {
        let selection = self.selection.as_ref().filter(|_| self.is_filtered);
        selection.is_none_or(|selection| selection.contains(doc))
    }

    /// What the index offers where these are all of its documents.
    pub(crate) fn available(&self, engine: &Engine) -> Available {
        let mut available = engine.available().clone();
        if let Some(selection) = self.selection.as_ref().filter(|_| self.is_filtered) {
            available.n_docs = selection.len() as u32;
        }
        available
    }

    /// What a document is sorted by; `None` if documents go by score.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub(super) fn sort_key(&self, engine: &Engine, doc: DocId) -> Result<Option<SortKey>, Error> {
        self.sort
            .as_ref()
            .map(|by| engine.sort_key(by, doc))
            .transpose()
    }

    /// The first documents, in the order that was asked for, or that of the index.
    ///
    /// # Errors
    /// If the index cannot be read.
    pub(super) fn first(
        &self,
        engine: &Engine,
        top_k: usize,
    ) -> Result<Vec<(Option<SortKey>, DocId)>, Error> {
        let all;
        let selection = match &self.selection {
            Some(selection) => selection,
            None => {
                all = engine.all_documents();
                &all
            }
        };
        if let Some(by) = &self.sort {
            let sorted = engine.sorted(by, selection, top_k)?.into_iter();
            return Ok(sorted.map(|(key, doc)| (Some(key), doc)).collect());
        }
        let docs = selection.docs().ones().take(top_k);
        Ok(docs.map(|doc| (None, DocId(doc as u32))).collect())
    }

    /// A response with what is said of the documents.
    pub(super) fn respond(&self, response: SearchResponse) -> SearchResponse {
        SearchResponse {
            matched: self.selection.as_ref().map(Selection::len),
            note: self
                .selection
                .as_ref()
                .filter(|_| self.is_filtered)
                .and_then(Selection::note),
            facets: self.facets.clone(),
            ..response
        }
    }
}
