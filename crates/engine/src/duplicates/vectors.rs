//! The vectors of an index, for comparing documents with each other.

use treffer_api::DEFAULT_PROFILE;
use treffer_dense::DenseIndex;
use treffer_types::DocId;

use super::Pair;
use crate::engine::Engine;
use crate::error::{Error, part};
use crate::stages::Parameters;

/// An index's vectors, and how they are searched.
pub(super) struct Vectors<'a> {
    engine: &'a Engine,
    index: DenseIndex,
    parameters: Parameters,
}

impl<'a> Vectors<'a> {
    pub(super) fn open(engine: &'a Engine) -> Result<Self, Error> {
        let manifest = engine.manifest();
        if manifest.blueprint.dense.is_none() {
            return Err(Error::Request(
                "duplicates are found by vectors, and this index has none; build it with a bi-encoder (dense.model)".into(),
            ));
        }
        let profile = engine.settings().profile(DEFAULT_PROFILE)?;
        let parameters = profile.parameters();
        Ok(Vectors {
            engine,
            index: engine.data().open_dense()?,
            parameters,
        })
    }

    pub(super) fn docs(&self) -> impl Iterator<Item = DocId> {
        self.engine.store().live_docs()
    }

    /// Above every number of a document.
    pub(super) fn end(&self) -> usize {
        self.engine.store().len()
    }

    /// Number of vectors.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// Vectors of a document.
    pub(super) fn count(&self, doc: DocId) -> Result<usize, Error> {
        let passages = self.index.passages_of(doc);
        Ok(passages.map_err(self.failed())?.len())
    }

    /// The documents near each vector of a document, itself among them: `depth` passages each,
    /// nearest first.
    pub(super) fn near(&self, doc: DocId, depth: usize) -> Result<Vec<Vec<DocId>>, Error> {
        let depth = depth.min(self.index.len());
        let scans = self.index.len() < self.parameters.exact_below;
        let near = |vector: &[f32]| {
            let found = if scans {
                self.index.exact(vector, depth, None)
            } else {
                let ef_search = self.parameters.ef_search.max(depth);
                self.index.search(vector, depth, ef_search, None)
            };
            let found = found.map_err(self.failed())?;
            Ok(found.into_iter().map(|(passage, _)| passage.doc).collect())
        };
        self.of(doc)?.iter().map(|vector| near(vector)).collect()
    }

    /// See [`DuplicatePair::cosine`](treffer_api::DuplicatePair::cosine); `None` if one has no
    /// vector. Symmetric, and for documents of one passage the plain cosine.
    pub(super) fn cosine(&self, (a, b): Pair) -> Result<Option<f32>, Error> {
        let one = self.mean_of_best(a, b)?;
        let other = self.mean_of_best(b, a)?;
        Ok(one.zip(other).map(|(one, other)| one.min(other)))
    }

    /// The mean over the passages of `a` of the best cosine with a passage of `b`.
    fn mean_of_best(&self, a: DocId, b: DocId) -> Result<Option<f32>, Error> {
        let (mut sum, mut n) = (0.0, 0_u32);
        for vector in self.of(a)? {
            let scored = self.index.score_docs(&vector, &[b]);
            let scored = scored.map_err(self.failed())?;
            let Some((_, best)) = scored.into_iter().max_by_key(|(_, score)| *score) else {
                return Ok(None);
            };
            sum += f64::from(best.value());
            n += 1;
        }
        Ok((n > 0).then(|| (sum / f64::from(n)) as f32))
    }

    fn of(&self, doc: DocId) -> Result<Vec<Vec<f32>>, Error> {
        let passages = self.index.passages_of(doc).map_err(self.failed())?;
        let vectors = passages.into_iter().filter_map(|passage| {
            let vector = self.index.vector(passage);
            vector.map_err(self.failed()).transpose()
        });
        vectors.collect()
    }

    fn failed(&self) -> impl FnOnce(treffer_dense::Error) -> Error {
        part("read", "dense part", self.engine.dir())
    }
}
