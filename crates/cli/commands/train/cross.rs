//! `treffer train cross`: what a cross-encoder is told.

use anyhow::Result;
use clap::ValueEnum;
use treffer_models::{Fetched, Registry};
use treffer_train::{Examples, Loss, Options, ValueKind, base_folder};
use treffer_types::ModelFolder;

use super::learn::Student;
use super::shared::Shared;
use crate::progress::Bars;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each line of the data is one of
  {\"query\": \"...\", \"passage\": \"...\", \"label\": 1}
  {\"query\": \"...\", \"positive\": \"...\", \"negatives\": [\"...\", \"...\"]}
  {\"query\": \"...\", \"passages\": [\"...\", \"...\"], \"labels\": [2, 0]}
also with a teacher's `score` or `scores` in place of labels, and maybe a `weight`.

The base is a cross-encoder, or a bi-encoder, which gets a new head. The folder then holds a model
that Sentence Transformers loads as a CrossEncoder, and Treffer by its path: `treffer rerank --model
./FOLDER`, `treffer index --set cross.model=./FOLDER`. A training that was interrupted (Ctrl-C, a
full disk, no power) goes on with `--resume` and ends with the same model, bit for bit. `treffer
mine` finds training data in an index.

With held-out data the saved model is the one that ranked them best, of those measured after a
step; the base is measured too, for comparison.

Examples:
  treffer train cross --data pairs.jsonl.gz --base multilingual-e5-small --out my-model
  Three passages and more a query, and the best of all validations:
    treffer train cross --data train.jsonl --held-out dev.jsonl --loss list --base my-base --out my-model")]
pub(crate) struct Cross {
    #[command(flatten)]
    pub(super) shared: Shared,
    #[command(flatten)]
    own: CrossArgs,
}

/// What is a cross-encoder's own.
#[derive(Debug, clap::Args)]
pub(crate) struct CrossArgs {
    /// What is made small [default: list for lines of several passages, else bce; of `distill`,
    /// margin-mse]
    #[arg(long, value_enum)]
    loss: Option<LossName>,
    /// The head learns this many times as fast
    #[arg(long, default_value = "1", value_name = "TIMES")]
    head_rate: f64,
    /// Most tokens of a pair
    #[arg(long, default_value = "256", value_name = "N")]
    max_length: usize,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LossName {
    /// Binary cross-entropy of each passage
    Bce,
    /// Squared error of each passage
    Mse,
    /// Cross-entropy over classes, for a base with a head of several
    Classes,
    /// Squared error of the margins between the best passage and the others
    MarginMse,
    /// Softmax cross-entropy over the passages of a query (ListNet)
    List,
}

impl Cross {
    /// The named loss.
    pub(in crate::commands) fn loss(&self) -> Option<Loss> {
        self.own.loss.map(|loss| match loss {
            LossName::Bce => Loss::Bce,
            LossName::Mse => Loss::Mse,
            LossName::Classes => Loss::Classes,
            LossName::MarginMse => Loss::MarginMse,
            LossName::List => Loss::List,
        })
    }
}

impl Student for Cross {
    fn shared(&self) -> &Shared {
        &self.shared
    }

    fn preferred(&self) -> ValueKind {
        ValueKind::Scores
    }

    fn base(&self, registry: &Registry, bars: &Bars) -> Result<ModelFolder> {
        let base = &self.shared.base;
        Ok(match registry.fetch(base, bars)? {
            Fetched::Ready(ModelFolder { path, sha256, .. })
            | Fetched::Undescribed { path, sha256 } => ModelFolder {
                sha256,
                ..base_folder(base, path)
            },
        })
    }

    fn options(&self, data: &Examples, _base: &ModelFolder) -> Options {
        let is_list = data.all.iter().all(|example| example.passages.len() > 1);
        let usual = if is_list { Loss::List } else { Loss::Bce };
        let own = Options {
            loss: self.loss().unwrap_or(usual),
            head_rate: self.own.head_rate,
            max_length: self.own.max_length,
            ..Options::default()
        };
        self.shared.options(data.all.len(), own)
    }
}
