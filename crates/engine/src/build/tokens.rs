//! The third step of a build: every passage of the stored documents through the model of late
//! interaction.

use std::collections::HashMap;
use std::path::Path;

use treffer_disk::SealRecord;
use treffer_late::{Error as LateError, LateIndex, LateWriter, Learned};
use treffer_store::Store;
use treffer_types::{DocId, PassageId, Progress, TokenEmbedder, TokenEmbedding};

use super::encoding::Cut;
use crate::blueprint::LateConfig;
use crate::error::{Error, part, stop_if_asked};

/// Passages encoded between two reports of progress.
const ENCODED_AT_ONCE: usize = 64;
/// Passages that a projection is learned from, at a time: some ten thousand tokens.
const SAMPLE: usize = 256;
/// Tokens that centroids are learned from, if there are as many.
const TOKENS_FOR_CENTROIDS: usize = 1 << 16;

/// From the store of a new segment to the vectors of its tokens.
pub(super) struct TokenEncoding<'a> {
    /// Where the part is written.
    pub(super) dir: &'a Path,
    /// The documents, numbered from 0, none of them deleted.
    pub(super) store: &'a Store,
    pub(super) late: &'a LateConfig,
    pub(super) model: &'a dyn TokenEmbedder,
    /// Documents whose text is that of a document of the index before, by their numbers in the
    /// segment.
    pub(super) same_texts: &'a HashMap<DocId, DocId>,
    /// The token vectors of the index before.
    pub(super) index: Option<&'a LateIndex>,
    /// What was learned for the other segments; without it, it is learned if there is anything to
    /// learn.
    pub(super) learned: Option<Learned>,
    pub(super) progress: &'a dyn Progress,
}

/// What waits to be written, in the order of passages: under its number, a passage of the index
/// before, or a text.
struct Input {
    id: PassageId,
    old: Option<PassageId>,
    text: String,
}

