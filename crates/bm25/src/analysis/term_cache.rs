//! The terms of words that were met before: most words of a text are, and stemming is slow.

use std::collections::HashMap;

use treffer_types::Language;

use super::vocabulary::Vocabulary;

/// Most words that are kept of each language, some megabytes.
const MAX_WORDS: usize = 1 << 16;
/// Longest word that is kept, in bytes.
const MAX_BYTES: usize = 48;

/// Of one configuration; every thread has its own.
#[derive(Default)]
pub(super) struct TermCache {
    german: Terms,
    english: Terms,
}

/// The term of each word, if it has one.
type Terms = HashMap<Box<str>, Option<Box<str>>, foldhash::fast::RandomState>;

impl TermCache {
    /// As [`Vocabulary::term`], passed to `take`. Returns whether there is one.
    pub(super) fn term(
        &mut self,
        vocabulary: &Vocabulary,
        word: &str,
        take: impl FnOnce(&str),
    ) -> bool {
        let known = match vocabulary.language() {
            Language::German => &mut self.german,
            Language::English => &mut self.english,
            // Without a stemmer, looking would take longer.
            Language::Other => return vocabulary.term(word).as_deref().map(take).is_some(),
        };
        if let Some(term) = known.get(word) {
            return term.as_deref().map(take).is_some();
        }
        let term = vocabulary.term(word);
        if word.len() <= MAX_BYTES {
            if known.len() >= MAX_WORDS {
                known.clear();
            }
            known.insert(word.into(), term.as_deref().map(Into::into));
        }
        term.as_deref().map(take).is_some()
    }
}
