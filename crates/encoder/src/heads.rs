//! Classification heads, which turn the first token's vector into logits.

use candle_core::Tensor;

use crate::config::{Activation, Config, Family};
use crate::error::Error;
use crate::labels::Labels;
use crate::ops::Linear;
use crate::weights::Weights;

/// A dense layer with an activation, and a linear layer with one output per class. Their
/// tensors have different names in each family.
pub(crate) struct Head {
    dense: Linear,
    activation: HeadActivation,
    classes: Linear,
    count: usize,
}

enum HeadActivation {
    Tanh,
    Gelu,
}

impl Head {
    /// Takes its tensors from `weights`; their shape gives the number of classes, which must
    /// be that of the `labels`.
    pub(crate) fn load(
        config: &Config,
        labels: &Labels,
        weights: &mut Weights,
        path: &std::path::Path,
    ) -> Result<Self, Error> {
        let hidden = config.hidden_size;
        let (classes, activation) = match config.family {
            Family::Bert => ("classifier", HeadActivation::Tanh),
            Family::Roberta => ("classifier.out_proj", HeadActivation::Tanh),
            Family::Electra => ("classifier.out_proj", HeadActivation::Gelu),
        };
        // If the tensor is missing, taking it below is an error.
        let count = weights.rows(&format!("{classes}.weight")).unwrap_or(1);
        if labels.count().is_some_and(|stated| stated != count) || count == 0 {
            return Err(Error::Config {
                path: path.to_owned(),
                key: "id2label",
                reason: format!("does not name the {count} classes that the weights have"),
            });
        }
        let square = (hidden, hidden);
        let dense = match config.family {
            Family::Bert => Linear::load(weights, "pooler.dense", square)?,
            Family::Roberta | Family::Electra => {
                Linear::load_head(weights, "classifier.dense", square)?
            }
        };
        Ok(Head {
            dense,
            activation,
            classes: Linear::load_head(weights, classes, (count, hidden))?,
            count,
        })
    }

    /// Number of classes.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Logits `[size, classes]` of the first tokens' vectors `[size, 1, hidden]`.
    pub(crate) fn forward(&self, first: &Tensor) -> candle_core::Result<Tensor> {
        let first = first.squeeze(1)?;
        let dense = match self.activation {
            HeadActivation::Tanh => self.dense.forward(&first)?.tanh()?,
            HeadActivation::Gelu => self.dense.forward_activated(&first, Activation::Gelu)?,
        };
        self.classes.forward(&dense)
    }
}
