//! Losses of vectors against their definitions and against differences.

use super::*;
use crate::options::Kind;
use crate::random::Stream;

const WIDTH: usize = 6;
const SCALE: f32 = 20.0;

fn example(query: &str, passages: &[&str], values: &[f32], kind: ValueKind) -> Example {
    Example {
        query: query.to_owned(),
        passages: passages.iter().map(|&text| text.to_owned()).collect(),
        values: values.to_vec(),
        kind,
        weight: 1.0,
        origin: (0, 0),
    }
}

/// Random vectors of length 1.
fn vectors(count: usize) -> Vec<f32> {
    let mut all = Vec::new();
    for row in 0..count as u64 {
        let stream = Stream::new(5).of(row);
        let values: Vec<f64> = (0..WIDTH as u64).map(|at| stream.normal(at)).collect();
        let length = values.iter().map(|x| x * x).sum::<f64>().sqrt();
        all.extend(values.iter().map(|x| (x / length) as f32));
    }
    all
}

/// Differences along each value, which need no vector of length 1.
fn check(vectors: &[f32], gradient: &[f32], value: &dyn Fn(&[f32]) -> f64) {
    let step = 1.0 / 256.0;
    let mut largest = 0f64;
    for index in 0..vectors.len() {
        let (mut above, mut below) = (vectors.to_vec(), vectors.to_vec());
        above[index] += step;
        below[index] -= step;
        let moved = f64::from(above[index]) - f64::from(below[index]);
        let slope = (value(&above) - value(&below)) / moved;
        let found = f64::from(gradient[index]);
        let limit = 2e-3 * (1.0 + slope.abs());
        assert!((slope - found).abs() < limit, "{index}: {found} {slope}");
        largest = largest.max(found.abs());
    }
    assert!(largest > 0.05, "{largest}");
}

/// With a passage of another line that is relevant to the first, a query twice, several
/// relevant passages, and a weight.
fn step() -> Vec<Example> {
    use ValueKind::Labels;
    let mut all = vec![
        example(
            "cold",
            &["fridge", "door", "oven"],
            &[1.0, 0.0, 0.0],
            Labels,
        ),
        example("quiet", &["freezer", "fridge"], &[2.0, 0.0], Labels),
        example("lab", &["shelf", "ice", "door"], &[1.0, 1.0, 0.0], Labels),
        example("cold", &["ice"], &[1.0], Labels),
    ];
    all[1].weight = 0.5;
    all
}

/// The mean of -ln softmax over the cosines that count, written down line by line.
fn expected(examples: &[Example], vectors: &[f32]) -> f64 {
    let (mut rows, mut row) = (Vec::new(), 0);
    for example in examples {
        rows.push(row);
        row += 1 + example.passages.len();
    }
    let cosine = |a: usize, b: usize| {
        let of = |row: usize| &vectors[row * WIDTH..][..WIDTH];
        of(a)
            .iter()
            .zip(of(b))
            .map(|(&a, &b)| f64::from(a) * f64::from(b))
            .sum::<f64>()
    };
    let (mut sum, mut weights) = (0.0, 0.0);
    for (index, example) in examples.iter().enumerate() {
        let answers: Vec<&String> = examples
            .iter()
            .filter(|other| other.query == example.query)
            .flat_map(|other| other.passages.iter().zip(&other.values))
            .filter(|(_, value)| **value > 0.0)
            .map(|(text, _)| text)
            .collect();
        for (number, value) in example.values.iter().enumerate() {
            if *value <= 0.0 {
                continue;
            }
            let score = |row: usize| f64::from(SCALE) * cosine(rows[index], row);
            let own = score(rows[index] + 1 + number);
            let mut total = own.exp();
            for (other, row) in examples.iter().zip(&rows) {
                for (at, text) in other.passages.iter().enumerate() {
                    if !answers.contains(&text) {
                        total += score(row + 1 + at).exp();
                    }
                }
            }
            sum += f64::from(example.weight) * (total.ln() - own);
            weights += f64::from(example.weight);
        }
    }
    sum / weights
}

