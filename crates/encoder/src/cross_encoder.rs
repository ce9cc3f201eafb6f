//! Query and passage, read together, to one logit.

use rayon::prelude::*;
use treffer_types::{
    BoxError, Device, Fingerprint, ModelFolder, ModelRole, ModelSpec, PairScore, PairScorer,
};

use crate::error::Error;
use crate::heads::{Head, grade};
use crate::model::Model;
use crate::tokenize::Sequence;
use crate::transformer::Wanted;

/// A transformer with a classification head over `[CLS] query [SEP] passage [SEP]`.
///
/// A head with one class gives its raw logit. A head with several classes gives the
/// expected grade, the sum of i * softmax(logits)_i over the classes i = 0, 1, ...
/// Only the passage is cut to the model's maximal length; a query that would leave
/// it no room is cut to half of the room.
pub struct CrossEncoder {
    model: Model,
    head: Head,
}

impl CrossEncoder {
    /// Loads the model of `folder` onto `device`.
    ///
    /// # Errors
    /// If the folder's role is not [`ModelRole::CrossEncoder`], a file is missing,
    /// damaged or not the pinned one, the files do not fit one another, or the
    /// device cannot be opened.
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
        let logits = model.run(&sequences, Wanted::First, |first| self.head.forward(first))?;
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
