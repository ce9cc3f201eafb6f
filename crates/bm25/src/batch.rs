//! Documents on their way into an index: analyzed in batches, each on several threads.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use treffer_types::{DocId, Language};

use crate::analysis::{Analysis, Role, Scratch, Sink, is_word};
use crate::language::Detector;

/// Ends a term that may be a compound. Others end in a space.
pub(crate) const END_OF_WORD: char = '\t';

/// Most documents and bytes of a batch.
const DOCUMENTS: usize = 2048;
const BYTES: usize = 4 << 20;
/// Documents that a thread takes at once.
const SHARE: usize = 32;

/// A document that waits for its batch.
pub(crate) struct Raw {
    pub(crate) doc: DocId,
    pub(crate) language: Known,
    pub(crate) title: String,
    pub(crate) text: String,
}

/// Whether the language of a document is known.
#[derive(Clone, Copy)]
pub(crate) enum Known {
    Yes(Option<Language>),
    ToBeDetected,
}

/// A document as its terms.
pub(crate) struct Analyzed {
    pub(crate) doc: DocId,
    pub(crate) language: Option<Language>,
    /// The terms of each field, each with its end.
    pub(crate) fields: Vec<String>,
    /// The length of each field.
    pub(crate) lengths: Vec<u32>,
}

/// Collects documents and analyzes them.
pub(crate) struct Batch {
    analysis: Analysis,
    detector: Detector,
    /// Whether title and text are fields of their own.
    is_split: bool,
    raw: Vec<Raw>,
    bytes: usize,
    /// What threads keep from one share to the next: the terms of the words that they met.
    scratches: Mutex<Vec<Scratch>>,
}

impl Batch {
    pub(crate) fn new(analysis: Analysis, n_fields: usize) -> Self {
        Batch {
            analysis,
            detector: Detector::new(),
            is_split: n_fields > 1,
            raw: Vec::new(),
            bytes: 0,
            scratches: Mutex::default(),
        }
    }

    /// Adds a document. Returns whether the batch is full.
    pub(crate) fn push(&mut self, raw: Raw) -> bool {
        self.bytes += raw.title.len() + raw.text.len();
        self.raw.push(raw);
        self.raw.len() >= DOCUMENTS || self.bytes >= BYTES
    }

    /// The documents since the last call, in their order.
    pub(crate) fn take(&mut self) -> Vec<Analyzed> {
        let raw = std::mem::take(&mut self.raw);
        self.bytes = 0;
        let this = &*self;
        raw.par_chunks(SHARE)
            .flat_map_iter(|share| {
                let mut scratch = this.scratches().pop().unwrap_or_default();
                let analyzed: Vec<Analyzed> = share
                    .iter()
                    .map(|raw| this.analyzed(raw, &mut scratch))
                    .collect();
                this.scratches().push(scratch);
                analyzed
            })
            .collect()
    }

    fn scratches(&self) -> std::sync::MutexGuard<'_, Vec<Scratch>> {
        // What is in it is valid whatever happened to a thread that held it.
        self.scratches
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn analyzed(&self, raw: &Raw, scratch: &mut Scratch) -> Analyzed {
        let (title, text) = (raw.title.as_str(), raw.text.as_str());
        let language = match raw.language {
            Known::Yes(language) => language,
            Known::ToBeDetected => self.detector.document(title, text).language,
        };
        let fields: &[&[&str]] = if self.is_split {
            &[&[title], &[text]]
        } else {
            &[&[title, text]]
        };
        let mut analyzed = Analyzed {
            doc: raw.doc,
            language,
            fields: Vec::with_capacity(fields.len()),
            lengths: Vec::with_capacity(fields.len()),
        };
        for parts in fields {
            let mut joined = Joined::default();
            for part in *parts {
                self.analysis
                    .read(part, language.into(), scratch, &mut joined);
            }
            analyzed.fields.push(joined.terms);
            analyzed.lengths.push(joined.length);
        }
        analyzed
    }
}

/// The terms of a field, each with its end, and their length.
#[derive(Default)]
struct Joined {
    terms: String,
    length: u32,
}

impl Sink for Joined {
    fn term(&mut self, role: Role, term: &str) {
        self.terms.push_str(term);
        self.terms.push(if is_word(role, term) {
            END_OF_WORD
        } else {
            ' '
        });
    }

    fn end_word(&mut self, length: u32) {
        self.length = self.length.saturating_add(length);
    }
}
