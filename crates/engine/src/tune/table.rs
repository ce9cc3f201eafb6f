//! Every choice that was measured, with its value for every query.

use rayon::prelude::*;
use treffer_eval::Metric;
use treffer_fusion::{Prepared, Weights};
use treffer_types::{Grade, StageMap, StageName};

use crate::tune::pool::Pool;
use crate::tune::report::StageCost;
use crate::tune::setup::{Choice, Setup};
use crate::tune::space::Space;

/// The step width of a grid of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grid {
    /// Coarse, to compare setups.
    Coarse,
    /// As fine as requested.
    Fine,
}

/// A weighting and its value for every query.
pub(crate) struct Row {
    pub(crate) weights: Weights,
    pub(crate) values: Vec<f64>,
}

/// All weightings of one setup.
pub(crate) struct Block {
    pub(crate) setup: Setup,
    grid: Grid,
    pub(crate) rows: Vec<Row>,
    /// Mean number of candidates that the reranker scores for a query.
    n_reranked: f64,
}

/// The measurements so far; nothing is measured twice.
pub(crate) struct Table<'a> {
    pub(crate) space: &'a Space,
    pub(crate) pools: &'a [Pool],
    metric: Metric,
    pub(crate) blocks: Vec<Block>,
    costs: Option<StageMap<f64>>,
}

impl<'a> Table<'a> {
    pub(crate) fn new(space: &'a Space, pools: &'a [Pool], metric: Metric) -> Self {
        Table {
            space,
            pools,
            metric,
            blocks: Vec::new(),
            costs: costs(space, pools),
        }
    }

    /// The block of a setup, which is measured on first use.
    pub(crate) fn block(&mut self, setup: &Setup, grid: Grid) -> usize {
        let is_it = |block: &Block| block.setup == *setup && block.grid == grid;
        if let Some(at) = self.blocks.iter().position(is_it) {
            return at;
        }
        let steps = match grid {
            Grid::Coarse => self.space.coarse_steps(),
            Grid::Fine => self.space.steps,
        };
        let mut weights = self.space.weights(steps);
        // The current weights and the prior's need not be points of the grid, so they get rows too.
        let prior = self.space.prior.iter().map(|prior| &prior.weights);
        for known in std::iter::once(&self.space.current_weights).chain(prior) {
            if !weights.contains(known) {
                weights.push(known.clone());
            }
        }
        if let Some(stage) = self.space.reranker()
            && self.space.rerank_depth(setup) == 0
        {
            weights.retain(|weights| weights.weight(stage) == 0.0);
        }
        let (rows, n_reranked) = self.measure(setup, weights);
        self.blocks.push(Block {
            setup: setup.clone(),
            grid,
            rows,
            n_reranked,
        });
        self.blocks.len() - 1
    }

    /// Every query's value under one choice.
    pub(crate) fn values(&self, choice: &Choice) -> Vec<f64> {
        let is_it = |block: &&Block| block.setup == choice.setup;
        let measured = self.blocks.iter().filter(is_it).find_map(|block| {
            let row = block.rows.iter().find(|row| row.weights == choice.weights);
            row.map(|row| row.values.clone())
        });
        measured.unwrap_or_else(|| {
            let (mut rows, _) = self.measure(&choice.setup, vec![choice.weights.clone()]);
            rows.pop().map(|row| row.values).unwrap_or_default()
        })
    }

    /// How many choices were measured.
    pub(crate) fn n_measured(&self) -> usize {
        self.blocks.iter().map(|block| block.rows.len()).sum()
    }

    /// Milliseconds per query under weights of a block, if times were measured. A reranker
    /// without weight is not run, the other stages always are.
    pub(crate) fn ms(&self, block: &Block, weights: &Weights) -> Option<f64> {
        let costs = self.costs.as_ref()?;
        let reranker = self.space.reranker();
        let mut ms = 0.0;
        for (stage, cost) in costs.iter() {
            ms += match reranker {
                Some(reranker) if reranker == stage && weights.weight(stage) == 0.0 => 0.0,
                Some(reranker) if reranker == stage => block.n_reranked * cost,
                _ => *cost,
            };
        }
        Some(ms)
    }

