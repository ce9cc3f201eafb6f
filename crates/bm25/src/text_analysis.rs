//! The analysis of texts without an index.

use std::collections::HashSet;
use std::convert::Infallible;

use treffer_types::Language;

use crate::analysis::compounds::is_listed_word;
use crate::analysis::{Analysis, Indexed, Languages, Trace};
use crate::config::Bm25Config;
use crate::error::Error;
use crate::language::{Detection, Detector};

/// The chain of a configuration, without an index. It cuts compounds only into words that it is
/// given.
pub struct TextAnalysis {
    analysis: Analysis,
    detector: Detector,
    pieces: HashSet<String>,
}

impl TextAnalysis {
    /// The chain of `config`.
    ///
    /// # Errors
    /// If `config` is not valid.
    pub fn new(config: &Bm25Config) -> Result<Self, Error> {
        config.validate()?;
        Ok(TextAnalysis {
            analysis: Analysis::new(config),
            detector: Detector::new(),
            pieces: HashSet::new(),
        })
    }

    /// The same with words that compounds are cut into, as [`piece`](Self::piece) gives them.
    pub fn with_pieces(mut self, pieces: Vec<String>) -> Self {
        self.pieces = pieces.into_iter().collect();
        self
    }

    /// The language of a text, and what speaks for it.
    pub fn detect(&self, text: &str) -> Detection {
        self.detector.detect(text)
    }

    /// The term of a word that compounds may be cut into.
    ///
    /// # Errors
    /// Says why the word is none.
    pub fn piece(&self, word: &str) -> Result<String, &'static str> {
        let german = Languages::One(Language::German);
        let Indexed { terms, .. } = self.analysis.document(word, german);
        if terms.is_empty() {
            return Err("it is a stop word, or has no letters");
        }
        let [term] = terms.as_slice() else {
            return Err("one word of letters is expected on a line");
        };
        if !is_listed_word(term) {
            return Err("it has other letters than a to z, ä, ö, ü and ß, or fewer than three");
        }
        Ok(term.clone())
    }

    /// What becomes of a text, as a document and as a query.
    pub fn trace(&self, text: &str) -> Trace {
        let detection = self.detect(text);
        let languages = Languages::from(detection.language);
        let is_piece = |word: &str| Ok::<_, Infallible>(self.pieces.contains(word));
        let Ok(trace) = self.analysis.trace(text, detection, languages, is_piece);
        trace
    }
}
