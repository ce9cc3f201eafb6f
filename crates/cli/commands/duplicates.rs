//! `treffer duplicates`: documents of an index that say the same.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::ValueEnum;
use treffer::StandardModels;
use treffer_api::{DuplicatesRequest, NumberRule};
use treffer_engine::Device;
use treffer_engine::duplicates::duplicates;
use treffer_types::StageName;

use crate::format::ListFormat;
use crate::options::{Global, at_least_one};
use crate::progress::Bars;
use crate::{Outcome, input};

mod answer;

use answer::Answer;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each document is compared with its nearest ones by the index's vectors. Similarity is the cosine on
a scale on which unrelated texts are at 0 and equal ones at 1, so that one threshold suits different
models. Identical documents are always found.

Pairs that are similar but of which each has a number, unit, norm or part number that the other
lacks (DIN 13277 and DIN 13271) are listed apart, with these numbers, as no duplicates.

Vectors do not know negation or praise from blame: look through the result before anything is
deleted. The cross-encoder (--confirm cross) parts texts that only share their subject, but was
trained for relevance, not for equal meaning.

Examples:
  treffer duplicates my-index
  treffer duplicates my-index --similarity 0.7 --confirm cross --format json")]
pub(crate) struct Duplicates {
    /// Folder of an index with a bi-encoder
    dir: PathBuf,
    /// Least similarity, above 0 and at most 1
    #[arg(long, value_name = "S", default_value_t = DuplicatesRequest::default().similarity)]
    similarity: f64,
    /// Least share of the BM25 terms of either text that both have, from 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = DuplicatesRequest::default().overlap)]
    overlap: f64,
    /// Which differences in numbers part two documents
    #[arg(long, value_enum, value_name = "RULE", default_value = "conflict")]
    numbers: Numbers,
    /// What must confirm a pair
    #[arg(long, value_enum, value_name = "WHAT", default_value = "none")]
    confirm: Confirm,
    /// Least probability (or place from the lowest grade, 0, to the highest, 1) that the
    /// cross-encoder gives each text of a pair as a passage for the other [default: 0.5]
    #[arg(long, value_name = "P")]
    cross: Option<f64>,
    /// Compare each document with its N nearest
    #[arg(long, value_name = "N", default_value_t = DuplicatesRequest::default().depth, value_parser = at_least_one())]
    depth: usize,
    /// Form of the output
    #[arg(long, value_enum, default_value = "table")]
    format: ListFormat,
    /// Where models run: cpu, cuda or cuda:N [default: as the index's settings say]
    #[arg(long)]
    device: Option<Device>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Numbers {
    /// Each has a number that the other lacks
    Conflict,
    /// One has a number that the other lacks
    Any,
    /// None
    Ignore,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Confirm {
    /// Nothing more
    None,
    /// The index's cross-encoder, which reads both ways
    Cross,
}

/// The probability that the cross-encoder must give both ways: a logit of 0.
const USUAL_CROSS: f64 = 0.5;

/// Finds the duplicates and prints them.
pub(crate) fn run(command: &Duplicates, global: &Global) -> Result<Outcome> {
    input::limit_threads(global)?;
    if command.cross.is_some() && command.confirm == Confirm::None {
        bail!("--cross needs --confirm cross: without it, the cross-encoder is not asked");
    }
    let asks_cross = command.confirm == Confirm::Cross;
    let request = DuplicatesRequest {
        depth: command.depth,
        similarity: command.similarity,
        overlap: command.overlap,
        numbers: match command.numbers {
            Numbers::Conflict => NumberRule::Conflict,
            Numbers::Any => NumberRule::Any,
            Numbers::Ignore => NumberRule::Ignore,
        },
        cross: asks_cross.then(|| command.cross.unwrap_or(USUAL_CROSS)),
    };
    let bars = Bars::cancellable()?;
    let stages = if asks_cross {
        vec![StageName::CROSS]
    } else {
        Vec::new()
    };
    let engine = input::open_index(&command.dir, Some(stages), command.device, global, &bars)?;
    let models = StandardModels::new(input::registry(global)?).with_progress(&bars);
    let report = duplicates(&engine, &request, &models, &bars)?;
    command.format.print(&Answer(&report))?;
    Ok(if report.clusters.is_empty() {
        Outcome::NothingFound
    } else {
        Outcome::Found
    })
}