    /// As [`Table::ms`], of a choice.
    pub(crate) fn ms_of(&self, choice: &Choice) -> Option<f64> {
        let block = self
            .blocks
            .iter()
            .find(|block| block.setup == choice.setup)?;
        self.ms(block, &choice.weights)
    }

    /// How long each stage took, for the report.
    pub(crate) fn stage_costs(&self) -> Vec<StageCost> {
        let costs = self.costs.iter().flat_map(StageMap::iter);
        costs
            .map(|(stage, ms)| StageCost {
                stage,
                ms: *ms,
                is_per_pair: self.space.reranker() == Some(stage),
            })
            .collect()
    }

    fn measure(&self, setup: &Setup, weights: Vec<Weights>) -> (Vec<Row>, f64) {
        let by_query: Vec<(Vec<f64>, usize)> = self
            .pools
            .par_iter()
            .map(|pool| {
                let prepared = PreparedQuery::new(pool, self.space, setup);
                let values = weights
                    .iter()
                    .map(|weights| prepared.value(weights, &self.metric))
                    .collect();
                (values, prepared.n_reranked)
            })
            .collect();
        let rows = weights
            .into_iter()
            .enumerate()
            .map(|(at, weights)| Row {
                weights,
                values: by_query.iter().map(|(values, _)| values[at]).collect(),
            })
            .collect();
        let n_reranked: usize = by_query.iter().map(|(_, n_reranked)| n_reranked).sum();
        (rows, n_reranked as f64 / by_query.len().max(1) as f64)
    }
}

/// A query under one setup, normalized once, to be ranked under many weightings.
struct PreparedQuery<'a> {
    prepared: Prepared,
    grades: Vec<Option<Grade>>,
    pool: &'a Pool,
    n_reranked: usize,
}

impl<'a> PreparedQuery<'a> {
    fn new(pool: &'a Pool, space: &Space, setup: &Setup) -> Self {
        let (candidates, places) = space.derive(&pool.candidates, setup);
        let is_reranked = |candidate: &&treffer_types::Candidate| {
            let reranker = space.reranker();
            reranker.is_some_and(|stage| candidate.is_scored_by(stage))
        };
        PreparedQuery {
            prepared: Prepared::new(&candidates, &space.normalization(setup)),
            grades: places.into_iter().map(|at| pool.grades[at]).collect(),
            n_reranked: candidates.iter().filter(is_reranked).count(),
            pool,
        }
    }

    fn value(&self, weights: &Weights, metric: &Metric) -> f64 {
        let depth = metric
            .cutoff()
            .map_or(self.grades.len(), std::num::NonZero::get);
        let order = self.prepared.top(weights, depth);
        let grades: Vec<Option<Grade>> = order.into_iter().map(|at| self.grades[at]).collect();
        metric.score_grades(&grades, &self.pool.topic)
    }
}

/// Mean milliseconds of each stage: per query, but for the reranker per candidate that it
/// scored. `None` if no times were measured.
fn costs(space: &Space, pools: &[Pool]) -> Option<StageMap<f64>> {
    let traces = || pools.iter().flat_map(|pool| &pool.traces);
    traces().next()?;
    let cost = |stage: StageName| {
        let of_stage = || traces().filter(|trace| trace.stage == stage);
        let total: f64 = of_stage().map(|trace| trace.elapsed.as_secs_f64()).sum();
        let per = if space.reranker() == Some(stage) {
            of_stage().map(|trace| trace.scored).sum()
        } else {
            pools.len()
        };
        1000.0 * total / per.max(1) as f64
    };
    Some(StageMap::from_fn(space.stages(), cost))
}
