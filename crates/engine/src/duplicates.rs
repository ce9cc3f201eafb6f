//! Documents that say the same: near-duplicates and paraphrases within an index.
//!
//! 1. **Identical** documents are found by their texts, whatever a model makes of them.
//! 2. **Candidates** are each document's neighbors, by its own vectors through the graph.
//! 3. Their **similarity** is the cosine, on a scale on which unrelated texts are at 0.
//! 4. What their **numbers** and **terms** have in common is compared: to an embedding,
//!    DIN 13277 and DIN 13271 are nearly the same.
//! 5. The **cross-encoder** reads both ways, if asked. It was trained for relevance, not for
//!    equal meaning, and finds a text relevant that says the opposite; it tells apart texts
//!    that only share their subject.
//! 6. **Clusters** are the connected components of the pairs that are left.
//!
//! No step knows negation: what is affirmed in one text and denied in the other is similar.
//! The result is meant to be looked through.

use rayon::prelude::*;
use treffer_api::{
    Cluster, DocumentName, DuplicatePair, DuplicatesReport, DuplicatesRequest, Identity, NumberRule,
};
use treffer_types::{DocId, Document, Progress};

use crate::engine::Engine;
use crate::error::{Error, part, stop_if_asked};
use crate::models::ModelSource;

mod baseline;
mod candidates;
mod clusters;
mod confirm;
mod identical;
mod numbers;
mod overlap;
mod vectors;

use baseline::baseline;
use identical::Identical;
use numbers::Numbers;
use overlap::Terms;
use vectors::Vectors;

/// Documents between two questions whether to stop.
const BATCH: usize = 1024;

/// Finds the duplicates of an index. The result does not depend on the number of threads.
///
/// The engine needs no stage but the cross-encoder, and that only if the request asks it; the
/// bi-encoder is taken from `models`.
///
/// # Errors
/// If a number of the request is out of its range, if the index has no bi-encoder, or no
/// cross-encoder although it is asked, if the index cannot be read or a model not be run, or if
/// `progress` says to stop.
pub fn duplicates(
    engine: &Engine,
    request: &DuplicatesRequest,
    models: &dyn ModelSource,
    progress: &dyn Progress,
) -> Result<DuplicatesReport, Error> {
    check(request)?;
    let vectors = Vectors::open(engine)?;
    if request.cross.is_some() {
        confirm::check(engine)?;
    }
    let baseline = baseline(engine, models)?;
    let identical = Identical::find(engine, progress)?;
    let mut pairs = candidates::neighbors(&vectors, &identical, request.depth, progress)?;
    pairs.extend(identical.same_text());
    pairs.sort_unstable();
    pairs.dedup();
    let n_candidates = pairs.len();
    let similar = similar(&vectors, &pairs, &identical, baseline, request, progress)?;
    let (mut accepted, mut differing) = (Vec::new(), Vec::new());
    for found in compared(engine, similar, request, progress)? {
        if found.pair.identical != Some(Identity::Document) && differs(&found.pair, request.numbers)
        {
            differing.push(found);
        } else {
            accepted.push(found);
        }
    }
    if let Some(least) = request.cross {
        accepted = confirm::confirmed(engine, accepted, least, progress)?;
    }
    Ok(DuplicatesReport {
        n_documents: engine.n_docs() as usize,
        n_candidates,
        baseline,
        clusters: named(engine, accepted)?,
        differing: sorted(differing),
    })
}

/// Two documents, the first one with the lower number.
type Pair = (DocId, DocId);

/// A pair with what was found out about it.
#[derive(Clone, Debug)]
struct Found {
    docs: Pair,
    pair: DuplicatePair,
}

fn check(request: &DuplicatesRequest) -> Result<(), Error> {
    let refused = |what: String| Err(Error::Request(what));
    // Destructured, so that a new key is a compile error here. Written so that NaN fails.
    let DuplicatesRequest {
        depth,
        similarity,
        overlap,
        numbers: _,
        cross,
    } = *request;
    if depth == 0 {
        return refused("the depth is 0; each document needs at least one neighbor".into());
    }
    if !(similarity > 0.0 && similarity <= 1.0) {
        return refused(format!(
            "the least similarity is {similarity}; it must be above 0, where unrelated texts are, and at most 1"
        ));
    }
    for (what, share) in [
        ("overlap", overlap),
        ("share of the cross-encoder", cross.unwrap_or(0.0)),
    ] {
        if !(0.0..=1.0).contains(&share) {
            return refused(format!(
                "the least {what} is {share}; it must be from 0 to 1"
            ));
        }
    }
    Ok(())
}

