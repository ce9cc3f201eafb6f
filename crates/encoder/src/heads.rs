//! Classification heads, which turn the first token's vector into logits.

use candle_core::Tensor;

use crate::config::{Activation, Config, Family};
use crate::error::Error;
use crate::ops::Linear;
use crate::weights::Weights;

/// A dense layer with an activation, and a linear layer with one output per class. Their
/// tensors have different names in each family.
pub(crate) struct Head {
    dense: Linear,
    activation: HeadActivation,
    classes: Linear,
}

enum HeadActivation {
    Tanh,
    Gelu,
}

impl Head {
    /// Takes its tensors from `weights`; their shape gives the number of classes.
    pub(crate) fn load(
        config: &Config,
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
        let labels = weights.rows(&format!("{classes}.weight")).unwrap_or(1);
        if config.labels.is_some_and(|stated| stated != labels) || labels == 0 {
            return Err(Error::Config {
                path: path.to_owned(),
                key: "id2label",
                reason: format!("does not name the {labels} classes that the weights have"),
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
            classes: Linear::load_head(weights, classes, (labels, hidden))?,
        })
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

/// The score of a pair from the logits of all classes: the unchanged logit of a single class,
/// or the expected grade, the sum of i * softmax(logits)_i, of several classes i = 0, 1, ...
pub(crate) fn grade(logits: &[f32]) -> f32 {
    if let [logit] = *logits {
        return logit;
    }
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weight = |&logit: &f32| f64::from(logit - largest).exp();
    let total: f64 = logits.iter().map(weight).sum();
    let weighted = |(grade, logit)| grade as f64 * weight(logit);
    (logits.iter().enumerate().map(weighted).sum::<f64>() / total) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_class_gives_its_logit_and_a_certain_class_its_grade() {
        assert_eq!(grade(&[-11.25]), -11.25);
        assert_eq!(grade(&[0.0, 0.0, 1000.0]), 2.0);
        assert_eq!(grade(&[3.0, 3.0, 3.0]), 1.0);
    }

    proptest! {
        #[test]
        fn an_expected_grade_lies_between_the_grades(
            logits in prop::collection::vec(-500f32..500.0, 2..6),
        ) {
            let grade = grade(&logits);
            prop_assert!((0.0..=(logits.len() - 1) as f32).contains(&grade));
        }
    }
}
