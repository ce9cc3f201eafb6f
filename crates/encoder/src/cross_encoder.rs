//! Cross-encoders, which score a query and a passage together.

use rayon::prelude::*;
use treffer_types::{
    BoxError, Device, Fingerprint, ModelFolder, ModelRole, ModelSpec, PairScore, PairScorer,
};

use crate::error::Error;
use crate::heads::{Head, grade};
use crate::model::Model;
use crate::tokenize::Sequence;
use crate::transformer::OutputTokens;

/// A transformer with a classification head over `[CLS] query [SEP] passage [SEP]`.
///
/// The score of a head with one class is its raw logit. That of a head with several classes
/// is the expected grade, the sum of i * softmax(logits)_i over the classes i = 0, 1, ...
/// The passage is truncated to fit the model's maximal length. The query is truncated only
/// if it would leave no room for the passage, and then to half of the available tokens.
pub struct CrossEncoder {
    model: Model,
    head: Head,
}

impl CrossEncoder {
    /// Loads the model of `folder` onto `device`.
    ///
    /// # Errors
    /// If the folder's role is not [`ModelRole::CrossEncoder`], a file is missing,
    /// damaged or differs from its pinned checksum, the files do not match each other, or
    /// the device cannot be opened.
    pub fn load(folder: &ModelFolder, device: Device) -> Result<Self, Error> {
        let (model, mut weights) = Model::load(folder, device, ModelRole::CrossEncoder)?;
        let head = Head::load(&model.config, &mut weights, &folder.path)?;
        Ok(CrossEncoder { model, head })
    }

    fn score(&self, query: &str, passages: &[&str]) -> Result<Vec<PairScore>, Error> {
        let model = &self.model;
        let spec = &model.spec;
        let query = format!("{}{query}", spec.query_prefix);
        let query = model
            .reader
            .tokens(&query)
            .map_err(|source| model.tokenize_error(source))?;
        let sequences: Vec<Sequence> = passages
            .par_iter()
            .map(|passage| match spec.passage_prefix.as_str() {
                "" => model.reader.pair(&query, passage),
                prefix => model.reader.pair(&query, &format!("{prefix}{passage}")),
            })
            .collect::<Result<_, _>>()
            .map_err(|source| model.tokenize_error(source))?;
        let logits = model.run(&sequences, OutputTokens::First, |first| {
            self.head.forward(first)
        })?;
        let score = |(logits, sequence): (Vec<f32>, &Sequence)| {
            let logit = grade(&logits);
            if !logit.is_finite() {
                return Err(model.not_finite());
            }
            Ok(PairScore {
                logit,
                tokens_cut: sequence.tokens_cut,
            })
        };
        logits.into_iter().zip(&sequences).map(score).collect()
    }
}

impl PairScorer for CrossEncoder {
    fn spec(&self) -> &ModelSpec {
        &self.model.spec
    }

    fn fingerprint(&self) -> &Fingerprint {
        &self.model.fingerprint
    }

    fn score_pairs(&self, query: &str, passages: &[&str]) -> Result<Vec<PairScore>, BoxError> {
        Ok(self.score(query, passages)?)
    }
}
