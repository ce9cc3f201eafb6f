//! Tuning: the weights that a metric likes best, and whether to believe it.
//!
//! Candidates are gathered once. Then every point of the integer simplex is fused
//! and measured on every query, which is cheap, and k-fold cross-validation says
//! what the winner is worth on queries that did not choose it.

use rayon::prelude::*;
use treffer_eval::{Interval, Metric, Randomization, Topic};
use treffer_eval::{bootstrap_interval, k_fold, randomization_test};
use treffer_fusion::{Prepared, Weights};
use treffer_types::{Grade, Progress, StageName};

use crate::error::{Error, part};
use crate::gather::{Gathered, Plan};
use crate::index::Index;
use crate::profile::Profile;
use crate::topics::Topics;

/// How to tune.
#[derive(Clone, Debug, PartialEq)]
pub struct TuneRequest<'a> {
    /// The profile to start from; only its weights are tuned.
    pub profile: &'a Profile,
    /// The stages to weigh; `None` for all that the profile runs.
    pub stages: Option<&'a [StageName]>,
    /// What to maximize: its mean over queries.
    pub metric: Metric,
    /// Steps from weight 0 to weight 1; 20 means a grid of 0.05.
    pub steps: u32,
    /// Folds of the cross-validation, at least 2.
    pub folds: usize,
    /// Seed of the folds, the bootstrap and the randomization test.
    pub seed: u64,
}

/// What tuning found.
#[derive(Clone, Debug, PartialEq)]
pub struct TuneReport {
    /// The stages that were weighed.
    pub stages: Vec<StageName>,
    /// How many queries it is based on.
    pub n_queries: usize,
    /// How many weightings were tried.
    pub n_points: usize,
    /// The weights of the profile as it was, over the stages that were weighed; equal
    /// ones if it gave those nothing.
    pub current: Weights,
    /// Their mean.
    pub current_mean: f64,
    /// The winner on all queries.
    pub best: Weights,
    /// Its mean on the very queries that chose it, which flatters it.
    pub best_mean: f64,
    /// Mean of each query under the weights that the other folds chose: what the
    /// winner is worth on new queries.
    pub out_of_fold: f64,
    /// What each fold's others chose.
    pub fold_weights: Vec<Weights>,
    /// 95 % bootstrap interval of the mean gain, out of fold, over the current weights.
    pub gain: Interval,
    /// Paired randomization test of the same gain.
    pub test: Randomization,
    /// Every other weighting worth a line: each stage alone, equal weights, and the
    /// best two-way fusions (out of fold).
    pub others: Vec<Other>,
}

/// A weighting that the winner is compared with.
#[derive(Clone, Debug, PartialEq)]
pub struct Other {
    /// Such as `bm25 alone`.
    pub name: String,
    /// The weights; for one that was tuned, the winner on all queries.
    pub weights: Weights,
    /// The mean; out of fold for one that was tuned.
    pub mean: f64,
}

/// Draws of the bootstrap and of the randomization test.
const DRAWS: u32 = 10_000;
const CONFIDENCE: f64 = 0.95;

impl TuneReport {
    /// Whether the gain can be told from chance: its 95 % interval, out of fold, is
    /// above 0.
    pub fn is_gain(&self) -> bool {
        self.gain.low > 0.0
    }
}

