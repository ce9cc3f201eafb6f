//! A profile: how candidates are gathered and fused. An index holds several, by name.

use serde::{Deserialize, Serialize};
use treffer_fusion::{Fusion, Normalizer, Weights};
use treffer_types::{StageMap, StageName};

use crate::learned::LearnedFile;
mod prints;

pub use prints::QueryPrints;

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
#[serde(default, deny_unknown_fields)]
pub struct Profile {
    /// Which stages bring candidates in.
    pub mode: Mode,
    /// The first stage of mode `two-stage`; other modes do not look at it.
    pub first_stage: FirstStage,
    /// Candidates that BM25 brings in, from 1.
    pub bm25_depth: usize,
    /// Candidates that the bi-encoder brings in, from 1.
    pub dense_depth: usize,
    /// Beam of the graph search; at least `dense_depth`.
    pub ef_search: usize,
    /// Indexes of fewer vectors than this are scanned instead of searched through
    /// the graph: exact, and no slower at that size.
    pub exact_below: usize,
    /// Candidates that the cross-encoder reads; 0 switches it off.
    pub cross_depth: usize,
    /// Which candidates the cross-encoder reads first.
    pub cross_order: CrossOrder,
    /// How each stage's scores are brought to a common scale.
    pub normalizers: StageMap<Normalizer>,
    /// alpha (bm25), beta (dense) and gamma (cross): at least 0, with sum 1.
    pub weights: Weights,
    /// Trees that correct the weighted sum; none in most profiles. The file holds the
    /// weights and normalizers that they correct: where it applies, those here do not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learned: Option<LearnedFile>,
    /// Milliseconds after which the cross-encoder stops reading, counted from the start
    /// of the query and at least 1; `None` lets it read all of `cross_depth`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// Where the weights come from, if they were tuned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tuned: Option<Provenance>,
}

/// Which stages bring candidates in. Every mode but `two-stage` ends with the BM25
/// and dense scores of all candidates complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// BM25 brings in candidates, the bi-encoder rescores them, the cross-encoder
    /// reads the best.
    Cascade,
    /// BM25 and the bi-encoder both bring in candidates, so that each finds what
    /// the other missed.
    #[default]
    Hybrid,
    /// One first stage, then the cross-encoder; the other first stage is not run.
    TwoStage,
    /// The cross-encoder reads every document. For small corpora: the index may
    /// hold at most `cross_depth` documents.
    Exhaustive,
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Mode::Cascade => "cascade",
            Mode::Hybrid => "hybrid",
            Mode::TwoStage => "two-stage",
            Mode::Exhaustive => "exhaustive",
        })
    }
}

/// The first stage of mode `two-stage`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FirstStage {
    /// BM25.
    #[default]
    Bm25,
    /// The bi-encoder.
    Dense,
}

/// The order of promise in which the cross-encoder takes candidates.
///
/// It does not depend on the fusion weights, so that one gathering serves every
/// weighting that a tuner tries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CrossOrder {
    /// By BM25 score.
    Bm25,
    /// By bi-encoder score.
    Dense,
    /// By the equally weighted fusion of both, normalised as the profile says.
    #[default]
    Fused,
}

/// Where tuned weights come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Queries and judgements, by file name.
    pub queries: String,
    /// See `queries`.
    pub qrels: String,
    /// How many queries had judgements to tune on.
    pub n_queries: usize,
    /// What was maximised.
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
    /// Fingerprint of the cross-encoder whose scores were weighed; empty if none was.
    pub cross_fingerprint: String,
    /// The queries themselves, so that a measurement on them can be told apart.
    #[serde(default, skip_serializing_if = "QueryPrints::is_empty")]
    pub query_prints: QueryPrints,
}

impl Default for Profile {
    fn default() -> Self {
        Profile {
            mode: Mode::default(),
            first_stage: FirstStage::default(),
            bm25_depth: 200,
            dense_depth: 200,
            ef_search: 400,
            exact_below: 10_000,
            cross_depth: 100,
            cross_order: CrossOrder::default(),
            normalizers: StageMap::from_fn(|_| Normalizer::MinMax),
            weights: Weights::from_decimals(StageMap {
                bm25: 0.2,
                dense: 0.3,
                cross: 0.5,
            })
            .expect("three decimals that sum to 1"),
            learned: None,
            deadline_ms: None,
            tuned: None,
        }
    }
}

