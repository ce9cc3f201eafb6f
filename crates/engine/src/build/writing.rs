//! What new documents are written with.

use std::cell::OnceCell;
use std::sync::Arc;

use treffer_corpus::VectorFile;
use treffer_types::{Embedder, Progress, TokenEmbedder};

use super::language::RecordLanguages;
use super::language_shift::LanguageShift;
use crate::manifest::Manifest;
use crate::passages::Splitter;

/// What new documents are written with.
pub(super) struct Writing<'a> {
    pub(super) embedder: Option<Arc<dyn Embedder>>,
    pub(super) late: Option<Arc<dyn TokenEmbedder>>,
    pub(super) splitter: Option<Arc<Splitter>>,
    /// Vectors of the documents, by rows.
    pub(super) vectors: Option<&'a VectorFile>,
    pub(super) languages: RecordLanguages,
    /// Words of a list that compounds may be cut into.
    pub(super) pieces: Vec<String>,
    /// Documents after which a batch is committed; `None` commits all at the end.
    pub(super) commit_every: Option<u32>,
    pub(super) shift: OnceCell<LanguageShift>,
    pub(super) progress: &'a dyn Progress,
}

impl<'a> Writing<'a> {
    /// For a run that writes no new documents.
    pub(super) fn without_models(manifest: &Manifest, progress: &'a dyn Progress) -> Self {
        Writing {
            embedder: None,
            late: None,
            splitter: None,
            vectors: None,
            languages: RecordLanguages::new(&manifest.blueprint.language),
            pieces: Vec::new(),
            commit_every: None,
            shift: OnceCell::new(),
            progress,
        }
    }
}
