//! The analysis of texts without an index.

use std::convert::Infallible;

use crate::analysis::{Analysis, Languages, Trace};
use crate::config::Bm25Config;
use crate::error::Error;
use crate::language::{Detection, Detector};

/// The chain of a configuration, without an index: it cuts no compounds, since these are cut into
/// words of an index.
pub struct TextAnalysis {
    analysis: Analysis,
    detector: Detector,
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
        })
    }

    /// The language of a text, and what speaks for it.
    pub fn detect(&self, text: &str) -> Detection {
        self.detector.detect(text)
    }

    /// What becomes of a text, as a document and as a query.
    pub fn trace(&self, text: &str) -> Trace {
        let detection = self.detect(text);
        let languages = Languages::from(detection.language);
        let is_piece = |_: &str| Ok::<_, Infallible>(false);
        let Ok(trace) = self.analysis.trace(text, detection, languages, is_piece);
        trace
    }
}
