//! Queries that are answered together: each stage prepares all of them at once, when the first
//! one needs it.

use std::time::Duration;

use treffer_types::{BoxError, Clock, Query, StageName};

use crate::deadline::Share;
use crate::engine::Engine;
use crate::stages::{Parameters, StageQuery};

/// The queries of a batch, and the work that stages have begun on them.
pub(super) struct Batch<'a> {
    engine: &'a Engine,
    parameters: Parameters,
    queries: &'a [&'a Query],
    clock: &'a dyn Clock,
    begun: Vec<Begun<'a>>,
}

struct Begun<'a> {
    stage: StageName,
    answers: Vec<Box<dyn StageQuery + 'a>>,
    /// Each query's share of the time of [`Stage::begin`](crate::stages::Stage::begin).
    due: Duration,
    /// Whether each query was charged its share.
    is_charged: Vec<bool>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(
        engine: &'a Engine,
        parameters: Parameters,
        queries: &'a [&'a Query],
        clock: &'a dyn Clock,
    ) -> Self {
        Batch {
            engine,
            parameters,
            queries,
            clock,
            begun: Vec::new(),
        }
    }

    pub(super) fn query(&self, at: usize) -> &'a Query {
        self.queries[at]
    }

    /// The stage's work on one query, begun with all others if it has not been.
    pub(super) fn answer(
        &mut self,
        stage: StageName,
        at: usize,
    ) -> Result<(&dyn StageQuery, Share), BoxError> {
        let mut spent = Duration::ZERO;
        let place = match self.begun.iter().position(|begun| begun.stage == stage) {
            Some(place) => place,
            None => {
                let start = self.clock.now();
                let parameters = self.parameters.clone();
                let answers = self.engine.begin(stage, self.queries, parameters)?;
                spent = self.clock.now().saturating_sub(start);
                let n = u32::try_from(self.queries.len().max(1)).unwrap_or(u32::MAX);
                self.begun.push(Begun {
                    stage,
                    answers,
                    due: spent / n,
                    is_charged: vec![false; self.queries.len()],
                });
                self.begun.len() - 1
            }
        };
        let begun = &mut self.begun[place];
        let is_charged = std::mem::replace(&mut begun.is_charged[at], true);
        let due = if is_charged {
            Duration::ZERO
        } else {
            begun.due
        };
        Ok((begun.answers[at].as_ref(), Share { spent, due }))
    }
}
