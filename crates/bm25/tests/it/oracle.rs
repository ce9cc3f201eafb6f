//! BM25 written the obvious way, and rankings by sorting every score.

use proptest::prelude::*;
use treffer_bm25::{Analyzer, Bm25Config, Bm25Index, Fields, Form};
use treffer_types::{DocId, Score};

use crate::support::{Doc, Sequence, index, large_corpus, plain, weighted};

/// The score of every document, `None` where no term of the query occurs.
fn naive(config: &Bm25Config, index: &Bm25Index, docs: &[Doc], query: &str) -> Vec<Option<f64>> {
    let weights = match config.fields {
        Fields::Concatenated => vec![1.0],
        Fields::Weighted { title, text } => vec![f64::from(title), f64::from(text)],
    };
    let field = |language, texts: &[&String]| {
        let mut field = (Vec::new(), 0);
        for text in texts {
            let (terms, length) = index.document_terms(text, language).unwrap();
            field.0.extend(terms);
            field.1 += length;
        }
        field
    };
    let fields_of = |(doc, title, text): &Doc| {
        let language = index.language_of(DocId(*doc)).unwrap();
        match config.fields {
            Fields::Concatenated => vec![field(language, &[title, text])],
            Fields::Weighted { .. } => vec![field(language, &[title]), field(language, &[text])],
        }
    };
    let docs: Vec<Vec<(Vec<String>, u32)>> = docs.iter().map(fields_of).collect();
    let n_docs = docs.len() as f64;
    let average =
        |field: usize| docs.iter().map(|doc| f64::from(doc[field].1)).sum::<f64>() / n_docs;
    let averages: Vec<f64> = (0..weights.len()).map(average).collect();
    let tf = |field: &[String], term: &String| field.iter().filter(|t| *t == term).count() as f64;
    let (k1, b) = (f64::from(config.k1), f64::from(config.b));
    let pseudo_tf = |doc: &[(Vec<String>, u32)], term: &String| -> f64 {
        let mut sum = 0.0;
        for (i, (terms, length)) in doc.iter().enumerate() {
            if tf(terms, term) > 0.0 && weights[i] > 0.0 {
                let norm = 1.0 - b + b * f64::from(*length) / averages[i];
                sum += weights[i] * tf(terms, term) / norm;
            }
        }
        sum
    };
    let score = |doc: &Vec<(Vec<String>, u32)>| {
        let df =
            |term: &String| docs.iter().filter(|doc| pseudo_tf(doc, term) > 0.0).count() as f64;
        let idf = |df: f64| (1.0 + (n_docs - df + 0.5) / (df + 0.5)).ln();
        let of_term = |term: &String| {
            let tf = pseudo_tf(doc, term);
            (tf > 0.0).then(|| idf(df(term)) * tf / (k1 + tf))
        };
        let mut sum = None;
        // A repeated word comes by repeatedly.
        for word in index.query_words(query).unwrap() {
            let of_form = |form: &Form| {
                let scores: Vec<f64> = form.terms.iter().filter_map(of_term).collect();
                let sum = scores.iter().copied().reduce(|a, b| a + b)?;
                let Some(whole) = &form.cut_from else {
                    return Some(sum);
                };
                let found = form.terms.iter().map(df).filter(|df| *df > 0.0);
                Some(sum * (0.8 * idf(df(whole)) / found.map(idf).sum::<f64>()).min(1.0))
            };
            let best = word.forms.iter().filter_map(of_form).reduce(f64::max);
            if let Some(best) = best {
                sum = Some(sum.unwrap_or(0.0) + best);
            }
        }
        sum
    };
    docs.iter().map(score).collect()
}

/// What `search` must give: the documents that hold a term, by score, then by number.
fn sorted(
    docs: &[Doc],
    scores: &[Score],
    holds_term: impl Fn(usize) -> bool,
) -> Vec<(DocId, Score)> {
    let mut ranking: Vec<(DocId, Score)> = (0..docs.len())
        .filter(|&i| holds_term(i))
        .map(|i| (DocId(docs[i].0), scores[i]))
        .collect();
    ranking.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    ranking
}

