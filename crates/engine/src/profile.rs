//! A profile: how candidates are gathered and fused. An index holds several, by name.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use treffer_fusion::{Aggregation, Normalizer, Weights};
use treffer_late::Pruning;
use treffer_types::{Language, StageMap, StageName, stage_list};

use crate::error::Error;
use crate::stages::{Parameters, Registry};

mod depths;
mod fingerprints;

pub use depths::Depths;
pub use fingerprints::QueryFingerprints;

/// How candidates are gathered and fused.
///
/// ```
/// use treffer_engine::profile::{Mode, Profile};
///
/// let profile = Profile { mode: Mode::Cascade, ..Profile::default() };
/// assert!(profile.check().is_ok());
/// assert!(Profile { ef_search: 10, ..profile }.check().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    /// Which stages retrieve candidates.
    pub mode: Mode,
    /// The stage that retrieves in mode `two-stage`; other modes ignore it.
    pub first_stage: StageName,
    /// How many candidates each stage retrieves, or, for a reranker, scores: at least 1; 0
    /// switches a reranker off, and has late interaction score only what others retrieved.
    #[serde(flatten)]
    pub depths: Depths,
    /// Beam of the graph search; at least the depth of the dense stage.
    pub ef_search: usize,
    /// Indexes of fewer vectors than this are scanned instead of searched through
    /// the graph: exact, and no slower at that size.
    pub exact_below: usize,
    /// Where late interaction retrieves (a depth of its own, `late_depth`): the passages of each
    /// segment that it scores to find the best, at least `late_depth`.
    pub late_candidates: usize,
    /// The same: centroids, for each token of the query, in whose lists candidates are looked for, at
    /// least 1.
    pub late_probes: usize,
    /// Which candidates the cross-encoder scores first.
    pub cross_order: Order,
    /// How each stage's scores are brought to a common scale; min-max by default.
    pub normalizers: StageMap<Normalizer>,
    /// How the scores of a document's passages become one score for each stage.
    pub aggregation: Aggregation,
    /// For documents in another language than the query, BM25's normalized score is at least
    /// this share of the bi-encoder's, from 0 to 1: they have few words of the query, however
    /// relevant they are. While the bi-encoder has a weight.
    pub cross_language: f64,
    /// The languages that the cross-encoder knows; empty if it knows all. It is left out for
    /// queries that are known to be in others, and does not read documents in others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cross_languages: Vec<Language>,
    /// Other profiles by name that are used in place of this one, by the language of the query.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub by_language: BTreeMap<Language, String>,
    /// Most passages of a document that a reranker scores, at least 1: the most promising by the
    /// stages before it. Its depth counts passages.
    pub cross_passages: usize,
    /// Adaptive depth: a reranker stops when so many documents in a row did not come among the ten
    /// that it scored highest. 0 to score all.
    pub cross_patience: usize,
    /// alpha (bm25), beta (dense), gamma (cross) and so on: at least 0, with sum 1.
    pub weights: Weights,
    /// A learned fusion, if there is one: trees that correct a weighted sum. Its file holds
    /// the weights and normalizers of that sum, which then replace those of the profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learned: Option<LearnedFile>,
    /// Milliseconds after which no further work is started, counted from the start of the
    /// query and at least 1. The first retrieval always runs. `None` is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// Where the weights come from, if they were tuned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tuned: Option<Provenance>,
}

/// A profile's pointer to its learned fusion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearnedFile {
    /// Path within the index.
    pub file: String,
    /// CRC-32 (IEEE) of the file.
    pub crc32: u32,
    /// The stages that it was trained on. A search that runs other stages is fused by the
    /// weights.
    pub stages: Vec<StageName>,
}

/// Which stages retrieve candidates. Every mode but `two-stage` ends with the scores of
/// all stages but rerankers complete for every candidate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The first stage retrieves, the others score what it found, and the cross-encoder
    /// reranks the best.
    Cascade,
    /// Every stage that can retrieve does, such as BM25 and the bi-encoder, so that each finds
    /// what the other missed.
    #[default]
    Hybrid,
    /// One first stage, then the cross-encoder; other stages that could retrieve are not
    /// run.
    TwoStage,
    /// Every stage scores every document. For small corpora: with a cross-encoder, the index
    /// may hold at most as many documents as its depth.
    Exhaustive,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Mode::Cascade => "cascade",
            Mode::Hybrid => "hybrid",
            Mode::TwoStage => "two-stage",
            Mode::Exhaustive => "exhaustive",
        })
    }
}

