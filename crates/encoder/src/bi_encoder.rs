//! Bi-encoders, which embed one text at a time as a unit vector.

use std::path::Path;

use rayon::prelude::*;
use treffer_types::{
    BoxError, Device, Embedder, Embedding, Fingerprint, ModelFolder, ModelRole, ModelSpec,
};

use crate::error::Error;
use crate::layers::Layers;
use crate::model::Model;
use crate::pooling::pool;
use crate::tokenize::Sequence;
use crate::transformer::OutputTokens;

/// A transformer whose token vectors are pooled to one unit vector per text.
pub struct BiEncoder {
    model: Model,
    layers: Layers,
    queries: Prefix,
    passages: Prefix,
}

/// What is put before a text.
struct Prefix {
    text: String,
    /// Number of tokens at the beginning that are left out of the pooling.
    not_pooled: usize,
}

impl Prefix {
    fn new(model: &Model, key: &'static str, text: &str, path: &Path) -> Result<Self, Error> {
        let reader = &model.reader;
        let tokenized = reader.prefix_length(text);
        let length = tokenized.map_err(|source| model.tokenize_error(source))?;
        if length > reader.room() {
            return Err(Error::Config {
                path: path.to_owned(),
                key,
                reason: format!(
                    "has so many tokens that of the {} of the model none is left for a text",
                    model.spec.max_length
                ),
            });
        }
        let left_out = model.spec.details.prefix_not_pooled && !text.is_empty();
        Ok(Prefix {
            text: text.to_owned(),
            not_pooled: if left_out { length } else { 0 },
        })
    }
}

impl BiEncoder {
    /// Loads the model of `folder` onto `device`.
    ///
    /// # Errors
    /// If the folder's role is not [`ModelRole::BiEncoder`], a file is missing,
    /// damaged or differs from its pinned checksum, the files do not match each other, or
    /// the device cannot be opened.
    pub fn load(folder: &ModelFolder, device: Device) -> Result<Self, Error> {
        let (model, rest) = Model::load(folder, device, ModelRole::BiEncoder)?;
        let (spec, path) = (&model.spec, &folder.path);
        Ok(BiEncoder {
            queries: Prefix::new(&model, "query_prefix", &spec.query_prefix, path)?,
            passages: Prefix::new(&model, "passage_prefix", &spec.passage_prefix, path)?,
            layers: rest.layers,
            model,
        })
    }

    /// Tokenizes the texts, runs the model, pools and normalizes.
    fn embed(&self, prefix: &Prefix, texts: &[&str]) -> Result<Vec<Embedding>, Error> {
        let model = &self.model;
        let sequences = self.sequences(prefix, texts)?;
        let pooled = model.run(&sequences, model.spec.pooling, |pooled| pooled.squeeze(1))?;
        let embedding = |(row, sequence)| self.embedding(row, sequence);
        pooled.into_iter().zip(&sequences).map(embedding).collect()
    }

    fn sequences(&self, prefix: &Prefix, texts: &[&str]) -> Result<Vec<Sequence>, Error> {
        let model = &self.model;
        let read = |text: &&str| {
            let mut sequence = match prefix.text.as_str() {
                "" => model.reader.single(text),
                prefix => model.reader.single(&format!("{prefix}{text}")),
            }?;
            // With the text, its pieces may be other and fewer than alone.
            sequence.not_pooled = prefix.not_pooled.min(sequence.ids.len() - 1);
            Ok(sequence)
        };
        let sequences = texts.par_iter().map(read).collect::<Result<_, _>>();
        sequences.map_err(|source| model.tokenize_error(source))
    }

    /// Of the pooled vector of a text.
    fn embedding(&self, pooled: Vec<f32>, sequence: &Sequence) -> Result<Embedding, Error> {
        let vector = unit(&self.layers.apply(pooled));
        Ok(Embedding {
            vector: vector.ok_or_else(|| self.model.not_finite())?,
            tokens_cut: sequence.tokens_cut,
        })
    }

    /// The passages as they are read, if the network and what it is given for a passage are those
    /// of `other`, which puts `prefix` before it. If the vector is that of the first token, the
    /// last layer runs for this one alone, and gives other last bits than for all.
    pub(crate) fn shared_passages(
        &self,
        other: &Model,
        prefix: &str,
        passages: &[&str],
    ) -> Result<Option<Vec<Sequence>>, Error> {
        let of_all = matches!(OutputTokens::of(self.model.spec.pooling), OutputTokens::All);
        if !of_all || !self.model.is_same_network(other) || self.passages.text != prefix {
            return Ok(None);
        }
        self.sequences(&self.passages, passages).map(Some)
    }

    /// The vector of a text from those of its tokens, which are `rows`.
    pub(crate) fn pooled(&self, rows: &[f32], sequence: &Sequence) -> Result<Embedding, Error> {
        let (pooling, width) = (self.model.spec.pooling, self.model.config.hidden_size);
        self.embedding(pool(pooling, rows, width, sequence.not_pooled), sequence)
    }
}

impl Embedder for BiEncoder {
    fn spec(&self) -> &ModelSpec {
        &self.model.spec
    }

    fn fingerprint(&self) -> &Fingerprint {
        &self.model.fingerprint
    }

    fn dimension(&self) -> usize {
        self.layers.dimension()
    }

    fn embed_queries(&self, queries: &[&str]) -> Result<Vec<Embedding>, BoxError> {
        Ok(self.embed(&self.queries, queries)?)
    }

    fn embed_passages(&self, passages: &[&str]) -> Result<Vec<Embedding>, BoxError> {
        Ok(self.embed(&self.passages, passages)?)
    }

    fn token_ends(&self, text: &str) -> Result<Vec<u32>, BoxError> {
        let ends = self.model.reader.token_ends(text);
        Ok(ends.map_err(|source| self.model.tokenize_error(source))?)
    }

    fn passage_room(&self) -> Result<usize, BoxError> {
        let reader = &self.model.reader;
        let prefix = reader.tokens(&self.passages.text)?.len();
        Ok(reader.room().saturating_sub(prefix))
    }
}

/// `vector` scaled to Euclidean length 1; `None` if its length is 0 or not finite.
pub(crate) fn unit(vector: &[f32]) -> Option<Vec<f32>> {
    let square = |&value: &f32| f64::from(value) * f64::from(value);
    let length = vector.iter().map(square).sum::<f64>().sqrt();
    (length.is_finite() && length > 0.0).then(|| {
        vector
            .iter()
            .map(|&v| (f64::from(v) / length) as f32)
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_zero_or_nan_vector_has_no_unit_vector() {
        assert_eq!(unit(&[0.0, 0.0]), None);
        assert_eq!(unit(&[f32::NAN, 1.0]), None);
        assert_eq!(unit(&[3.0, 4.0]), Some(vec![0.6, 0.8]));
    }

    proptest! {
        #[test]
        fn a_unit_vector_has_length_one(vector in prop::collection::vec(-1e3f32..1e3, 1..50)) {
            if let Some(unit) = unit(&vector) {
                let length = unit.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
                prop_assert!((length - 1.0).abs() < 1e-6, "{}", length);
            }
        }
    }
}
