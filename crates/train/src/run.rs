//! A training from beginning to end, or from a checkpoint on.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use treffer_disk::create_dir_durably;
use treffer_encoder::parts::Parts;
use treffer_types::Progress;

use crate::base;
use crate::checkpoint::{self, CHECKPOINT, Progressed};
use crate::data;
use crate::error::Error;
use crate::example::{Example, Examples};
use crate::machine::{self, Machine};
use crate::options::Options;
use crate::output::check_output;
use crate::random::Stream;
use crate::read::BadLine;
use crate::save::{self, SmallFiles};
use crate::step::{self, Did, Moments};
use crate::transformer::Model;
use crate::validate::{self, Quality};

/// What is to be learned, and where it goes.
#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    /// What is learned.
    pub data: &'a Examples,
    /// What the model is measured on.
    pub held_out: Option<&'a Examples>,
    /// The folder for the model and its checkpoint; made if there is none.
    pub out: &'a Path,
    /// How it is learned.
    pub options: &'a Options,
}

/// What does not change the result.
#[derive(Clone, Copy, Debug)]
pub struct Running {
    /// Whether to go on from the checkpoint in the output folder.
    pub resume: bool,
    /// Whether to write over a model or training in the output folder.
    pub replace: bool,
    /// The longest time between two checkpoints.
    pub checkpoint_every: Duration,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// An example cannot be learned with this loss and was left out.
    LeftOut(BadLine),
    /// Training begins, or goes on.
    Begin {
        /// Number of steps that were made before.
        step: u64,
        /// Number of all steps.
        steps: u64,
        /// Number of examples.
        examples: usize,
        /// Number of parameters that change.
        trained: usize,
    },
    /// A step was made.
    Step {
        /// Number of steps that were made.
        step: u64,
        /// Number of all steps.
        steps: u64,
        /// What it did.
        did: Did,
        /// The learning rate.
        rate: f64,
        /// How long it took.
        took: Duration,
    },
    /// The model was measured.
    Validated {
        /// Number of steps that were made.
        step: u64,
        /// How good it is.
        quality: Quality,
        /// Whether it is the best trained model so far, and was saved. That before the first
        /// step is none.
        is_best: bool,
    },
    /// The model was saved.
    Saved {
        /// The folder.
        folder: PathBuf,
        /// Number of steps that it learned.
        step: u64,
    },
    /// A checkpoint was written.
    Checkpoint {
        /// Number of steps that were made.
        step: u64,
    },
}

/// How a training ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trained {
    /// Number of steps that were made.
    pub steps: u64,
    /// nDCG@10 of the base, if it was measured.
    pub base: Option<f64>,
    /// Steps of the saved model and its nDCG@10, if any was measured. It may be lower than that
    /// of the base, which is not saved again.
    pub best: Option<(u64, f64)>,
    /// Why it ended.
    pub end: End,
}

/// Why a training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All steps were made.
    Complete,
    /// The last validations were no better.
    NoBetter,
    /// It was asked to stop, and can be resumed.
    Stopped,
}

/// Trains a model that begins as `base` and saves it in a folder, with a checkpoint beside it. A
/// bi-encoder is pooled and has the prefixes as the spec of the base's folder says.
///
/// With held-out examples the saved model is the one that ranked them best by nDCG@10, of those
/// that were measured after a step; without, the last one. The result depends on base, data and
/// options alone, not on threads or on how often it was interrupted, on one machine.
///
/// `progress` counts steps, and within a measurement queries. When it is cancelled, a checkpoint
/// is written and the training ends; a measurement that was under way is made again when it goes
/// on.
///
/// # Errors
/// If an option or the data cannot be followed, the folder is that of the base or holds another
/// training or a model that is not to be replaced, a file cannot be written, or the loss is not finite any more; checkpoint and saved model then are from before.
pub fn train(
    base: &mut Parts,
    task: &Task<'_>,
    running: Running,
    progress: &dyn Progress,
    report: &mut dyn FnMut(Event),
) -> Result<Trained, Error> {
    let Task {
        data,
        held_out,
        out,
        options,
    } = *task;
    options.check(base.shape().layers)?;
    let overwrites = running.resume || running.replace;
    check_output(out, Some(&base.folder().path), overwrites)?;
    let identity = data::identity(base, data, held_out);
    let output = base::output(base.folder(), options.kind)?;
    let model = base::load(base, output, options.layers, options.seed)?;
    data::refuse_other_loss(options, model.shape.classes)?;
    let kept = save::pooler(base, &model)?;
    let mut training = Training {
        small: SmallFiles::of(base.folder(), &model, options.max_length, kept)?,
        machine: Machine::new(&model, options),
        moments: Moments::new(
            &model,
            machine::first_trained(&model, options),
            options.train_words,
        ),
        word_sums: options.train_words.then(|| vec![0.0; model.words.len()]),
        examples: data::usable(data, options, &model, &mut |line| {
            report(Event::LeftOut(line));
        })?,
        held_out: held_out.map(data::usable_held_out).transpose()?,
        model,
        parts: base,
        data,
        options,
        out,
        at: Progressed {
            options: options.clone(),
            identity,
            step: 0,
            base: None,
            best: None,
            worse: 0,
            validated: false,
        },
    };
    training.begin(running)?;
    report(Event::Begin {
        step: training.at.step,
        steps: options.steps,
        examples: training.examples.len(),
        trained: training.moments.mean.len() + training.word_sums.as_ref().map_or(0, Vec::len),
    });
    training.show_steps(progress);
    let end = training.run(running, progress, report);
    progress.end();
    Ok(Trained {
        end: end?,
        steps: training.at.step,
        base: training.at.base,
        best: training.at.best,
    })
}

