//! Agreement with PyTorch, step by step; `train.py` and `train_bi.py` in `data/golden` wrote what
//! it does, the second with the losses of Sentence Transformers.

use serde::Deserialize;
use treffer_train::{Did, Event, Kind, Loss, Options};
use treffer_types::Pooling;

use crate::support::{Place, RARELY, golden, options};

/// How PyTorch trained.
#[derive(Deserialize)]
struct Recipe {
    max_length: usize,
    steps: u64,
    rate: f64,
    warm_up: f64,
    weight_decay: f64,
    clip: f64,
    temperature: f32,
}

impl Recipe {
    /// The same here, with all data in each step.
    fn options(&self, loss: Loss, data: &[serde_json::Value]) -> Options {
        Options {
            loss,
            batch: data.len(),
            steps: self.steps,
            rate: self.rate,
            warm_up: self.warm_up,
            weight_decay: self.weight_decay,
            clip: self.clip,
            temperature: self.temperature,
            dropout: 0.0,
            train_words: true,
            max_length: self.max_length,
            ..options()
        }
    }
}

/// What the steps did: loss and norm of the gradient.
fn steps(events: &[Event]) -> impl Iterator<Item = &Did> {
    events.iter().filter_map(|event| match event {
        Event::Step { did, .. } => Some(did),
        _ => None,
    })
}

#[derive(Deserialize)]
struct Golden {
    #[serde(flatten)]
    recipe: Recipe,
    data: Data,
    runs: Vec<PythonRun>,
}

#[derive(Deserialize)]
struct Data {
    bce: Vec<serde_json::Value>,
    list: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct PythonRun {
    base: String,
    loss: Loss,
    losses: Vec<f64>,
    norms: Vec<f64>,
    logits: Vec<f32>,
}

fn lines(values: &[serde_json::Value]) -> String {
    let lines: Vec<String> = values.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[test]
fn losses_gradients_and_the_trained_model_are_those_of_pytorch() {
    let json = std::fs::read(golden("training.json")).unwrap();
    let python: Golden = serde_json::from_slice(&json).unwrap();
    assert_eq!(python.runs.len(), 4);
    for run in &python.runs {
        let data = match run.loss {
            Loss::List => &python.data.list,
            _ => &python.data.bce,
        };
        let mut place = Place::new(&lines(data), python.recipe.options(run.loss, data));
        place.base = &run.base;
        let (trained, events) = place.train(RARELY);
        trained.unwrap();
        let expected = run.losses.iter().zip(&run.norms);
        let mut met = 0;
        for (did, (loss, norm)) in steps(&events).zip(expected) {
            let at = format!("{} {:?} step {met}", run.base, run.loss);
            assert!((did.loss - loss).abs() < 2e-4, "{at}: {} {loss}", did.loss);
            assert!((did.norm - norm).abs() < 2e-3, "{at}: {} {norm}", did.norm);
            met += 1;
        }
        assert_eq!(met, 6);
        for (pair, expected) in python.data.bce.iter().zip(&run.logits) {
            let text = |key: &str| pair[key].as_str().unwrap();
            let found = place.score(text("query"), &[text("passage")])[0];
            // Adam divides by the root of tiny squares, which makes rounding visible.
            assert!(
                (found - expected).abs() < 1e-2,
                "{pair}: {found} {expected}"
            );
        }
    }
}

#[derive(Deserialize)]
struct GoldenBi {
    #[serde(flatten)]
    recipe: Recipe,
    scale: f32,
    data: DataBi,
    runs: Vec<PythonRunBi>,
}

#[derive(Deserialize)]
struct DataBi {
    triplets: Vec<serde_json::Value>,
    lists: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct PythonRunBi {
    pooling: Pooling,
    loss: Loss,
    losses: Vec<f64>,
    norms: Vec<f64>,
    cosines: Vec<f32>,
}

#[test]
fn losses_gradients_and_vectors_of_a_bi_encoder_are_those_of_sentence_transformers() {
    let json = std::fs::read(golden("training-bi.json")).unwrap();
    let python: GoldenBi = serde_json::from_slice(&json).unwrap();
    assert_eq!(python.runs.len(), 4);
    for run in &python.runs {
        let data = match run.loss {
            Loss::MultipleNegatives => &python.data.triplets,
            _ => &python.data.lists,
        };
        let mut place = Place::new(
            &lines(data),
            Options {
                kind: Kind::BiEncoder {
                    scale: python.scale,
                },
                ..python.recipe.options(run.loss, data)
            },
        );
        place.base = "tiny-bert-bi";
        place.pooling = Some(run.pooling);
        let (trained, events) = place.train(RARELY);
        trained.unwrap();
        let mut met = 0;
        for (did, (loss, norm)) in steps(&events).zip(run.losses.iter().zip(&run.norms)) {
            let at = format!("{} {:?} step {met}", run.pooling, run.loss);
            // Rounding grows from step to step, see below.
            let near = |found: f64, expected: f64| {
                (found - expected).abs() < 1e-3 * (1.0 + expected.abs())
            };
            assert!(near(did.loss, *loss), "{at}: {} {loss}", did.loss);
            assert!(near(did.norm, *norm), "{at}: {} {norm}", did.norm);
            met += 1;
        }
        assert_eq!(met, 6);
        for (line, expected) in python.data.triplets.iter().zip(&run.cosines) {
            let text = |key: &str| line[key].as_str().unwrap();
            let found = place.cosines(text("query"), &[text("positive")])[0];
            assert!(
                (found - expected).abs() < 2e-3,
                "{line}: {found} {expected}"
            );
        }
    }
}
