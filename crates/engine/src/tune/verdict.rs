//! The comparison of the winner with every baseline, and the verdict.

use std::time::Instant;

use treffer_eval::{Comparison, Settings, holm, k_fold};
use treffer_fusion::{Normalizer, Weights};
use treffer_types::{Progress, StageName};

use crate::error::Error;
use crate::gather::Gathered;
use crate::tune::calibrate::platt;
use crate::tune::nested::{Folds, Nested, Part, nested};
use crate::tune::pool::Pool;
use crate::tune::report::{
    Against, Baseline, DepthPoint, LEVEL, Measured, PriorReport, QueryOutcome, ScoresOrigin,
    SurfacePoint, TuneReport, Verdict,
};
use crate::tune::select::{Limits, difference, mean_over};
use crate::tune::setup::{Choice, Setup};
use crate::tune::space::Space;
use crate::tune::table::{Grid, Table};
use crate::tune::{Search, TuneRequest};

/// The power at which a gain counts as detectable.
const POWER: f64 = 0.8;

/// The constant of reciprocal rank fusion in the paper that proposed it.
const RRF_CONSTANT: u32 = 60;

/// Checks the request against the number of queries, and assigns the queries to folds.
///
/// # Errors
/// If it does not.
pub(crate) fn check<'a>(
    request: &TuneRequest<'_>,
    stages: &[StageName],
    ids: impl Iterator<Item = &'a str>,
) -> Result<Vec<Vec<String>>, Error> {
    if stages.len() < 2 {
        return Err(Error::Request(
            "tuning weighs stages against each other and needs at least two of them".into(),
        ));
    }
    if request.steps == 0 {
        return Err(Error::Request("the grid needs at least one step".into()));
    }
    if let Some(budget) = request.budget_ms {
        if request.search == Search::Weights {
            return Err(Error::Request(
                "a budget chooses depths, and only a full search looks at them; pass --search full"
                    .into(),
            ));
        }
        if !(budget.is_finite() && budget > 0.0) {
            return Err(Error::Request(format!(
                "the budget is {budget} ms; it must be a number above 0"
            )));
        }
    }
    let ids: Vec<&str> = ids.collect();
    if let [_] = ids.as_slice() {
        return Err(Error::Request(
            "there is one judged query, and what it chooses cannot be measured on another; judge some tens of queries".into(),
        ));
    }
    Ok(k_fold(ids, request.folds, request.seed)?)
}

/// The input of a tuning.
pub(crate) struct Work<'a> {
    pub(crate) space: &'a Space,
    pub(crate) pools: &'a [Pool],
    pub(crate) request: &'a TuneRequest<'a>,
    /// Of the cross-validation, by query id; made by [`check`].
    pub(crate) folds: &'a [Vec<String>],
    pub(crate) scores: ScoresOrigin,
}

