//! What labels mean, and what scores come of logits.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn parse(config: Value) -> Result<Labels, String> {
    let labels = Labels::parse(Path::new("config.json"), config.to_string().as_bytes());
    labels.map_err(|error| error.to_string())
}

fn labels(names: &[&str]) -> Labels {
    let names: BTreeMap<String, &str> = (0..)
        .map(|id: usize| id.to_string())
        .zip(names.iter().copied())
        .collect();
    parse(json!({ "id2label": names })).unwrap()
}

fn by_names(names: &[&str]) -> Result<Scoring, String> {
    labels(names).scoring(&Scoring::Logit)
}

#[test]
fn of_two_opposite_labels_the_positive_one_counts_wherever_it_stands() {
    for (positive, negative) in [
        ("relevant", "not_relevant"),
        ("Relevant", "irrelevant"),
        ("relevant", "non-relevant"),
        ("entailment", "not_entailment"),
        ("duplicate", "not_duplicate"),
        ("is_duplicate", "is_not_duplicate"),
        ("answer", "no answer"),
        ("related", "unrelated"),
        ("True", "False"),
        ("yes", "no"),
        ("1", "0"),
    ] {
        let expected = Ok(Scoring::Label(positive.to_owned()));
        assert_eq!(by_names(&[negative, positive]), expected);
        assert_eq!(by_names(&[positive, negative]), expected);
    }
}

#[test]
fn numbers_are_grades_and_nothing_else_is() {
    assert_eq!(
        by_names(&["0", "1", "2"]),
        Ok(Scoring::Grades(vec![0, 1, 2]))
    );
    assert_eq!(
        by_names(&["3", "1", "0"]),
        Ok(Scoring::Grades(vec![3, 1, 0]))
    );
    for names in [
        &["LABEL_0", "LABEL_1", "LABEL_2"][..],
        &["LABEL_0", "LABEL_1"],
        &["contradiction", "entailment", "neutral"],
        &["positive", "negative"],
        &["1", "1"],
        &["not_relevant"],
    ] {
        let message = by_names(names).unwrap_err();
        assert!(
            message.contains("`label`") || message.contains("`label ="),
            "{message}"
        );
        assert!(message.contains(names[0]), "{message}");
    }
}

#[test]
fn one_class_is_a_logit() {
    assert_eq!(by_names(&["LABEL_0"]), Ok(Scoring::Logit));
    let unnamed = parse(json!({})).unwrap();
    assert_eq!(unnamed.scoring(&Scoring::Logit), Ok(Scoring::Logit));
    assert_eq!(unnamed.reading(&Scoring::Logit, 1), Ok(Reading::Class(0)));
    let message = unnamed.reading(&Scoring::Logit, 2).unwrap_err();
    assert!(message.contains("2 classes"), "{message}");
}

#[test]
fn a_label_is_found_by_name_case_or_number() {
    let nli = labels(&["contradiction", "Entailment", "neutral"]);
    for label in ["Entailment", "entailment", "1"] {
        let scoring = Scoring::Label(label.to_owned());
        assert_eq!(nli.scoring(&scoring), Ok(scoring.clone()));
        assert_eq!(nli.reading(&scoring, 3), Ok(Reading::LogOdds(1)));
    }
    for label in ["entails", "3"] {
        let message = nli.scoring(&Scoring::Label(label.to_owned())).unwrap_err();
        assert!(message.contains("`Entailment`"), "{message}");
    }
    let unnamed = parse(json!({})).unwrap();
    let second = Scoring::Label("1".to_owned());
    assert_eq!(unnamed.reading(&second, 2), Ok(Reading::LogOdds(1)));
    assert!(unnamed.reading(&second, 1).is_err());
    assert!(unnamed.reading(&Scoring::Label("x".to_owned()), 2).is_err());
}

