//! The vectors of the tokens of a new segment's passages.

use std::collections::HashMap;
use std::path::Path;

use treffer_disk::SealRecord;
use treffer_late::{Error as LateError, LateIndex, LateWriter, Learned};
use treffer_store::Store;
use treffer_types::{DocId, PassageId, Progress, TokenEmbedder, TokenEmbedding};

use super::own_texts::Parallel;
use super::texts::{ENCODED_AT_ONCE, TextNumber, embed_all, run_error};
use crate::blueprint::LateConfig;
use crate::error::{Error, part, stop_if_asked};

/// Passages that a projection is learned from, at a time: some ten thousand tokens.
const SAMPLE: usize = 256;
/// Tokens that centroids are learned from, if there are as many.
const TOKENS_FOR_CENTROIDS: usize = 1 << 16;
/// From fewer tokens, what is learned would be that of a few texts, or nothing.
const FEW_TOKENS: usize = 1 << 12;

/// How the passages of a new segment get vectors of their tokens.
pub(super) struct TokenEncoding<'a> {
    /// Where the part is written.
    pub(super) dir: &'a Path,
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

/// What waits to be written, in the order of passages.
pub(super) struct TokenInputs<'a> {
    encoding: &'a TokenEncoding<'a>,
    writer: LateWriter,
    /// The passages of the index before with the texts of the document's.
    old: Option<Vec<PassageId>>,
    waiting: Vec<(PassageId, Content)>,
}

/// A passage of the index before, or a text.
enum Content {
    Old(PassageId),
    Text(TextNumber),
}

impl TokenEncoding<'_> {
    /// Learns from documents of `store` what the index before does not tell.
    pub(super) fn begin(&self, store: &Store) -> Result<TokenInputs<'_>, Error> {
        let learned = self.learned(store)?;
        let (width, compression) = (self.model.width(), &self.late.compression);
        let writer = LateWriter::create(self.dir, width, compression, learned);
        Ok(TokenInputs {
            encoding: self,
            writer: writer.map_err(part("create", "late part", self.dir))?,
            old: None,
            waiting: Vec::new(),
        })
    }

    pub(super) fn embed(&self, texts: &[&str]) -> Result<Vec<TokenEmbedding>, Error> {
        let name = &self.model.spec().name;
        embed_all(name, texts, |texts| self.model.embed_passages(texts))
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

    /// What was learned for the other segments, or learns it from passages of this one, evenly
    /// spread, and from texts of our own if these are few.
    fn learned(&self, store: &Store) -> Result<Learned, Error> {
        let compression = &self.late.compression;
        if let Some(learned) = &self.learned {
            return Ok(learned.clone());
        }
        if !compression.learns() {
            return Ok(Learned::default());
        }
        let docs: Vec<DocId> = store.live_docs().collect();
        let rounds = match compression.storage.residual_bits() {
            None => 1,
            Some(_) => docs.len().div_ceil(SAMPLE).max(1),
        };
        let width = self.model.width();
        let (mut sample, mut tokens) = (Vec::new(), 0);
        self.progress
            .begin("learning to compress tokens", None, "passages");
        for round in 0..rounds {
            let texts = self.sample(store, &docs, round, rounds)?;
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
        let of_all = tokens as u64 * u64::from(store.n_passages());
        let expected = of_all / sample.len().max(1) as u64;
        if tokens < FEW_TOKENS {
            let failed = |source| run_error(&self.model.spec().name, source);
            let Parallel { german, english } = Parallel::read().map_err(failed)?;
            let texts: Vec<&str> = german.iter().chain(&english).map(String::as_str).collect();
            let embeddings = self.embed(&texts)?.into_iter();
            sample.extend(embeddings.map(|embedding| embedding.vectors));
        }
        self.progress.end();
        let learned = Learned::from_sample(&sample, width, compression, expected);
        learned.map_err(|error| {
            Error::Request(format!(
                "{error}; index more documents at once, or leave out late.dimension and take \
                 late.storage=int8"
            ))
        })
    }

    /// Texts of passages of documents that are evenly spread, others in each round.
    fn sample(
        &self,
        store: &Store,
        docs: &[DocId],
        round: usize,
        rounds: usize,
    ) -> Result<Vec<String>, Error> {
        let steps = docs.len().min(SAMPLE);
        let mut texts = Vec::with_capacity(steps);
        for step in 0..steps {
            let doc = docs[(step * rounds + round) * docs.len() / (steps * rounds)];
            let split = store.split_document(doc);
            let (document, passages) = split.map_err(part("read", "store", self.dir))?;
            let passage = passages.get((step + round) % passages.len().max(1));
            texts.extend(passage.map(|passage| passage.full_text(&document.text)));
        }
        Ok(texts)
    }
}

impl TokenInputs<'_> {
    /// Begins with the next document, whose passages follow.
    pub(super) fn next_document(&mut self, doc: DocId, n_passages: usize) -> Result<(), Error> {
        self.old = self.encoding.old_passages(doc, n_passages)?;
        Ok(())
    }

    /// Takes the next passage, whose text has the number that `text` gives.
    pub(super) fn queue(&mut self, id: PassageId, text: impl FnOnce() -> TextNumber) {
        let content = match &self.old {
            Some(old) => Content::Old(old[id.passage as usize]),
            None => Content::Text(text()),
        };
        self.waiting.push((id, content));
    }

    /// The texts that need vectors, in order.
    pub(super) fn to_encode(&self) -> Vec<TextNumber> {
        let texts = self
            .waiting
            .iter()
            .filter_map(|(_, content)| match content {
                Content::Text(number) => Some(*number),
                Content::Old(_) => None,
            });
        texts.collect()
    }

    /// Writes what waits, with the embeddings of its texts.
    pub(super) fn write(&mut self, embeddings: &[TokenEmbedding]) -> Result<(), Error> {
        let TokenEncoding { dir, index, .. } = self.encoding;
        let failed = || part("write", "late part", dir);
        let mut embeddings = embeddings.iter();
        for (id, content) in self.waiting.drain(..) {
            match (content, index) {
                (Content::Old(old), Some(index)) => {
                    self.writer.copy(index, old, id).map_err(failed())?;
                }
                _ => {
                    let vectors = &embeddings.next().expect("one for each text").vectors;
                    self.writer.add(id, vectors).map_err(failed())?;
                }
            }
        }
        Ok(())
    }

    /// Lists the passages and seals the part.
    pub(super) fn finish(self, progress: &dyn Progress) -> Result<SealRecord, Error> {
        finish(self.writer, self.encoding.dir, progress)
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