/// Searches, compares with the baselines and decides.
pub(crate) fn report(work: Work<'_>, progress: &dyn Progress) -> Result<TuneReport, Error> {
    let start = Instant::now();
    let Work {
        space,
        pools,
        request,
        folds,
        scores,
    } = work;
    let folds = Folds::new(pools, folds, space.reranker());
    let fitted = platt(pools.iter(), space.reranker());
    let mut table = Table::new(space, pools, request.metric);
    let limits = Limits::all(space.stages(), request.budget_ms);
    let tuned = nested(&mut table, &folds, fitted, &limits).ok_or_else(|| over_budget(&table))?;
    let depths = match space.search {
        Search::Weights => Vec::new(),
        Search::Full => depth_points(&mut table, &folds),
    };
    let (best, highest) = (
        table.choice(tuned.on_all.chosen),
        table.choice(tuned.on_all.highest),
    );
    let surface = surface(&mut table, &folds, &best.setup);
    let against = against(&mut table, &folds, request, fitted, &tuned)?;
    let prior = prior(&table, &folds, &tuned, &best);
    let learned = learned(&table, &folds, request, &tuned, &best, progress)?;
    let measured = |choice: Choice| Measured {
        mean: mean_over(&table.values(&choice), &folds.all),
        ms: table.ms_of(&choice),
        choice,
    };
    let current = measured(space.current_choice());
    let gathered = pools.iter().map(|pool| Gathered {
        candidates: space.derive(&pool.candidates, &best.setup).0,
        traces: pool.traces.clone(),
    });
    Ok(TuneReport {
        metric: request.metric,
        search: request.search,
        steps: request.steps,
        folds: request.folds,
        seed: request.seed,
        budget_ms: request.budget_ms,
        stages: space.stages().to_vec(),
        n_measured: table.n_measured(),
        scores,
        out_of_fold: mean_over(&tuned.out_of_fold, &folds.all),
        prior,
        queries: outcomes(&table, &folds, &tuned, &best),
        verdict: verdict(&against[0], &best, &current, request.budget_ms),
        warnings: warnings(&table, &against[0]),
        times: table.stage_costs(),
        gathered: gathered.collect(),
        highest: measured(highest),
        best: measured(best),
        current,
        fold_choices: tuned.fold_choices,
        against,
        surface,
        depths,
        learned,
        elapsed: start.elapsed(),
    })
}

#[cfg(feature = "learned")]
use crate::tune::learn::learned;

#[cfg(not(feature = "learned"))]
fn learned(
    _table: &Table<'_>,
    _folds: &Folds,
    request: &TuneRequest<'_>,
    _tuned: &Nested,
    _winner: &Choice,
    _progress: &dyn Progress,
) -> Result<Option<crate::tune::report::LearnedReport>, Error> {
    if request.learn {
        return Err(treffer_fusion::LearnError::NotBuilt.into());
    }
    Ok(None)
}

/// What the prior led to.
fn prior(table: &Table<'_>, folds: &Folds, tuned: &Nested, best: &Choice) -> Option<PriorReport> {
    let (prior, averaged) = (table.space.prior.as_ref()?, tuned.on_all.averaged?);
    let choice = Choice {
        setup: best.setup.clone(),
        weights: prior.weights.clone(),
    };
    Some(PriorReport {
        weights: prior.weights.clone(),
        origin: prior.origin.clone(),
        mean: mean_over(&table.values(&choice), &folds.all),
        n_averaged: averaged.n_weightings,
        is_chosen: averaged.fell_back,
        n_folds: tuned.n_fell_back,
    })
}

/// The rule by which a profile is changed: the gain over the current one, out of fold,
/// is above 0 and significant after correction, and the winner is another profile. A current
/// profile that is slower than the budget allows is replaced in any case.
fn verdict(gain: &Against, best: &Choice, current: &Measured, budget_ms: Option<f64>) -> Verdict {
    let is_gain = gain.comparison.test.difference > 0.0 && gain.adjusted_p <= LEVEL;
    let is_too_slow = matches!((current.ms, budget_ms), (Some(ms), Some(most)) if ms > most);
    if *best == current.choice {
        Verdict::Same
    } else if is_gain {
        Verdict::Change
    } else if is_too_slow {
        Verdict::OverBudget
    } else {
        Verdict::NoGain
    }
}

pub(crate) fn over_budget(table: &Table<'_>) -> Error {
    let fastest = table
        .blocks
        .iter()
        .flat_map(|block| block.rows.iter().map(move |row| (block, row)))
        .filter_map(|(block, row)| table.ms(block, &row.weights))
        .reduce(f64::min)
        .unwrap_or(0.0);
    Error::Request(format!(
        "no choice is within the budget: the fastest takes {fastest:.2} ms per query; raise --budget-ms"
    ))
}

