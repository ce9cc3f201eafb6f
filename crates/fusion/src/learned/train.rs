//! Growing the trees: LambdaMART on judged queries.

use hessboost::config::{Monotone, TrainingParams, TreeMethod};
use hessboost::data::DMatrix;
use hessboost::error::HessboostError;
use hessboost::objective::{LambdaRank, Objective};
use hessboost::training;
use treffer_types::{Candidate, Grade, StageName};

use crate::fusion::Fusion;
use crate::learned::features::{FEATURES, Lengths, RANKS, Trend, rows};
use crate::learned::{LearnError, Learned};
use crate::normalizer::Normalizer;
use crate::prepared::Prepared;

/// How trees are grown. The usual values are what many small trees need to learn from
/// some hundred queries without learning them by heart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Boosting {
    /// Most trees.
    pub rounds: usize,
    /// Levels of a tree.
    pub depth: usize,
    /// What a tree may add, of what it would like to.
    pub rate: f64,
    /// Leaves with less second derivative than this are not grown.
    pub min_leaf: f64,
}

impl Default for Boosting {
    fn default() -> Self {
        Boosting {
            rounds: 100,
            depth: 3,
            rate: 0.1,
            min_leaf: 1.0,
        }
    }
}

/// Ranks up to which errors count, and up to which any stage's candidates are shown.
const PAIR_DEPTH: usize = 32;
const SHOWN_DEPTH: u32 = 50;

/// The largest grade for which a gain of `2^grade - 1` is defined.
const MAX_GRADE: Grade = 31;

/// A judged query with its candidates, as the trees see it.
#[derive(Clone, Debug)]
pub struct QueryGroup {
    pub(crate) candidates: Vec<Candidate>,
    /// Features, row by row.
    pub(crate) rows: Vec<f32>,
    /// Grades from 0; what nobody judged is 0.
    grades: Vec<f32>,
    /// Whom the trees are shown: what is relevant, and what some stage ranks high.
    shown: Vec<usize>,
}

impl QueryGroup {
    /// A query's candidates, their grades in the same order, and what the scores of
    /// `stages` say of them.
    pub fn new(
        candidates: Vec<Candidate>,
        grades: &[Option<Grade>],
        lengths: &Lengths,
        stages: &[StageName],
    ) -> Self {
        let rows = rows(&candidates, lengths, stages);
        let label = |grade: &Option<Grade>| grade.unwrap_or(0).clamp(0, MAX_GRADE) as f32;
        let grades: Vec<f32> = grades.iter().map(label).collect();
        let is_high = |at: usize| {
            let ranks = RANKS.map(|rank| rows[at * FEATURES.len() + rank]);
            ranks.iter().any(|rank| *rank <= SHOWN_DEPTH as f32)
        };
        let shown = (0..candidates.len())
            .filter(|at| grades[*at] > 0.0 || is_high(*at))
            .collect();
        QueryGroup {
            candidates,
            rows,
            grades,
            shown,
        }
    }

    /// The number of candidates.
    pub fn len(&self) -> usize {
        self.candidates.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.candidates.is_empty()
    }

    /// Whether it tells better from worse: some candidate's grade is above another's.
    pub fn has_pairs(&self) -> bool {
        let mut grades = self.shown.iter().map(|at| self.grades[*at]);
        let first = grades.next();
        grades.any(|grade| Some(grade) != first)
    }

    /// The linear fusion's sum for each candidate.
    fn linear(&self, fusion: &Fusion) -> Vec<f64> {
        let prepared = Prepared::new(&self.candidates, &fusion.normalizers);
        let mut linear = vec![0.0; self.len()];
        for position in 0..self.len() as u32 {
            linear[prepared.origin(position)] = prepared.linear(&fusion.weights, position);
        }
        linear
    }
}

