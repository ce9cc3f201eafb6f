//! Judgments by the cross-encoder: what is read, and what grade it gets.

use std::collections::BTreeMap;

use treffer_engine::judge::{JudgeRequest, Judgment, USUAL_THRESHOLDS, judge};
use treffer_engine::profile::Profile;
use treffer_engine::{Engine, OpenOptions};
use treffer_engine::{Error, evaluate::evaluate, topics::Topics};
use treffer_testkit::{RecordingProgress, random_corpus, random_queries};
use treffer_types::{NoProgress, PairScorer, Qrels, Query, StageName};

use crate::support::{CROSS, Place, depths, raw, search};

fn judged(index: &Engine, depth: usize, queries: &[Query]) -> Result<Vec<Judgment>, Error> {
    let request = JudgeRequest {
        profile: &Profile::default(),
        depth,
        thresholds: Some(&USUAL_THRESHOLDS),
    };
    judge(index, &request, queries, &NoProgress)
}

#[test]
fn the_first_documents_to_be_read_are_graded_by_their_logits() {
    let documents = random_corpus(2, 40);
    let place = Place::built(&documents);
    let index = place.open();
    let texts: BTreeMap<&str, String> = documents
        .iter()
        .map(|d| (d.id.as_str(), d.full_text()))
        .collect();
    for query in random_queries(9, 5) {
        let judgments = judged(&index, 7, std::slice::from_ref(&query)).unwrap();
        let profile = Profile {
            depths: depths(200, 200, 7),
            ..Profile::default()
        };
        let mut read: Vec<String> = search(&index, &profile, &query.text)
            .hits
            .into_iter()
            .filter(|hit| raw(hit, CROSS).is_some())
            .map(|hit| hit.id)
            .collect();
        read.sort();
        let docs: Vec<&String> = judgments.iter().map(|judgment| &judgment.doc).collect();
        assert!(docs.into_iter().eq(&read));
        for judgment in &judgments {
            let pair = place
                .fakes
                .scorer
                .score_pairs(&query.text, &[&texts[judgment.doc.as_str()]]);
            let logit = pair.unwrap()[0].score;
            // Logits at which the sigmoid is 0.5, 0.9 and 0.99.
            let grade = [0.0, 2.1972246, 4.59512]
                .iter()
                .filter(|at| logit >= **at)
                .count();
            assert_eq!(judgment.grade, grade as i32, "{logit}");
            assert_eq!(judgment.query, query.id);
        }
    }
}

#[test]
fn the_judge_agrees_with_itself() {
    let place = Place::built(&random_corpus(2, 40));
    let index = place.open();
    let queries = random_queries(9, 8);
    let mut qrels = Qrels::default();
    for Judgment { query, doc, grade } in judged(&index, 40, &queries).unwrap() {
        qrels.0.entry(query).or_default().insert(doc, grade);
    }
    let topics = Topics::new(&index, queries, qrels, None).unwrap();
    let profile = Profile {
        depths: depths(200, 200, 40),
        ..Profile::default()
    };
    let metric = "nDCG@10".parse().unwrap();
    let report = evaluate(&index, &profile, None, &topics, &[metric], &NoProgress).unwrap();
    let row = report.rows.iter().find(|row| row.name == "cross").unwrap();
    let judged_relevant = |query: &String| topics.qrels.0[query].values().any(|grade| *grade > 0);
    for (query, values) in &row.evaluation.queries {
        let expected = if judged_relevant(query) { 1.0 } else { 0.0 };
        assert!((values[0] - expected).abs() < 1e-12, "{query}");
    }
}

#[test]
fn progress_is_told_by_query_and_can_be_stopped() {
    let place = Place::built(&random_corpus(2, 20));
    let index = place.open();
    let request = JudgeRequest {
        profile: &Profile::default(),
        depth: 5,
        thresholds: Some(&USUAL_THRESHOLDS),
    };
    let queries = random_queries(9, 6);
    let progress = RecordingProgress::new();
    judge(&index, &request, &queries, &progress).unwrap();
    assert_eq!(progress.advances(), 6);
    let progress = RecordingProgress::cancelling_after(2);
    let stopped = judge(&index, &request, &queries, &progress);
    assert!(matches!(stopped, Err(Error::Cancelled)));
}

#[test]
fn what_cannot_be_judged_says_why() {
    let place = Place::built(&random_corpus(2, 20));
    let index = place.open();
    let queries = random_queries(9, 2);
    let message = |result: Result<Vec<Judgment>, Error>| result.unwrap_err().to_string();
    let twice = [queries[0].clone(), queries[0].clone()];
    assert!(message(judged(&index, 5, &twice)).contains("two queries have the id"));
    assert!(message(judged(&index, 0, &queries)).contains("nothing can be judged here"));
    let request = JudgeRequest {
        profile: &Profile::default(),
        depth: 5,
        thresholds: Some(&[0.9, 0.5]),
    };
    let refused = judge(&index, &request, &queries, &NoProgress);
    assert!(message(refused).contains("the thresholds are 0.9,0.5"));
    let options = OpenOptions {
        stages: Some(vec![StageName::BM25, StageName::DENSE]),
        ..OpenOptions::default()
    };
    let index = Engine::open(&place.dir(), &options, &place.fakes).unwrap();
    assert!(message(judged(&index, 5, &queries)).contains("nothing can be judged here"));
}

#[test]
fn as_many_are_judged_as_asked_whatever_the_profile_saves() {
    let place = Place::built(&random_corpus(2, 60));
    let index = place.open();
    let profile = Profile {
        cross_patience: 1,
        cross_passages: 3,
        ..Profile::default()
    };
    let request = JudgeRequest {
        profile: &profile,
        depth: 40,
        thresholds: Some(&USUAL_THRESHOLDS),
    };
    for query in random_queries(9, 3) {
        let queries = std::slice::from_ref(&query);
        let judgments = judge(&index, &request, queries, &NoProgress).unwrap();
        assert_eq!(judgments.len(), judged(&index, 40, queries).unwrap().len());
        assert!(judgments.len() > 15, "{}", judgments.len());
    }
}
