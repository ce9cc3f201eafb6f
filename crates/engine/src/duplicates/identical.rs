//! Documents with the same words in the same order. No model is needed to find them, and no
//! list of neighbors is too short for them.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use rayon::prelude::*;
use treffer_types::{DocId, Document, Progress};

use super::{BATCH, Pair, document};
use crate::engine::Engine;
use crate::error::{Error, stop_if_asked};

/// The identical documents of an index. Each group is known by its first document.
#[derive(Debug, Default)]
pub(super) struct Identical {
    /// The first document with the same title and text, of all documents that are not first.
    first: BTreeMap<DocId, DocId>,
    /// The first of the first documents with the same text, of those that are not first.
    first_text: BTreeMap<DocId, DocId>,
}

impl Identical {
    /// Reads all documents.
    pub(super) fn find(engine: &Engine, progress: &dyn Progress) -> Result<Self, Error> {
        let docs: Vec<DocId> = engine.store().live_docs().collect();
        let mut hashes = Vec::with_capacity(docs.len());
        progress.begin("reading", Some(docs.len() as u64), "documents");
        for batch in docs.chunks(BATCH) {
            stop_if_asked(progress)?;
            let read = batch.par_iter().map(|doc| {
                let document = document(engine, *doc)?;
                Ok((hash(&whole(&document)), hash(&words(&document.text))))
            });
            hashes.extend(read.collect::<Result<Vec<(u64, u64)>, Error>>()?);
            progress.advance(batch.len() as u64);
        }
        progress.end();
        let hashed = || docs.iter().zip(&hashes);
        let by_whole = hashed().map(|(doc, (hash, _))| (*hash, *doc));
        let first = firsts(by_whole, |doc| Ok(whole(&document(engine, doc)?)))?;
        let different = hashed().filter(|(doc, _)| !first.contains_key(doc));
        let by_text = different.map(|(doc, (_, hash))| (*hash, *doc));
        let first_text = firsts(by_text, |doc| Ok(words(&document(engine, doc)?.text)))?;
        Ok(Identical { first, first_text })
    }

    /// The document that stands for this one: itself, or the first one identical to it.
    pub(super) fn first(&self, doc: DocId) -> DocId {
        *self.first.get(&doc).unwrap_or(&doc)
    }

    /// Every document but the first of its group, with the first.
    pub(super) fn same_document(&self) -> impl Iterator<Item = Pair> {
        self.first.iter().map(|(doc, first)| (*first, *doc))
    }

    /// The same for documents with other titles.
    pub(super) fn same_text(&self) -> impl Iterator<Item = Pair> {
        self.first_text.iter().map(|(doc, first)| (*first, *doc))
    }

    pub(super) fn has_same_text(&self, (a, b): Pair) -> bool {
        let first = |doc| *self.first_text.get(&doc).unwrap_or(&doc);
        first(a) == first(b)
    }
}

/// For each document that says the same as an earlier one, the first that says it. Equal hashes
/// are only a hint.
fn firsts(
    hashed: impl Iterator<Item = (u64, DocId)>,
    text: impl Fn(DocId) -> Result<String, Error>,
) -> Result<BTreeMap<DocId, DocId>, Error> {
    let mut by_hash: HashMap<u64, Vec<DocId>> = HashMap::new();
    for (hash, doc) in hashed {
        by_hash.entry(hash).or_default().push(doc);
    }
    let mut firsts = BTreeMap::new();
    for docs in by_hash.into_values().filter(|docs| docs.len() > 1) {
        let mut seen: HashMap<String, DocId> = HashMap::new();
        for doc in docs {
            let text = text(doc)?;
            if text.is_empty() {
                continue; // documents of a title alone have no text in common
            }
            match seen.get(&text) {
                Some(first) => {
                    firsts.insert(doc, *first);
                }
                None => {
                    seen.insert(text, doc);
                }
            }
        }
    }
    Ok(firsts)
}

/// Title and text apart, so that a word does not wander from one to the other.
fn whole(document: &Document) -> String {
    format!("{}\n{}", words(&document.title), words(&document.text))
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_hashes_are_only_a_hint() {
        let texts = ["a", "b", "a", "", "b", "", "a"];
        let hashed = (0..7).map(|doc| (7, DocId(doc)));
        let firsts = firsts(hashed, |doc| Ok(texts[doc.0 as usize].to_owned())).unwrap();
        let pairs: Vec<(u32, u32)> = firsts.iter().map(|(doc, first)| (doc.0, first.0)).collect();
        assert_eq!(pairs, [(2, 0), (4, 1), (6, 0)]);
    }
}
