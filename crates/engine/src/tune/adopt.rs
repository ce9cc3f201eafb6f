//! What becomes of a profile after tuning: kept, or replaced by the winner.

use treffer_types::StageName;

use crate::engine::Engine;
use crate::error::Error;
use crate::learned;
use crate::profile::{Profile, Provenance, QueryFingerprints};
use crate::settings_file::change_profile;
use crate::tune::Search;
use crate::tune::report::{LearnedReport, TuneReport, Verdict};
use crate::tune::setup::{Choice, Setup};
use crate::tune::space::Corpus;

/// What to do with the profile that was tuned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decision<'a> {
    /// Keep it: it is the winner itself.
    KeepSame,
    /// Keep it: no gain over it is significant.
    KeepNoGain,
    /// Replace it.
    Replace(Winner<'a>),
}

/// What replaces a profile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Winner<'a> {
    /// The tuned weights.
    Weights,
    /// The learned fusion over them, if its gain is significant, or if it is better and the
    /// change is forced.
    Learned(&'a LearnedReport),
}

/// Where tuned weights come from: what the report does not contain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuned {
    /// File name of the queries.
    pub queries: String,
    /// File name of the judgments.
    pub qrels: String,
    /// The filter under which the queries were searched.
    pub filter: Option<String>,
    /// The time from which stages with the origin `now` counted.
    pub now: Option<String>,
    /// Day of tuning, as year-month-day (UTC).
    pub date: String,
}

impl TuneReport {
    /// Whether the profile is to be changed, and to what. `force` changes it even if the gain
    /// is not significant.
    pub fn decide(&self, force: bool) -> Decision<'_> {
        // Trees may help in the folds although none are trained on all queries.
        let grown = self
            .learned
            .as_ref()
            .filter(|one| one.learned.n_trees() > 0);
        let is_better = |one: &&LearnedReport| one.out_of_fold > self.out_of_fold;
        if let Some(learned) = grown.filter(|one| one.is_gain() || force && is_better(one)) {
            return Decision::Replace(Winner::Learned(learned));
        }
        match self.verdict {
            Verdict::Change | Verdict::OverBudget => Decision::Replace(Winner::Weights),
            _ if force => Decision::Replace(Winner::Weights),
            Verdict::Same => Decision::KeepSame,
            Verdict::NoGain => Decision::KeepNoGain,
        }
    }
}

/// Writes the winner into the settings of the index as the profile `name`. What the search did not
/// choose is as in `base`: the profile of that name as the index has it, so that what a run changed
/// of it for itself does not stay, or for a new name any other.
///
/// # Errors
/// If another process writes the index or has replaced it since it was opened, or if the
/// settings cannot be read or written. The settings are then unchanged.
pub fn adopt(
    engine: &Engine,
    name: &str,
    base: &Profile,
    report: &TuneReport,
    winner: Winner<'_>,
    tuned: &Tuned,
) -> Result<(), Error> {
    let corpus = Corpus {
        is_split: engine.has_split_documents(),
        has_several_languages: engine.has_several_languages(),
    };
    let generation = engine.manifest().settings.generation;
    change_profile(engine.dir(), generation, name, || {
        let learned = match winner {
            Winner::Weights => None,
            Winner::Learned(one) => Some(learned::keep(engine.dir(), name, &one.learned)?),
        };
        Ok(Profile {
            learned,
            tuned: Some(provenance(engine, report, winner, tuned)),
            ..chosen(base, report, corpus)
        })
    })
}

/// `base` with what the search chose, and with nothing that it took as given.
fn chosen(base: &Profile, report: &TuneReport, corpus: Corpus) -> Profile {
    let found = &report.best.choice;
    let mut choice = Choice {
        setup: Setup::of(base),
        weights: found.weights.clone(),
    };
    if report.search == Search::Weights {
        return choice.apply(base);
    }
    let (own, found) = (&mut choice.setup, &found.setup);
    for stage in &report.stages {
        if let Some(depth) = found.depths.get(*stage) {
            own.depths.set(*stage, depth);
        }
        if let Some(normalizer) = found.normalizers.get(*stage) {
            own.normalizers.insert(*stage, *normalizer);
        }
    }
    if report.stages.contains(&StageName::CROSS) {
        own.cross_order = found.cross_order;
        own.cross_patience = found.cross_patience;
    }
    if corpus.is_split {
        own.aggregation = found.aggregation;
    }
    if corpus.has_several_languages {
        own.cross_language = found.cross_language;
    }
    let mut profile = choice.apply(base);
    // A run may have searched below a depth of its own that is beyond what the base looks through.
    let depth = |stage| profile.depths.get(stage).unwrap_or(0);
    let (dense, late) = (depth(StageName::DENSE), depth(StageName::LATE));
    profile.ef_search = profile.ef_search.max(dense);
    profile.late_candidates = profile.late_candidates.max(late);
    profile
}

fn provenance(
    engine: &Engine,
    report: &TuneReport,
    winner: Winner<'_>,
    tuned: &Tuned,
) -> Provenance {
    let (out_of_fold, interval) = match winner {
        Winner::Weights => (report.out_of_fold, report.gain().comparison.interval),
        Winner::Learned(learned) => (learned.out_of_fold, learned.against_current().interval),
    };
    let cross = report.stages.contains(&StageName::CROSS);
    let record = engine.manifest().models.cross.as_ref().filter(|_| cross);
    let texts = report.queries.iter().map(|query| query.text.as_str());
    Provenance {
        queries: tuned.queries.clone(),
        qrels: tuned.qrels.clone(),
        filter: tuned.filter.clone(),
        now: tuned.now.clone(),
        n_queries: report.n_queries(),
        metric: report.metric.to_string(),
        folds: report.folds,
        seed: report.seed,
        out_of_fold: rounded(out_of_fold),
        before: rounded(report.current.mean),
        gain_interval: [rounded(interval.low), rounded(interval.high)],
        date: tuned.date.clone(),
        cross_fingerprint: record.map_or_else(String::new, |model| model.fingerprint.to_string()),
        query_fingerprints: QueryFingerprints::of(texts),
    }
}

/// Rounds to six decimals, as the file is read by people.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}
