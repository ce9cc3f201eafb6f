//! Data, bases and options that cannot be followed are refused with a reason.

use treffer_encoder::parts::Parts;
use treffer_train::{Loss, Options, base_folder};

use crate::support::{LISTS, Place, RARELY, TEN, golden, left_out, options};

fn error(place: &Place<'_>) -> String {
    place.train(RARELY).0.unwrap_err().to_string()
}

fn place(data: &str, loss: Loss) -> Place<'static> {
    Place::new(data, Options { loss, ..options() })
}

#[test]
fn labels_outside_their_range_are_left_out_by_line() {
    let data = format!(
        "{TEN}{}\n",
        r#"{"query": "ice", "passage": "door", "label": 7}"#
    );
    let place = place(&data, Loss::Bce);
    let (trained, events) = place.train(RARELY);
    trained.unwrap();
    let [line] = left_out(&events)[..] else {
        panic!("{events:?}");
    };
    assert_eq!(line.line, 11);
    assert!(line.path.ends_with("data.jsonl"));
    assert!(line.reason.contains("the label 7"), "{}", line.reason);
}

#[test]
fn data_in_which_nothing_fits_is_refused() {
    let none = error(&place(TEN, Loss::List));
    assert!(none.contains("nothing to learn from"), "{none}");
    let mut held_out = place(TEN, Loss::Bce);
    held_out.held_out = Some(TEN.to_owned());
    let none = error(&held_out);
    assert!(none.contains("held-out"), "{none}");
}

#[test]
fn data_of_one_class_is_refused() {
    let ones: String = TEN.lines().step_by(2).collect::<Vec<_>>().join("\n");
    let one = error(&place(&ones, Loss::Bce));
    assert!(one.contains("every passage is 1"), "{one}");
    assert!(one.contains("treffer mine"), "{one}");
}

#[test]
fn a_base_with_another_head_is_refused() {
    let mut classes = place(TEN, Loss::Bce);
    classes.base = "tiny-bert-cross-3class";
    let text = error(&classes);
    assert!(
        text.contains("3 classes") && text.contains("`classes`"),
        "{text}"
    );
    let text = error(&place(TEN, Loss::Classes));
    assert!(text.contains("one output"), "{text}");
}

#[test]
fn a_base_that_cannot_be_trained_is_refused() {
    let narrow = base_folder("narrow", golden("tiny-electra-cross"));
    let narrow = Parts::open(&narrow, 24)
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert!(narrow.contains("narrower"), "{narrow}");
    let long = base_folder("long", golden("tiny-bert-cross"));
    let long = Parts::open(&long, 4000).map(|_| ()).unwrap_err();
    let text = format!("{long} {}", long.source_text());
    assert!(text.contains("4000"), "{text}");
}

/// An error's causes on one line.
trait SourceText {
    fn source_text(&self) -> String;
}

impl<E: std::error::Error> SourceText for E {
    fn source_text(&self) -> String {
        let source = self.source();
        source.map_or_else(String::new, ToString::to_string)
    }
}

#[test]
fn options_that_cannot_be_followed_are_refused_by_name() {
    type Change = fn(&mut Options);
    let bad: [(&str, Change); 9] = [
        ("batch", |o| o.batch = 0),
        ("steps", |o| o.steps = 0),
        ("rate", |o| o.rate = f64::NAN),
        ("dropout", |o| o.dropout = 1.0),
        ("warm-up", |o| o.warm_up = 1.5),
        ("layers", |o| o.layers = Some(3)),
        ("freeze-layers", |o| o.freeze_layers = 3),
        ("temperature", |o| o.temperature = 0.0),
        ("train-words", |o| {
            (o.train_words, o.freeze_layers) = (true, 1);
        }),
    ];
    for (name, change) in bad {
        let mut place = place(LISTS, Loss::List);
        change(&mut place.options);
        let text = error(&place);
        assert!(text.contains(&format!("`{name}`")), "{name}: {text}");
    }
}
