//! `treffer train bi`: what a bi-encoder is told.

use anyhow::{Context, Result};
use clap::ValueEnum;
use treffer_encoder::describe_embedder;
use treffer_models::{Fetched, Registry};
use treffer_train::{Examples, Kind, Loss, Options, ValueKind};
use treffer_types::{EmbedderSettings, ModelDetails, ModelFolder, ModelRole, Pooling};

use super::learn::Student;
use super::shared::Shared;
use crate::progress::Bars;
use crate::terminal::note;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each line of the data is one of
  {\"query\": \"...\", \"positive\": \"...\"}
  {\"query\": \"...\", \"positive\": \"...\", \"negatives\": [\"...\", \"...\"]}
  {\"query\": \"...\", \"passages\": [\"...\", \"...\"], \"labels\": [2, 0]}
maybe with a `weight`, and with a teacher's `scores` for the losses other than multiple-negatives.

With multiple-negatives, a relevant passage competes with the line's other passages and with all
passages of the other lines of the step: larger batches teach more, and take more time, but hardly
more memory. Passages with the text of one that is relevant to the same query are left out.

Pooling, prefixes and the length of texts are those of the base. The folder then holds a model that
Sentence Transformers loads as a SentenceTransformer, and Treffer by its path: `treffer index --set
dense.model=./FOLDER`. `--resume` and held-out data are as in `treffer train cross`; passages are
ranked by the cosine.

Examples:
  treffer train bi --data train.jsonl --base multilingual-e5-small --out my-model
  treffer train bi --data train.jsonl --held-out dev.jsonl --batch 128 --base bge-small-en-v1.5 --out my-model")]
pub(crate) struct Bi {
    #[command(flatten)]
    pub(super) shared: Shared,
    #[command(flatten)]
    own: BiArgs,
}

/// What is a bi-encoder's own.
#[derive(Debug, clap::Args)]
pub(crate) struct BiArgs {
    /// What is made small [default: multiple-negatives; of `distill`, margin-mse]
    #[arg(long, value_enum)]
    loss: Option<LossName>,
    /// The cosine times this stands for a logit, in every loss but mse
    #[arg(long, default_value = "20", value_name = "TIMES")]
    scale: f32,
    /// Most tokens of a text, also of the saved model [default: as many as the base reads]
    #[arg(long, value_name = "N")]
    max_length: Option<usize>,
    /// How the vectors of tokens become one: mean or cls [default: as the base says]
    #[arg(long, value_enum, value_name = "POOLING")]
    pooling: Option<PoolingName>,
    /// Put before every query [default: as the base says]
    #[arg(long, value_name = "TEXT")]
    query_prefix: Option<String>,
    /// Put before every passage [default: as the base says]
    #[arg(long, value_name = "TEXT")]
    passage_prefix: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LossName {
    /// Softmax cross-entropy over a relevant passage and all that are not (Henderson et al. 2017)
    MultipleNegatives,
    /// Squared error of the cosine, against labels from 0 to 1 or the sigmoid of scores
    Mse,
    /// Squared error of the margins between the best passage and the others
    MarginMse,
    /// Softmax cross-entropy over the passages of a query (ListNet)
    List,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PoolingName {
    Mean,
    Cls,
}

impl Bi {
    /// The named loss.
    pub(in crate::commands) fn loss(&self) -> Option<Loss> {
        self.own.loss.map(|loss| match loss {
            LossName::MultipleNegatives => Loss::MultipleNegatives,
            LossName::Mse => Loss::Mse,
            LossName::MarginMse => Loss::MarginMse,
            LossName::List => Loss::List,
        })
    }
}

impl Student for Bi {
    fn shared(&self) -> &Shared {
        &self.shared
    }

    fn preferred(&self) -> ValueKind {
        match self.own.loss {
            None | Some(LossName::MultipleNegatives) => ValueKind::Labels,
            Some(_) => ValueKind::Scores,
        }
    }

    fn base(&self, registry: &Registry, bars: &Bars) -> Result<ModelFolder> {
        let base = &self.shared.base;
        let settings = EmbedderSettings {
            query_prefix: self.own.query_prefix.clone(),
            passage_prefix: self.own.passage_prefix.clone(),
            pooling: self.own.pooling.map(|pooling| match pooling {
                PoolingName::Mean => Pooling::Mean,
                PoolingName::Cls => Pooling::Cls,
            }),
        };
        let mut folder = match registry.fetch(base, bars)? {
            Fetched::Ready(folder) => folder,
            Fetched::Undescribed { path, sha256 } => {
                let spec = describe_embedder(&path, &settings).with_context(|| {
                    format!(
                        "cannot begin a bi-encoder with {base}; if it has no pooling, as a \
                         cross-encoder, `--pooling mean` makes a bi-encoder of its layers"
                    )
                })?;
                ModelFolder { path, spec, sha256 }
            }
        };
        if folder.spec.role != ModelRole::BiEncoder && settings.pooling.is_some() {
            note(&format!(
                "{base} is a {}: a bi-encoder is made of its layers, without its head",
                folder.spec.role
            ));
            folder.spec.role = ModelRole::BiEncoder;
            folder.spec.details = ModelDetails::default();
        }
        settings.apply(&mut folder.spec);
        Ok(folder)
    }

    fn options(&self, data: &Examples, base: &ModelFolder) -> Options {
        let own = Options {
            kind: Kind::BiEncoder {
                scale: self.own.scale,
            },
            loss: self.loss().unwrap_or(Loss::MultipleNegatives),
            max_length: self.own.max_length.unwrap_or(base.spec.max_length),
            ..Options::default()
        };
        self.shared.options(data.all.len(), own)
    }
}