/// The tuned values against every baseline, the current profile first, their p-values
/// corrected for their number. Power is computed at the level of the first step of Holm's
/// correction.
fn against(
    table: &mut Table<'_>,
    folds: &Folds,
    request: &TuneRequest<'_>,
    fitted: Normalizer,
    tuned: &Nested,
) -> Result<Vec<Against>, Error> {
    let baselines = baselines(table, folds, request, fitted);
    let usual = Settings::usual(request.seed);
    let settings = Settings {
        draws: request.draws,
        power: POWER,
        ..usual
    };
    let mut against = Vec::with_capacity(baselines.len());
    let level = LEVEL / baselines.len() as f64;
    for (baseline, choice, values) in baselines {
        let mut comparison = Comparison::new(&tuned.out_of_fold, &values, &settings)?;
        comparison.power =
            treffer_eval::detectable_gain(&tuned.out_of_fold, &values, level, POWER)?;
        against.push(Against {
            baseline,
            choice,
            adjusted_p: comparison.test.p_value,
            comparison,
        });
    }
    let p_values: Vec<f64> = against.iter().map(|one| one.adjusted_p).collect();
    for (one, adjusted) in against.iter_mut().zip(holm(&p_values)?) {
        one.adjusted_p = adjusted;
    }
    Ok(against)
}

fn baselines(
    table: &mut Table<'_>,
    folds: &Folds,
    request: &TuneRequest<'_>,
    fitted: Normalizer,
) -> Vec<(Baseline, Choice, Vec<f64>)> {
    let space = table.space;
    let mut fixed = vec![(Baseline::Current, space.current_choice())];
    let with = |weights| Choice {
        setup: space.current.clone(),
        weights,
    };
    for stage in space.stages() {
        // All that are weighed are named, the others with nothing.
        let alone = Weights::equal(&[*stage]).and_then(|one| one.restricted_to(space.stages()));
        let alone = alone.map(with);
        fixed.extend(alone.map(|choice| (Baseline::Alone(*stage), choice)));
    }
    if let Some(weights) = Weights::equal(space.stages()) {
        let rank = Normalizer::Rank { k: RRF_CONSTANT };
        let setup = Setup {
            normalizers: space.current.normalizers.map(|_, _| rank),
            ..space.current.clone()
        };
        fixed.push((Baseline::EqualWeights, with(weights.clone())));
        fixed.push((Baseline::Rrf, Choice { setup, weights }));
    }
    let mut all: Vec<(Baseline, Choice, Vec<f64>)> = fixed
        .into_iter()
        .map(|(baseline, choice)| {
            let values = table.values(&choice);
            (baseline, choice, values)
        })
        .collect();
    for (baseline, limits) in limited(space, request.budget_ms) {
        if let Some(best) = nested(table, folds, fitted, &limits) {
            let choice = table.choice(best.on_all.chosen);
            all.push((baseline, choice, best.out_of_fold));
        }
    }
    all
}

/// The baselines that are tuned themselves, with fewer stages than the space has.
fn limited(space: &Space, budget_ms: Option<f64>) -> Vec<(Baseline, Limits)> {
    let stages = space.stages();
    let all = Limits::all(stages, budget_ms);
    let sizes = [(2, Baseline::BestTwoWay), (3, Baseline::BestThreeWay)];
    let sizes = sizes.into_iter().filter(|(size, _)| *size < stages.len());
    let limited = sizes.map(|(max_stages, baseline)| (baseline, Limits { max_stages, ..all }));
    // Of two stages, the one without the reranker is a single one, which is a baseline already.
    let reranker = space.reranker().filter(|stage| stages.contains(stage));
    let without = reranker.filter(|_| stages.len() > 2).map(|stage| {
        let without = Some(stage);
        (Baseline::Without(stage), Limits { without, ..all })
    });
    limited.chain(without).collect()
}

