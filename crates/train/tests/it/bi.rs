//! Trainings of a tiny bi-encoder.

use treffer_encoder::describe;
use treffer_testkit::RecordingProgress;
use treffer_train::{CHECKPOINT, End, Kind, Loss, Options};
use treffer_types::{Embedder, ModelRole, Pooling};

use crate::support::{LISTS, OFTEN, Place, RARELY, RESUMED, left_out, losses, options};

const TINY_BI: &str = "tiny-bert-bi";

/// Ten queries with an answer each.
const PAIRS: &str = r#"{"query": "cold fridge", "positive": "the lab fridge is 5 c cold"}
{"query": "quiet freezer", "positive": "not a loud freezer"}
{"query": "din 13277", "positive": "the lab is din 13277"}
{"query": "din 13271", "positive": "din 13271 door"}
{"query": "ice", "positive": "freezer and ice"}
{"query": "280 liter", "positive": "a fridge of 280 liter"}
{"query": "warm lab", "positive": "how warm is the lab"}
{"query": "shelf", "positive": "a shelf and a door"}
{"query": "loud door", "positive": "the door is loud"}
{"query": "ohne gefrierfach", "passage": "not a freezer", "label": 1}
"#;

fn bi(loss: Loss) -> Options {
    Options {
        kind: Kind::BiEncoder { scale: 20.0 },
        loss,
        ..options()
    }
}

fn place(data: &str, options: Options) -> Place<'static> {
    let mut place = Place::new(data, options);
    place.base = TINY_BI;
    place
}

fn error(place: &Place<'_>) -> String {
    place.train(RARELY).0.unwrap_err().to_string()
}

#[test]
fn ten_pairs_are_learned_by_heart_and_found_by_their_queries() {
    for pooling in [Pooling::Mean, Pooling::Cls] {
        let mut place = place(
            PAIRS,
            Options {
                batch: 10,
                steps: 60,
                rate: 3e-3,
                dropout: 0.0,
                ..bi(Loss::MultipleNegatives)
            },
        );
        place.pooling = Some(pooling);
        let (trained, events) = place.train(RARELY);
        assert_eq!(trained.unwrap().end, End::Complete);
        let losses = losses(&events);
        assert!(losses[0] > 0.5 && losses[59] < 0.05, "{losses:?}");
        let model = place.saved_bi();
        assert_eq!(model.spec().pooling, pooling);
        let lines: Vec<serde_json::Value> = PAIRS
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let text = |line: &serde_json::Value| {
            let text = line.get("positive").unwrap_or(&line["passage"]);
            text.as_str().unwrap().to_owned()
        };
        let passages: Vec<String> = lines.iter().map(text).collect();
        let passages: Vec<&str> = passages.iter().map(String::as_str).collect();
        for (index, line) in lines.iter().enumerate() {
            let cosines = place.cosines(line["query"].as_str().unwrap(), &passages);
            let best = (0..cosines.len()).max_by(|&a, &b| cosines[a].total_cmp(&cosines[b]));
            assert_eq!(best, Some(index), "{line}: {cosines:?}");
        }
    }
}

#[test]
fn every_loss_of_a_bi_encoder_becomes_smaller() {
    for loss in [
        Loss::MultipleNegatives,
        Loss::Mse,
        Loss::MarginMse,
        Loss::List,
    ] {
        // Three lines have labels up to 2, and one scores.
        let data = match loss {
            Loss::MultipleNegatives => LISTS.replace("scores", "labels"),
            Loss::Mse => LISTS.replace("[2, 0, 1]", "[1, 0, 0.5]"),
            _ => LISTS.to_owned(),
        };
        let place = place(
            &data,
            Options {
                batch: 4,
                steps: 25,
                dropout: 0.0,
                ..bi(loss)
            },
        );
        let (trained, events) = place.train(RARELY);
        trained.unwrap();
        assert!(left_out(&events).is_empty());
        let losses = losses(&events);
        let (first, last) = (losses[0], losses[24]);
        assert!(last < 0.7 * first, "{loss:?}: {first} to {last}");
    }
}

/// With all that has a state, and packs so small that a lane has several.
fn resumed() -> Place<'static> {
    let mut place = place(
        &format!("{PAIRS}{}", LISTS.lines().next().unwrap()),
        Options {
            train_words: true,
            validate_every: 2,
            steps: 4,
            batch: 6,
            pack: 24,
            ..bi(Loss::MultipleNegatives)
        },
    );
    place.held_out = Some(LISTS.lines().take(3).collect::<Vec<_>>().join("\n"));
    place
}