impl Profile {
    /// Whether the values make sense together.
    ///
    /// # Errors
    /// The key and what is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        let Profile {
            mode: _,
            first_stage: _,
            bm25_depth,
            dense_depth,
            ef_search,
            exact_below: _,
            cross_depth: _,
            cross_order: _,
            normalizers: _,
            weights: _, // non-negative with sum 1 by construction
            learned: _,
            deadline_ms,
            tuned: _,
        } = self;
        if *bm25_depth == 0 {
            return Err("bm25_depth is 0; it must be at least 1".into());
        }
        if *dense_depth == 0 {
            return Err("dense_depth is 0; it must be at least 1".into());
        }
        if *deadline_ms == Some(0) {
            return Err(
                "deadline_ms is 0; it must be at least 1, or not be there for no deadline".into(),
            );
        }
        if ef_search < dense_depth {
            return Err(format!(
                "ef_search is {ef_search}, below dense_depth {dense_depth}: the graph search would return too few or worse neighbors; raise ef_search or lower dense_depth"
            ));
        }
        Ok(())
    }

    /// The fusion over `stages` only: the other stages' weights are given up and the
    /// rest scaled to sum to 1. A single stage orders alone, whatever its weight;
    /// `None` if there are more and none of them has any.
    pub fn fusion(&self, stages: &[StageName]) -> Option<Fusion> {
        let weights = match stages {
            [_] => Weights::equal(stages),
            _ => self.weights.restricted_to(stages),
        };
        Some(Fusion {
            normalizers: self.normalizers,
            weights: weights?,
        })
    }

    /// The stages that this profile runs, given those that the index has.
    pub fn stages(&self, available: &[StageName]) -> Vec<StageName> {
        StageName::ALL
            .into_iter()
            .filter(|stage| available.contains(stage) && self.runs(*stage))
            .collect()
    }

    /// As [`Profile::stages`], but for a cross-encoder without weight that no learned
    /// fusion looks at: reading for it would change nothing.
    pub fn stages_with_effect(&self, available: &[StageName]) -> Vec<StageName> {
        let learned = self.learned.iter().flat_map(|learned| &learned.stages);
        let is_looked_at = learned.into_iter().any(|stage| *stage == StageName::Cross);
        let reads = is_looked_at || self.weights.weight(StageName::Cross) > 0.0;
        let mut stages = self.stages(available);
        stages.retain(|stage| *stage != StageName::Cross || reads);
        stages
    }

    /// The learned fusion, if it looks at just these stages.
    pub fn learned_for(&self, stages: &[StageName]) -> Option<&LearnedFile> {
        let learned = self.learned.as_ref()?;
        let same = learned.stages.len() == stages.len()
            && learned.stages.iter().all(|stage| stages.contains(stage));
        same.then_some(learned)
    }

    fn runs(&self, stage: StageName) -> bool {
        match (stage, self.mode, self.first_stage) {
            (StageName::Cross, _, _) => self.cross_depth > 0,
            (StageName::Bm25, Mode::TwoStage, first) => first == FirstStage::Bm25,
            (StageName::Dense, Mode::TwoStage, first) => first == FirstStage::Dense,
            _ => true,
        }
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
    fn two_stage_runs_one_first_stage() {
        let all = StageName::ALL;
        let profile = Profile {
            mode: Mode::TwoStage,
            ..Profile::default()
        };
        assert_eq!(profile.stages(&all), [StageName::Bm25, StageName::Cross]);
        let profile = Profile {
            first_stage: FirstStage::Dense,
            ..profile
        };
        assert_eq!(profile.stages(&all), [StageName::Dense, StageName::Cross]);
        let profile = Profile {
            cross_depth: 0,
            ..profile
        };
        assert_eq!(profile.stages(&all), [StageName::Dense]);
    }
}
