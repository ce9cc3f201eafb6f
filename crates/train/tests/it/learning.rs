//! What a training learns, and what it saves.

use treffer_train::{End, Event, Loss, Options, Precision};

use crate::support::{LISTS, Place, RARELY, TEN, golden, losses, options};

#[test]
fn ten_pairs_are_learned_by_heart_and_the_saved_model_knows_them() {
    let learned = [Precision::F32, Precision::Bf16].map(|precision| {
        let place = Place::new(
            TEN,
            Options {
                batch: 10,
                steps: 120,
                rate: 3e-3,
                dropout: 0.0,
                precision,
                ..options()
            },
        );
        let (trained, events) = place.train(RARELY);
        assert_eq!(trained.unwrap().end, End::Complete);
        let losses = losses(&events);
        assert!(losses[0] > 0.3, "{}", losses[0]);
        assert!(losses[119] < 0.01, "{}", losses[119]);
        let passages = ["the lab fridge is 5 c cold", "warm door"];
        let scores = place.score("cold fridge", &passages);
        assert!(scores[0] > 3.0 && scores[1] < -3.0, "{scores:?}");
        losses
    });
    let [exact, rounded] = learned;
    for (step, (exact, rounded)) in exact.iter().zip(&rounded).enumerate().take(20) {
        assert!(
            (exact - rounded).abs() < 0.02,
            "step {step}: {exact} {rounded}"
        );
    }
    assert_ne!(exact, rounded);
}

#[test]
fn every_loss_becomes_smaller() {
    let graded = TEN.replace("\"label\": 1", "\"label\": 2");
    let cases = [
        (Loss::Bce, TEN, "tiny-bert-cross"),
        (Loss::Mse, TEN, "tiny-xlmr-cross"),
        (Loss::Classes, graded.as_str(), "tiny-bert-cross-3class"),
        (Loss::List, LISTS, "tiny-bert-cross"),
        (Loss::MarginMse, LISTS, "tiny-bert-cross"),
    ];
    for (loss, data, base) in cases {
        let mut place = Place::new(
            data,
            Options {
                loss,
                batch: 10,
                steps: 25,
                dropout: 0.0,
                ..options()
            },
        );
        place.base = base;
        let (trained, events) = place.train(RARELY);
        trained.unwrap();
        let losses = losses(&events);
        let (first, last) = (losses[0], losses[24]);
        assert!(last < 0.7 * first, "{loss:?}: {first} to {last}");
    }
}

#[test]
fn a_bi_encoder_gets_a_head_and_every_second_layer_can_be_left_out() {
    let mut place = Place::new(
        TEN,
        Options {
            layers: Some(1),
            train_words: true,
            ..options()
        },
    );
    place.base = "tiny-bert-bi";
    place.train(RARELY).0.unwrap();
    assert_eq!(place.score("ice", &["freezer", "door"]).len(), 2);
    let config: serde_json::Value = serde_json::from_slice(&place.bytes("config.json")).unwrap();
    assert_eq!(config["num_hidden_layers"], 1);
}

/// The values of a tensor, in bytes.
fn tensor(bytes: &[u8], name: &str) -> Vec<u8> {
    let file = safetensors::SafeTensors::deserialize(bytes).unwrap();
    file.tensor(name).unwrap().data().to_vec()
}

#[test]
fn what_is_frozen_stays_as_it_is() {
    let place = Place::new(
        TEN,
        Options {
            freeze_layers: 1,
            ..options()
        },
    );
    place.train(RARELY).0.unwrap();
    let base = std::fs::read(golden(place.base).join("model.safetensors")).unwrap();
    let saved = place.bytes("model.safetensors");
    let same = |name: &str| tensor(&base, name) == tensor(&saved, name);
    assert!(same("bert.embeddings.word_embeddings.weight"));
    assert!(same("bert.embeddings.LayerNorm.weight"));
    assert!(same("bert.encoder.layer.0.output.dense.weight"));
    assert!(!same("bert.encoder.layer.1.attention.self.query.weight"));
    assert!(!same("classifier.weight"));
}

/// Steps, nDCG@10 and whether it was the best, of each validation.
fn validations(events: &[Event]) -> Vec<(u64, f64, bool)> {
    let validated = |event: &Event| match event {
        Event::Validated {
            step,
            quality,
            is_best,
        } => Some((*step, quality.ndcg, *is_best)),
        _ => None,
    };
    events.iter().filter_map(validated).collect()
}

/// Held out is the opposite of what is learned, so that the base is better than all after it.
#[test]
fn a_model_is_saved_even_if_the_base_ranks_better() {
    let mut place = Place::new(
        r#"{"query": "ice", "passages": ["warm door", "freezer"], "labels": [1, 0]}"#,
        Options {
            loss: Loss::List,
            batch: 1,
            steps: 40,
            rate: 3e-3,
            dropout: 0.0,
            validate_every: 10,
            ..options()
        },
    );
    let (first, second) = ("warm door", "freezer");
    let held_out = |best: &str, other: &str| {
        format!(r#"{{"query": "ice", "passages": ["{other}", "{best}"], "labels": [0, 1]}}"#)
    };
    // What the base ranks first is what is held out as relevant.
    let probe = |place: &Place| validations(&place.train(RARELY).1)[0].1;
    place.held_out = Some(held_out(second, first));
    if probe(&place) < 1.0 {
        place.data = place.data.replace("[1, 0]", "[0, 1]");
        place.held_out = Some(held_out(first, second));
    }
    std::fs::remove_dir_all(place.out()).unwrap();
    let (trained, events) = place.train(RARELY);
    let trained = trained.unwrap();
    let validations = validations(&events);
    assert_eq!(trained.base, Some(1.0));
    assert_eq!((validations[0].0, validations[0].2), (0, false));
    let (step, best) = trained.best.unwrap();
    assert!(step >= 10, "{validations:?}");
    assert!(validations.last().unwrap().1 < 1.0 && best <= 1.0);
    assert!(place.score("ice", &["freezer"])[0].is_finite());
}

#[test]
fn training_ends_when_it_gets_no_better_and_the_base_does_not_count() {
    let mut place = Place::new(
        TEN,
        Options {
            steps: 100,
            rate: 1e-9,
            validate_every: 2,
            patience: 3,
            ..options()
        },
    );
    place.held_out = Some(LISTS.lines().take(2).collect::<Vec<_>>().join("\n"));
    let (trained, events) = place.train(RARELY);
    let trained = trained.unwrap();
    // At such a rate all validations are equal: that after step 2 is the first of a trained
    // model, and three more are no better.
    assert_eq!((trained.end, trained.steps), (End::NoBetter, 8));
    assert_eq!(trained.best.map(|(step, _)| step), Some(2));
    let steps: Vec<u64> = validations(&events).iter().map(|one| one.0).collect();
    assert_eq!(steps, [0, 2, 4, 6, 8]);
    let saved = events.iter().filter_map(|event| match event {
        Event::Saved { step, .. } => Some(*step),
        _ => None,
    });
    assert_eq!(saved.collect::<Vec<_>>(), [2]);
}