fn all(docs: &[Doc]) -> Vec<DocId> {
    docs.iter().map(|doc| DocId(doc.0)).collect()
}

pub(crate) fn words(max: usize) -> impl Strategy<Value = String> {
    // Letters side by side are pairs (`a b` is `ab`, too), and so are letters and digits.
    let word = prop_oneof![4 => "[ab]", 2 => "[c-f]", 1 => "[g-p]", 1 => "[ab]-?[12]", 1 => "abc"];
    prop::collection::vec(word, 0..max).prop_map(|words| words.join(" "))
}

fn corpus() -> impl Strategy<Value = Vec<Doc>> {
    let doc = (words(4), words(20));
    prop::collection::vec(doc, 0..40).prop_map(numbered)
}

/// Documents numbered from 0.
fn numbered(docs: Vec<(String, String)>) -> Vec<Doc> {
    let docs = (0..).zip(docs);
    docs.map(|(doc, (title, text))| (doc, title, text))
        .collect()
}

/// Words of a language whose compounds are cut, and compounds of them.
pub(crate) fn german_words(max: usize) -> impl Strategy<Value = String> {
    let simple = || prop::sample::select(vec!["labor", "kühl", "schrank", "wohnung", "brand"]);
    let link = prop::sample::select(vec!["", "", "s", "en", "x"]);
    let compound = (simple(), link, simple()).prop_map(|(a, link, b)| [a, link, b].concat());
    let long = (simple(), simple(), simple()).prop_map(|(a, b, c)| [a, b, c].concat());
    let hyphens = (simple(), simple()).prop_map(|(a, b)| format!("{a}-{b}"));
    let word = prop_oneof![
        3 => simple().prop_map(str::to_owned), 3 => compound, 1 => long, 1 => hyphens,
        1 => "[ab]-?[12]",
    ];
    prop::collection::vec(word, 0..max).prop_map(|words| words.join(" "))
}

fn german_corpus() -> impl Strategy<Value = Vec<Doc>> {
    let doc = (german_words(3), german_words(12));
    prop::collection::vec(doc, 0..20).prop_map(numbered)
}

