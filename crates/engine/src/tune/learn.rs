//! Training a learned fusion over the tuned weights, in the same folds.

use rayon::prelude::*;
use treffer_eval::{Comparison, Settings, holm, k_fold};
use treffer_fusion::{Boosting, Fusion, Learned, Lengths, QueryGroup};
use treffer_types::{Grade, Progress, StageName};

use crate::error::{Error, stop_if_asked};
use crate::tune::TuneRequest;
use crate::tune::nested::{Folds, Nested};
use crate::tune::pool::Pool;
use crate::tune::report::LearnedReport;
use crate::tune::select::{difference, mean_over};
use crate::tune::setup::{Choice, Setup};
use crate::tune::table::Table;

/// Numbers of trees among which an inner cross-validation chooses.
const CHECKPOINTS: [usize; 9] = [0, 5, 10, 20, 30, 50, 75, 100, 150];

/// Folds of the inner cross-validation.
const INNER_FOLDS: usize = 3;

/// Trains a learned fusion, if requested: for each fold on the queries of all other folds,
/// over what they chose, and on all queries, over the winner.
///
/// # Errors
/// If trees cannot be trained, the comparisons cannot be made, or `progress` says to stop.
pub(crate) fn learned(
    table: &Table<'_>,
    folds: &Folds,
    request: &TuneRequest<'_>,
    tuned: &Nested,
    winner: &Choice,
    progress: &dyn Progress,
) -> Result<Option<LearnedReport>, Error> {
    if !request.learn {
        return Ok(None);
    }
    progress.begin("growing trees", Some(folds.parts.len() as u64 + 1), "folds");
    let choices = tuned.fold_choices.iter().chain([winner]);
    let trainer = Trainer::new(table, request, choices);
    let by_fold: Vec<(Learned, Vec<f64>)> = folds
        .parts
        .par_iter()
        .zip(&tuned.fold_choices)
        .map(|(part, choice)| {
            stop_if_asked(progress)?;
            let learned = trainer.grow(choice, &part.training)?;
            let values = trainer.values(&learned, choice, &part.held_out)?;
            progress.advance(1);
            Ok((learned, values))
        })
        .collect::<Result<_, Error>>()?;
    let learned = trainer.grow(winner, &folds.all)?;
    progress.end();
    let mut values = vec![0.0; folds.all.len()];
    for (part, (_, held_out)) in folds.parts.iter().zip(&by_fold) {
        for (query, value) in part.held_out.iter().zip(held_out) {
            values[*query] = *value;
        }
    }
    let settings = Settings {
        draws: request.draws,
        ..Settings::usual(request.seed)
    };
    let current = table.values(&table.space.current_choice());
    let against = [
        Comparison::new(&values, &tuned.out_of_fold, &settings)?,
        Comparison::new(&values, &current, &settings)?,
    ];
    let adjusted = holm(&against.map(|one| one.test.p_value))?;
    Ok(Some(LearnedReport {
        learned,
        fold_trees: by_fold.iter().map(|(one, _)| one.n_trees()).collect(),
        out_of_fold: mean_over(&values, &folds.all),
        adjusted_p: std::array::from_fn(|at| adjusted[at]),
        values,
        against,
    }))
}

/// What trees are trained on: a setup, and the stages whose scores are features.
type Basis = (Setup, Vec<StageName>);

/// A query's group, with what the metric needs to measure a ranking of it.
struct Judged {
    group: QueryGroup,
    grades: Vec<Option<Grade>>,
}

impl Judged {
    fn new(table: &Table<'_>, pool: &Pool, (setup, stages): &Basis) -> Self {
        let (candidates, places) = table.space.derive(&pool.candidates, setup);
        let grades: Vec<Option<Grade>> = places.iter().map(|at| pool.grades[*at]).collect();
        let document = |at: &usize| pool.lengths.documents.get(*at).copied();
        let lengths = Lengths {
            query: pool.lengths.query,
            // All or none: without lengths, none is known.
            documents: places.iter().map_while(document).collect(),
        };
        Judged {
            group: QueryGroup::new(candidates, &grades, &lengths, stages),
            grades,
        }
    }
}

/// Trains and measures trees.
struct Trainer<'a> {
    table: &'a Table<'a>,
    request: &'a TuneRequest<'a>,
    /// Every query on each basis that some fold needs.
    bases: Vec<(Basis, Vec<Judged>)>,
}