/// Finds the weights that maximize a metric on judged queries.
///
/// Ties go to the weights nearest to the current ones, then to the first in the
/// order of the grid.
///
/// # Errors
/// If fewer than two stages are weighed, there are fewer queries than folds, a stage
/// fails, or `progress` says to stop.
pub fn tune(
    index: &Index,
    request: &TuneRequest<'_>,
    topics: &Topics,
    progress: &dyn Progress,
) -> Result<TuneReport, Error> {
    let plan = Plan::new(index, request.profile, request.stages)?.without_deadline();
    let stages = plan.stages().to_vec();
    if stages.len() < 2 {
        return Err(Error::Request(
            "tuning weighs stages against each other and needs two or three of them".into(),
        ));
    }
    if request.steps == 0 {
        return Err(Error::Request("the grid needs at least one step".into()));
    }
    let ids = topics.queries.iter().map(|query| query.id.as_str());
    let folds = k_fold(ids, request.folds, request.seed)?;
    let gathered = topics.gather(&plan, progress)?;
    let pools = pools(index, request.profile, topics, &gathered)?;
    let folds = Folds::new(topics, &folds);
    let current = match request.profile.fusion(&stages) {
        Some(fusion) => fusion.weights,
        None => Weights::equal(&stages).expect("there are two or three stages"),
    };
    let grid = Grid::measure(&stages, request, &pools, current);
    report(&grid, &folds, request, stages, &pools)
}

/// A query's candidates, normalized once, and the grade of each.
struct Pool {
    prepared: Prepared,
    grades: Vec<Option<Grade>>,
    topic: Topic,
}

impl Pool {
    fn measure(&self, weights: &Weights, metric: &Metric) -> f64 {
        let depth = metric
            .cutoff()
            .map_or(self.grades.len(), |cutoff| cutoff.get());
        let order = self.prepared.top(weights, depth);
        let grades: Vec<Option<Grade>> = order.into_iter().map(|at| self.grades[at]).collect();
        metric.score_grades(&grades, &self.topic)
    }
}

fn pools(
    index: &Index,
    profile: &Profile,
    topics: &Topics,
    gathered: &[Gathered],
) -> Result<Vec<Pool>, Error> {
    let no_judgements = std::collections::BTreeMap::new();
    let mut pools = Vec::with_capacity(gathered.len());
    for (query, gathered) in topics.queries.iter().zip(gathered) {
        let judgements = topics.qrels.query(&query.id).unwrap_or(&no_judgements);
        let mut grades = Vec::with_capacity(gathered.candidates.len());
        for candidate in &gathered.candidates {
            let id = index
                .store
                .id(candidate.doc())
                .map_err(part("read", "store", index.dir()))?;
            grades.push(judgements.get(id).copied());
        }
        pools.push(Pool {
            prepared: Prepared::new(&gathered.candidates, &profile.normalizers),
            grades,
            topic: Topic::new(judgements),
        });
    }
    Ok(pools)
}

/// Every point of the simplex and the current weights, with their value for every query.
struct Grid {
    points: Vec<Weights>,
    /// By point, then by query.
    values: Vec<Vec<f64>>,
    current: Weights,
    current_values: Vec<f64>,
}

impl Grid {
    fn measure(
        stages: &[StageName],
        request: &TuneRequest<'_>,
        pools: &[Pool],
        current: Weights,
    ) -> Self {
        let measure = |weights: &Weights| -> Vec<f64> {
            pools
                .iter()
                .map(|pool| pool.measure(weights, &request.metric))
                .collect()
        };
        let mut points: Vec<Weights> = Weights::simplex(request.steps, stages).collect();
        // Weights between two points of the grid may be kept, so they compete.
        if !points.contains(&current) {
            points.push(current);
        }
        let values = points.par_iter().map(measure).collect();
        Grid {
            points,
            values,
            current,
            current_values: measure(&current),
        }
    }

    /// The best of the points that `allowed` accepts, by the mean over `queries`.
    fn best(&self, queries: &[usize], allowed: &dyn Fn(&Weights) -> bool) -> Option<usize> {
        let mut best: Option<(usize, f64)> = None;
        for (at, point) in self
            .points
            .iter()
            .enumerate()
            .filter(|(_, point)| allowed(point))
        {
            let mean = mean_over(&self.values[at], queries);
            let is_better = best.is_none_or(|(leader, leading)| {
                mean > leading
                    || (mean == leading
                        && point.distance(&self.current)
                            < self.points[leader].distance(&self.current))
            });
            if is_better {
                best = Some((at, mean));
            }
        }
        best.map(|(at, _)| at)
    }

