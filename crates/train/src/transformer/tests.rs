//! Derivatives of the whole model against differences, and its logits against the reference
//! and the Python originals.

use treffer_encoder::parts::Parts;
use treffer_encoder::{BiEncoder, CpuBackend, CrossEncoder, Device};
use treffer_types::{Embedder, NoProgress, PairScorer, Pooling};

use super::{Dropout, Gradients, Model, Pack, Tape};
use crate::base;
use crate::machine::Machine;
use crate::options::Kind;
use crate::random::Stream;
use crate::shape::{Activation, Family, Output};
use crate::testing::{golden_model, model, pack, shape};
use crate::validate::relevance;

/// Any weights for outputs, so that every one of them has a slope.
fn slopes(count: usize) -> Vec<f32> {
    (0..count)
        .map(|at| 1.0 + (at as f32 * 1.3).sin() * 0.7)
        .collect()
}

/// The sum of the outputs times their slopes.
fn value(model: &Model, pack: &Pack, dropout: Option<Dropout>) -> f64 {
    let mut tape = Tape::default();
    model.forward(pack, dropout, &mut tape);
    let (outputs, _) = model.outputs(&tape);
    let products = outputs.iter().zip(slopes(outputs.len()));
    products
        .map(|(&x, slope)| f64::from(x) * f64::from(slope))
        .sum()
}

fn gradients(model: &Model, pack: &Pack, dropout: Option<Dropout>, start: usize) -> Gradients {
    let mut tape = Tape::default();
    let mut gradients = Gradients::new(model, start, start == 0);
    model.forward(pack, dropout, &mut tape);
    let slopes = slopes(model.outputs(&tape).0.len());
    model.backward(pack, dropout, &mut tape, &slopes, &mut gradients);
    gradients
}

/// The gradient of the word table, whose rows are kept as they come.
fn word_gradient(model: &Model, gradients: &Gradients) -> Vec<f32> {
    let width = model.shape.hidden;
    let mut sums = vec![0.0; model.words.len()];
    let words = gradients.words.as_ref().unwrap();
    for (id, row) in words.ids.iter().zip(words.rows.chunks_exact(width)) {
        for (column, slope) in row.iter().enumerate() {
            sums[*id as usize * width + column] += slope;
        }
    }
    sums
}

/// How far the value changes along a direction of length 1, by differences whose error of
/// third order is taken out (Richardson).
fn slope_along(step: f64, change: &dyn Fn(f64) -> f64) -> f64 {
    let slope = |step: f64| (change(step) - change(-step)) / (2.0 * step);
    (4.0 * slope(step / 2.0) - slope(step)) / 3.0
}

/// How differences are taken, and how well they must agree.
#[derive(Clone, Copy)]
struct Differences {
    /// Of a direction of length 1.
    step: f64,
    /// Share of the norm of a tensor's gradient.
    tolerance: f64,
    /// What rounding makes of a difference that is 0.
    rounding: f64,
}

const SMOOTH: Differences = Differences {
    step: 0.02,
    tolerance: 0.01,
    rounding: 1e-3,
};

/// Long steps cross the bend at 0 of many values.
const BENT: Differences = Differences {
    step: 0.004,
    tolerance: 0.05,
    rounding: 5e-3,
};

/// What is added to each value of a tensor.
type Change<'a> = dyn Fn(usize) -> f32 + 'a;