impl Learned {
    /// Grows trees that correct `fusion`. Its scores become log odds of relevance by the
    /// slope of a sigmoid fitted on the same groups ([`Normalizer::platt`]), so that what
    /// the trees are to add is neither drowned nor drowns it. Deterministic, whatever the
    /// number of threads. Without trees if no group has pairs or `boosting` allows none.
    ///
    /// # Errors
    /// If the library refuses the settings or the data.
    pub fn train(
        groups: &[&QueryGroup],
        stages: &[StageName],
        fusion: Fusion,
        boosting: &Boosting,
    ) -> Result<Self, LearnError> {
        let useful: Vec<&QueryGroup> = groups
            .iter()
            .copied()
            .filter(|group| group.has_pairs())
            .collect();
        let mut learned = Learned {
            fusion,
            scale: scale(&useful, &fusion),
            stages: stages.to_vec(),
            trees: None,
        };
        if useful.is_empty() || boosting.rounds == 0 {
            return Ok(learned);
        }
        let failed = |source| LearnError::Train {
            queries: useful.len(),
            source,
        };
        let data = learned.matrix(&useful).map_err(failed)?;
        let parameters = parameters(boosting).map_err(failed)?;
        let trees = training::train(&parameters, &data, boosting.rounds).map_err(failed)?;
        learned.trees = Some(trees);
        Ok(learned)
    }

    /// As it was when it had only its first `rounds` trees.
    ///
    /// # Errors
    /// If it has fewer.
    pub fn truncated(&self, rounds: usize) -> Result<Self, LearnError> {
        let cut = |trees: &hessboost::model::BoostedModel| trees.slice(..rounds, 1);
        let trees = match rounds {
            0 => None,
            _ => (self.trees.as_ref().map(cut).transpose())
                .map_err(|source| LearnError::Apply { source })?,
        };
        Ok(Learned {
            trees,
            ..self.clone()
        })
    }

    fn matrix(&self, groups: &[&QueryGroup]) -> Result<DMatrix, HessboostError> {
        let width = FEATURES.len();
        let (mut rows, mut labels, mut margins) = (Vec::new(), Vec::new(), Vec::new());
        for group in groups {
            let linear = group.linear(&self.fusion);
            for at in &group.shown {
                rows.extend(&group.rows[at * width..][..width]);
                labels.push(group.grades[*at]);
                margins.push((self.scale * linear[*at]) as f32);
            }
        }
        let sizes: Vec<usize> = groups.iter().map(|group| group.shown.len()).collect();
        DMatrix::from_dense_vec(rows, labels.len(), width)?
            .with_labels(&labels)?
            .with_base_margin(&margins)?
            .with_group_sizes(&sizes)
    }
}

/// Log odds of relevance per unit of the linear score; 1 where that says nothing of
/// relevance.
fn scale(groups: &[&QueryGroup], fusion: &Fusion) -> f64 {
    let pairs: Vec<(f64, bool)> = groups
        .iter()
        .flat_map(|group| group.linear(fusion).into_iter().zip(&group.grades))
        .map(|(sum, grade)| (sum, *grade > 0.0))
        .collect();
    match Normalizer::platt(&pairs) {
        Some(Normalizer::Sigmoid { slope, .. }) => slope,
        _ => 1.0,
    }
}

fn parameters(boosting: &Boosting) -> Result<TrainingParams, HessboostError> {
    let directions = FEATURES.iter().map(|feature| match feature.trend {
        Trend::Rising => Monotone::Increasing,
        Trend::Falling => Monotone::Decreasing,
        Trend::Free => Monotone::None,
    });
    TrainingParams::builder()
        .objective(Objective::RankNdcg(LambdaRank::new(PAIR_DEPTH)?))
        .tree_method(TreeMethod::Hist)
        .max_depth(boosting.depth)
        .eta(boosting.rate)
        .min_child_weight(boosting.min_leaf)
        .monotone_constraints(directions.collect::<Vec<Monotone>>())
        // What a candidate gets before any tree is the linear fusion's.
        .base_score(0.0)
        .build()
}