/// The order in which a reranker takes candidates, written `fused` or as the name of a
/// stage.
///
/// It does not depend on the fusion weights, so that a tuner can gather once and try every
/// weighting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// By the equally weighted fusion of the stages before it, normalized as the profile
    /// says.
    #[default]
    Fused,
    /// By the score of one stage.
    Stage(StageName),
}

const FUSED: &str = "fused";

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Order::Fused => f.pad(FUSED),
            Order::Stage(stage) => stage.fmt(f),
        }
    }
}

impl Serialize for Order {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Order {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let text = String::deserialize(deserializer)?;
        if text == FUSED {
            return Ok(Order::Fused);
        }
        text.parse().map(Order::Stage).map_err(D::Error::custom)
    }
}

/// How the evidence of every stage becomes scores that can be added: the part of a profile that
/// fusion needs besides the weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaling<'a> {
    /// How each stage's scores reach the common scale.
    pub normalizers: &'a StageMap<Normalizer>,
    /// How the scores of a document's passages become its score.
    pub aggregation: Aggregation,
    /// See the profile's key.
    pub cross_language: f64,
}

/// Where tuned weights come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Queries and judgments, by file name.
    pub queries: String,
    /// See `queries`.
    pub qrels: String,
    /// The filter under which the queries were searched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// The time from which stages with the origin `now` counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<String>,
    /// How many queries had judgments to tune on.
    pub n_queries: usize,
    /// What was maximized.
    pub metric: String,
    /// Number of cross-validation folds.
    pub folds: usize,
    /// Seed of the folds and of the bootstrap.
    pub seed: u64,
    /// Mean of the metric on held-out folds.
    pub out_of_fold: f64,
    /// Mean of the metric under the weights that these replaced.
    pub before: f64,
    /// 95 % bootstrap interval of the mean gain, out of fold.
    pub gain_interval: [f64; 2],
    /// Day of tuning, as year-month-day (UTC).
    pub date: String,
    /// Fingerprint of the cross-encoder whose scores were weighted; empty if there was none.
    pub cross_fingerprint: String,
    /// Fingerprints of the queries, so that an evaluation on queries that were tuned on can be
    /// recognized.
    #[serde(default, skip_serializing_if = "QueryFingerprints::is_empty")]
    pub query_fingerprints: QueryFingerprints,
}

impl Default for Profile {
    fn default() -> Self {
        let standard = Registry::standard();
        let stages: Vec<StageName> = standard.iter().map(|kind| kind.name).collect();
        Profile {
            mode: Mode::default(),
            first_stage: StageName::BM25,
            depths: Depths::default(),
            ef_search: 400,
            exact_below: 10_000,
            late_candidates: 1000,
            late_probes: 32,
            cross_order: Order::default(),
            normalizers: StageMap::from_fn(&stages, |_| Normalizer::MinMax),
            aggregation: Aggregation::default(),
            cross_language: 0.0,
            cross_languages: Vec::new(),
            by_language: BTreeMap::new(),
            cross_passages: 1,
            cross_patience: 0,
            weights: "0.2,0.3,0.5".parse().expect("three decimals that sum to 1"),
            learned: None,
            deadline_ms: None,
            tuned: None,
        }
    }
}

