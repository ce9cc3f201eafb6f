//! Losses of a bi-encoder: from vectors of length 1 to a loss, and its derivative by them.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use crate::example::{Example, ValueKind};
use crate::loss::{Loss, Role, ranking, sigmoid};
use crate::options::Options;

fn dot(a: &[f32], b: &[f32]) -> f64 {
    let products = a.iter().zip(b);
    products.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

/// The cosine of the first of `vectors`, `[1 + passages, width]`, with each other.
pub(crate) fn cosines(vectors: &[f32], width: usize) -> Vec<f32> {
    let (query, passages) = vectors.split_at(width);
    let passages = passages.chunks_exact(width);
    passages.map(|passage| dot(query, passage) as f32).collect()
}

/// Why an example cannot be learned by a bi-encoder with this loss, which is one of its losses.
pub(crate) fn refuses(loss: Loss, example: &Example) -> Option<String> {
    if loss != Loss::Mse || example.kind == ValueKind::Scores {
        return None;
    }
    let outside = |value: &&f32| !(0.0..=1.0).contains(*value);
    let label = example.values.iter().find(outside)?;
    Some(format!(
        "has the label {label}; --loss mse of a bi-encoder needs labels from 0 to 1"
    ))
}

/// The loss of one example with the vectors of its query and passages, `[1 + passages, width]`,
/// and its derivative into `gradient`, both multiplied by `share`.
///
/// The cosine itself is compared with a label or with the sigmoid of a teacher's score by
/// [`Loss::Mse`]; `scale` times the cosine is a logit for every other loss.
pub(crate) fn of_example(
    example: &Example,
    vectors: &[f32],
    options: &Options,
    scale: f32,
    share: f64,
    gradient: &mut [f32],
) -> f64 {
    let count = example.passages.len();
    let width = vectors.len() / (1 + count);
    let Options {
        loss, temperature, ..
    } = *options;
    let mut scores = cosines(vectors, width);
    let (factor, wanted): (f32, Vec<f32>) = match (loss, example.kind) {
        (Loss::Mse, ValueKind::Scores) => {
            let probability =
                |&score: &f32| sigmoid(f64::from(score) / f64::from(temperature)) as f32;
            (1.0, example.values.iter().map(probability).collect())
        }
        (Loss::Mse, ValueKind::Labels) => (1.0, example.values.clone()),
        _ => (scale, example.values.clone()),
    };
    for score in &mut scores {
        *score *= factor;
    }
    let mut slopes = vec![0.0; count];
    let found = loss.of(
        &wanted,
        example.kind,
        &scores,
        temperature,
        share,
        &mut slopes,
    );
    gradient.fill(0.0);
    let (query, passages) = vectors.split_at(width);
    let (of_query, of_passages) = gradient.split_at_mut(width);
    let rows = passages
        .chunks_exact(width)
        .zip(of_passages.chunks_exact_mut(width));
    for ((passage, of_passage), slope) in rows.zip(slopes) {
        let slope = slope * factor;
        for (sum, &x) in of_query.iter_mut().zip(passage) {
            *sum += slope * x;
        }
        for (target, &x) in of_passage.iter_mut().zip(query) {
            *target = slope * x;
        }
    }
    found
}

/// Where a text of a step is among its vectors, and whose it is.
struct Candidate<'a> {
    row: usize,
    text: &'a str,
    example: usize,
    is_relevant: bool,
}

/// [`Loss::MultipleNegatives`] of the examples of a step, and its derivative by `vectors`, which
/// are those of each example's query and then of its passages, `[texts, width]`.
pub(crate) fn multiple_negatives(
    examples: &[&Example],
    vectors: &[f32],
    width: usize,
    scale: f32,
) -> (f64, Vec<f32>) {
    let (mut queries, mut candidates) = (Vec::new(), Vec::new());
    let mut relevant: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut row = 0;
    for (index, example) in examples.iter().enumerate() {
        queries.push(row);
        let texts = relevant.entry(example.query.as_str()).or_default();
        for (number, (text, &value)) in example.passages.iter().zip(&example.values).enumerate() {
            let is_relevant = value > 0.0;
            if is_relevant {
                texts.insert(text);
            }
            candidates.push(Candidate {
                row: row + 1 + number,
                text,
                example: index,
                is_relevant,
            });
        }
        row += 1 + example.passages.len();
    }
    let terms: f64 = examples
        .iter()
        .map(|example| f64::from(example.weight) * Loss::MultipleNegatives.terms(example) as f64)
        .sum();
    let vector = |row: usize| &vectors[row * width..(row + 1) * width];
    let scale = f64::from(scale);
    // Of each query, its loss and the slopes of its cosines with all candidates.
    let rows: Vec<(f64, Vec<f64>)> = (0..examples.len())
        .into_par_iter()
        .map(|index| {
            let example = examples[index];
            let answers = &relevant[example.query.as_str()];
            let role = |candidate: &Candidate<'_>| {
                if candidate.example == index && candidate.is_relevant {
                    Role::Positive
                } else if answers.contains(candidate.text) {
                    Role::LeftOut
                } else {
                    Role::Negative
                }
            };
            let roles: Vec<Role> = candidates.iter().map(role).collect();
            let logit = |candidate: &Candidate<'_>| {
                scale * dot(vector(queries[index]), vector(candidate.row))
            };
            let logits: Vec<f64> = candidates.iter().map(logit).collect();
            let (loss, mut slopes) = ranking(&logits, &roles);
            let share = f64::from(example.weight) / terms;
            for slope in &mut slopes {
                *slope *= share * scale;
            }
            (share * loss, slopes)
        })
        .collect();
    let loss = rows.iter().map(|(loss, _)| loss).sum();
    let weighted = |of: &mut dyn Iterator<Item = (f64, usize)>| {
        let mut sums = vec![0.0; width];
        for (slope, row) in of.filter(|(slope, _)| *slope != 0.0) {
            for (sum, &x) in sums.iter_mut().zip(vector(row)) {
                *sum += slope * f64::from(x);
            }
        }
        sums
    };
    let of_queries: Vec<(usize, Vec<f64>)> = (0..examples.len())
        .into_par_iter()
        .map(|index| {
            let slopes = rows[index].1.iter().copied();
            let mut slopes = slopes.zip(candidates.iter().map(|candidate| candidate.row));
            (queries[index], weighted(&mut slopes))
        })
        .collect();
    let of_candidates: Vec<(usize, Vec<f64>)> = (0..candidates.len())
        .into_par_iter()
        .map(|at| {
            let slopes = rows.iter().map(|(_, slopes)| slopes[at]);
            let mut slopes = slopes.zip(queries.iter().copied());
            (candidates[at].row, weighted(&mut slopes))
        })
        .collect();
    let mut gradient = vec![0.0; vectors.len()];
    for (row, sums) in of_queries.into_iter().chain(of_candidates) {
        let target = &mut gradient[row * width..(row + 1) * width];
        for (target, sum) in target.iter_mut().zip(sums) {
            *target = sum as f32;
        }
    }
    (loss, gradient)
}

#[cfg(test)]
mod tests;
