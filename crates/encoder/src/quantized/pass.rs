//! The context that all layers of one forward pass share.

use rayon::prelude::*;
use treffer_kernels::Isa;

use super::memory::{Part, Pool};
use crate::config::Config;
use crate::tokenize::Sequence;
use crate::transformer::OutputTokens;

/// The context of a forward pass.
pub(super) struct Pass<'a> {
    pub(super) isa: Isa,
    pub(super) config: &'a Config,
    pub(super) tokens: &'a Tokens,
    pub(super) outputs: OutputTokens,
    pub(super) spread: bool,
    pub(super) parts: &'a Pool<Part>,
}

impl Pass<'_> {
    /// Calls `work` on each of `all`, in order or in parallel, and then `after` on each result,
    /// in order.
    pub(super) fn each<T: Sync>(
        &self,
        all: &[T],
        work: impl Fn(&T, Option<&T>, &mut Part) + Sync,
        mut after: impl FnMut(&T, &Part),
    ) {
        if self.spread {
            let run = |item| {
                let mut part = self.parts.take(|| Part::new(self.isa));
                work(item, None, &mut part);
                part
            };
            let done: Vec<Part> = all.par_iter().with_max_len(1).map(run).collect();
            for (item, part) in all.iter().zip(done) {
                after(item, &part);
                self.parts.put(part);
            }
        } else {
            self.one_by_one(all, |item, next, part| {
                work(item, next, part);
                after(item, part);
            });
        }
    }

    /// Calls `work` on each of `all`, in order, together with the one after it.
    pub(super) fn one_by_one<T>(&self, all: &[T], mut work: impl FnMut(&T, Option<&T>, &mut Part)) {
        let mut part = self.parts.take(|| Part::new(self.isa));
        for (index, item) in all.iter().enumerate() {
            work(item, all.get(index + 1), &mut part);
        }
        self.parts.put(part);
    }
}

/// The boundaries of the sequences within the concatenated tokens.
pub(super) struct Tokens {
    bounds: Vec<usize>,
    /// How many tokens of each sequence all attend to.
    attended: Vec<usize>,
}

impl Tokens {
    pub(super) fn of(sequences: &[&Sequence]) -> Self {
        let mut bounds = vec![0];
        let mut end = 0;
        for sequence in sequences {
            end += sequence.ids.len();
            bounds.push(end);
        }
        let attended = sequences.iter().map(|sequence| sequence.attended());
        Tokens {
            bounds,
            attended: attended.collect(),
        }
    }

    /// Number of tokens of each sequence that all attend to, at its beginning.
    pub(super) fn attended(&self) -> impl Iterator<Item = usize> {
        self.attended.iter().copied()
    }

    /// Start and end of each sequence.
    pub(super) fn each(&self) -> impl Iterator<Item = (usize, usize)> {
        self.bounds.windows(2).map(|pair| (pair[0], pair[1]))
    }
}
