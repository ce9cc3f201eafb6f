//! What would be chosen with fewer queries: the ground of learning curves.

use treffer_fusion::Weights;
use treffer_types::Progress;

use crate::engine::Engine;
use crate::error::Error;
use crate::pipeline::Pipeline;
use crate::topics::Topics;
use crate::tune::calibrate::platt;
use crate::tune::pool::{Pool, corpus};
use crate::tune::select::Limits;
use crate::tune::table::{Grid, Table};
use crate::tune::verdict::over_budget;
use crate::tune::{Search, TuneRequest, prepare};

/// The scores that a tuning works on, and what gathered them. They are taken from the cache in
/// the index, or kept there, as the request says.
///
/// # Errors
/// As [`tune`](super::tune), except errors of searching.
pub fn gather_pools(
    engine: &Engine,
    request: &TuneRequest<'_>,
    topics: &Topics,
    progress: &dyn Progress,
) -> Result<(Vec<Pool>, Pipeline), Error> {
    let prepared = prepare(engine, request, topics, progress)?;
    Ok((prepared.pools, prepared.space.pipeline))
}

/// Every weighting with its value for every query, and what several samples of the queries
/// chose of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Rehearsal {
    /// The grid, then the profile's weights and the prior's if they are no points of it.
    pub weightings: Vec<Weights>,
    /// For each weighting, the metric of every query.
    pub values: Vec<Vec<f64>>,
    /// For each sample, which weighting it chose.
    pub chosen: Vec<usize>,
}

impl Rehearsal {
    /// Every query's value under weights, if these are among the weightings.
    pub fn values_of(&self, weights: &Weights) -> Option<&[f64]> {
        let at = self.weightings.iter().position(|one| one == weights)?;
        Some(&self.values[at])
    }
}

/// Chooses weights, as a tuning without its cross-validation does, with each of several samples
/// of the queries, by their places in `pools`. Settings other than the weights stay.
///
/// # Errors
/// If the request asks for another search than that for weights, for fewer than two stages or
/// for no steps, or if a sample is empty or names a query that is not there.
pub fn rehearse(
    pools: &[Pool],
    request: &TuneRequest<'_>,
    pipeline: &Pipeline,
    samples: &[Vec<usize>],
) -> Result<Rehearsal, Error> {
    let refused = |what: &str| Err(Error::Request(format!("cannot rehearse a tuning: {what}")));
    if request.search != Search::Weights {
        return refused("it may choose weights alone; ask for no full search");
    }
    if pipeline.stages().len() < 2 || request.steps == 0 {
        return refused("it needs at least two stages and one step");
    }
    if samples
        .iter()
        .any(|one| one.iter().any(|at| *at >= pools.len()) || one.is_empty())
    {
        return refused("a sample is empty or names a query that is not there");
    }
    let space = request.space(pipeline, corpus(pools), None);
    let mut table = Table::new(&space, pools, request.metric);
    let limits = Limits::all(space.stages(), request.budget_ms);
    let block = table.block(&space.current, Grid::Fine);
    let weightings: Vec<Weights> = (table.blocks[block].rows.iter())
        .map(|row| row.weights.clone())
        .collect();
    let mut chosen = Vec::with_capacity(samples.len());
    for sample in samples {
        let fitted = platt(sample.iter().map(|at| &pools[*at]), space.reranker());
        let found = table.search(sample, fitted, &limits);
        let found = found.ok_or_else(|| over_budget(&table))?;
        let weights = table.choice(found.chosen).weights;
        chosen.extend(weightings.iter().position(|one| *one == weights));
    }
    let rows = std::mem::take(&mut table.blocks[block].rows);
    Ok(Rehearsal {
        weightings,
        values: rows.into_iter().map(|row| row.values).collect(),
        chosen,
    })
}
