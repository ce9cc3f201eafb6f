//! The language of a query, and what it means for candidates in others.

use treffer_types::{Candidate, Language, Query};

use crate::engine::Engine;
use crate::error::Error;
use crate::profile::Profile;

/// The language of a query and what follows from it.
pub(super) struct Languages<'a> {
    engine: &'a Engine,
    /// `None` if it is unsure.
    of_query: Option<Language>,
    /// Those that the reranker knows; empty if it knows all.
    of_reranker: &'a [Language],
    /// Whether documents are in several, or in one that matters.
    is_needed: bool,
}

impl<'a> Languages<'a> {
    pub(super) fn of(engine: &'a Engine, profile: &'a Profile, query: &Query) -> Self {
        let of_reranker = profile.cross_languages.as_slice();
        let is_needed = engine.has_several_languages() || !of_reranker.is_empty();
        let of_query = is_needed.then(|| engine.detect_language(&query.text).language);
        Languages {
            engine,
            of_query: of_query.flatten(),
            of_reranker,
            is_needed,
        }
    }

    /// The language of the query, if the reranker does not know it.
    pub(super) fn unknown_to_reranker(&self) -> Option<Language> {
        self.of_query.filter(|language| self.is_unknown(*language))
    }

    fn is_unknown(&self, language: Language) -> bool {
        !self.of_reranker.is_empty() && !self.of_reranker.contains(&language)
    }

    /// Marks the candidates that are in another language.
    pub(super) fn mark(&self, candidates: &mut [Candidate]) -> Result<(), Error> {
        if !self.is_needed {
            return Ok(());
        }
        for candidate in candidates {
            let language = self.engine.language_of(candidate.doc)?;
            let is_other = |query| language.is_some_and(|language| language != query);
            candidate.is_foreign = self.of_query.is_some_and(is_other);
            candidate.is_unreadable = language.is_some_and(|one| self.is_unknown(one));
        }
        Ok(())
    }
}
