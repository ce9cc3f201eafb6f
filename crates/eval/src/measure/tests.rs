//! Values computed by hand, and properties of every ranking. The comparison with trec_eval
//! is in `tests/golden.rs`.

use proptest::prelude::*;

use super::*;

fn judgments(grades: &[(&str, Grade)]) -> BTreeMap<String, Grade> {
    grades
        .iter()
        .map(|(doc, grade)| ((*doc).to_owned(), *grade))
        .collect()
}

fn metric(text: &str) -> Metric {
    text.parse().unwrap()
}

#[test]
fn every_metric_follows_its_definition() {
    let judged = judgments(&[("a", 3), ("b", 1), ("c", 0), ("d", 2), ("e", -1)]);
    let ranking = ["x", "b", "c", "a", "e"];
    let log2 = f64::log2;
    let ideal = 3.0 + 2.0 / log2(3.0) + 1.0 / log2(4.0);
    for (name, expected) in [
        ("nDCG@10", (1.0 / log2(3.0) + 3.0 / log2(5.0)) / ideal),
        ("nDCG@2", (1.0 / log2(3.0)) / (3.0 + 2.0 / log2(3.0))),
        ("MRR", 0.5),
        ("MRR@1", 0.0),
        ("MRR(rel=2)", 0.25),
        ("MAP", (1.0 / 2.0 + 2.0 / 4.0) / 3.0),
        ("MAP@3", (1.0 / 2.0) / 3.0),
        ("MAP(rel=3)", 0.25),
        ("Recall@3", 1.0 / 3.0),
        ("Recall@100", 2.0 / 3.0),
        ("P@4", 0.5),
        ("P@10", 0.2),
        ("Success@1", 0.0),
        ("Success@2", 1.0),
        ("Judged@10", 0.8),
        ("Judged@2", 0.5),
        ("NumRet", 5.0),
        ("NumRet(rel=1)", 2.0),
        ("NumRel", 3.0),
        ("NumRel(rel=2)", 2.0),
    ] {
        let value = metric(name).score(ranking, Some(&judged));
        assert!(
            (value - expected).abs() < 1e-15,
            "{name}: {value} against {expected}"
        );
    }
}

#[test]
fn metrics_are_zero_without_results_relevant_documents_or_judgments() {
    let relevant = judgments(&[("a", 1)]);
    let irrelevant = judgments(&[("a", 0), ("b", -1)]);
    for name in [
        "nDCG@10",
        "nDCG",
        "MRR@10",
        "MAP",
        "Recall@100",
        "P@10",
        "Success@1",
    ] {
        assert_eq!(metric(name).score([], Some(&relevant)), 0.0);
        assert_eq!(metric(name).score(["a", "b"], Some(&irrelevant)), 0.0);
        assert_eq!(metric(name).score(["a", "b"], None), 0.0);
    }
    assert_eq!(metric("Judged@10").score([], Some(&relevant)), 0.0);
    assert_eq!(metric("NumRet").score(["a", "b"], None), 2.0);
}

#[test]
fn a_repeated_document_counts_once() {
    let judged = judgments(&[("a", 1), ("b", 1)]);
    for name in ["nDCG@10", "MAP", "Recall@5", "P@2", "NumRet", "Judged"] {
        assert_eq!(
            metric(name).score(["a", "a", "x", "b", "a"], Some(&judged)),
            metric(name).score(["a", "x", "b"], Some(&judged)),
            "{name}"
        );
    }
}

/// Metrics that are fractions: all but the counts.
const FRACTIONS: [&str; 12] = [
    "nDCG@10",
    "nDCG@3",
    "nDCG",
    "MRR@10",
    "MRR(rel=2)",
    "MAP",
    "MAP@5",
    "Recall@5",
    "P@5",
    "P(rel=3)@10",
    "Success@3",
    "Judged@10",
];

fn grades() -> impl Strategy<Value = Vec<Option<Grade>>> {
    prop::collection::vec(prop::option::of(-2..=4_i32), 0..30)
}

