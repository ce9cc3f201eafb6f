//! What is common to all layers of one forward pass.

use rayon::prelude::*;
use treffer_kernels::Isa;

use super::memory::{Part, Pool};
use crate::config::Config;
use crate::tokenize::Sequence;
use crate::transformer::Wanted;

/// What a layer's forward pass needs to know.
pub(super) struct Pass<'a> {
    pub(super) isa: Isa,
    pub(super) config: &'a Config,
    pub(super) tokens: &'a Tokens,
    pub(super) wanted: Wanted,
    pub(super) spread: bool,
    pub(super) parts: &'a Pool<Part>,
}

impl Pass<'_> {
    /// Does `work` for each of `all`, in order or over all threads, and hands what each
    /// leaves in its memory to `after`, in order.
    pub(super) fn each<T: Sync>(
        &self,
        all: &[T],
        work: impl Fn(&T, Option<&T>, &mut Part) + Sync,
        mut after: impl FnMut(&T, &Part),
    ) {
        if self.spread {
            let run = |thing| {
                let mut part = self.parts.take(|| Part::new(self.isa));
                work(thing, None, &mut part);
                part
            };
            let done: Vec<Part> = all.par_iter().with_max_len(1).map(run).collect();
            for (thing, part) in all.iter().zip(done) {
                after(thing, &part);
                self.parts.put(part);
            }
        } else {
            self.one_by_one(all, |thing, next, part| {
                work(thing, next, part);
                after(thing, part);
            });
        }
    }

    /// Does `work` for each of `all`, in order; it is also told which comes next.
    pub(super) fn one_by_one<T>(&self, all: &[T], mut work: impl FnMut(&T, Option<&T>, &mut Part)) {
        let mut part = self.parts.take(|| Part::new(self.isa));
        for (place, thing) in all.iter().enumerate() {
            work(thing, all.get(place + 1), &mut part);
        }
        self.parts.put(part);
    }
}

/// Where each sequence begins among all tokens, and where the last one ends.
pub(super) struct Tokens {
    bounds: Vec<usize>,
}

impl Tokens {
    pub(super) fn of(sequences: &[&Sequence]) -> Self {
        let mut bounds = vec![0];
        let mut end = 0;
        for sequence in sequences {
            end += sequence.ids.len();
            bounds.push(end);
        }
        Tokens { bounds }
    }

    /// Start and end of each sequence.
    pub(super) fn each(&self) -> impl Iterator<Item = (usize, usize)> {
        self.bounds.windows(2).map(|pair| (pair[0], pair[1]))
    }
}
