//! Cross-encoders, which score a query and a passage together.

use rayon::prelude::*;
use treffer_types::{
    BoxError, Device, Fingerprint, ModelFolder, ModelRole, ModelSpec, PairScore, PairScorer,
    Pooling,
};

use crate::error::Error;
use crate::heads::Head;
use crate::labels::Reading;
use crate::model::Model;
use crate::tokenize::Sequence;

/// A transformer with a classification head over `[CLS] query [SEP] passage [SEP]`.
///
/// The score of a head with one class is its raw logit. What that of a head with several
/// classes is, the [`Scoring`](treffer_types::Scoring) of the spec says, or else the labels in `config.json`; the spec
/// of the loaded model says which. Whatever activation a file names for the score is not
/// applied, since it would not change the order.
/// The passage is truncated to fit the model's maximal length. The query is truncated only
/// if it would leave no room for the passage, and then to half of the available tokens.
pub struct CrossEncoder {
    pub(crate) model: Model,
    pub(crate) head: Head,
    reading: Reading,
}

impl CrossEncoder {
    /// Loads the model of `folder` onto `device`.
    ///
    /// # Errors
    /// If the folder's role is not [`ModelRole::CrossEncoder`], a file is missing,
    /// damaged or differs from its pinned checksum, the files do not match each other, nothing
    /// says which of several classes means relevance, or the device cannot be opened.
    pub fn load(folder: &ModelFolder, device: Device) -> Result<Self, Error> {
        let (model, mut rest) = Model::load(folder, device, ModelRole::CrossEncoder)?;
        let (weights, labels) = (&mut rest.weights, &rest.labels);
        let head = Head::load(&model.config, labels, weights, &folder.path)?;
        // The head is read by other threads, which have other streams.
        model.device.synchronize().map_err(|source| Error::Run {
            name: model.spec.name.clone(),
            source: source.into(),
        })?;
        let reading = labels.reading(&model.spec.details.scoring, head.count());
        let reading = reading.map_err(|reason| Error::Unsupported {
            path: folder.path.clone(),
            reason,
        })?;
        Ok(CrossEncoder {
            model,
            head,
            reading,
        })
    }

    /// What the model reads of each pair.
    pub(crate) fn sequences(&self, query: &str, passages: &[&str]) -> Result<Vec<Sequence>, Error> {
        let model = &self.model;
        let spec = &model.spec;
        let query = format!("{}{query}", spec.query_prefix);
        let query = model
            .reader
            .tokens(&query)
            .map_err(|source| model.tokenize_error(source))?;
        passages
            .par_iter()
            .map(|passage| match spec.passage_prefix.as_str() {
                "" => model.reader.pair(&query, passage),
                prefix => model.reader.pair(&query, &format!("{prefix}{passage}")),
            })
            .collect::<Result<_, _>>()
            .map_err(|source| model.tokenize_error(source))
    }

    fn score(&self, query: &str, passages: &[&str]) -> Result<Vec<PairScore>, Error> {
        let model = &self.model;
        let sequences = self.sequences(query, passages)?;
        let logits = model.run(&sequences, Pooling::Cls, |first| self.head.forward(first))?;
        let score = |(logits, sequence): (Vec<f32>, &Sequence)| {
            let score = self.reading.score(&logits);
            if !score.is_finite() {
                return Err(model.not_finite());
            }
            Ok(PairScore {
                score,
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

    fn token_ends(&self, text: &str) -> Result<Vec<u32>, BoxError> {
        let ends = self.model.reader.token_ends(text);
        Ok(ends.map_err(|source| self.model.tokenize_error(source))?)
    }

    fn pair_room(&self) -> Result<usize, BoxError> {
        let model = &self.model;
        let spec = &model.spec;
        let mut room = model.reader.pair_room();
        for prefix in [&spec.query_prefix, &spec.passage_prefix] {
            room = room.saturating_sub(model.reader.tokens(prefix)?.len());
        }
        Ok(room)
    }
}