const FILES: [&str; 2] = [CHECKPOINT, "model.safetensors"];

#[test]
fn a_bi_encoder_that_was_interrupted_is_the_same_bit_for_bit() {
    let whole = resumed();
    let progress = RecordingProgress::new();
    let expected = whole.train_until(OFTEN, &progress).0.unwrap();
    let mut stopped = 0;
    for stop in (0..progress.advances()).step_by(2) {
        let part = resumed();
        let progress = RecordingProgress::cancelling_after(stop);
        let trained = part.train_until(OFTEN, &progress).0.unwrap();
        stopped += usize::from(trained.end == End::Stopped);
        assert_eq!(part.train(RESUMED).0.unwrap(), expected);
        for name in FILES {
            assert!(part.bytes(name) == whole.bytes(name), "{name} at {stop}");
        }
    }
    assert!(stopped > 4, "{stopped}");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let alone = resumed();
    pool.unwrap().install(|| alone.train(OFTEN).0.unwrap());
    assert!(alone.bytes(FILES[1]) == whole.bytes(FILES[1]));
}

#[test]
fn a_saved_bi_encoder_describes_itself_and_can_be_a_base() {
    let place = resumed();
    place.train(RARELY).0.unwrap();
    let spec = describe(&place.out(), None).unwrap();
    assert_eq!(spec.role, ModelRole::BiEncoder);
    assert_eq!(
        (spec.query_prefix.as_str(), spec.passage_prefix.as_str()),
        ("query: ", "passage: ")
    );
    assert_eq!((spec.pooling, spec.max_length), (Pooling::Mean, 24));
    let path = place.out();
    let mut second = resumed();
    second.base = path.to_str().unwrap();
    second.train(RARELY).0.unwrap();
    assert!(second.bytes(FILES[1]) != place.bytes(FILES[1]));
}

#[test]
fn lines_that_say_of_nothing_that_it_is_relevant_are_left_out_by_line() {
    let data = format!(
        "{PAIRS}{}\n{}\n",
        r#"{"query": "ice", "passages": ["door", "shelf"], "labels": [0, 0]}"#,
        r#"{"query": "ice", "passages": ["door", "freezer"], "scores": [-2, 3]}"#,
    );
    let (trained, events) = place(&data, bi(Loss::MultipleNegatives)).train(RARELY);
    trained.unwrap();
    let [none, scores] = left_out(&events)[..] else {
        panic!("{events:?}");
    };
    assert!(none.line == 11 && none.reason.contains("no label above 0"));
    assert!(scores.line == 12 && scores.reason.contains("no labels"));
    assert!(scores.path.ends_with("data.jsonl"));
    let mut alone = place(PAIRS, bi(Loss::MultipleNegatives));
    alone.options.batch = 1;
    let (trained, events) = alone.train(RARELY);
    assert!(
        trained
            .unwrap_err()
            .to_string()
            .contains("nothing to learn")
    );
    assert!(left_out(&events)[0].reason.contains("--batch 1"));
}

#[test]
fn what_a_bi_encoder_cannot_do_is_refused_by_name() {
    let of = |change: fn(&mut Options)| {
        let mut place = place(PAIRS, bi(Loss::MultipleNegatives));
        change(&mut place.options);
        error(&place)
    };
    let loss = of(|options| options.loss = Loss::Bce);
    assert!(
        loss.contains("`loss` bce") && loss.contains("no head"),
        "{loss}"
    );
    let layers = of(|options| options.freeze_layers = 2);
    assert!(layers.contains("`freeze-layers` 2"), "{layers}");
    assert!(of(|options| options.head_rate = 2.0).contains("`head-rate`"));
    let scale = of(|options| options.kind = Kind::BiEncoder { scale: 0.0 });
    assert!(scale.contains("`scale` 0"), "{scale}");
    let mut cross = place(PAIRS, options());
    cross.options.loss = Loss::MultipleNegatives;
    assert!(error(&cross).contains("only a bi-encoder"));
    let mut max = place(PAIRS, bi(Loss::MultipleNegatives));
    max.pooling = Some(Pooling::Max);
    assert!(error(&max).contains("its pooling is max"));
}
