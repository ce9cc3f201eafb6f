//! `treffer distill`: trains a smaller model on what a cross-encoder thinks of the data.

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use treffer::{ModelSource, StandardModels};
use treffer_engine::Device;
use treffer_report::text::count;
use treffer_train::{Example, Examples, Kind, Loss, Options, ValueKind, add_scores};

use super::train::{Bi, Cross, Student, learn, read_data};
use crate::options::Global;
use crate::progress::Bars;
use crate::terminal::note;
use crate::{Outcome, input};

#[derive(Debug, clap::Args)]
pub(crate) struct Distill {
    #[command(subcommand)]
    command: DistillCommand,
}

#[derive(Debug, Subcommand)]
enum DistillCommand {
    /// A cross-encoder with fewer layers, or another one
    #[command(after_help = ABOUT)]
    Cross(Box<Taught<Cross>>),
    /// A bi-encoder
    #[command(after_help = ABOUT)]
    Bi(Box<Taught<Bi>>),
}

const ABOUT: &str = "\
The data are those of `treffer train`, with `scores` of a teacher, as `treffer mine --teacher` writes
them. Lines without are read by --teacher first, in 8-bit integers; FOLDER/teacher-scores.jsonl keeps
what it says, so that the same command does not ask again.

margin-mse learns the differences between a query's passages (Hofst\u{e4}tter et al. 2020), list their
shares, mse each score: a cross-encoder the score itself, a bi-encoder its sigmoid as the cosine.
A bi-encoder's logits are cosines times --scale, so that it cannot learn margins beyond twice that.
A cross-encoder that begins as its own teacher gets every second of its layers, unless --layers says
otherwise.

Examples:
  treffer distill cross --data train.jsonl --teacher ./my-cross --base ./my-cross --out small-cross
  treffer distill bi --data train.jsonl --teacher ./my-cross --base multilingual-e5-small --out my-bi";

#[derive(Debug, clap::Args)]
struct Taught<S: clap::Args> {
    /// Cross-encoder that scores the lines without scores, by name as in `treffer model list`, or
    /// a folder
    #[arg(long, value_name = "MODEL")]
    teacher: Option<String>,
    #[command(flatten)]
    student: S,
}

/// The file of the teacher's scores in the output folder.
const SCORES: &str = "teacher-scores.jsonl";

/// Distills what was asked for.
pub(crate) fn run(command: &Distill, global: &Global) -> Result<Outcome> {
    match &command.command {
        DistillCommand::Cross(taught) => {
            let loss = taught.student.loss();
            distill(&taught.student, taught.teacher.as_deref(), loss, global)
        }
        DistillCommand::Bi(taught) => {
            let loss = taught.student.loss();
            if loss == Some(Loss::MultipleNegatives) {
                bail!(
                    "--loss multiple-negatives learns from labels and needs no teacher: `treffer train bi`"
                );
            }
            distill(&taught.student, taught.teacher.as_deref(), loss, global)
        }
    }
}

fn distill(
    student: &dyn Student,
    teacher: Option<&str>,
    loss: Option<Loss>,
    global: &Global,
) -> Result<Outcome> {
    input::limit_threads(global)?;
    let loss = loss.unwrap_or(Loss::MarginMse);
    if loss == Loss::Classes {
        bail!("--loss classes learns from labels and needs no teacher: `treffer train cross`");
    }
    let bars = Bars::cancellable()?;
    let shared = student.shared();
    let mut data = read_data(shared, ValueKind::Scores, &bars)?;
    if !score(&mut data, student, teacher, loss, global, &bars)? {
        return Ok(Outcome::Found);
    }
    let is_own_teacher = teacher == Some(shared.base.as_str());
    let adjust = |options: &mut Options, layers: usize| {
        options.loss = loss;
        if is_own_teacher && options.layers.is_none() && options.kind == Kind::CrossEncoder {
            options.layers = Some(layers.div_ceil(2));
        }
    };
    learn(student, &data, &adjust, &input::registry(global)?, &bars)
}

/// Gives every line scores. Whether all have some: not if it was asked to stop before.
fn score(
    data: &mut Examples,
    student: &dyn Student,
    teacher: Option<&str>,
    loss: Loss,
    global: &Global,
    bars: &Bars,
) -> Result<bool> {
    let without = |example: &&Example| example.kind == ValueKind::Labels;
    let Some(first) = data.all.iter().find(without) else {
        return Ok(true);
    };
    let Some(name) = teacher else {
        bail!(
            "{} has no scores of a teacher, and with it {} of {}; name a cross-encoder with --teacher, or mine with --teacher",
            data.origin(first),
            count(
                data.all.iter().filter(without).count() as u64 - 1,
                "other line"
            ),
            data.all.len()
        );
    };
    let models = StandardModels::new(input::registry(global)?).with_progress(bars);
    let scorer = models.pair_scorer(name, Device::default());
    let scorer = scorer.map_err(anyhow::Error::from_boxed);
    let scorer = scorer.with_context(|| format!("could not load the teacher {name}"))?;
    let scoring = &scorer.spec().details.scoring;
    if scoring.grades().is_some() && matches!(loss, Loss::Bce | Loss::Mse) {
        bail!(
            "the scores of {name} are grades and no logits, which --loss {} needs; take margin-mse or list",
            loss.as_str()
        );
    }
    let cache = student.shared().out.join(SCORES);
    let taught = add_scores(data, scorer.as_ref(), &cache, bars)?;
    let (read, known) = (taught.read as u64, taught.known as u64);
    if taught.is_stopped {
        note(&format!(
            "stopped after the teacher had read {}, which are kept in {}; go on with the same command",
            count(read + known, "line"),
            cache.display()
        ));
        return Ok(false);
    }
    note(&format!(
        "the teacher read {}; the scores of {known} were in {}",
        count(read, "line"),
        cache.display()
    ));
    Ok(true)
}