impl Profile {
    /// Checks that the values are consistent.
    ///
    /// # Errors
    /// The key and what is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        let Profile {
            mode,
            first_stage,
            depths,
            ef_search,
            exact_below: _,
            late_candidates,
            late_probes,
            cross_order,
            normalizers: _,
            aggregation: _,
            cross_language,
            cross_languages: _,
            by_language: _, // checked with the other profiles
            cross_passages,
            cross_patience: _,
            weights: _, // non-negative with sum 1 by construction
            learned: _,
            deadline_ms,
            tuned: _,
        } = self;
        let standard = Registry::standard();
        let retrievers: Vec<StageName> = standard
            .iter()
            .filter(|kind| kind.capabilities.retrieves)
            .map(|kind| kind.name)
            .collect();
        let is_other = |stage: StageName| {
            let kind = standard.get(stage);
            kind.is_some_and(|kind| !kind.capabilities.retrieves)
        };
        if is_other(*first_stage) {
            return Err(format!(
                "first_stage is `{first_stage}`, which retrieves nothing; stages that do are {}",
                stage_list(&retrievers)
            ));
        }
        if let Order::Stage(stage) = cross_order
            && standard
                .get(*stage)
                .is_some_and(|kind| kind.capabilities.reranks)
        {
            return Err(format!(
                "cross_order is `{stage}`, which reranks itself; it must be `fused` or a stage that runs before"
            ));
        }
        for (stage, depth) in depths.iter() {
            let is_optional = standard
                .get(stage)
                .is_some_and(|kind| kind.capabilities.reranks || kind.default_depth == 0);
            if depth == 0 && !is_optional {
                return Err(format!(
                    "{} is 0; it must be at least 1",
                    Depths::key(stage)
                ));
            }
        }
        if !(0.0..=1.0).contains(cross_language) {
            return Err(format!(
                "cross_language is {cross_language}; it must be from 0 to 1"
            ));
        }
        if *cross_passages == 0 {
            return Err("cross_passages is 0; it must be at least 1".into());
        }
        if *deadline_ms == Some(0) {
            return Err(
                "deadline_ms is 0; it must be at least 1, or not be there for no deadline".into(),
            );
        }
        let dense_depth = depths.get(StageName::DENSE).unwrap_or(0);
        if *ef_search < dense_depth {
            return Err(format!(
                "ef_search is {ef_search}, below dense_depth {dense_depth}: the graph search would return too few or worse neighbors; raise ef_search or lower dense_depth"
            ));
        }
        let late_depth = depths.get(StageName::LATE).unwrap_or(0);
        if *late_candidates < late_depth {
            return Err(format!(
                "late_candidates is {late_candidates}, below late_depth {late_depth}: passages are retrieved from among those that are scored; raise late_candidates or lower late_depth"
            ));
        }
        if *late_probes == 0 {
            return Err("late_probes is 0; it must be at least 1".into());
        }
        if *mode == Mode::TwoStage && *first_stage == StageName::LATE && late_depth == 0 {
            return Err("first_stage is `late`, and late_depth is 0, so that it retrieves nothing; set late_depth".into());
        }
        Ok(())
    }

    /// How the scores of `stage` are normalized.
    pub fn normalizer(&self, stage: StageName) -> Normalizer {
        self.normalizers.get_or(stage, Normalizer::MinMax)
    }

    /// Fails if queries of some languages have other profiles, for `what` works with one.
    pub(crate) fn refuse_other_profiles(&self, what: &str) -> Result<(), Error> {
        let Some((language, name)) = self.by_language.iter().next() else {
            return Ok(());
        };
        Err(Error::Request(format!(
            "{what} works with one profile, but this one has `{name}` for queries in {}; name `{name}` (--profile) for these, and set by_language={{}} for the others (--set)",
            language.name()
        )))
    }

    /// How the evidence of every stage becomes comparable scores.
    pub fn scaling(&self) -> Scaling<'_> {
        Scaling {
            normalizers: &self.normalizers,
            aggregation: self.aggregation,
            cross_language: self.cross_language,
        }
    }

    /// Its parameters of retrieval, apart from depths, for a search among all documents.
    pub fn parameters(&self) -> Parameters {
        Parameters {
            ef_search: self.ef_search,
            exact_below: self.exact_below,
            late: Pruning {
                probes: self.late_probes,
                candidates: self.late_candidates,
            },
            allowed: None,
        }
    }

    /// The learned fusion, if it was trained on exactly these stages.
    pub fn learned_for(&self, stages: &[StageName]) -> Option<&LearnedFile> {
        let learned = self.learned.as_ref()?;
        let same = learned.stages.len() == stages.len()
            && learned.stages.iter().all(|stage| stages.contains(stage));
        same.then_some(learned)
    }

    /// The same profile with its values by stage in the order of `stages`.
    pub(crate) fn in_order_of(mut self, stages: &[StageName]) -> Self {
        self.normalizers = self.normalizers.in_order_of(stages);
        self.weights = self.weights.in_order_of(stages);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beam_narrower_than_the_list_is_refused() {
        let profile = Profile {
            ef_search: 199,
            ..Profile::default()
        };
        let message = profile.check().unwrap_err();
        assert!(
            message.contains("199") && message.contains("200"),
            "{message}"
        );
    }

    #[test]
    fn orders_and_depths_survive_a_round_trip() {
        let profile = Profile {
            cross_order: Order::Stage(StageName::DENSE),
            depths: Depths::default().with(StageName::CROSS, 7),
            ..Profile::default()
        };
        let text = toml::to_string(&profile).unwrap();
        assert!(text.contains("cross_depth = 7"), "{text}");
        assert!(text.contains("cross_order = \"dense\""), "{text}");
        assert_eq!(toml::from_str::<Profile>(&text).unwrap(), profile);
        assert!(toml::from_str::<Profile>("bm25_dept = 3").is_err());
    }

    #[test]
    fn a_reranker_cannot_come_first() {
        let first = Profile {
            first_stage: StageName::CROSS,
            ..Profile::default()
        };
        assert!(first.check().unwrap_err().contains("bm25, dense"));
        let order = Profile {
            cross_order: Order::Stage(StageName::CROSS),
            ..Profile::default()
        };
        assert!(order.check().unwrap_err().contains("cross_order"));
    }
}