/// Compares the gradient of one tensor with differences: along itself, along random signs,
/// and by single values.
fn check(
    name: &str,
    gradient: &[f32],
    differences: Differences,
    value_at: &dyn Fn(&Change<'_>) -> f64,
) {
    let norm = gradient
        .iter()
        .map(|&x| f64::from(x).powi(2))
        .sum::<f64>()
        .sqrt();
    let count = gradient.len();
    let stream = Stream::new(count as u64);
    let mut directions: Vec<Vec<f32>> = Vec::new();
    if norm > 0.0 {
        let along = gradient.iter().map(|&x| (f64::from(x) / norm) as f32);
        directions.push(along.collect());
    }
    let even = 1.0 / (count as f32).sqrt();
    for round in 0..2 {
        let sign = |at: usize| stream.of(round).bits(at as u64) & 1 == 0;
        let signs = (0..count).map(|at| if sign(at) { even } else { -even });
        directions.push(signs.collect());
    }
    let largest = (0..count)
        .max_by(|&a, &b| gradient[a].abs().total_cmp(&gradient[b].abs()))
        .unwrap();
    for at in [largest, (stream.bits(0) % count as u64) as usize] {
        let mut single = vec![0.0; count];
        single[at] = 1.0;
        directions.push(single);
    }
    for (number, direction) in directions.iter().enumerate() {
        let expected = slope_along(differences.step, &|step| {
            value_at(&|at| (step * f64::from(direction[at])) as f32)
        });
        let products = gradient.iter().zip(direction);
        let found: f64 = products.map(|(&x, &y)| f64::from(x) * f64::from(y)).sum();
        let limit = differences.tolerance * norm + differences.rounding;
        assert!(
            (found - expected).abs() < limit,
            "{name}, direction {number}: {found} is not {expected} (norm {norm})"
        );
    }
}

fn check_all(model: &Model, pack: &Pack, dropout: Option<Dropout>, differences: Differences) {
    let gradients = gradients(model, pack, dropout, 0);
    let mut met = 0;
    for tensor in &model.layout.tensors {
        let gradient = &gradients.parameters[tensor.at.clone()];
        met += usize::from(gradient.iter().any(|&slope| slope.abs() > 1e-3));
        check(&tensor.name, gradient, differences, &|change| {
            let mut moved = model.clone();
            let values = &mut moved.parameters[tensor.at.clone()];
            for (at, value) in values.iter_mut().enumerate() {
                *value += change(at);
            }
            value(&moved, pack, dropout)
        });
    }
    // All but the biases of the keys, which no softmax notices.
    assert_eq!(met, model.layout.tensors.len() - model.shape.layers);
    let words = word_gradient(model, &gradients);
    assert!(words.iter().any(|&slope| slope.abs() > 1e-2));
    check("words", &words, differences, &|change| {
        let mut moved = model.clone();
        for (at, value) in moved.words.iter_mut().enumerate() {
            *value += change(at);
        }
        value(&moved, pack, dropout)
    });
}

#[test]
fn every_gradient_agrees_with_differences() {
    let cases = [
        (Family::Bert, Activation::Gelu, Output::Logits, 1, SMOOTH),
        (
            Family::Roberta,
            Activation::GeluTanh,
            Output::Logits,
            3,
            SMOOTH,
        ),
        (Family::Electra, Activation::Relu, Output::Logits, 1, BENT),
        (
            Family::Bert,
            Activation::Gelu,
            Output::MeanVector,
            1,
            SMOOTH,
        ),
        (
            Family::Roberta,
            Activation::Gelu,
            Output::FirstVector,
            1,
            SMOOTH,
        ),
    ];
    for (family, activation, output, classes, differences) in cases {
        let model = model(shape(family, activation, classes), output, 5);
        let pack = pack(&model.shape, &[5, 9, 1]);
        check_all(&model, &pack, None, differences);
    }
}

#[test]
fn every_gradient_agrees_with_differences_while_values_are_dropped() {
    for output in [Output::Logits, Output::MeanVector] {
        let model = model(shape(Family::Bert, Activation::Gelu, 1), output, 6);
        let pack = pack(&model.shape, &[6, 8]);
        let dropout = Dropout {
            share: 0.25,
            stream: Stream::new(9),
        };
        let (with, without) = (
            value(&model, &pack, Some(dropout)),
            value(&model, &pack, None),
        );
        assert!((with - without).abs() > 1e-3, "{with} {without}");
        check_all(&model, &pack, Some(dropout), SMOOTH);
    }
}

#[test]
fn what_is_frozen_changes_no_other_gradient() {
    for output in [Output::Logits, Output::MeanVector, Output::FirstVector] {
        let model = model(shape(Family::Bert, Activation::Gelu, 1), output, 7);
        let pack = pack(&model.shape, &[5, 7]);
        let all = gradients(&model, &pack, None, 0);
        let starts = model.layout.layers.iter().map(|layer| layer.start);
        for start in starts.chain([model.layout.encoder_end()]) {
            let some = gradients(&model, &pack, None, start);
            assert!(some.parameters == all.parameters[start..], "from {start}");
        }
    }
}

#[test]
fn a_sequence_has_the_same_output_in_any_company() {
    for output in [Output::Logits, Output::MeanVector, Output::FirstVector] {
        let model = model(shape(Family::Bert, Activation::Gelu, 1), output, 8);
        let mut tape = Tape::default();
        model.forward(&pack(&model.shape, &[5, 9, 3]), None, &mut tape);
        let (together, width) = model.outputs(&tape);
        let together = together[..width].to_vec();
        model.forward(&pack(&model.shape, &[5]), None, &mut tape);
        for (one, other) in together.iter().zip(model.outputs(&tape).0) {
            assert!((one - other).abs() < 1e-5);
        }
    }
}

/// The logits of the pairs of a golden folder, as this crate computes them, read as scores.
fn found(name: &str) -> Vec<f32> {
    let (folder, golden) = golden_model(name);
    let mut parts = Parts::open(&folder, folder.spec.max_length).unwrap();
    let model = base::load(&mut parts, Output::Logits, None, 1).unwrap();
    let query = parts.query(golden["query"].as_str().unwrap()).unwrap();
    let pairs = golden["pairs"].as_array().unwrap().iter();
    let tokens = pairs
        .map(|pair| {
            parts
                .pair(&query, pair["passage"].as_str().unwrap())
                .unwrap()
        })
        .collect();
    let options = crate::Options {
        lanes: 2,
        pack: 40,
        ..crate::Options::default()
    };
    let mut machine = Machine::new(&model, &options);
    let logits = machine.run(&model, &[(0, tokens)], &NoProgress).unwrap();
    relevance(&logits[0], model.shape.classes)
}

#[test]
fn logits_agree_with_the_reference_and_with_python() {
    let names = [
        "tiny-bert-cross",
        "tiny-bert-cross-3class",
        "tiny-xlmr-cross",
        "tiny-onnx-cross",
    ];
    for name in names {
        let (folder, golden) = golden_model(name);
        let reference = CrossEncoder::load(&folder, Device::Cpu(CpuBackend::Candle)).unwrap();
        let pairs = golden["pairs"].as_array().unwrap();
        let texts: Vec<&str> = pairs
            .iter()
            .map(|pair| pair["passage"].as_str().unwrap())
            .collect();
        let query = golden["query"].as_str().unwrap();
        let scores = reference.score_pairs(query, &texts).unwrap();
        let found = found(name);
        assert!(found.len() == pairs.len() && found.len() > 3);
        for ((found, score), pair) in found.iter().zip(scores).zip(pairs) {
            let python = pair["logit"].as_f64().unwrap() as f32;
            for expected in [score.score, python] {
                assert!(
                    (found - expected).abs() < 1e-5,
                    "{name}: {found} is not {expected}"
                );
            }
        }
    }
}

#[test]
fn vectors_agree_with_the_reference_and_with_python() {
    for (pooling, output) in [
        (Pooling::Mean, Output::MeanVector),
        (Pooling::Cls, Output::FirstVector),
    ] {
        let (mut folder, golden) = golden_model("tiny-bert-bi");
        folder.spec.pooling = pooling;
        let kind = Kind::BiEncoder { scale: 20.0 };
        assert_eq!(base::output(&folder, kind).unwrap(), output);
        let reference = BiEncoder::load(&folder, Device::Cpu(CpuBackend::Candle)).unwrap();
        let mut parts = Parts::open(&folder, folder.spec.max_length).unwrap();
        let model = base::load(&mut parts, output, None, 1).unwrap();
        let mut machine = Machine::new(&model, &crate::Options::default());
        let mut vector = |prefix: &str, text: &str| {
            let tokens = vec![parts.single(prefix, text).unwrap()];
            let found = machine.run(&model, &[(0, tokens)], &NoProgress).unwrap();
            found.concat()
        };
        let spec = &folder.spec;
        let mut met = 0;
        for (key, prefix) in [
            ("queries", &spec.query_prefix),
            ("passages", &spec.passage_prefix),
        ] {
            for known in golden[key].as_array().unwrap() {
                let text = known["text"].as_str().unwrap();
                let found = vector(prefix, text);
                let embedded = match key {
                    "queries" => reference.embed_queries(&[text]).unwrap(),
                    _ => reference.embed_passages(&[text]).unwrap(),
                };
                for (at, value) in found.iter().enumerate() {
                    let expected = embedded[0].vector[at];
                    assert!(
                        (value - expected).abs() < 1e-5,
                        "{text}: {value} {expected}"
                    );
                    if pooling == spec.pooling && output == Output::MeanVector {
                        let python = known["vector"][at].as_f64().unwrap() as f32;
                        assert!((value - python).abs() < 1e-5, "{text}: {value} {python}");
                    }
                }
                met += 1;
            }
        }
        assert!(met > 3, "{met}");
    }
}