#[test]
fn multiple_negatives_are_those_of_the_definition_with_their_derivative() {
    let examples = step();
    let borrowed: Vec<&Example> = examples.iter().collect();
    let texts = examples.iter().map(|example| 1 + example.passages.len());
    let vectors = vectors(texts.sum());
    let value = |vectors: &[f32]| multiple_negatives(&borrowed, vectors, WIDTH, SCALE).0;
    let (loss, gradient) = multiple_negatives(&borrowed, &vectors, WIDTH, SCALE);
    let definition = expected(&examples, &vectors);
    assert!((loss - definition).abs() < 1e-9, "{loss} {definition}");
    check(&vectors, &gradient, &value);
}

#[test]
fn what_is_relevant_in_another_line_is_no_negative() {
    use ValueKind::Labels;
    let one = example("cold", &["fridge"], &[1.0], Labels);
    let same_text = example("icy", &["fridge"], &[1.0], Labels);
    let vectors = vectors(4);
    let alone = multiple_negatives(&[&one, &same_text], &vectors, WIDTH, SCALE);
    assert!(alone.0.abs() < 1e-12, "{}", alone.0);
    assert!(alone.1.iter().all(|&slope| slope == 0.0));
    // The same query, answered by another text.
    let same_query = example("cold", &["freezer"], &[1.0], Labels);
    let both = multiple_negatives(&[&one, &same_query], &vectors, WIDTH, SCALE);
    assert!(both.0.abs() < 1e-12, "{}", both.0);
    let other = example("icy", &["freezer"], &[1.0], Labels);
    let (loss, _) = multiple_negatives(&[&one, &other], &vectors, WIDTH, SCALE);
    assert!(loss > 0.01, "{loss}");
}

#[test]
fn losses_of_an_example_agree_with_differences() {
    use ValueKind::{Labels, Scores};
    let cases = [
        (Loss::Mse, Labels, [1.0, 0.25, 0.0]),
        (Loss::Mse, Scores, [4.0, -2.0, 0.5]),
        (Loss::MarginMse, Scores, [7.0, -4.0, 1.0]),
        (Loss::List, Scores, [3.0, -1.0, 2.0]),
        (Loss::List, Labels, [1.0, 0.0, 0.0]),
    ];
    for (loss, kind, values) in cases {
        let example = example("q", &["a", "b", "c"], &values, kind);
        let options = Options {
            kind: Kind::BiEncoder { scale: 5.0 },
            loss,
            temperature: 2.0,
            ..Options::default()
        };
        let vectors = vectors(4);
        let value = |vectors: &[f32]| {
            let mut gradient = vec![0.0; vectors.len()];
            let found = of_example(&example, vectors, &options, 5.0, 0.5, &mut gradient);
            (found, gradient)
        };
        let (found, gradient) = value(&vectors);
        check(&vectors, &gradient, &|vectors| value(vectors).0);
        let cosines = cosines(&vectors, WIDTH);
        if (loss, kind) == (Loss::Mse, Scores) {
            let terms = cosines.iter().zip(values);
            let sum: f64 = terms
                .map(|(&cosine, score)| {
                    let probability = 1.0 / (1.0 + (-f64::from(score) / 2.0).exp());
                    (f64::from(cosine) - probability).powi(2)
                })
                .sum();
            assert!((found - 0.5 * sum).abs() < 1e-6, "{found} {sum}");
        }
        if loss == Loss::MarginMse {
            let margin = |at: usize| 5.0 * f64::from(cosines[0] - cosines[at]);
            let sum = (margin(1) - 11.0).powi(2) + (margin(2) - 6.0).powi(2);
            assert!((found - 0.5 * sum).abs() < 1e-3, "{found} {sum}");
        }
    }
}

#[test]
fn a_cosine_is_compared_with_labels_from_0_to_1() {
    use ValueKind::{Labels, Scores};
    let of = |values: &[f32], kind| refuses(Loss::Mse, &example("q", &["a", "b"], values, kind));
    assert!(of(&[1.0, 2.0], Labels).is_some_and(|text| text.contains("the label 2")));
    assert_eq!(of(&[1.0, 0.5], Labels), None);
    assert_eq!(of(&[12.0, -5.0], Scores), None);
}
