//! Which documents of a part a search may return: those that are allowed and not deleted.

use fixedbitset::FixedBitSet;
use treffer_types::DocId;

/// Bits of a word of a set.
const BITS: usize = usize::BITS as usize;

/// The documents of one part that a search may return. Documents are numbered locally.
#[derive(Clone, Copy)]
pub(crate) struct Filter<'a> {
    /// One more than the last document of the part.
    docs: usize,
    /// Local numbers.
    deleted: Option<&'a FixedBitSet>,
    /// Global numbers.
    allowed: Option<&'a FixedBitSet>,
    /// The global number of local document 0.
    first_doc: usize,
}

impl<'a> Filter<'a> {
    /// What remains of the documents `0..docs` of a part that begins at `first_doc`.
    pub(crate) fn new(
        docs: usize,
        first_doc: u32,
        deleted: Option<&'a FixedBitSet>,
        allowed: Option<&'a FixedBitSet>,
    ) -> Self {
        Filter {
            docs,
            deleted,
            allowed,
            first_doc: first_doc as usize,
        }
    }

    /// Whether every document may be returned.
    pub(crate) fn is_open(&self) -> bool {
        self.deleted.is_none() && self.allowed.is_none()
    }

    /// Whether a document may be returned.
    #[inline]
    pub(crate) fn contains(&self, doc: DocId) -> bool {
        let doc = doc.0 as usize;
        self.allowed
            .is_none_or(|allowed| allowed.contains(self.first_doc + doc))
            && self.deleted.is_none_or(|deleted| !deleted.contains(doc))
    }

    /// How many documents may be returned.
    pub(crate) fn count(&self) -> usize {
        match (self.allowed, self.deleted) {
            (None, None) => self.docs,
            (None, Some(deleted)) => {
                let gone = (0..deleted.as_slice().len().min(self.docs.div_ceil(BITS)))
                    .map(|word| cut(word_at(deleted, word * BITS), word, self.docs));
                self.docs - gone.map(|word| word.count_ones() as usize).sum::<usize>()
            }
            _ => self
                .words()
                .map(|(_, word)| word.count_ones() as usize)
                .sum(),
        }
    }

    /// The documents that may be returned, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = DocId> {
        self.words().flat_map(|(word, mut bits)| {
            std::iter::from_fn(move || {
                let bit = bits.trailing_zeros() as usize;
                // The word 0 has as many trailing zeros as bits.
                (bit < BITS).then(|| {
                    bits &= bits - 1;
                    DocId((word * BITS + bit) as u32)
                })
            })
        })
    }

    /// Each word of the set that can have a bit, with its index.
    fn words(&self) -> impl Iterator<Item = (usize, usize)> {
        let Filter {
            docs,
            deleted,
            allowed,
            first_doc,
        } = *self;
        // No document beyond the end of the allowed ones may be returned.
        let end = allowed.map_or(docs, |allowed| {
            docs.min(allowed.len().saturating_sub(first_doc))
        });
        (0..end.div_ceil(BITS)).map(move |word| {
            let from = word * BITS;
            let mut bits = allowed.map_or(usize::MAX, |allowed| word_at(allowed, first_doc + from));
            if let Some(deleted) = deleted {
                bits &= !word_at(deleted, from);
            }
            (word, cut(bits, word, docs))
        })
    }
}

/// Clears the bits of a word that are not below `end`.
fn cut(bits: usize, word: usize, end: usize) -> usize {
    match end - word * BITS {
        left if left < BITS => bits & ((1 << left) - 1),
        _ => bits,
    }
}

/// The bits of a set from `start` on, zeros beyond its end.
fn word_at(set: &FixedBitSet, start: usize) -> usize {
    let words = set.as_slice();
    let get = |index: usize| words.get(index).copied().unwrap_or(0);
    let (index, shift) = (start / BITS, start % BITS);
    match shift {
        0 => get(index),
        _ => get(index) >> shift | get(index + 1) << (BITS - shift),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(bits: &[usize], len: usize) -> FixedBitSet {
        let mut set = FixedBitSet::with_capacity(len);
        bits.iter().for_each(|&bit| set.grow_and_insert(bit));
        set
    }

    proptest! {
        #[test]
        fn it_is_the_allowed_documents_without_the_deleted_ones(
            docs in 0usize..300,
            first in 0u32..300,
            allowed in prop::option::of(prop::collection::vec(0usize..600, 0..200)),
            deleted in prop::option::of(prop::collection::vec(0usize..300, 0..100)),
        ) {
            let allowed = allowed.map(|bits| set(&bits, 0));
            let deleted = deleted.map(|bits| set(&bits, 0));
            let filter = Filter::new(docs, first, deleted.as_ref(), allowed.as_ref());
            let expected: Vec<DocId> = (0..docs)
                .filter(|&doc| {
                    allowed.as_ref().is_none_or(|set| set.contains(doc + first as usize))
                        && !deleted.as_ref().is_some_and(|set| set.contains(doc))
                })
                .map(|doc| DocId(doc as u32))
                .collect();
            prop_assert_eq!(filter.count(), expected.len());
            prop_assert_eq!(filter.iter().collect::<Vec<_>>(), expected.clone());
            for doc in (0..docs as u32).map(DocId) {
                prop_assert_eq!(filter.contains(doc), expected.contains(&doc));
            }
        }
    }
}