/// The pairs that are similar enough, with their similarity; those that are identical always.
fn similar(
    vectors: &Vectors<'_>,
    pairs: &[Pair],
    identical: &Identical,
    baseline: f64,
    request: &DuplicatesRequest,
    progress: &dyn Progress,
) -> Result<Vec<Similar>, Error> {
    let mut similar: Vec<Similar> = identical
        .same_document()
        .map(|docs| Similar {
            docs,
            identical: Some(Identity::Document),
            similarity: 1.0,
            cosine: 1.0,
        })
        .collect();
    progress.begin("comparing vectors", Some(pairs.len() as u64), "pairs");
    for batch in pairs.chunks(BATCH) {
        stop_if_asked(progress)?;
        let compared = batch.par_iter().map(|docs| {
            let Some(cosine) = vectors.cosine(*docs)? else {
                return Ok(None); // one has no vector
            };
            let similarity = baseline::rescaled(cosine, baseline);
            let identical = identical.has_same_text(*docs).then_some(Identity::Text);
            let is_similar = similarity >= request.similarity || identical.is_some();
            Ok(is_similar.then_some(Similar {
                docs: *docs,
                identical,
                similarity,
                cosine,
            }))
        });
        let compared: Vec<Option<Similar>> = compared.collect::<Result<_, Error>>()?;
        similar.extend(compared.into_iter().flatten());
        progress.advance(batch.len() as u64);
    }
    progress.end();
    Ok(similar)
}

/// A pair that is similar enough for its texts to be compared.
struct Similar {
    docs: Pair,
    identical: Option<Identity>,
    similarity: f64,
    cosine: f32,
}

/// The pairs with what their texts have in common, without those that have too little.
fn compared(
    engine: &Engine,
    similar: Vec<Similar>,
    request: &DuplicatesRequest,
    progress: &dyn Progress,
) -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    progress.begin("comparing texts", Some(similar.len() as u64), "pairs");
    for batch in similar.chunks(BATCH) {
        stop_if_asked(progress)?;
        let batch: Vec<Found> = batch
            .par_iter()
            .map(|similar| compare(engine, similar))
            .collect::<Result<_, Error>>()?;
        progress.advance(batch.len() as u64);
        let is_enough = |found: &Found| {
            found.pair.identical == Some(Identity::Document)
                || found.pair.overlap >= request.overlap
        };
        found.extend(batch.into_iter().filter(is_enough));
    }
    progress.end();
    Ok(found)
}

fn compare(engine: &Engine, similar: &Similar) -> Result<Found, Error> {
    let (a, b) = similar.docs;
    let texts = [document(engine, a)?, document(engine, b)?].map(|doc| (doc.full_text(), doc.id));
    let [(text_a, id_a), (text_b, id_b)] = texts;
    let numbers = [&text_a, &text_b].map(|text| Numbers::of(engine, text));
    let [numbers_a, numbers_b] = numbers;
    let (numbers_a, numbers_b) = (numbers_a?, numbers_b?);
    let (terms_a, terms_b) = (
        Terms::of(engine, a, &text_a)?,
        Terms::of(engine, b, &text_b)?,
    );
    let cosine = treffer_types::Score::new(similar.cosine).ok_or_else(|| Error::Damaged {
        path: engine.dir().to_owned(),
        what: format!("the similarity of `{id_a}` and `{id_b}` is no number"),
    })?;
    Ok(Found {
        docs: similar.docs,
        pair: DuplicatePair {
            identical: similar.identical,
            similarity: similar.similarity,
            cosine,
            overlap: terms_a.overlap(&terms_b),
            only_a: numbers_a.not_in(&numbers_b),
            only_b: numbers_b.not_in(&numbers_a),
            cross: None,
            a: id_a,
            b: id_b,
        },
    })
}

fn differs(pair: &DuplicatePair, rule: NumberRule) -> bool {
    let (only_a, only_b) = (!pair.only_a.is_empty(), !pair.only_b.is_empty());
    match rule {
        NumberRule::Conflict => only_a && only_b,
        NumberRule::Any => only_a || only_b,
        NumberRule::Ignore => false,
    }
}

/// The clusters that the pairs make, with names.
fn named(engine: &Engine, accepted: Vec<Found>) -> Result<Vec<Cluster>, Error> {
    let edges: Vec<Pair> = accepted.iter().map(|found| found.docs).collect();
    let components = clusters::components(&edges);
    let mut pairs: Vec<Vec<Found>> = vec![Vec::new(); components.len()];
    let places = clusters::places(&components);
    for found in accepted {
        pairs[places[&found.docs.0]].push(found);
    }
    let name = |doc: &DocId| {
        let document = document(engine, *doc)?;
        Ok(DocumentName {
            id: document.id,
            title: document.title,
        })
    };
    components
        .iter()
        .zip(pairs)
        .map(|(docs, pairs)| {
            Ok(Cluster {
                documents: docs.iter().map(name).collect::<Result<_, Error>>()?,
                pairs: sorted(pairs),
            })
        })
        .collect()
}

/// The most similar first, equal ones in the order of the index.
fn sorted(mut pairs: Vec<Found>) -> Vec<DuplicatePair> {
    pairs.sort_by(|a, b| {
        let by_similarity = b.pair.similarity.total_cmp(&a.pair.similarity);
        by_similarity.then(a.docs.cmp(&b.docs))
    });
    pairs.into_iter().map(|found| found.pair).collect()
}

fn document(engine: &Engine, doc: DocId) -> Result<Document, Error> {
    let document = engine.store().document(doc);
    document.map_err(part("read", "store", engine.dir()))
}