struct Training<'a> {
    parts: &'a Parts,
    data: &'a Examples,
    /// Those that can be learned, by their numbers in the data.
    examples: Vec<(u64, &'a Example)>,
    held_out: Option<Vec<&'a Example>>,
    options: &'a Options,
    out: &'a Path,
    small: SmallFiles,
    model: Model,
    machine: Machine,
    moments: Moments,
    word_sums: Option<Vec<f32>>,
    at: Progressed,
}

impl<'a> Training<'a> {
    /// Makes the folder, or restores what is in it.
    fn begin(&mut self, running: Running) -> Result<(), Error> {
        create_dir_durably(self.out)?;
        if !running.resume {
            // A checkpoint that is replaced is so by the first of this training. Until then, only
            // a training with the same options, data and base could go on from it, and would
            // end with the same model.
            return Ok(());
        }
        let path = self.checkpoint();
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::NotBegun { path });
            }
            Err(source) => return Err(Error::Read { path, source }),
        };
        let at = checkpoint::state(&path, &bytes)?;
        let other = |what: &str| Error::Checkpoint {
            path: path.clone(),
            reason: format!("it is of a training with other {what}"),
        };
        if at.identity != self.at.identity {
            return Err(other("data or another base"));
        }
        if at.options != self.at.options {
            return Err(other("options"));
        }
        checkpoint::restore(&path, &bytes, &mut self.model, &mut self.moments)?;
        self.at = at;
        Ok(())
    }

    fn checkpoint(&self) -> PathBuf {
        self.out.join(CHECKPOINT)
    }

    /// Replaces the checkpoint, and without held-out examples the saved model too.
    fn write_checkpoint(&self, report: &mut dyn FnMut(Event)) -> Result<(), Error> {
        self.refuse_infinite()?;
        checkpoint::write(&self.checkpoint(), &self.model, &self.moments, &self.at)?;
        report(Event::Checkpoint { step: self.at.step });
        if self.held_out.is_none() && self.at.step > 0 {
            self.save(report)?;
        }
        Ok(())
    }

    /// A step that went too far is not to replace what was good before it.
    fn refuse_infinite(&self) -> Result<(), Error> {
        let values = [&self.model.parameters, &self.model.words];
        match values
            .into_iter()
            .flatten()
            .find(|value| !value.is_finite())
        {
            None => Ok(()),
            Some(value) => Err(Error::NotFinite {
                what: "model",
                value: f64::from(*value),
                step: self.at.step,
                examples: "all before it".to_owned(),
            }),
        }
    }

    fn show_steps(&self, progress: &dyn Progress) {
        progress.begin("training", Some(self.options.steps), "steps");
        progress.advance(self.at.step);
    }

    fn run(
        &mut self,
        running: Running,
        progress: &dyn Progress,
        report: &mut dyn FnMut(Event),
    ) -> Result<End, Error> {
        let mut written = Instant::now();
        loop {
            let is_complete = self.at.step == self.options.steps;
            let is_due = is_complete
                || self
                    .at
                    .step
                    .is_multiple_of(self.options.validate_every.max(1));
            if is_due && !self.at.validated && self.held_out.is_some() {
                progress.end();
                let is_whole = self.validate(progress, report)?;
                self.show_steps(progress);
                if !is_whole {
                    self.write_checkpoint(report)?;
                    return Ok(End::Stopped);
                }
            }
            let patience = self.options.patience;
            let no_better = patience > 0 && self.at.worse >= patience;
            if is_complete || no_better {
                self.write_checkpoint(report)?;
                return Ok(if is_complete {
                    End::Complete
                } else {
                    End::NoBetter
                });
            }
            if progress.cancelled() {
                self.write_checkpoint(report)?;
                return Ok(End::Stopped);
            }
            let begun = Instant::now();
            let (did, scale) = self.gradients()?;
            // The loss of this step is that of the model before it: a checkpoint is written
            // only of a model whose loss and gradient are known to be finite.
            if written.elapsed() >= running.checkpoint_every {
                self.write_checkpoint(report)?;
                written = Instant::now();
            }
            self.update(scale);
            progress.advance(1);
            report(Event::Step {
                step: self.at.step,
                steps: self.options.steps,
                did,
                rate: self.options.rate * self.options.share(self.at.step - 1),
                took: begun.elapsed(),
            });
        }
    }

    /// The examples of a step, which has its place in a random order of each epoch.
    fn batch(&self, step: u64) -> Vec<(u64, &'a Example)> {
        let count = self.examples.len();
        let first = step as usize * self.options.batch;
        let mut batch = Vec::with_capacity(self.options.batch);
        let mut order: Option<(usize, Vec<u32>)> = None;
        for at in first..first + self.options.batch {
            let epoch = at / count;
            if order.as_ref().is_none_or(|(known, _)| *known != epoch) {
                let stream = Stream::new(self.options.seed)
                    .of(0x4f52_4445)
                    .of(epoch as u64);
                order = Some((epoch, stream.order(count)));
            }
            if let Some((_, order)) = &order {
                batch.push(self.examples[order[at % count] as usize]);
            }
        }
        batch
    }

    /// The gradients of the next step, and what they are to be multiplied by.
    fn gradients(&mut self) -> Result<(Did, f32), Error> {
        let step = self.at.step;
        let batch = self.batch(step);
        let tokens = machine::tokenize(self.parts, self.options.kind, &batch)?;
        let examples: Vec<&Example> = batch.iter().map(|(_, example)| *example).collect();
        let (loss, count) =
            self.machine
                .gradients(&self.model, &examples, tokens, self.options, step);
        let sums = self.machine.sums();
        if let Some(words) = &mut self.word_sums {
            step::add_words(words, sums, self.model.shape.hidden);
        }
        let word_sums = self.word_sums.as_deref();
        let norm = step::norm(sums, word_sums);
        for (what, value) in [("loss", loss), ("gradient", norm)] {
            if !value.is_finite() {
                let origins = examples
                    .iter()
                    .take(5)
                    .map(|example| self.data.origin(example));
                return Err(Error::NotFinite {
                    what,
                    value,
                    step,
                    examples: origins.collect::<Vec<_>>().join(", "),
                });
            }
        }
        let scale = (self.options.clip / (norm + 1e-6)).min(1.0) as f32;
        let did = Did {
            loss,
            norm,
            tokens: count,
        };
        Ok((did, scale))
    }

    /// Makes the step whose gradients were computed last.
    fn update(&mut self, scale: f32) {
        step::update(
            &mut self.model,
            self.machine.sums(),
            self.word_sums.as_deref(),
            &mut self.moments,
            self.options,
            self.at.step,
            scale,
        );
        self.at.step += 1;
        self.at.validated = false;
    }

    /// Measures the model, unless it is asked to stop before it is done.
    fn validate(
        &mut self,
        progress: &dyn Progress,
        report: &mut dyn FnMut(Event),
    ) -> Result<bool, Error> {
        let Some(held_out) = &self.held_out else {
            return Ok(true);
        };
        progress.begin("measuring", Some(held_out.len() as u64), "queries");
        let quality = validate::validate(
            &self.model,
            self.options.kind,
            self.parts,
            &mut self.machine,
            held_out,
            progress,
        );
        progress.end();
        let Some(quality) = quality? else {
            return Ok(false);
        };
        let is_base = self.at.step == 0;
        let is_best = !is_base && self.at.best.is_none_or(|(_, best)| quality.ndcg > best);
        report(Event::Validated {
            step: self.at.step,
            quality,
            is_best,
        });
        self.at.validated = true;
        if is_base {
            // What training is compared with. It is no model of this training: were it the
            // best, nothing would be saved, and early stopping would count from before the
            // first step.
            self.at.base = Some(quality.ndcg);
        } else if is_best {
            self.at.worse = 0;
            self.at.best = Some((self.at.step, quality.ndcg));
            self.save(report)?;
        } else {
            self.at.worse += 1;
        }
        Ok(true)
    }

    fn save(&self, report: &mut dyn FnMut(Event)) -> Result<(), Error> {
        self.refuse_infinite()?;
        self.small.save(self.out, &self.model)?;
        report(Event::Saved {
            folder: self.out.to_owned(),
            step: self.at.step,
        });
        Ok(())
    }
}