/// Documents by rank, some of them judged; those of `extra` are judged but not retrieved.
fn topic(grades: &[Option<Grade>], extra: &[Grade]) -> (Vec<String>, BTreeMap<String, Grade>) {
    let docs: Vec<String> = (0..grades.len()).map(|i| format!("d{i}")).collect();
    let found = docs
        .iter()
        .zip(grades)
        .filter_map(|(doc, grade)| Some((doc.clone(), (*grade)?)));
    let missed = extra
        .iter()
        .enumerate()
        .map(|(i, grade)| (format!("m{i}"), *grade));
    let judged = found.chain(missed).collect();
    (docs, judged)
}

proptest! {
    #[test]
    fn fractions_lie_between_zero_and_one(
        grades in grades(),
        extra in prop::collection::vec(-1..=4_i32, 0..5),
    ) {
        let (docs, judged) = topic(&grades, &extra);
        for name in FRACTIONS {
            let value = metric(name).score(docs.iter().map(String::as_str), Some(&judged));
            prop_assert!((0.0..=1.0 + 1e-12).contains(&value), "{name}: {value}");
        }
    }

    #[test]
    fn the_ideal_ranking_has_the_value_one(grades in grades()) {
        let mut best = grades.clone();
        best.sort_by(|a, b| b.cmp(a));
        let (docs, judged) = topic(&best, &[]);
        let n_relevant = best.iter().flatten().filter(|grade| **grade > 0).count();
        for name in ["nDCG@10", "nDCG@3", "nDCG", "MRR", "MAP", "Success@1", "Recall@30"] {
            let value = metric(name).score(docs.iter().map(String::as_str), Some(&judged));
            let expected = if n_relevant > 0 { 1.0 } else { 0.0 };
            prop_assert!((value - expected).abs() < 1e-12, "{name}: {value}");
        }
    }

    #[test]
    fn documents_below_the_cutoff_change_nothing(
        grades in grades(),
        below in grades(),
        extra in prop::collection::vec(0..=4_i32, 0..5),
    ) {
        let (_, judged) = topic(&grades, &extra);
        let topic = Topic::new(&judged);
        for name in ["nDCG@10", "MRR@10", "MAP@10", "Recall@10", "P@10", "Success@10", "Judged@10"] {
            let mut long: Vec<_> = grades.iter().copied().take(10).collect();
            long.resize(10, Some(0));
            let short = metric(name).score_grades(&long, &topic);
            long.extend(&below);
            prop_assert_eq!(metric(name).score_grades(&long, &topic), short, "{}", name);
        }
    }

    #[test]
    fn irrelevant_documents_at_the_end_change_nothing(grades in grades(), n in 0_usize..5) {
        let (_, judged) = topic(&grades, &[2, 1]);
        let topic = Topic::new(&judged);
        for name in ["nDCG@10", "nDCG", "MRR", "MAP", "Recall@10", "P@10", "Success@10"] {
            let longer: Vec<_> = grades.iter().copied().chain(vec![None; n]).collect();
            prop_assert_eq!(
                metric(name).score_grades(&longer, &topic),
                metric(name).score_grades(&grades, &topic)
            );
        }
    }

    #[test]
    fn moving_a_better_document_up_never_lowers_a_metric(
        mut grades in grades(),
        a: prop::sample::Index,
        b: prop::sample::Index,
    ) {
        if grades.is_empty() {
            return Ok(());
        }
        let (_, judged) = topic(&grades, &[3]);
        let topic = Topic::new(&judged);
        let (a, b) = (a.index(grades.len()), b.index(grades.len()));
        let (upper, lower) = (a.min(b), a.max(b));
        let gain = |grade: Option<Grade>| grade.unwrap_or(0).max(0);
        if gain(grades[lower]) <= gain(grades[upper]) {
            return Ok(());
        }
        let score = |grades: &[Option<Grade>]| {
            ["nDCG@10", "nDCG", "MRR", "MAP", "Recall@10", "P@10", "Success@3"]
                .map(|name| metric(name).score_grades(grades, &topic))
        };
        let before = score(&grades);
        grades.swap(upper, lower);
        for (before, after) in before.into_iter().zip(score(&grades)) {
            prop_assert!(after >= before - 1e-12);
        }
    }
}
