//! The second step of a build: every passage of the stored documents through the models that
//! embed it.

use std::path::Path;

use treffer_disk::SealRecord;
use treffer_store::Store;
use treffer_types::{BothEmbeddings, PassageId, Progress};

use super::texts::{Cut, ENCODED_AT_ONCE, Texts, check_number, run_error};
use super::tokens::{TokenEncoding, TokenInputs};
use super::vectors::{DenseEncoding, DenseInputs};
use crate::error::{Error, part, stop_if_asked};

/// From the store of a new segment to its vectors, those of passages and of their tokens, either
/// or both. Where one network gives both, it runs once.
pub(super) struct Encoding<'a> {
    /// The documents, numbered from 0, none of them deleted.
    pub(super) store: &'a Store,
    /// Where it is, for messages.
    pub(super) store_dir: &'a Path,
    pub(super) dense: Option<DenseEncoding<'a>>,
    pub(super) late: Option<TokenEncoding<'a>>,
    pub(super) progress: &'a dyn Progress,
}

/// What was made.
#[derive(Default)]
pub(super) struct Encoded {
    pub(super) cut: Cut,
    /// The seals of the parts.
    pub(super) dense: Option<SealRecord>,
    pub(super) late: Option<SealRecord>,
}

impl Encoding<'_> {
    /// Encodes every passage that has no vectors yet and completes the parts.
    pub(super) fn encode(&self) -> Result<Encoded, Error> {
        let mut encoded = Encoded::default();
        let dense = self.dense.as_ref().map(DenseEncoding::begin).transpose()?;
        let late = self.late.as_ref().map(|late| late.begin(self.store));
        let (mut dense, mut late) = (dense, late.transpose()?);
        let n_passages = self.store.n_passages();
        self.progress
            .begin("encoding", Some(n_passages.into()), "passages");
        let mut texts = Texts::default();
        let mut n_waiting = 0;
        for doc in self.store.live_docs() {
            let split = self.store.split_document(doc);
            let (document, passages) = split.map_err(part("read", "store", self.store_dir))?;
            if let Some(dense) = &mut dense {
                dense.next_document(doc, passages.len())?;
            }
            if let Some(late) = &mut late {
                late.next_document(doc, passages.len())?;
            }
            for (number, passage) in passages.iter().enumerate() {
                let id = PassageId {
                    doc,
                    passage: number as u32,
                };
                let mut number = None;
                let mut text =
                    || *number.get_or_insert_with(|| texts.add(passage.full_text(&document.text)));
                if let Some(dense) = &mut dense {
                    dense.queue(id, &mut text)?;
                }
                if let Some(late) = &mut late {
                    late.queue(id, &mut text);
                }
                n_waiting += 1;
                if n_waiting == ENCODED_AT_ONCE {
                    encoded.cut += self.write(&texts, dense.as_mut(), late.as_mut())?;
                    (texts, n_waiting) = (Texts::default(), 0);
                    self.progress.advance(ENCODED_AT_ONCE as u64);
                    stop_if_asked(self.progress)?;
                }
            }
        }
        encoded.cut += self.write(&texts, dense.as_mut(), late.as_mut())?;
        self.progress.advance(n_waiting as u64);
        self.progress.end();
        let progress = self.progress;
        encoded.dense = dense.map(|dense| dense.finish(progress)).transpose()?;
        encoded.late = late.map(|late| late.finish(progress)).transpose()?;
        Ok(encoded)
    }

    /// Encodes the texts and writes all vectors that wait. A passage's tokens are counted once.
    fn write(
        &self,
        texts: &Texts,
        dense: Option<&mut DenseInputs<'_>>,
        late: Option<&mut TokenInputs<'_>>,
    ) -> Result<Cut, Error> {
        let by_dense = dense.as_ref().map_or(Vec::new(), |dense| dense.to_encode());
        let by_late = late.as_ref().map_or(Vec::new(), |late| late.to_encode());
        let (mut embeddings, mut tokens) = (Vec::new(), Vec::new());
        if let (Some(dense), Some(late)) = (&self.dense, &self.late)
            && by_dense == by_late
            && !by_dense.is_empty()
            && let Some(both) = together(dense, late, &texts.of(&by_dense))?
        {
            (embeddings, tokens) = both;
        } else {
            if let Some(dense) = &self.dense {
                embeddings = dense.embed(&texts.of(&by_dense))?;
            }
            if let Some(late) = &self.late {
                tokens = late.embed(&texts.of(&by_late))?;
            }
        }
        let mut cut = Cut::default();
        for embedding in &embeddings {
            cut.add(embedding.tokens_cut);
        }
        for (number, embedding) in by_late.iter().zip(&tokens) {
            if !by_dense.contains(number) {
                cut.add(embedding.tokens_cut);
            }
        }
        if let Some(dense) = dense {
            dense.write(embeddings)?;
        }
        if let Some(late) = late {
            late.write(&tokens)?;
        }
        Ok(cut)
    }
}

/// Both kinds of vectors by one pass, if the models allow it.
fn together(
    dense: &DenseEncoding<'_>,
    late: &TokenEncoding<'_>,
    texts: &[&str],
) -> Result<Option<BothEmbeddings>, Error> {
    let name = &late.model.spec().name;
    let both = late.model.embed_passages_with(dense.embedder, texts);
    let both = both.map_err(|source| run_error(name, source))?;
    if let Some((embeddings, tokens)) = &both {
        check_number(name, texts.len(), embeddings.len())?;
        check_number(name, texts.len(), tokens.len())?;
    }
    Ok(both)
}
