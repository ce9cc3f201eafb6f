//! Groups sequences for the forward pass and distributes them: over the threads of the CPU,
//! or in padded batches on a GPU. The longest sequences run first; results are in the order
//! of the input.

use candle_core::{Device, Result};
use rayon::prelude::*;

use crate::tokenize::Sequence;

/// How sequences are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Each sequence alone, distributed over the threads of the current rayon pool.
    Alone,
    /// Groups of sequences without padding, distributed over the threads of the current rayon
    /// pool.
    Groups,
    /// Padded batches, one after the other.
    Batches,
    /// Batches without padding, one after the other.
    #[cfg_attr(not(feature = "cuda"), expect(dead_code, reason = "for a GPU"))]
    Packs,
}

impl Plan {
    /// The plan for candle on `device`.
    pub(crate) fn of(device: &Device) -> Self {
        match device {
            // A text's result must not depend on the texts beside it.
            Device::Cpu => Plan::Alone,
            _ => Plan::Batches,
        }
    }

    /// Maximal number of tokens, padding included, of a group of several sequences.
    fn budget(self, sequences: &[Sequence]) -> usize {
        match self {
            Plan::Alone => 0,
            Plan::Groups => {
                let tokens: usize = sequences.iter().map(|sequence| sequence.ids.len()).sum();
                (tokens / (4 * rayon::current_num_threads())).min(GROUP_TOKENS)
            }
            Plan::Batches => BATCH_TOKENS,
            Plan::Packs => PACK_TOKENS,
        }
    }
}

/// Maximal number of tokens in a batch on a GPU.
const BATCH_TOKENS: usize = 16_384;
/// Maximal number of tokens in a batch without padding: enough to fill a GPU, and few enough
/// that a feed-forward block of 1536 values takes 100 MB.
const PACK_TOKENS: usize = 32_768;
/// Maximal number of tokens in a group on the CPU: enough to reuse each weight that was read
/// from memory, and few enough to stay in the second-level cache.
const GROUP_TOKENS: usize = 192;

/// Runs `forward` on groups of `sequences` and returns one row per sequence, in order.
/// `forward` returns a row for each sequence of its group. The number of threads does not
/// affect results.
pub(crate) fn run<F>(plan: Plan, sequences: &[Sequence], forward: F) -> Result<Vec<Vec<f32>>>
where
    F: Fn(&[&Sequence]) -> Result<Vec<Vec<f32>>> + Sync,
{
    let batches = batches(sequences, plan.budget(sequences));
    let forward_batch = |batch: &Vec<usize>| {
        let members: Vec<&Sequence> = batch.iter().map(|&index| &sequences[index]).collect();
        forward(&members)
    };
    let done: Vec<Vec<Vec<f32>>> = match plan {
        // One group per task and in this order, so that the longest does not start last.
        Plan::Alone | Plan::Groups => batches
            .par_iter()
            .with_max_len(1)
            .map(forward_batch)
            .collect::<Result<_>>()?,
        Plan::Batches | Plan::Packs => batches.iter().map(forward_batch).collect::<Result<_>>()?,
    };
    let mut rows = vec![Vec::new(); sequences.len()];
    for (index, row) in batches.iter().flatten().zip(done.into_iter().flatten()) {
        rows[*index] = row;
    }
    Ok(rows)
}

/// The sequences in the groups that [`run`] makes of them, in the order in which they run.
pub(crate) fn groups(plan: Plan, sequences: &[Sequence]) -> Vec<Vec<&Sequence>> {
    let members = |batch: Vec<usize>| batch.into_iter().map(|index| &sequences[index]).collect();
    let batches = batches(sequences, plan.budget(sequences));
    batches.into_iter().map(members).collect()
}

/// Indexes of `sequences`, longest first (ties in the order of the input), in batches of at
/// most `budget` tokens including padding, or of one sequence.
fn batches(sequences: &[Sequence], budget: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..sequences.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(sequences[index].ids.len()));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for index in order {
        match batches.last_mut() {
            // The first member is the longest: the others are padded to it.
            Some(batch) if (batch.len() + 1) * sequences[batch[0]].ids.len() <= budget => {
                batch.push(index);
            }
            _ => batches.push(vec![index]),
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sequences(lengths: &[usize]) -> Vec<Sequence> {
        let sequence = |&length: &usize| Sequence {
            ids: vec![0; length],
            segments: vec![0; length],
            tokens_cut: 0,
            not_pooled: 0,
            unattended: 0,
        };
        lengths.iter().map(sequence).collect()
    }

    proptest! {
        #[test]
        fn every_sequence_is_in_one_batch_within_the_budget(
            lengths in prop::collection::vec(1usize..50, 0..40),
            budget in 0usize..200,
        ) {
            let batches = batches(&sequences(&lengths), budget);
            let mut places: Vec<usize> = batches.concat();
            let lengths_in_order: Vec<usize> = places.iter().map(|&index| lengths[index]).collect();
            prop_assert!(lengths_in_order.is_sorted_by(|a, b| a >= b));
            places.sort_unstable();
            prop_assert_eq!(places, (0..lengths.len()).collect::<Vec<_>>());
            for batch in batches {
                prop_assert!(batch.len() == 1 || batch.len() * lengths[batch[0]] <= budget);
            }
        }

        #[test]
        fn results_come_back_in_the_order_of_the_input(
            lengths in prop::collection::vec(1usize..50, 0..40),
        ) {
            let rows = run(Plan::Groups, &sequences(&lengths), |batch| {
                Ok(batch.iter().map(|sequence| vec![sequence.ids.len() as f32]).collect())
            });
            let expected: Vec<_> = lengths.iter().map(|&length| vec![length as f32]).collect();
            prop_assert_eq!(rows.unwrap(), expected);
        }
    }
}
