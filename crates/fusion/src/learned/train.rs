//! Training the trees: LambdaMART on judged queries.

use hessboost::config::{Monotone, TrainingParams, TreeMethod};
use hessboost::data::DMatrix;
use hessboost::error::HessboostError;
use hessboost::objective::{LambdaRank, Objective};
use hessboost::training;
use treffer_types::{Candidate, Grade, StageName};

use crate::fusion::Fusion;
use crate::learned::features::{Trend, features, once_each, ranks, rows, width};
use crate::learned::{LearnError, Learned};
use crate::lengths::Lengths;
use crate::normalizer::Normalizer;
use crate::prepared::Prepared;

/// How trees are trained. The defaults are for many small trees that learn from some hundred
/// queries without overfitting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Boosting {
    /// Largest number of trees.
    pub rounds: usize,
    /// Levels of a tree.
    pub depth: usize,
    /// The learning rate: the share of its fitted values that a tree adds.
    pub rate: f64,
    /// Least sum of second derivatives (of the loss) in a leaf.
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

/// Ranks up to which errors count, and up to which a stage's candidates are trained on.
const PAIR_DEPTH: usize = 32;
const SHOWN_DEPTH: u32 = 50;

/// The largest grade for which a gain of `2^grade - 1` is defined.
const MAX_GRADE: Grade = 31;

/// A judged query with its candidates and their features.
#[derive(Clone, Debug)]
pub struct QueryGroup {
    pub(crate) candidates: Vec<Candidate>,
    /// The stages whose features the rows hold.
    stages: Vec<StageName>,
    /// Features, row by row.
    pub(crate) rows: Vec<f32>,
    /// Grades from 0; unjudged candidates have 0.
    grades: Vec<f32>,
    /// The candidates that trees are trained on: relevant ones, and those that some stage
    /// ranks high.
    shown: Vec<usize>,
}

impl QueryGroup {
    /// A query's candidates, their grades in the same order, and their features from the
    /// scores of `stages`.
    pub fn new(
        candidates: Vec<Candidate>,
        grades: &[Option<Grade>],
        lengths: &Lengths,
        stages: &[StageName],
    ) -> Self {
        let rows = rows(&candidates, lengths, stages);
        let label = |grade: &Option<Grade>| grade.unwrap_or(0).clamp(0, MAX_GRADE) as f32;
        let grades: Vec<f32> = grades.iter().map(label).collect();
        let width = width(stages);
        let is_high = |at: usize| {
            let mut ranks = ranks(&rows[at * width..][..width]);
            ranks.any(|rank| rank <= SHOWN_DEPTH as f32)
        };
        let shown = (0..candidates.len())
            .filter(|at| grades[*at] > 0.0 || is_high(*at))
            .collect();
        QueryGroup {
            candidates,
            stages: once_each(stages),
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

    /// Whether there is anything to learn from it: some candidate's grade is above another's.
    pub fn has_pairs(&self) -> bool {
        let mut grades = self.shown.iter().map(|at| self.grades[*at]);
        let first = grades.next();
        grades.any(|grade| Some(grade) != first)
    }

    /// An error if its features are not those of `stages`.
    pub(crate) fn check_stages(&self, stages: &[StageName]) -> Result<(), LearnError> {
        if self.stages == stages {
            return Ok(());
        }
        Err(LearnError::OtherStages {
            found: self.stages.clone(),
            needed: stages.to_vec(),
        })
    }

    /// The linear fusion's sum for each candidate.
    fn linear(&self, fusion: &Fusion) -> Vec<f64> {
        let prepared = Prepared::new(&self.candidates, &fusion.normalization);
        let mut linear = vec![0.0; self.len()];
        for (position, sum) in (0..).zip(prepared.sums(&fusion.weights)) {
            linear[prepared.origin(position)] = sum;
        }
        linear
    }
}

impl Learned {
    /// Trains trees that correct `fusion`. Its scores become log odds of relevance by the
    /// slope of a sigmoid fitted on the same groups ([`Normalizer::platt`]), so that they are
    /// on the scale of what the trees add. Deterministic for any number of threads. The result
    /// has no trees if no group has candidates of different grades or `boosting` allows none.
    ///
    /// # Errors
    /// If a group has the features of other stages, or if the library refuses the settings or
    /// the data.
    pub fn train(
        groups: &[&QueryGroup],
        stages: &[StageName],
        fusion: Fusion,
        boosting: &Boosting,
    ) -> Result<Self, LearnError> {
        let stages = once_each(stages);
        for group in groups {
            group.check_stages(&stages)?;
        }
        let useful: Vec<&QueryGroup> = groups
            .iter()
            .copied()
            .filter(|group| group.has_pairs())
            .collect();
        let mut learned = Learned {
            scale: scale(&useful, &fusion),
            fusion,
            stages,
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
        let parameters = parameters(boosting, &learned.stages).map_err(failed)?;
        let trees = training::train(&parameters, &data, boosting.rounds).map_err(failed)?;
        learned.trees = Some(trees);
        Ok(learned)
    }

    /// The same with only its first `rounds` trees.
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
        let width = width(&self.stages);
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

/// Log odds of relevance per unit of the linear score; 1 if relevance does not rise with
/// it.
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

fn parameters(boosting: &Boosting, stages: &[StageName]) -> Result<TrainingParams, HessboostError> {
    let features = features(stages);
    let directions = features.iter().map(|feature| match feature.trend {
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
        // The score before any tree is the linear fusion's.
        .base_score(0.0)
        .build()
}
