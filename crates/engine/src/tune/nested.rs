//! Nested cross-validation: every choice is measured on queries that had no part in it.

use std::collections::HashMap;

use treffer_fusion::Normalizer;
use treffer_types::StageName;

use crate::tune::calibrate::platt;
use crate::tune::pool::Pool;
use crate::tune::select::{Found, Limits};
use crate::tune::setup::Choice;
use crate::tune::table::Table;

/// The folds, with queries by position.
pub(crate) struct Folds {
    /// Each fold with its queries, the queries of all other folds, and the sigmoid fitted on
    /// those.
    pub(crate) parts: Vec<Part>,
    pub(crate) all: Vec<usize>,
}

/// A fold, and all others.
pub(crate) struct Part {
    pub(crate) held_out: Vec<usize>,
    pub(crate) training: Vec<usize>,
    pub(crate) fitted: Normalizer,
}

impl Folds {
    pub(crate) fn new(pools: &[Pool], folds: &[Vec<String>], reranker: Option<StageName>) -> Self {
        let places: HashMap<&str, usize> = pools
            .iter()
            .enumerate()
            .map(|(at, pool)| (pool.query.id.as_str(), at))
            .collect();
        let mut fold_of = vec![0; pools.len()];
        for (fold, ids) in folds.iter().enumerate() {
            for id in ids {
                if let Some(at) = places.get(id.as_str()) {
                    fold_of[*at] = fold;
                }
            }
        }
        let all: Vec<usize> = (0..pools.len()).collect();
        let part = |fold| {
            let (held_out, training): (Vec<usize>, Vec<usize>) =
                all.iter().partition(|query| fold_of[**query] == fold);
            Part {
                fitted: platt(training.iter().map(|at| &pools[*at]), reranker),
                held_out,
                training,
            }
        };
        Folds {
            parts: (0..folds.len()).map(part).collect(),
            all,
        }
    }
}

/// What a search chose, fold by fold and on all queries.
pub(crate) struct Nested {
    /// Each query's value out of fold: under what the other folds chose.
    pub(crate) out_of_fold: Vec<f64>,
    pub(crate) fold_choices: Vec<Choice>,
    /// In how many folds the prior's own weights were chosen.
    pub(crate) n_fell_back: usize,
    pub(crate) on_all: Found,
}

/// Repeats the search without each fold in turn, and measures that fold's queries under the
/// choice. `None` if no choice is within the limits.
pub(crate) fn nested(
    table: &mut Table<'_>,
    folds: &Folds,
    on_all: Normalizer,
    limits: &Limits,
) -> Option<Nested> {
    let mut out_of_fold = vec![0.0; folds.all.len()];
    let mut fold_choices = Vec::with_capacity(folds.parts.len());
    let mut n_fell_back = 0;
    for part in &folds.parts {
        let found = table.search(&part.training, part.fitted, limits)?;
        for query in &part.held_out {
            out_of_fold[*query] = table.row(found.chosen).values[*query];
        }
        fold_choices.push(table.choice(found.chosen));
        n_fell_back += usize::from(found.averaged.is_some_and(|averaged| averaged.fell_back));
    }
    Some(Nested {
        out_of_fold,
        fold_choices,
        n_fell_back,
        on_all: table.search(&folds.all, on_all, limits)?,
    })
}
