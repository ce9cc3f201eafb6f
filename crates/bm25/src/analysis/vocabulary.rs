//! Step 5: stop words and stems, which depend on the language.

use std::borrow::Cow;
use std::collections::HashSet;

use frostem::{Algorithm, Stemmer};

use crate::config::Analyzer;
use crate::stop_words;

/// What a language does to its words.
pub(super) struct Vocabulary {
    stop_words: HashSet<&'static str>,
    stemmer: Option<Stemmer>,
}

impl Vocabulary {
    pub(super) fn new(analyzer: Analyzer) -> Self {
        let (words, algorithm): (&[&'static str], _) = match analyzer {
            Analyzer::English => (stop_words::ENGLISH, Some(Algorithm::English)),
            Analyzer::German => (stop_words::GERMAN, Some(Algorithm::German)),
            Analyzer::Plain => (&[], None),
        };
        Vocabulary {
            stop_words: words.iter().copied().collect(),
            stemmer: algorithm.map(Stemmer::new),
        }
    }

    pub(super) fn is_stop_word(&self, word: &str) -> bool {
        self.stop_words.contains(word)
    }

    /// The term of a word of letters, `None` for a stop word.
    pub(super) fn term<'a>(&self, word: &'a str) -> Option<Cow<'a, str>> {
        if self.is_stop_word(word) {
            return None;
        }
        let term = match &self.stemmer {
            Some(stemmer) => stemmer.stem(word),
            None => Cow::Borrowed(word),
        };
        (!term.is_empty()).then_some(term)
    }
}
