//! Which sequences run together, and where: one by one over the threads of the
//! CPU, or in padded batches on a GPU. Either way longest first, and the results
//! in the order of the input.

use candle_core::{Device, Result};
use rayon::prelude::*;

use crate::tokenize::Sequence;

/// Most tokens, padding included, in a batch on a GPU.
const BATCH_TOKENS: usize = 16_384;

/// One row of results per sequence, in order. `forward` gives a row for each
/// sequence of the batch it is handed.
///
/// On the CPU every batch is a single sequence, so that a text's result cannot
/// depend on the texts beside it, and nothing is ever padded. The threads are
/// those of the current rayon pool; their number changes no result.
pub(crate) fn run<F>(device: &Device, sequences: &[Sequence], forward: F) -> Result<Vec<Vec<f32>>>
where
    F: Fn(&[&Sequence]) -> Result<Vec<Vec<f32>>> + Sync,
{
    let batches = match device {
        Device::Cpu => batches(sequences, 0),
        _ => batches(sequences, BATCH_TOKENS),
    };
    let forward_batch = |batch: &Vec<usize>| {
        let members: Vec<&Sequence> = batch.iter().map(|&place| &sequences[place]).collect();
        forward(&members)
    };
    let done: Vec<Vec<Vec<f32>>> = match device {
        // One at a time and in this order: the longest must not come last.
        Device::Cpu => batches
            .par_iter()
            .with_max_len(1)
            .map(forward_batch)
            .collect::<Result<_>>()?,
        _ => batches.iter().map(forward_batch).collect::<Result<_>>()?,
    };
    let mut rows = vec![Vec::new(); sequences.len()];
    for (place, row) in batches.iter().flatten().zip(done.into_iter().flatten()) {
        rows[*place] = row;
    }
    Ok(rows)
}

/// Places of `sequences`, longest first (ties in the order of the input), in
/// batches of at most `budget` tokens when padded, and of at least one sequence.
fn batches(sequences: &[Sequence], budget: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..sequences.len()).collect();
    order.sort_by_key(|&place| std::cmp::Reverse(sequences[place].ids.len()));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for place in order {
        match batches.last_mut() {
            // The first member is the longest: the others are padded to it.
            Some(batch) if (batch.len() + 1) * sequences[batch[0]].ids.len() <= budget => {
                batch.push(place);
            }
            _ => batches.push(vec![place]),
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
            let lengths_in_order: Vec<usize> = places.iter().map(|&place| lengths[place]).collect();
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
            let rows = run(&Device::Cpu, &sequences(&lengths), |batch| {
                Ok(batch.iter().map(|sequence| vec![sequence.ids.len() as f32]).collect())
            });
            let expected: Vec<_> = lengths.iter().map(|&length| vec![length as f32]).collect();
            prop_assert_eq!(rows.unwrap(), expected);
        }
    }
}
