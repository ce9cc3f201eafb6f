//! Re-ranking against asking the cross-encoder pair by pair.

use treffer_engine::Error;
use treffer_engine::rerank::rerank;
use treffer_engine::{Engine, OpenOptions};
use treffer_eval::{Run, RunEntry};
use treffer_testkit::{RecordingProgress, random_corpus, random_queries};
use treffer_types::{NoProgress, PairScorer, Query, StageName};

use crate::support::Place;

/// Every query's ranking: `docs` in that order.
fn run(queries: &[Query], docs: &[String]) -> Run {
    let entry = |(at, doc): (usize, &String)| RunEntry {
        doc: doc.clone(),
        score: -(at as f64),
    };
    Run::from_rankings(queries.iter().map(|query| {
        let entries = docs.iter().enumerate().map(entry);
        (query.id.clone(), entries.collect())
    }))
}

#[test]
fn documents_are_ordered_by_what_the_model_says_of_each_pair() {
    let documents = random_corpus(3, 30);
    let place = Place::built(&documents);
    let index = place.open();
    let queries = random_queries(4, 5);
    // Every third document, and one that is nowhere, which takes no place of the depth.
    let mut docs: Vec<String> = (0..30).step_by(3).map(|n| format!("d{n}")).collect();
    docs.insert(1, "nowhere".to_owned());
    let reranked = rerank(&index, &run(&queries, &docs), &queries, 7, &NoProgress).unwrap();
    assert_eq!(reranked.n_scored, 5 * 7);
    assert_eq!(reranked.unknown.len(), 5);
    assert!(reranked.unknown.iter().all(|(_, doc)| doc == "nowhere"));
    docs.remove(1);
    for query in &queries {
        let logit = |id: &str| {
            let text = documents.iter().find(|d| d.id == id).unwrap().full_text();
            let pair = place.fakes.scorer.score_pairs(&query.text, &[&text]);
            pair.unwrap()[0].score
        };
        let mut expected = docs[..7].to_vec();
        expected.sort_by(|a, b| logit(b).total_cmp(&logit(a)));
        expected.extend_from_slice(&docs[7..]);
        let ranking: Vec<&str> = reranked.run.ranking(&query.id).collect();
        assert_eq!(ranking, expected);
        let scores: Vec<f64> = reranked.run.0[&query.id].iter().map(|e| e.score).collect();
        assert!(scores.windows(2).all(|pair| pair[0] >= pair[1]));
        assert_eq!(scores[0], f64::from(logit(ranking[0])));
    }
}

#[test]
fn queries_that_only_one_side_has_are_counted() {
    let place = Place::built(&random_corpus(3, 10));
    let index = place.open();
    let queries = random_queries(4, 3);
    let ranked = run(&queries[..2], &["d1".to_owned()]);
    let reranked = rerank(&index, &ranked, &queries[1..], 5, &NoProgress).unwrap();
    assert_eq!(reranked.without_text, [queries[0].id.clone()]);
    assert_eq!(reranked.not_in_run, 1);
    assert_eq!(reranked.run.0.len(), 1);
}

#[test]
fn progress_is_told_by_query_and_can_be_stopped() {
    let place = Place::built(&random_corpus(3, 10));
    let index = place.open();
    let queries = random_queries(4, 6);
    let ranked = run(&queries, &["d1".to_owned(), "d2".to_owned()]);
    let progress = RecordingProgress::new();
    rerank(&index, &ranked, &queries, 5, &progress).unwrap();
    assert_eq!(progress.advances(), 6);
    let progress = RecordingProgress::cancelling_after(2);
    let stopped = rerank(&index, &ranked, &queries, 5, &progress);
    assert!(matches!(stopped, Err(Error::Cancelled)));
}

#[test]
fn what_cannot_be_reranked_says_why() {
    let place = Place::built(&random_corpus(3, 10));
    let index = place.open();
    let mut queries = random_queries(4, 2);
    let ranked = run(&queries, &["d1".to_owned()]);
    let message = |index: &Engine, queries: &[Query]| {
        let refused = rerank(index, &ranked, queries, 5, &NoProgress);
        refused.unwrap_err().to_string()
    };
    assert!(message(&index, &[]).contains("no query of the run has a text"));
    let twice = [queries[0].clone(), queries[0].clone()];
    assert!(message(&index, &twice).contains("two queries have the id"));
    queries[1].text = " ".to_owned();
    assert!(message(&index, &queries).contains("is empty"));
    let options = OpenOptions {
        stages: Some(vec![StageName::BM25]),
        ..OpenOptions::default()
    };
    let index = Engine::open(&place.dir(), &options, &place.fakes).unwrap();
    assert!(message(&index, &queries).contains("the index has no cross-encoder"));
}