impl TokenEncoding<'_> {
    /// Encodes every passage that has no vectors. Returns what was cut, and the seal of the part.
    pub(super) fn encode(&self) -> Result<(Cut, SealRecord), Error> {
        let (store, dir) = (self.store, self.dir);
        let compression = &self.late.compression;
        let learned = self.learned()?;
        let writer = LateWriter::create(dir, self.model.width(), compression, learned);
        let mut writer = writer.map_err(part("create", "late part", dir))?;
        let mut cut = Cut::default();
        let n_passages = store.n_passages().into();
        self.progress
            .begin("encoding tokens", Some(n_passages), "passages");
        let mut batch = Vec::with_capacity(ENCODED_AT_ONCE);
        for doc in store.live_docs() {
            let split = store.split_document(doc);
            let (document, passages) = split.map_err(part("read", "store", dir))?;
            let old = self.old_passages(doc, passages.len())?;
            for (number, passage) in passages.iter().enumerate() {
                let old = old.as_ref().map(|old| old[number]);
                batch.push(Input {
                    id: PassageId {
                        doc,
                        passage: number as u32,
                    },
                    old,
                    text: match old {
                        Some(_) => String::new(),
                        None => passage.full_text(&document.text),
                    },
                });
            }
            if batch.len() >= ENCODED_AT_ONCE {
                self.write_batch(&mut batch, &mut writer, &mut cut)?;
            }
        }
        self.write_batch(&mut batch, &mut writer, &mut cut)?;
        self.progress.end();
        Ok((cut, finish(writer, dir, self.progress)?))
    }

    /// The passages of the document of the index before that has the same text, if each of these
    /// `n_passages` has its vectors there.
    fn old_passages(&self, doc: DocId, n_passages: usize) -> Result<Option<Vec<PassageId>>, Error> {
        let (Some(old), Some(index)) = (self.same_texts.get(&doc), self.index) else {
            return Ok(None);
        };
        let passages = index.passages_of(*old);
        let passages = passages.map_err(part("read", "late part", self.dir))?;
        Ok((passages.len() == n_passages).then_some(passages))
    }

    /// Encodes the texts of a batch and writes all its vectors. It is empty afterwards.
    fn write_batch(
        &self,
        batch: &mut Vec<Input>,
        writer: &mut LateWriter,
        cut: &mut Cut,
    ) -> Result<(), Error> {
        let texts = batch.iter().filter(|input| input.old.is_none());
        let texts: Vec<&str> = texts.map(|input| input.text.as_str()).collect();
        let mut embeddings = self.embed(&texts)?.into_iter();
        let failed = || part("write", "late part", self.dir);
        let n = batch.len();
        for Input { id, old, text: _ } in batch.drain(..) {
            if let (Some(old), Some(index)) = (old, self.index) {
                writer.copy(index, old, id).map_err(failed())?;
            } else if let Some(embedding) = embeddings.next() {
                cut.passages += u32::from(embedding.tokens_cut > 0);
                cut.tokens += u64::from(embedding.tokens_cut);
                writer.add(id, &embedding.vectors).map_err(failed())?;
            }
        }
        self.progress.advance(n as u64);
        stop_if_asked(self.progress)
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<TokenEmbedding>, Error> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let failed = |source| Error::Model {
            action: "run",
            name: self.model.spec().name.clone(),
            source,
        };
        let embeddings = self.model.embed_passages(texts).map_err(failed)?;
        if embeddings.len() == texts.len() {
            return Ok(embeddings);
        }
        let (found, expected) = (embeddings.len(), texts.len());
        let what = format!("it returned the token vectors of {found} texts for {expected}");
        Err(failed(what.into()))
    }

    /// What was learned for the other segments, or learns it from passages of this one, evenly
    /// spread.
    fn learned(&self) -> Result<Learned, Error> {
        let compression = &self.late.compression;
        if let Some(learned) = &self.learned {
            return Ok(learned.clone());
        }
        if !compression.learns() {
            return Ok(Learned::default());
        }
        let docs: Vec<DocId> = self.store.live_docs().collect();
        let rounds = match compression.storage.residual_bits() {
            None => 1,
            Some(_) => docs.len().div_ceil(SAMPLE).max(1),
        };
        let width = self.model.width();
        let (mut sample, mut tokens) = (Vec::new(), 0);
        self.progress
            .begin("learning to compress tokens", None, "passages");
        for round in 0..rounds {
            let texts = self.sample(&docs, round, rounds)?;
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            for texts in texts.chunks(ENCODED_AT_ONCE) {
                for embedding in self.embed(texts)? {
                    tokens += embedding.vectors.len() / width;
                    sample.push(embedding.vectors);
                }
                self.progress.advance(texts.len() as u64);
                stop_if_asked(self.progress)?;
            }
            if tokens >= TOKENS_FOR_CENTROIDS {
                break;
            }
        }
        self.progress.end();
        let of_all = tokens as u64 * u64::from(self.store.n_passages());
        let expected = of_all / sample.len().max(1) as u64;
        let learned = Learned::from_sample(&sample, width, compression, expected);
        learned.map_err(|error| {
            Error::Request(format!(
                "{error}; index more documents at once, or leave out late.dimension and take \
                 late.storage=int8"
            ))
        })
    }

    /// Texts of passages of documents that are evenly spread, others in each round.
    fn sample(&self, docs: &[DocId], round: usize, rounds: usize) -> Result<Vec<String>, Error> {
        let steps = docs.len().min(SAMPLE);
        let mut texts = Vec::with_capacity(steps);
        for step in 0..steps {
            let doc = docs[(step * rounds + round) * docs.len() / (steps * rounds)];
            let split = self.store.split_document(doc);
            let (document, passages) = split.map_err(part("read", "store", self.dir))?;
            let passage = passages.get((step + round) % passages.len().max(1));
            texts.extend(passage.map(|passage| passage.full_text(&document.text)));
        }
        Ok(texts)
    }
}

/// Lists the passages and seals the part in `dir`; a stop is no failure.
pub(super) fn finish(
    writer: LateWriter,
    dir: &Path,
    progress: &dyn Progress,
) -> Result<SealRecord, Error> {
    let seal = writer.finish(progress).map_err(|error| match error {
        LateError::Cancelled => Error::Cancelled,
        error => part("finish", "late part", dir)(error),
    })?;
    stop_if_asked(progress)?;
    Ok(seal)
}
