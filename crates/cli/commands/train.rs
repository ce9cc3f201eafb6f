//! `treffer train`: trains models on the user's own data.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Subcommand, ValueEnum};
use treffer_encoder::parts::Parts;
use treffer_models::Fetched;
use treffer_train::{
    BadLine, Decay, End, Event, Examples, Loss, Options, Precision, Running, Task, Trained,
    base_folder, read_examples,
};
use treffer_types::ModelFolder;

use crate::options::Global;
use crate::progress::Bars;
use crate::terminal::{note, say, warn};
use crate::{Outcome, input};

#[derive(Debug, clap::Args)]
pub(crate) struct Train {
    #[command(subcommand)]
    command: TrainCommand,
}

#[derive(Debug, Subcommand)]
enum TrainCommand {
    /// Train a cross-encoder, which reads query and passage together
    Cross(Box<Cross>),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each line of the data is one of
  {\"query\": \"...\", \"passage\": \"...\", \"label\": 1}
  {\"query\": \"...\", \"positive\": \"...\", \"negatives\": [\"...\", \"...\"]}
  {\"query\": \"...\", \"passages\": [\"...\", \"...\"], \"labels\": [2, 0]}
also with a teacher's `score` or `scores` in place of labels, and maybe a `weight`.

The folder then holds a model that Sentence Transformers loads as a CrossEncoder, and Treffer by
its path: `treffer rerank --model ./FOLDER`, `treffer index --set cross.model=./FOLDER`. A training
that was interrupted (Ctrl-C, a full disk, no power) goes on with `--resume` and ends with the
same model, bit for bit. `treffer mine` finds training data in an index.

With held-out data the saved model is the one that ranked them best, of those measured after a
step; the base is measured too, for comparison.

Examples:
  treffer train cross --data pairs.jsonl.gz --base multilingual-e5-small --out my-model
  Three passages and more a query, and the best of all validations:
    treffer train cross --data train.jsonl --held-out dev.jsonl --loss list --base my-base --out my-model")]
struct Cross {
    /// Training data: JSON lines, also .gz
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    data: Vec<PathBuf>,
    /// Data to measure nDCG@10 and MRR@10 on, with several passages and labels a line
    #[arg(long, num_args = 1.., value_name = "FILE")]
    held_out: Vec<PathBuf>,
    /// Model to begin with: a cross-encoder, or a bi-encoder, which gets a new head; by name as
    /// in `treffer model list`, or a folder
    #[arg(long, value_name = "MODEL")]
    base: String,
    /// Folder for the model and its checkpoint
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Go on from the checkpoint in the folder
    #[arg(long)]
    resume: bool,
    /// Number of steps [default: one pass through the data]
    #[arg(long, value_name = "N", conflicts_with = "epochs")]
    steps: Option<u64>,
    /// Number of passes through the data
    #[arg(long, value_name = "N")]
    epochs: Option<f64>,
    /// Lines of data in a step
    #[arg(long, default_value = "32", value_name = "N")]
    batch: usize,
    /// What is made small [default: list for lines of several passages, else bce]
    #[arg(long, value_enum)]
    loss: Option<LossName>,
    /// Largest learning rate
    #[arg(long, default_value = "2e-5", value_name = "RATE")]
    rate: f64,
    /// The head learns this many times as fast
    #[arg(long, default_value = "1", value_name = "TIMES")]
    head_rate: f64,
    /// Share of the steps in which the learning rate grows
    #[arg(long, default_value = "0.1", value_name = "SHARE")]
    warm_up: f64,
    /// How the learning rate falls after that
    #[arg(long, value_enum, default_value = "linear")]
    decay: DecayName,
    /// Weight decay of matrices
    #[arg(long, default_value = "0.01", value_name = "SHARE")]
    weight_decay: f64,
    /// Largest norm of a gradient
    #[arg(long, default_value = "1", value_name = "NORM")]
    clip: f64,
    /// Divides a teacher's scores before a softmax or sigmoid
    #[arg(long, default_value = "1", value_name = "T")]
    temperature: f32,
    /// Share of values that are set to 0 at random
    #[arg(long, default_value = "0.1", value_name = "SHARE")]
    dropout: f32,
    /// Number of layers of the model, evenly chosen from the base [default: all]
    #[arg(long, value_name = "N")]
    layers: Option<usize>,
    /// Leave the first N layers as they are, and the embeddings
    #[arg(long, default_value = "0", value_name = "N")]
    freeze_layers: usize,
    /// Train the table of word embeddings too
    #[arg(long)]
    train_words: bool,
    /// Most tokens of a pair
    #[arg(long, default_value = "256", value_name = "N")]
    max_length: usize,
    /// What products of matrices are computed from; everything else is f32
    #[arg(long, value_enum, default_value = "f32", value_name = "FORM")]
    precision: PrecisionName,
    /// Where random numbers come from
    #[arg(long, default_value = "1", value_name = "N")]
    seed: u64,
    /// Steps between two measurements of the held-out data
    #[arg(long, default_value = "500", value_name = "N")]
    validate_every: u64,
    /// End after N measurements without a better one; 0 for never
    #[arg(long, default_value = "0", value_name = "N")]
    patience: u32,
    /// Seconds between two checkpoints
    #[arg(long, default_value = "240", value_name = "SECONDS")]
    checkpoint_every: u64,
    /// Steps between two lines about loss and time left
    #[arg(long, default_value = "10", value_name = "N")]
    log_every: u64,
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

/// What the operands of products are rounded to.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum PrecisionName {
    /// Not rounded
    F32,
    /// bf16: about 1.6 times as fast with AVX-512 BF16, slower without
    Bf16,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DecayName {
    Linear,
    Cosine,
    None,
}

/// Trains what was asked for.
pub(crate) fn run(command: &Train, global: &Global) -> Result<Outcome> {
    let TrainCommand::Cross(command) = &command.command;
    input::limit_threads(global)?;
    let bars = Bars::cancellable()?;
    let data = read(&command.data, &bars)?;
    if data.all.is_empty() {
        bail!("there are no usable lines in the data");
    }
    let held_out = match command.held_out.as_slice() {
        [] => None,
        files => Some(read(files, &bars)?),
    };
    let registry = input::registry(global)?;
    let folder = match registry.fetch(&command.base, &bars)? {
        Fetched::Ready(ModelFolder { path, sha256, .. })
        | Fetched::Undescribed { path, sha256 } => ModelFolder {
            sha256,
            ..base_folder(&command.base, path)
        },
    };
    let options = command.options(&data);
    let mut base = Parts::open(&folder, options.max_length)
        .with_context(|| format!("could not load the base {}", command.base))?;
    let mut log = Log::new(&bars, command.log_every);
    let running = Running {
        resume: command.resume,
        checkpoint_every: Duration::from_secs(command.checkpoint_every),
    };
    let task = Task {
        data: &data,
        held_out: held_out.as_ref(),
        out: &command.out,
        options: &options,
    };
    let trained = treffer_train::train(&mut base, &task, running, &bars, &mut |event| {
        log.event(event);
    })?;
    let best = match trained.best {
        Some((step, ndcg)) => format!(", best nDCG@10 {ndcg:.4} after step {step}"),
        None => String::new(),
    };
    let shown = command.out.display();
    match trained.end {
        End::Complete => say(&format!("trained {} steps{best}: {shown}", trained.steps)),
        End::NoBetter => say(&format!(
            "ended after {} steps, since the held-out data became no better{best}: {shown}",
            trained.steps
        )),
        End::Stopped => note(&format!(
            "stopped after {} of {} steps; go on with the same command and --resume",
            trained.steps, options.steps
        )),
    }
    tell_if_the_base_was_better(&trained);
    Ok(Outcome::Found)
}

/// Training can make a model worse, which is no error, but must not go unnoticed.
fn tell_if_the_base_was_better(trained: &Trained) {
    if let (Some(base), Some((step, best))) = (trained.base, trained.best)
        && base >= best
    {
        warn(&format!(
            "no trained model ranks the held-out data better than the base does: nDCG@10 {base:.4} before, {best:.4} after step {step}, which was saved; more data, or a lower --rate, may help"
        ));
    }
}

impl Cross {
    fn options(&self, data: &Examples) -> Options {
        let loss = match self.loss {
            Some(LossName::Bce) => Loss::Bce,
            Some(LossName::Mse) => Loss::Mse,
            Some(LossName::Classes) => Loss::Classes,
            Some(LossName::MarginMse) => Loss::MarginMse,
            Some(LossName::List) => Loss::List,
            None if data.all.iter().all(|example| example.passages.len() > 1) => Loss::List,
            None => Loss::Bce,
        };
        let epochs = self.epochs.unwrap_or(1.0);
        let pass = data.all.len() as f64 / self.batch.max(1) as f64;
        Options {
            loss,
            batch: self.batch,
            steps: self.steps.unwrap_or((epochs * pass).ceil() as u64),
            rate: self.rate,
            head_rate: self.head_rate,
            warm_up: self.warm_up,
            decay: match self.decay {
                DecayName::Linear => Decay::Linear,
                DecayName::Cosine => Decay::Cosine,
                DecayName::None => Decay::None,
            },
            weight_decay: self.weight_decay,
            clip: self.clip,
            temperature: self.temperature,
            dropout: self.dropout,
            freeze_layers: self.freeze_layers,
            train_words: self.train_words,
            layers: self.layers,
            max_length: self.max_length,
            precision: match self.precision {
                PrecisionName::F32 => Precision::F32,
                PrecisionName::Bf16 => Precision::Bf16,
            },
            seed: self.seed,
            validate_every: self.validate_every,
            patience: self.patience,
            ..Options::default()
        }
    }
}

/// Number of bad lines that are shown of all files.
const SHOWN: usize = 10;

fn read(files: &[PathBuf], bars: &Bars) -> Result<Examples> {
    let mut examples = Examples::default();
    let mut bad = 0;
    for file in files {
        read_examples(file, &mut examples, &mut |line| {
            bad += 1;
            show(&line, bad, bars);
        })?;
    }
    if bad > SHOWN {
        warn(&format!(
            "{bad} bad lines were left out; the first {SHOWN} are above"
        ));
    }
    Ok(examples)
}

fn show(line: &BadLine, number: usize, bars: &Bars) {
    if number <= SHOWN {
        bars.say(&format!(
            "{}:{}: {}",
            line.path.display(),
            line.line,
            line.reason
        ));
    }
}

/// Lines about what happens.
struct Log<'a> {
    bars: &'a Bars,
    every: u64,
    left_out: usize,
    begun: Instant,
    first: u64,
    /// Since the last line: losses, tokens, time.
    losses: f64,
    steps: u64,
    tokens: usize,
    took: Duration,
}

impl<'a> Log<'a> {
    fn new(bars: &'a Bars, every: u64) -> Self {
        Log {
            bars,
            every: every.max(1),
            left_out: 0,
            begun: Instant::now(),
            first: 0,
            losses: 0.0,
            steps: 0,
            tokens: 0,
            took: Duration::ZERO,
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::LeftOut(line) => {
                self.left_out += 1;
                show(&line, self.left_out, self.bars);
            }
            Event::Begin {
                step,
                steps,
                examples,
                trained,
            } => {
                if self.left_out > 0 {
                    let left_out = match self.left_out {
                        1 => "1 line does not fit the loss and was left out".to_owned(),
                        n => format!("{n} lines do not fit the loss and were left out"),
                    };
                    self.bars.say(&left_out);
                }
                (self.begun, self.first) = (Instant::now(), step);
                let millions = trained as f64 / 1e6;
                self.bars.say(&format!(
                    "step {step} of {steps}: {examples} examples, {millions:.1} million parameters"
                ));
            }
            Event::Step {
                step,
                steps,
                did,
                rate,
                took,
            } => {
                self.losses += did.loss;
                self.steps += 1;
                self.tokens += did.tokens;
                self.took += took;
                if step % self.every == 0 || step == steps {
                    self.line(step, steps, did.norm, rate);
                }
            }
            Event::Validated {
                step,
                quality,
                is_best,
            } => self.bars.say(&format!(
                "step {step}: held out nDCG@10 {:.4}, MRR@10 {:.4} of {} queries{}",
                quality.ndcg,
                quality.rr,
                quality.queries,
                if is_best { ", best so far" } else { "" }
            )),
            Event::Saved { folder, step } => {
                self.bars
                    .say(&format!("step {step}: saved {}", folder.display()));
            }
            Event::Checkpoint { .. } => {}
        }
    }

    fn line(&mut self, step: u64, steps: u64, norm: f64, rate: f64) {
        let done = step - self.first;
        let left = self
            .begun
            .elapsed()
            .mul_f64((steps - step) as f64 / done as f64);
        let minutes = left.as_secs() / 60;
        let seconds = self.took.as_secs_f64();
        self.bars.say(&format!(
            "step {step} of {steps}: loss {:.4}, gradient {norm:.2}, rate {rate:.2e}, {:.2} s a step, {:.0} tokens/s, {}:{:02} left",
            self.losses / self.steps as f64,
            seconds / self.steps as f64,
            self.tokens as f64 / seconds,
            minutes / 60,
            minutes % 60,
        ));
        (self.losses, self.steps, self.tokens, self.took) = (0.0, 0, 0, Duration::ZERO);
    }
}
