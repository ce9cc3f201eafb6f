//! How a model is trained.

use serde::{Deserialize, Serialize};
use treffer_kernels::floats::{self, Products};

use crate::error::Error;
use crate::loss::Loss;

/// What is trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A model that reads query and passage together, to logits.
    #[default]
    CrossEncoder,
    /// A model that makes a vector of each text, pooled as the spec of its base says, with its
    /// prefixes. Vectors are compared by their cosine.
    BiEncoder {
        /// What the cosine is multiplied by where it stands for a logit: in every loss but
        /// [`Loss::Mse`]. Above 0; 20 is usual.
        scale: f32,
    },
}

/// Everything that the result depends on, next to base and data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// What is trained.
    #[serde(default)]
    pub kind: Kind,
    /// What is made small.
    pub loss: Loss,
    /// Examples of a step, from 1.
    pub batch: usize,
    /// Number of steps, from 1.
    pub steps: u64,
    /// Largest learning rate.
    pub rate: f64,
    /// The learning rate of a cross-encoder's head is this many times as large.
    pub head_rate: f64,
    /// Share of the steps in which the learning rate grows from 0, from 0 to 1.
    pub warm_up: f64,
    /// How the learning rate falls after that.
    pub decay: Decay,
    /// Weight decay of AdamW.
    pub weight_decay: f64,
    /// Share of the old mean of gradients that remains in a step.
    pub beta1: f64,
    /// Share of the old mean of squared gradients that remains in a step.
    pub beta2: f64,
    /// Largest norm of a gradient; a larger one is shortened to it.
    pub clip: f64,
    /// A teacher's scores are divided by this before a softmax or sigmoid.
    pub temperature: f32,
    /// Share of values that are dropped, from 0 to 1 (exclusive).
    pub dropout: f32,
    /// Number of layers, from the first, that do not change; with any, the embeddings do not
    /// change either.
    pub freeze_layers: usize,
    /// Whether the table of word embeddings changes too.
    pub train_words: bool,
    /// Number of layers, evenly chosen from those of the base [default: all].
    pub layers: Option<usize>,
    /// Most tokens of a pair, or of a bi-encoder's text.
    pub max_length: usize,
    /// Where the random numbers come from: the order, the dropout and a new head.
    pub seed: u64,
    /// Number of sums that gradients are collected in, which limits how many threads are of
    /// use. It changes results by rounding.
    pub lanes: usize,
    /// Tokens that are computed at once in each of them.
    pub pack: usize,
    /// What the operands of products are rounded to. Parameters, sums and everything else stay
    /// f32.
    pub precision: Precision,
    /// Steps between two validations.
    pub validate_every: u64,
    /// Validations without a better result after which training stops; 0 for never.
    pub patience: u32,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            kind: Kind::CrossEncoder,
            loss: Loss::Bce,
            batch: 32,
            steps: 1000,
            rate: 2e-5,
            head_rate: 1.0,
            warm_up: 0.1,
            decay: Decay::Linear,
            weight_decay: 0.01,
            beta1: 0.9,
            beta2: 0.999,
            clip: 1.0,
            temperature: 1.0,
            dropout: 0.1,
            freeze_layers: 0,
            train_words: false,
            layers: None,
            max_length: 256,
            seed: 1,
            lanes: 4,
            pack: 768,
            precision: Precision::F32,
            validate_every: 500,
            patience: 0,
        }
    }
}

/// What the operands of products of matrices are rounded to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// Not at all.
    F32,
    /// To bf16, with 8 bits of precision: about 1.6 times as fast on processors with AVX-512 BF16,
    /// slower on others.
    Bf16,
}

impl Precision {
    pub(crate) fn products(self) -> Products {
        Products::new(match self {
            Precision::F32 => floats::Precision::F32,
            Precision::Bf16 => floats::Precision::Bf16,
        })
    }
}

/// How the learning rate falls after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decay {
    /// In a straight line to 0.
    Linear,
    /// Along half a period of a cosine to 0.
    Cosine,
    /// Not at all.
    None,
}