#[test]
fn grades_must_be_as_many_as_classes() {
    let three = labels(&["LABEL_0", "LABEL_1", "LABEL_2"]);
    let grades = Scoring::Grades(vec![0, 1, 3]);
    assert_eq!(three.scoring(&grades), Ok(grades.clone()));
    assert_eq!(
        three.reading(&grades, 3),
        Ok(Reading::Expected(vec![0, 1, 3]))
    );
    assert!(three.scoring(&Scoring::Grades(vec![0, 1])).is_err());
    assert!(three.reading(&grades, 4).is_err());
}

#[test]
fn classes_that_are_no_alternatives_need_a_label_and_keep_its_logit() {
    let config = json!({
        "problem_type": "multi_label_classification",
        "id2label": { "0": "recent", "1": "relevant" },
    });
    let labels = parse(config).unwrap();
    assert!(
        labels
            .scoring(&Scoring::Logit)
            .unwrap_err()
            .contains("`label`")
    );
    assert!(labels.scoring(&Scoring::Grades(vec![0, 1])).is_err());
    let relevant = Scoring::Label("relevant".to_owned());
    assert_eq!(labels.reading(&relevant, 2), Ok(Reading::Class(1)));
}

#[test]
fn both_keys_must_agree_unless_one_has_placeholders() {
    let names = |id2label: Value, label2id: Value| {
        parse(json!({ "id2label": id2label, "label2id": label2id })).map(|labels| labels.names)
    };
    let placeholders = json!({ "0": "LABEL_0", "1": "LABEL_1" });
    let expected = Ok(Some(vec!["relevant".to_owned(), "irrelevant".to_owned()]));
    assert_eq!(
        names(placeholders, json!({ "irrelevant": 1, "relevant": 0 })),
        expected
    );
    let named = json!({ "0": "relevant", "1": "irrelevant" });
    assert_eq!(
        names(named.clone(), json!({ "LABEL_0": 0, "LABEL_1": 1 })),
        expected
    );
    assert_eq!(
        names(named.clone(), json!({ "irrelevant": "1", "relevant": "0" })),
        expected
    );
    let message = names(named, json!({ "irrelevant": 0, "relevant": 1 })).unwrap_err();
    assert!(message.contains("`label2id`"), "{message}");
    for broken in [json!({ "1": "a" }), json!({ "x": "a" }), json!({})] {
        assert!(parse(json!({ "id2label": broken })).is_err());
    }
}

#[test]
fn two_classes_give_the_difference_of_their_logits() {
    assert_eq!(Reading::LogOdds(1).score(&[0.25, -3.5]), -3.75);
    assert_eq!(Reading::LogOdds(0).score(&[0.25, -3.5]), 3.75);
    assert_eq!(Reading::Class(0).score(&[-11.25]), -11.25);
    let expected = Reading::Expected(vec![0, 1, 2]);
    assert_eq!(expected.score(&[0.0, 0.0, 1000.0]), 2.0);
    assert_eq!(expected.score(&[3.0, 3.0, 3.0]), 1.0);
}

proptest! {
    #[test]
    fn log_odds_are_those_of_the_softmax(
        logits in prop::collection::vec(-8f32..8.0, 2..6),
        class in 0usize..6,
    ) {
        let class = class % logits.len();
        let total: f64 = logits.iter().map(|&logit| f64::from(logit).exp()).sum();
        let probability = f64::from(logits[class]).exp() / total;
        let expected = (probability / (1.0 - probability)).ln();
        let found = f64::from(Reading::LogOdds(class).score(&logits));
        prop_assert!((found - expected).abs() < 1e-3, "{} {}", found, expected);
    }

    #[test]
    fn an_expected_grade_lies_between_the_grades(
        logits in prop::collection::vec(-500f32..500.0, 3),
        grades in prop::collection::vec(0i32..9, 3),
    ) {
        let (low, high) = (*grades.iter().min().unwrap(), *grades.iter().max().unwrap());
        let grade = Reading::Expected(grades).score(&logits);
        prop_assert!((low as f32..=high as f32).contains(&grade));
    }
}
