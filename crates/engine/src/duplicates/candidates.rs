//! Pairs worth comparing: each document and its nearest ones.

use rayon::prelude::*;
use treffer_types::{DocId, Progress};

use super::identical::Identical;
use super::vectors::Vectors;
use super::{BATCH, Pair};
use crate::error::{Error, stop_if_asked};

/// Each document with the `depth` documents nearest to each of its vectors. Of identical
/// documents, the first stands for all; the others take no place among the neighbors.
pub(super) fn neighbors(
    vectors: &Vectors<'_>,
    identical: &Identical,
    depth: usize,
    progress: &dyn Progress,
) -> Result<Vec<Pair>, Error> {
    let docs = vectors.docs();
    let docs: Vec<DocId> = docs.filter(|doc| identical.first(*doc) == *doc).collect();
    let sizes = sizes(vectors, identical)?;
    let mut pairs = Vec::new();
    progress.begin("finding neighbors", Some(docs.len() as u64), "documents");
    for batch in docs.chunks(BATCH) {
        stop_if_asked(progress)?;
        let found = batch.par_iter().map(|doc| {
            let own = sizes[doc.0 as usize];
            neighbors_of(vectors, identical, *doc, depth, own)
        });
        let found: Vec<Vec<Pair>> = found.collect::<Result<_, Error>>()?;
        pairs.extend(found.into_iter().flatten());
        progress.advance(batch.len() as u64);
    }
    progress.end();
    Ok(pairs)
}

/// The vectors of each document and of those identical to it, at the first of them.
fn sizes(vectors: &Vectors<'_>, identical: &Identical) -> Result<Vec<usize>, Error> {
    let mut sizes = vec![0; vectors.end()];
    for doc in vectors.docs() {
        sizes[identical.first(doc).0 as usize] += vectors.count(doc)?;
    }
    Ok(sizes)
}

fn neighbors_of(
    vectors: &Vectors<'_>,
    identical: &Identical,
    doc: DocId,
    depth: usize,
    own: usize,
) -> Result<Vec<Pair>, Error> {
    // Its own vectors are nearest, and those of the documents identical to it.
    let mut asked = depth.saturating_add(own);
    loop {
        let found = vectors.near(doc, asked)?;
        let is_all = |near: &[DocId]| near.len() < asked || asked >= vectors.len();
        let (mut pairs, mut is_enough) = (Vec::new(), true);
        for near in found {
            let mut others: Vec<DocId> = Vec::new();
            for other in near.iter().map(|other| identical.first(*other)) {
                if other != doc && !others.contains(&other) && others.len() < depth {
                    others.push(other);
                }
            }
            is_enough &= others.len() == depth || is_all(&near);
            let pair = |other: DocId| (doc.min(other), doc.max(other));
            pairs.extend(others.into_iter().map(pair));
        }
        // Several vectors may be of one document, or of documents identical to each other.
        if is_enough {
            return Ok(pairs);
        }
        asked = asked.saturating_mul(2);
    }
}