pub(crate) fn settings() -> impl Strategy<Value = Bm25Config> {
    let fields = prop_oneof![
        Just(plain()),
        (0.0f32..3.0, 0.1f32..3.0).prop_map(|(title, text)| weighted(title, text)),
        Just(weighted(0.0, 1.0)),
        Just(weighted(2.0, 0.0)),
    ];
    (fields, 0.0f32..3.0, 0.0f32..=1.0).prop_map(|(config, k1, b)| Bm25Config { k1, b, ..config })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn search_and_score_agree_with_the_obvious_bm25(
        docs in corpus(),
        queries in prop::collection::vec(words(8), 1..6),
        config in settings(),
        depth in 1usize..12,
    ) {
        let (_dir, index) = index(&config, &docs);
        prop_assert_eq!(index.n_docs() as usize, docs.len());
        for query in &queries {
            let expected = naive(&config, &index, &docs, query);
            let scores = index.score(query, &all(&docs)).unwrap();
            for (score, expected) in scores.iter().zip(&expected) {
                let expected = expected.unwrap_or(0.0);
                prop_assert!((f64::from(score.value()) - expected).abs() <= 1e-6 * expected);
            }
            let ranking = sorted(&docs, &scores, |i| expected[i].is_some());
            prop_assert_eq!(&index.search(query, docs.len() + 1, None).unwrap(), &ranking);
            let shallow = index.search(query, depth, None).unwrap();
            prop_assert_eq!(&shallow[..], &ranking[..depth.min(ranking.len())]);
        }
    }

    #[test]
    fn compounds_agree_with_the_obvious_bm25(
        docs in german_corpus(),
        queries in prop::collection::vec(german_words(5), 1..6),
        config in settings(),
        analyzer in prop::sample::select(vec![Analyzer::German, Analyzer::Mixed]),
        depth in 1usize..12,
    ) {
        let config = Bm25Config { analyzer, ..config };
        let (_dir, index) = index(&config, &docs);
        for query in &queries {
            let expected = naive(&config, &index, &docs, query);
            let scores = index.score(query, &all(&docs)).unwrap();
            for (score, expected) in scores.iter().zip(&expected) {
                let expected = expected.unwrap_or(0.0);
                prop_assert!((f64::from(score.value()) - expected).abs() <= 1e-6 * expected);
            }
            let ranking = sorted(&docs, &scores, |i| expected[i].is_some());
            let shallow = index.search(query, depth, None).unwrap();
            prop_assert_eq!(&shallow[..], &ranking[..depth.min(ranking.len())]);
            for (doc, score) in all(&docs).into_iter().zip(&scores) {
                let terms = index.explain(query, doc).unwrap();
                let sum: f64 = terms.iter().map(|term| f64::from(term.score.value())).sum();
                prop_assert!((sum - f64::from(score.value())).abs() <= 1e-5 * sum);
            }
        }
    }

    #[test]
    fn a_further_query_term_never_lowers_a_score(
        docs in corpus(),
        query in words(8),
        further in "[a-p1]",
        config in settings(),
    ) {
        let (_dir, index) = index(&config, &docs);
        let docs = all(&docs);
        let before = index.score(&query, &docs).unwrap();
        // After a blank alone it might be the unit of a number, or the other half of a word.
        let after = index.score(&format!("{query}; {further}"), &docs).unwrap();
        prop_assert!(before.iter().zip(&after).all(|(before, after)| before <= after));
    }

    #[test]
    fn the_parts_of_an_explanation_sum_to_the_score(
        docs in corpus(),
        query in words(8),
        config in settings(),
    ) {
        let (_dir, index) = index(&config, &docs);
        let k1 = f64::from(config.k1);
        for (doc, score) in all(&docs).into_iter().zip(index.score(&query, &all(&docs)).unwrap()) {
            let terms = index.explain(&query, doc).unwrap();
            let sum: f64 = terms.iter().map(|term| f64::from(term.score.value())).sum();
            prop_assert!((sum - f64::from(score.value())).abs() <= 1e-5 * sum);
            for term in terms {
                let tf: f64 = term.fields.iter().map(|field| field.normalized_tf).sum();
                let part = f64::from(term.query_tf) * term.weight * term.idf * tf / (k1 + tf);
                prop_assert!((part - f64::from(term.score.value())).abs() <= 1e-6 * part);
                prop_assert_eq!(term.tf, term.fields.iter().map(|field| field.tf).sum::<u32>());
            }
        }
    }
}

#[test]
fn every_depth_of_a_large_index_is_the_head_of_the_sorted_scores() {
    let docs = large_corpus(9000);
    for config in [plain(), weighted(2.0, 1.0), weighted(0.0, 1.0)] {
        let (_dir, index) = index(&config, &docs);
        let mut sequence = Sequence(11);
        for n_words in [1, 1, 2, 3, 5, 8, 20, 400] {
            let query = sequence.words(n_words);
            let scores = index.score(&query, &all(&docs)).unwrap();
            let ranking = sorted(&docs, &scores, |i| scores[i] > Score::ZERO);
            for depth in [1, 2, 10, 100, 1000, 9000, usize::MAX] {
                let expected = &ranking[..depth.min(ranking.len())];
                assert_eq!(
                    index.search(&query, depth, None).unwrap(),
                    expected,
                    "{query} {depth}"
                );
            }
        }
    }
}

#[test]
fn a_large_index_agrees_with_the_obvious_bm25() {
    let docs = large_corpus(3000);
    for config in [plain(), weighted(2.0, 1.0)] {
        let (_dir, index) = index(&config, &docs);
        let query = "w3 w0 w150 w3";
        let scores = index.score(query, &all(&docs)).unwrap();
        for (score, expected) in scores.iter().zip(naive(&config, &index, &docs, query)) {
            let expected = expected.unwrap_or(0.0);
            assert!((f64::from(score.value()) - expected).abs() <= 1e-6 * expected);
        }
    }
}