/// Every combination of depths under the current order and normalizers, with weights
/// chosen within the folds.
fn depth_points(table: &mut Table<'_>, folds: &Folds) -> Vec<DepthPoint> {
    let limits = Limits::all(table.space.stages(), None);
    let mut points = Vec::new();
    for setup in table.space.depth_setups() {
        let block = table.block(&setup, Grid::Coarse);
        let mut values = vec![0.0; folds.all.len()];
        for part in &folds.parts {
            if let Some(found) = table.choose(&[block], &part.training, &limits) {
                for query in &part.held_out {
                    values[*query] = table.row(found.chosen).values[*query];
                }
            }
        }
        let Some(found) = table.choose(&[block], &folds.all, &limits) else {
            continue;
        };
        let choice = table.choice(found.chosen);
        let ms = table.ms(&table.blocks[block], &choice.weights);
        points.push(DepthPoint {
            choice,
            ms: ms.unwrap_or(0.0),
            mean: mean_over(&values, &folds.all),
            is_pareto: false,
        });
    }
    points.sort_by(|a, b| a.ms.total_cmp(&b.ms).then(b.mean.total_cmp(&a.mean)));
    let mut best = f64::NEG_INFINITY;
    for point in &mut points {
        point.is_pareto = point.mean > best;
        best = best.max(point.mean);
    }
    points
}

fn surface(table: &mut Table<'_>, folds: &Folds, setup: &Setup) -> Vec<SurfacePoint> {
    let block = table.block(setup, Grid::Fine);
    let rows = &table.blocks[block].rows;
    let means: Vec<f64> = rows
        .iter()
        .map(|row| mean_over(&row.values, &folds.all))
        .collect();
    let top = (0..rows.len()).max_by(|a, b| means[*a].total_cmp(&means[*b]).then(b.cmp(a)));
    let Some(top) = top else {
        return Vec::new();
    };
    rows.iter()
        .zip(&means)
        .map(|(row, mean)| {
            let (behind, standard_error) = difference(&rows[top].values, &row.values, &folds.all);
            SurfacePoint {
                weights: row.weights.clone(),
                mean: *mean,
                behind,
                standard_error,
            }
        })
        .collect()
}

fn outcomes(table: &Table<'_>, folds: &Folds, tuned: &Nested, best: &Choice) -> Vec<QueryOutcome> {
    let current = table.values(&table.space.current_choice());
    let best = table.values(best);
    let fold_of = |query: usize| {
        let holds = |part: &Part| part.held_out.contains(&query);
        folds.parts.iter().position(holds).unwrap_or(0)
    };
    table
        .pools
        .iter()
        .enumerate()
        .map(|(at, pool)| QueryOutcome {
            id: pool.query.id.clone(),
            text: pool.query.text.clone(),
            tags: pool.query.tags.clone(),
            fold: fold_of(at),
            current: current[at],
            out_of_fold: tuned.out_of_fold[at],
            best: best[at],
        })
        .collect()
}

fn warnings(table: &Table<'_>, gain: &Against) -> Vec<String> {
    let mut warnings = Vec::new();
    let pools = table.pools;
    for stage in table.space.stages() {
        let is_scored = |pool: &Pool| {
            let mut candidates = pool.candidates.iter();
            candidates.any(|candidate| candidate.is_scored_by(*stage))
        };
        let n_silent = pools.iter().filter(|pool| !is_scored(pool)).count();
        if n_silent == pools.len() {
            warnings.push(format!(
                "the {stage} stage scored nothing for any query, so its weight has no effect"
            ));
        }
    }
    if pools.iter().all(|pool| pool.topic.n_relevant(1) == 0) {
        warnings.push(
            "no query has a relevant document, so every choice is worth the same; check the judgments"
                .into(),
        );
    } else if is_flat(table) {
        warnings.push(
            "every choice gives the same value for every query, so there is nothing to choose by"
                .into(),
        );
    }
    let is_hopeless = 2.0_f64.powi(1 - i32::try_from(pools.len()).unwrap_or(i32::MAX))
        > gain.comparison.power.level;
    if is_hopeless {
        warnings.push(format!(
            "{} queries are too few: no outcome on so few could be significant; judge more",
            pools.len()
        ));
    }
    warnings
}

fn is_flat(table: &Table<'_>) -> bool {
    let mut rows = table.blocks.iter().flat_map(|block| &block.rows);
    let Some(first) = rows.next() else {
        return true;
    };
    rows.all(|row| row.values == first.values)
}
