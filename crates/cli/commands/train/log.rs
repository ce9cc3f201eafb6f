//! Lines about a training.

use std::time::{Duration, Instant};

use treffer_train::{BadLine, Event};

use crate::progress::Bars;

/// Number of bad lines that are shown of all files.
pub(super) const SHOWN: usize = 10;

/// Shows a bad line, if it is among the first.
pub(super) fn show(line: &BadLine, number: usize, bars: &Bars) {
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
pub(super) struct Log<'a> {
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
    pub(super) fn new(bars: &'a Bars, every: u64) -> Self {
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

    pub(super) fn event(&mut self, event: Event) {
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
