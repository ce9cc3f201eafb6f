//! Growing the trees: LambdaMART on judged queries.

use hessboost::config::{Monotone, TrainingParams, TreeMethod};
use hessboost::data::DMatrix;
use hessboost::error::HessboostError;
use hessboost::objective::{LambdaRank, Objective};
use hessboost::training;
use treffer_types::{Candidate, Grade, StageName};

use crate::fusion::Fusion;
use crate::learned::features::{FEATURES, Lengths, Trend, rows};
use crate::learned::{LearnError, Learned};
use crate::normalizer::Normalizer;
use crate::prepared::Prepared;

/// How trees are grown. The usual values are what many small trees need to learn from
/// some hundred queries without learning them by heart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    /// Most trees.
    pub rounds: usize,
    /// Levels of a tree.
    pub depth: usize,
    /// What a tree may add, of what it would like to.
    pub rate: f64,
    /// Leaves with less second derivative than this are not grown.
    pub min_leaf: f64,
}

impl Default for Growth {
    fn default() -> Self {
        Growth {
            rounds: 100,
            depth: 3,
            rate: 0.1,
            min_leaf: 1.0,
        }
    }
}

/// Ranks up to which errors count, and up to which any stage's candidates are taught.
const PAIR_DEPTH: usize = 32;
const TAUGHT_DEPTH: u32 = 50;

/// The largest grade for which a gain of `2^grade - 1` is defined.
const MAX_GRADE: Grade = 31;

/// A judged query with its candidates, as the trees see it.
#[derive(Clone, Debug)]
pub struct Lesson {
    pub(crate) candidates: Vec<Candidate>,
    /// Features, row by row.
    pub(crate) rows: Vec<f32>,
    /// Grades from 0; what nobody judged is 0.
    grades: Vec<f32>,
    /// Whom the trees are shown: what is relevant, and what some stage ranks high.
    taught: Vec<usize>,
}

impl Lesson {
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
            let ranks = [2, 5, 8].map(|rank| rows[at * FEATURES.len() + rank]);
            ranks.iter().any(|rank| *rank <= TAUGHT_DEPTH as f32)
        };
        let taught = (0..candidates.len())
            .filter(|at| grades[*at] > 0.0 || is_high(*at))
            .collect();
        Lesson {
            candidates,
            rows,
            grades,
            taught,
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
    pub fn teaches(&self) -> bool {
        let mut grades = self.taught.iter().map(|at| self.grades[*at]);
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
    /// slope of a sigmoid fitted on the same lessons ([`Normalizer::platt`]), so that what
    /// the trees are to add is neither drowned nor drowns it. Deterministic, whatever the
    /// number of threads. Without trees if no lesson teaches anything or `growth` allows
    /// none.
    ///
    /// # Errors
    /// If the library refuses the settings or the data.
    pub fn train(
        lessons: &[&Lesson],
        stages: &[StageName],
        fusion: Fusion,
        growth: &Growth,
    ) -> Result<Self, LearnError> {
        let teaching: Vec<&Lesson> = lessons
            .iter()
            .copied()
            .filter(|lesson| lesson.teaches())
            .collect();
        let mut learned = Learned {
            fusion,
            scale: scale(&teaching, &fusion),
            stages: stages.to_vec(),
            trees: None,
        };
        if teaching.is_empty() || growth.rounds == 0 {
            return Ok(learned);
        }
        let failed = |source| LearnError::Train {
            queries: teaching.len(),
            source,
        };
        let data = learned.matrix(&teaching).map_err(failed)?;
        let parameters = parameters(growth).map_err(failed)?;
        let trees = training::train(&parameters, &data, growth.rounds).map_err(failed)?;
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

    fn matrix(&self, lessons: &[&Lesson]) -> Result<DMatrix, HessboostError> {
        let width = FEATURES.len();
        let (mut rows, mut labels, mut margins) = (Vec::new(), Vec::new(), Vec::new());
        for lesson in lessons {
            let linear = lesson.linear(&self.fusion);
            for at in &lesson.taught {
                rows.extend(&lesson.rows[at * width..][..width]);
                labels.push(lesson.grades[*at]);
                margins.push((self.scale * linear[*at]) as f32);
            }
        }
        let sizes: Vec<usize> = lessons.iter().map(|lesson| lesson.taught.len()).collect();
        DMatrix::from_dense_vec(rows, labels.len(), width)?
            .with_labels(&labels)?
            .with_base_margin(&margins)?
            .with_group_sizes(&sizes)
    }
}

/// Log odds of relevance per unit of the linear score; 1 where that says nothing of
/// relevance.
fn scale(lessons: &[&Lesson], fusion: &Fusion) -> f64 {
    let pairs: Vec<(f64, bool)> = lessons
        .iter()
        .flat_map(|lesson| lesson.linear(fusion).into_iter().zip(&lesson.grades))
        .map(|(sum, grade)| (sum, *grade > 0.0))
        .collect();
    match Normalizer::platt(&pairs) {
        Some(Normalizer::Sigmoid { slope, .. }) => slope,
        _ => 1.0,
    }
}

fn parameters(growth: &Growth) -> Result<TrainingParams, HessboostError> {
    let directions = FEATURES.iter().map(|feature| match feature.trend {
        Trend::Rising => Monotone::Increasing,
        Trend::Falling => Monotone::Decreasing,
        Trend::Free => Monotone::None,
    });
    TrainingParams::builder()
        .objective(Objective::RankNdcg(LambdaRank::new(PAIR_DEPTH)?))
        .tree_method(TreeMethod::Hist)
        .max_depth(growth.depth)
        .eta(growth.rate)
        .min_child_weight(growth.min_leaf)
        .monotone_constraints(directions.collect::<Vec<Monotone>>())
        // What a candidate gets before any tree is the linear fusion's.
        .base_score(0.0)
        .build()
}