impl<'a> Trainer<'a> {
    fn new<'c>(
        table: &'a Table<'a>,
        request: &'a TuneRequest<'a>,
        choices: impl Iterator<Item = &'c Choice>,
    ) -> Self {
        let mut trainer = Trainer {
            table,
            request,
            bases: Vec::new(),
        };
        for choice in choices {
            let basis = trainer.basis(choice);
            if !trainer.bases.iter().any(|(known, _)| *known == basis) {
                let one = |pool| Judged::new(table, pool, &basis);
                let judged = table.pools.par_iter().map(one).collect();
                trainer.bases.push((basis, judged));
            }
        }
        trainer
    }

    /// Every requested stage is a feature. But with a budget, a choice that gives the reranker
    /// no weight may fit only because nothing is reranked, so its scores are then left out.
    fn basis(&self, choice: &Choice) -> Basis {
        let space = self.table.space;
        let is_free = |stage: &StageName| {
            Some(*stage) != space.reranker()
                || self.request.budget_ms.is_none()
                || choice.weights.weight(*stage) > 0.0
        };
        let stages = space.stages().iter().copied().filter(is_free);
        (choice.setup.clone(), stages.collect())
    }

    fn judged(&self, basis: &Basis) -> &[Judged] {
        let judged = self.bases.iter().find(|(known, _)| known == basis);
        judged.map_or(&[], |(_, judged)| judged)
    }

    /// Trees over a choice, trained on some queries. Their number is chosen within these
    /// queries.
    fn grow(&self, choice: &Choice, queries: &[usize]) -> Result<Learned, Error> {
        let rounds = self.rounds(choice, queries)?;
        self.train(choice, queries, rounds)
    }

    /// The best number of trees by an inner cross-validation, with the one-standard-error rule
    /// toward fewer trees. 0 if there are fewer queries than folds.
    fn rounds(&self, choice: &Choice, queries: &[usize]) -> Result<usize, Error> {
        let id = |at: &usize| self.table.pools[*at].query.id.as_str();
        if queries.len() < INNER_FOLDS {
            return Ok(0);
        }
        let folds = k_fold(queries.iter().map(id), INNER_FOLDS, self.request.seed)?;
        let mut values = vec![vec![0.0; self.table.pools.len()]; CHECKPOINTS.len()];
        for fold in folds {
            let is_held_out = |at: &&usize| {
                fold.binary_search_by(|one| one.as_str().cmp(id(at)))
                    .is_ok()
            };
            let (held_out, training): (Vec<usize>, Vec<usize>) =
                queries.iter().partition(is_held_out);
            let grown = self.train(choice, &training, CHECKPOINTS[CHECKPOINTS.len() - 1])?;
            for (values, rounds) in values.iter_mut().zip(CHECKPOINTS) {
                // Where nothing could be learned there are no trees.
                let cut = grown.truncated(rounds.min(grown.n_trees()))?;
                for (at, value) in held_out.iter().zip(self.values(&cut, choice, &held_out)?) {
                    values[*at] = value;
                }
            }
        }
        let mean = |values: &Vec<f64>| mean_over(values, queries);
        let best = (0..CHECKPOINTS.len())
            .max_by(|a, b| {
                mean(&values[*a])
                    .total_cmp(&mean(&values[*b]))
                    .then(b.cmp(a))
            })
            .unwrap_or(0);
        let is_as_good = |at: &usize| {
            let (behind, error) = difference(&values[best], &values[*at], queries);
            behind <= error
        };
        Ok((0..best)
            .find(is_as_good)
            .map_or(CHECKPOINTS[best], |at| CHECKPOINTS[at]))
    }

    fn train(&self, choice: &Choice, queries: &[usize], rounds: usize) -> Result<Learned, Error> {
        let basis = self.basis(choice);
        let judged = self.judged(&basis);
        let groups: Vec<&QueryGroup> = queries.iter().map(|at| &judged[*at].group).collect();
        let fusion = Fusion {
            normalization: self.table.space.normalization(&choice.setup),
            weights: choice.weights.clone(),
        };
        let boosting = Boosting {
            rounds,
            ..Boosting::default()
        };
        Ok(Learned::train(&groups, &basis.1, fusion, &boosting)?)
    }

    /// The metric of each of some queries.
    fn values(
        &self,
        learned: &Learned,
        choice: &Choice,
        queries: &[usize],
    ) -> Result<Vec<f64>, Error> {
        let judged = self.judged(&self.basis(choice));
        let value = |at: &usize| {
            let one = &judged[*at];
            let order = learned.order(&one.group)?;
            let grades: Vec<Option<Grade>> = order.into_iter().map(|at| one.grades[at]).collect();
            let topic = &self.table.pools[*at].topic;
            Ok(self.request.metric.score_grades(&grades, topic))
        };
        queries.iter().map(value).collect()
    }
}