    /// Each query's value under the point that is best on the folds it is not in,
    /// and those points.
    fn out_of_fold(
        &self,
        folds: &Folds,
        allowed: &dyn Fn(&Weights) -> bool,
    ) -> Option<(Vec<f64>, Vec<Weights>)> {
        let mut values = vec![0.0; self.current_values.len()];
        let mut chosen = Vec::with_capacity(folds.held_out.len());
        for held_out in &folds.held_out {
            let others: Vec<usize> = (0..values.len())
                .filter(|query| !held_out.contains(query))
                .collect();
            let best = self.best(&others, allowed)?;
            for query in held_out {
                values[*query] = self.values[best][*query];
            }
            chosen.push(self.points[best]);
        }
        Some((values, chosen))
    }
}

/// Queries, by place, in folds.
struct Folds {
    held_out: Vec<Vec<usize>>,
    all: Vec<usize>,
}

impl Folds {
    fn new(topics: &Topics, folds: &[Vec<String>]) -> Self {
        let place = |id: &String| topics.queries.iter().position(|query| query.id == *id);
        Folds {
            held_out: folds
                .iter()
                .map(|fold| fold.iter().filter_map(place).collect())
                .collect(),
            all: (0..topics.queries.len()).collect(),
        }
    }
}

fn report(
    grid: &Grid,
    folds: &Folds,
    request: &TuneRequest<'_>,
    stages: Vec<StageName>,
    pools: &[Pool],
) -> Result<TuneReport, Error> {
    let any = |_: &Weights| true;
    let no_points = || Error::Request("the grid has no points".into());
    let best = grid.best(&folds.all, &any).ok_or_else(no_points)?;
    let (held_out, fold_weights) = grid.out_of_fold(folds, &any).ok_or_else(no_points)?;
    let (before, seed) = (&grid.current_values, request.seed);
    Ok(TuneReport {
        n_queries: pools.len(),
        n_points: grid.points.len(),
        current: grid.current,
        current_mean: mean_over(before, &folds.all),
        best: grid.points[best],
        best_mean: mean_over(&grid.values[best], &folds.all),
        out_of_fold: mean_over(&held_out, &folds.all),
        fold_weights,
        gain: bootstrap_interval(&held_out, before, DRAWS, CONFIDENCE, seed)?,
        test: randomization_test(&held_out, before, DRAWS, seed)?,
        others: others(grid, folds, &stages, pools, &request.metric),
        stages,
    })
}

fn others(
    grid: &Grid,
    folds: &Folds,
    stages: &[StageName],
    pools: &[Pool],
    metric: &Metric,
) -> Vec<Other> {
    let mut others = Vec::new();
    let mut fixed = |name: String, weights: Option<Weights>| {
        if let Some(weights) = weights {
            let values: Vec<f64> = pools
                .iter()
                .map(|pool| pool.measure(&weights, metric))
                .collect();
            others.push(Other {
                name,
                weights,
                mean: mean_over(&values, &folds.all),
            });
        }
    };
    for stage in stages {
        fixed(format!("{stage} alone"), Weights::equal(&[*stage]));
    }
    fixed("equal weights".into(), Weights::equal(stages));
    if stages.len() > 2 {
        for left_out in stages {
            let allowed = |weights: &Weights| weights.weight(*left_out) == 0.0;
            let tuned = grid
                .out_of_fold(folds, &allowed)
                .zip(grid.best(&folds.all, &allowed));
            if let Some(((values, _), best)) = tuned {
                others.push(Other {
                    name: format!("tuned without {left_out}"),
                    weights: grid.points[best],
                    mean: mean_over(&values, &folds.all),
                });
            }
        }
    }
    others
}

fn mean_over(values: &[f64], queries: &[usize]) -> f64 {
    queries.iter().map(|query| values[*query]).sum::<f64>() / queries.len() as f64
}