impl Options {
    /// The learning rate of a step, from 0, as a share of the largest.
    pub(crate) fn share(&self, step: u64) -> f64 {
        let total = self.steps as f64;
        let warm_up = (total * self.warm_up).ceil();
        let at = step as f64 + 1.0;
        if at <= warm_up {
            return at / warm_up;
        }
        let rest = (total - warm_up).max(1.0);
        // The last step still learns something.
        let done = ((at - warm_up - 1.0) / rest).clamp(0.0, 1.0);
        match self.decay {
            Decay::Linear => 1.0 - done,
            Decay::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * done).cos()),
            Decay::None => 1.0,
        }
    }

    /// Checks that every value can be followed by a model of `layers` layers.
    pub(crate) fn check(&self, layers: usize) -> Result<(), Error> {
        let check = |fits: bool, option, value: String, reason: &str| {
            if fits {
                return Ok(());
            }
            Err(Error::Option {
                option,
                value,
                reason: reason.to_owned(),
            })
        };
        let text = |value: f64| value.to_string();
        let share = |value: f64| (0.0..1.0).contains(&value);
        check(self.batch > 0, "batch", "0".into(), "it must be 1 or more")?;
        check(self.steps > 0, "steps", "0".into(), "it must be 1 or more")?;
        check(self.lanes > 0, "lanes", "0".into(), "it must be 1 or more")?;
        let above_0 = "it must be above 0";
        check(
            self.rate > 0.0 && self.rate.is_finite(),
            "rate",
            text(self.rate),
            above_0,
        )?;
        check(
            self.head_rate > 0.0 && self.head_rate.is_finite(),
            "head-rate",
            text(self.head_rate),
            above_0,
        )?;
        check(
            self.clip > 0.0 && self.clip.is_finite(),
            "clip",
            text(self.clip),
            "it must be above 0 and finite; a large one never clips",
        )?;
        check(
            self.temperature > 0.0 && self.temperature.is_finite(),
            "temperature",
            text(self.temperature.into()),
            above_0,
        )?;
        let below_1 = "it must be from 0 to below 1";
        check(
            share(self.dropout.into()),
            "dropout",
            text(self.dropout.into()),
            below_1,
        )?;
        check(share(self.beta1), "beta1", text(self.beta1), below_1)?;
        check(share(self.beta2), "beta2", text(self.beta2), below_1)?;
        check(
            (0.0..=1.0).contains(&self.warm_up),
            "warm-up",
            text(self.warm_up),
            "it must be from 0 to 1",
        )?;
        check(
            (0.0..1.0).contains(&self.weight_decay),
            "weight-decay",
            text(self.weight_decay),
            below_1,
        )?;
        let kept = self.layers.unwrap_or(layers);
        let of = format!("the base has {layers} layers");
        check(
            (1..=layers).contains(&kept),
            "layers",
            kept.to_string(),
            &of,
        )?;
        let of = format!("the model has {kept} layers");
        check(
            self.freeze_layers <= kept,
            "freeze-layers",
            self.freeze_layers.to_string(),
            &of,
        )?;
        if let Kind::BiEncoder { scale } = self.kind {
            check(
                scale > 0.0 && scale.is_finite(),
                "scale",
                text(scale.into()),
                above_0,
            )?;
            let no_head = "a bi-encoder has no head; leave it 1";
            check(
                self.head_rate == 1.0,
                "head-rate",
                text(self.head_rate),
                no_head,
            )?;
            let nothing = format!("{of}, and a bi-encoder has nothing above them to train");
            check(
                self.freeze_layers < kept,
                "freeze-layers",
                self.freeze_layers.to_string(),
                &nothing,
            )?;
        }
        check(
            !(self.train_words && self.freeze_layers > 0),
            "train-words",
            "true".into(),
            "embeddings cannot change while layers above them are frozen",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checkpoints hold options as JSON, which has no infinity.
    #[test]
    fn infinite_options_are_refused() {
        let refused = |options: Options| options.check(2).is_err();
        assert!(!refused(Options::default()));
        for value in [f64::INFINITY, f64::NAN] {
            let clip = Options {
                clip: value,
                ..Options::default()
            };
            let temperature = Options {
                temperature: value as f32,
                ..Options::default()
            };
            assert!(refused(clip) && refused(temperature));
        }
    }

    #[test]
    fn the_rate_grows_and_falls() {
        let options = Options {
            steps: 10,
            warm_up: 0.2,
            ..Options::default()
        };
        let shares: Vec<f64> = (0..10).map(|step| options.share(step)).collect();
        assert_eq!(shares[..3], [0.5, 1.0, 1.0]);
        assert!(shares[2..].windows(2).all(|pair| pair[0] > pair[1]) && shares[9] > 0.0);
        let cosine = Options {
            decay: Decay::Cosine,
            ..options
        };
        assert!((cosine.share(6) - 0.5).abs() < 1e-9);
    }
}
