//! Texts to unit vectors, each alone.

use rayon::prelude::*;
use treffer_types::{
    BoxError, Device, Embedder, Embedding, Fingerprint, ModelFolder, ModelRole, ModelSpec, Pooling,
};

use crate::error::Error;
use crate::model::Model;
use crate::tokenize::Sequence;
use crate::transformer::Wanted;

/// A transformer whose token vectors become one unit vector per text.
pub struct BiEncoder {
    model: Model,
}

impl BiEncoder {
    /// Loads the model of `folder` onto `device`.
    ///
    /// # Errors
    /// If the folder's role is not [`ModelRole::BiEncoder`], a file is missing,
    /// damaged or not the pinned one, the files do not fit one another, or the
    /// device cannot be opened.
    pub fn load(folder: &ModelFolder, device: Device) -> Result<Self, Error> {
        let (model, _weights) = Model::load(folder, device, ModelRole::BiEncoder)?;
        Ok(BiEncoder { model })
    }

    /// Tokenise, run, pool, normalise.
    fn embed(&self, prefix: &str, texts: &[&str]) -> Result<Vec<Embedding>, Error> {
        let model = &self.model;
        let sequences: Vec<Sequence> = texts
            .par_iter()
            .map(|text| match prefix {
                "" => model.reader.single(text),
                _ => model.reader.single(&format!("{prefix}{text}")),
            })
            .collect::<Result<_, _>>()
            .map_err(|source| model.tokenize_error(source))?;
        let wanted = match model.spec.pooling {
            Pooling::Cls => Wanted::First,
            Pooling::Mean => Wanted::All,
        };
        let pooled = model.run(&sequences, wanted, |pooled| pooled.squeeze(1))?;
        let embedding = |(row, sequence): (Vec<f32>, &Sequence)| {
            Ok(Embedding {
                vector: unit(&row).ok_or_else(|| model.not_finite())?,
                tokens_cut: sequence.tokens_cut,
            })
        };
        pooled.into_iter().zip(&sequences).map(embedding).collect()
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
        self.model.config.hidden_size
    }

    fn embed_queries(&self, queries: &[&str]) -> Result<Vec<Embedding>, BoxError> {
        Ok(self.embed(&self.model.spec.query_prefix, queries)?)
    }

    fn embed_passages(&self, passages: &[&str]) -> Result<Vec<Embedding>, BoxError> {
        Ok(self.embed(&self.model.spec.passage_prefix, passages)?)
    }
}

/// `vector` at length 1; `None` if it has no direction.
fn unit(vector: &[f32]) -> Option<Vec<f32>> {
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
    fn a_vector_without_direction_has_no_unit() {
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
