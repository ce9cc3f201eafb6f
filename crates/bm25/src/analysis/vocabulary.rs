//! Step 5: stop words and stems, which depend on the language.

use std::borrow::Cow;
use std::collections::HashSet;

use frostem::{Algorithm, Stemmer};
use treffer_types::Language;

use crate::stop_words;

/// What a language does to its words.
pub(super) struct Vocabulary {
    language: Language,
    stop_words: HashSet<&'static str>,
    /// Words that are never joined with another: the stop words of all languages of the analyzer,
    /// so that all cut a text into the same words.
    kept_apart: HashSet<&'static str>,
    stemmer: Option<Stemmer>,
    /// Whether words come with umlauts that are to be folded.
    folds_umlauts: bool,
}

impl Vocabulary {
    /// The only vocabulary of an analyzer.
    pub(super) fn alone(language: Language) -> Self {
        let (words, algorithm): (&[&'static str], _) = match language {
            Language::English => (stop_words::ENGLISH, Some(Algorithm::English)),
            Language::German => (stop_words::GERMAN, Some(Algorithm::German)),
            Language::Other => (&[], None),
        };
        let stop_words: HashSet<&'static str> = words.iter().copied().collect();
        Vocabulary {
            language,
            kept_apart: stop_words.clone(),
            stop_words,
            stemmer: algorithm.map(Stemmer::new),
            folds_umlauts: false,
        }
    }

    /// One for each language: German, English, and all others.
    pub(super) fn of_all(folds_accents: bool) -> Vec<Self> {
        let all = Language::ALL.map(Vocabulary::alone);
        let kept_apart: HashSet<&'static str> = all
            .iter()
            .flat_map(|one| one.stop_words.iter().copied())
            .collect();
        all.into_iter()
            .map(|one| Vocabulary {
                kept_apart: kept_apart.clone(),
                folds_umlauts: folds_accents && one.language == Language::English,
                ..one
            })
            .collect()
    }

    pub(super) fn language(&self) -> Language {
        self.language
    }

    /// Whether words are written together that others write apart.
    pub(super) fn has_compounds(&self) -> bool {
        self.language == Language::German
    }

    /// Whether a short word is never joined with another.
    pub(super) fn is_kept_apart(&self, word: &str) -> bool {
        self.kept_apart.contains(word)
    }

    /// Whether a word of letters has no term.
    pub(super) fn is_stop_word(&self, word: &str) -> bool {
        self.stop_words.contains(word)
    }

    /// The term of a word of letters, `None` for a stop word.
    pub(super) fn term<'a>(&self, word: &'a str) -> Option<Cow<'a, str>> {
        let word = if word.contains('\'') {
            self.without_clitic(word)
        } else {
            word
        };
        if self.stop_words.contains(word) {
            return None;
        }
        let term = match &self.stemmer {
            Some(stemmer) if self.folds_umlauts && word.contains(['ä', 'ö', 'ü']) => {
                let folded = word.replace('ä', "a").replace('ö', "o").replace('ü', "u");
                Cow::Owned(stemmer.stem(&folded).into_owned())
            }
            Some(stemmer) => stemmer.stem(word),
            None => Cow::Borrowed(word),
        };
        (!term.is_empty()).then_some(term)
    }

    /// What an apostrophe cuts off: `geht's` is `geht`, `l'eau` is `eau`. English is left to its
    /// stemmer.
    fn without_clitic<'a>(&self, word: &'a str) -> &'a str {
        match self.language {
            Language::English => word,
            Language::German => word.strip_suffix("'s").unwrap_or(word),
            Language::Other => match word.split_once('\'') {
                Some((article, rest)) if article.len() <= 2 && article.is_ascii() => rest,
                _ => word,
            },
        }
    }
}
