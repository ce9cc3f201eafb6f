//! Texts that come with their query, scored line by line without an index.

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use treffer::{ModelSource, StandardModels};
use treffer_api::RerankResponse;
use treffer_corpus::{PairOptions, read_pairs};
use treffer_engine::config::{Config, CrossConfig, PRESETS};
use treffer_engine::rerank::texts::rerank_texts;
use treffer_report::text::{count, count_queries};
use treffer_types::PairScorer;

use super::Rerank;
use crate::format::{Format, Json};
use crate::options::Global;
use crate::problems::Problems;
use crate::progress::Bars;
use crate::terminal::{Reader, Stdout, note, say, warn};
use crate::{Outcome, input};

/// Answers each line before it asks for the next.
pub(super) fn run(command: &Rerank, global: &Global) -> Result<Outcome> {
    input::limit_threads(global)?;
    let stdin = Path::new("-");
    let path = command.without_index.texts.as_deref().unwrap_or(stdin);
    if command.without_index.texts.is_none() && std::io::stdin().is_terminal() {
        bail!(
            "there is nothing to rerank: name an index, a run and --queries, or pipe lines of a query with texts into this command (see `treffer rerank --help`)"
        );
    }
    let bars = Bars::cancellable()?;
    let mut problems = Problems::new(command.reading.problems.as_deref())?;
    let options = PairOptions {
        encoding: command.reading.encoding,
        stop: bars.stop(),
        ..PairOptions::default()
    };
    let reading = || format!("could not read the texts in {}", path.display());
    if path != stdin {
        std::fs::metadata(path).with_context(reading)?;
    }
    // Before anything is read, so that whoever feeds a pipe does not wait twice.
    let scorer = scorer(command, global, &bars)?;
    let mut out = Stdout::open();
    let mut counts = Counts::default();
    for line in read_pairs(path, &options).with_context(reading)? {
        let pairs = match line.with_context(reading)? {
            Ok(pairs) => pairs,
            Err(problem) => {
                problems.add(&problem, &say);
                continue;
            }
        };
        let top_k = pairs.top_k.or(command.without_index.top_k);
        let answer = rerank_texts(scorer.as_ref(), &pairs, top_k, &bars)?;
        counts.add(pairs.texts.len(), &answer);
        if answer_line(&answer, &mut out)? == Reader::Gone {
            break;
        }
    }
    problems.end_input("bad line", None);
    problems.finish()?;
    Ok(counts.report())
}

/// Prints an answer, and sees to it that it arrives.
fn answer_line(answer: &RerankResponse, out: &mut Stdout) -> Result<Reader> {
    out.print(|out| {
        Json.write(answer, out)?;
        Ok(out.flush()?)
    })
}

/// The named model, or the one that an index has if nothing else is said.
fn scorer(command: &Rerank, global: &Global, bars: &Bars) -> Result<Arc<dyn PairScorer>> {
    let models = StandardModels::new(input::registry(global)?).with_progress(bars);
    let device = command.device.unwrap_or_default();
    let cross = match &command.without_index.model {
        Some(name) => CrossConfig::new(name),
        None => usual_model()?,
    };
    let scorer = models.pair_scorer_with(&cross.model, &cross.settings, device);
    let scorer = scorer.map_err(anyhow::Error::from_boxed);
    scorer.with_context(|| format!("could not load the model {}", cross.model))
}

fn usual_model() -> Result<CrossConfig> {
    let (preset, _) = PRESETS[0];
    let cross = Config::preset(preset)?.cross;
    let cross = cross.with_context(|| format!("the preset {preset} has no cross-encoder"))?;
    note(&format!(
        "scoring with {}, the cross-encoder of the preset {preset}; --model names another",
        cross.model
    ));
    Ok(cross)
}

#[derive(Default)]
struct Counts {
    answers: usize,
    texts: usize,
    /// Among those in the answers.
    texts_cut: u64,
}

impl Counts {
    fn add(&mut self, n_texts: usize, answer: &RerankResponse) {
        self.answers += 1;
        self.texts += n_texts;
        let cut = answer.results.iter().filter(|text| text.tokens_cut > 0);
        self.texts_cut += cut.count() as u64;
    }

    fn report(&self) -> Outcome {
        if self.texts_cut > 0 {
            let texts = count(self.texts_cut, "text");
            warn(&format!(
                "{texts} did not fit the model: `tokens_cut` counts what it did not read at the end"
            ));
        }
        let texts = count(self.texts as u64, "text");
        let queries = count_queries(self.answers);
        note(&format!("scored {texts} for {queries}"));
        match self.answers {
            0 => Outcome::NothingFound,
            _ => Outcome::Found,
        }
    }
}
