//! Whole pages of tunings with two, three and four stages, from simulated scores.

use std::path::Path;
use std::sync::Arc;

use treffer_api::SearchOptions;
use treffer_engine::Error;
use treffer_engine::gather::StageTrace;
use treffer_engine::pipeline::{Available, Pipeline};
use treffer_engine::profile::Profile;
use treffer_engine::stages::{Capabilities, OpenContext, Registry, Stage, StageKind};
use treffer_engine::tune::{Pool, Prior, Search, TuneReport, TuneRequest, tune_pools};
use treffer_eval::Topic;
use treffer_fusion::{Lengths, Normalizer, Weights};
use treffer_testkit::Random;
use treffer_types::{Candidate, DocId, Evidence, Query, Score, StageName};

use crate::command::Command;
use crate::queries::QueryResult;
use crate::tuning::page;

const LATE: StageName = StageName::from_static("late");

/// BM25 retrieves, `dense` and `late` score what it retrieved, `cross` reranks.
static KINDS: [StageKind; 4] = [
    kind(StageName::BM25, Does::Retrieve),
    kind(StageName::DENSE, Does::Score),
    kind(LATE, Does::Score),
    kind(StageName::CROSS, Does::Rerank),
];
static REGISTERED: [&StageKind; 4] = [&KINDS[0], &KINDS[1], &KINDS[2], &KINDS[3]];

enum Does {
    Retrieve,
    Score,
    Rerank,
}

const fn kind(name: StageName, does: Does) -> StageKind {
    StageKind {
        name,
        capabilities: Capabilities {
            retrieves: matches!(does, Does::Retrieve),
            scores: matches!(does, Does::Retrieve | Does::Score),
            reranks: matches!(does, Does::Rerank),
            matches_words: false,
            by_document: false,
        },
        default_depth: 20,
        theoretical: Normalizer::MinMax,
        is_in: |_| true,
        open: never_opened,
    }
}

fn never_opened(_: &OpenContext<'_>) -> Result<Arc<dyn Stage>, Error> {
    Err(Error::Cancelled)
}

/// Queries whose stages score noise, plus more for the relevant, the later the stage.
fn pools(stages: &[StageName]) -> Vec<Pool> {
    let mut random = Random::new(7);
    let mut pool = |query: usize| {
        let (mut candidates, mut grades) = (Vec::new(), Vec::new());
        for doc in 0..30 {
            let grade = i32::from(random.unit() < 0.15);
            let mut candidate = Candidate::new(DocId(doc));
            for (at, stage) in stages.iter().enumerate() {
                let signal = 0.12 * (at + 1) as f64 * f64::from(grade);
                let score = Score::new((random.unit() + signal) as f32).unwrap();
                candidate.add(*stage, Evidence::new(0, score));
            }
            candidates.push(candidate);
            grades.push(grade);
        }
        let judged = grades.iter().enumerate();
        let judged = judged
            .map(|(doc, grade)| (format!("d{doc}"), *grade))
            .collect();
        let trace = |stage: &StageName| StageTrace {
            stage: *stage,
            elapsed: std::time::Duration::from_micros(400),
            candidates_in: 30,
            candidates_out: 30,
            scored: 30,
            skipped: 0,
            settled: 0,
            unknown_language: None,
        };
        Pool {
            query: Query {
                id: format!("q{query}"),
                text: format!("simulated query <{query}>"),
                tags: vec![
                    if query.is_multiple_of(2) {
                        "even"
                    } else {
                        "odd"
                    }
                    .into(),
                ],
                ..Query::default()
            },
            topic: Topic::new(&judged),
            grades: grades.into_iter().map(Some).collect(),
            candidates,
            lengths: Lengths::default(),
            traces: stages.iter().map(trace).collect(),
        }
    };
    (0..40).map(&mut pool).collect()
}

fn tuned(stages: &[StageName], search: Search) -> TuneReport {
    let profile = Profile {
        mode: treffer_engine::profile::Mode::Cascade,
        weights: Weights::equal(stages).unwrap(),
        ..Profile::default()
    };
    let available = Available::all(Registry::new(&REGISTERED), 1000).limited_to(stages);
    let pipeline = Pipeline::of(&profile, &available).unwrap();
    let request = TuneRequest {
        profile: &profile,
        stages: None,
        metric: "nDCG@10".parse().unwrap(),
        search,
        prior: Prior::Preset,
        steps: 10,
        folds: 4,
        seed: 1,
        draws: 500,
        budget_ms: None,
        cache: false,
        learn: false,
    };
    tune_pools(&pools(stages), &request, &pipeline).unwrap()
}

fn html(stages: &[StageName], search: Search) -> String {
    let report = tuned(stages, search);
    let queries: Vec<Query> = report
        .queries
        .iter()
        .map(|outcome| Query {
            id: outcome.id.clone(),
            text: outcome.text.clone(),
            tags: outcome.tags.clone(),
            ..Query::default()
        })
        .collect();
    let results: Vec<QueryResult<'_>> = queries
        .iter()
        .zip(&report.queries)
        .map(|(query, outcome)| QueryResult {
            query,
            before: outcome.current,
            after: outcome.out_of_fold,
            hits: Vec::new(),
            missed: Vec::new(),
            first: None,
        })
        .collect();
    let (best, current) = (&report.best.choice, &report.current.choice);
    let search = SearchOptions::default();
    let command = Command::tuned(Path::new("index"), &search, best, current);
    let html = page("index", &report, "nothing was written", &results, &command).to_html();
    if let Some(dir) = std::env::var_os("PAGES") {
        std::fs::write(
            Path::new(&dir).join(format!("{}.html", stages.len())),
            &html,
        )
        .unwrap();
    } // TEMP
    assert!(!html.contains("NaN") && !html.contains(">inf"));
    assert!(!html.contains("simulated query <"), "text is escaped");
    html
}

#[test]
fn three_stages_are_a_triangle() {
    let stages = [StageName::BM25, StageName::DENSE, StageName::CROSS];
    let html = html(&stages, Search::Weights);
    assert_eq!(html.matches("class=\"cell\"").count(), 66);
    assert!(!html.contains("class=\"band\""));
}

#[test]
fn two_stages_are_one_profile() {
    let html = html(&[StageName::BM25, StageName::DENSE], Search::Weights);
    assert!(html.contains("weight of dense (the rest is bm25&#39;s)"));
    assert_eq!(html.matches("class=\"band\"").count(), 1);
    assert!(!html.contains("class=\"cell\""));
}

#[test]
fn four_stages_are_a_profile_each() {
    let stages = [StageName::BM25, StageName::DENSE, LATE, StageName::CROSS];
    let html = html(&stages, Search::Full);
    assert_eq!(html.matches("class=\"band\"").count(), 4);
    for stage in stages {
        assert!(html.contains(&format!(">weight of {stage}<")), "{stage}");
        assert!(html.contains(&format!(">{stage} depth<")), "{stage}");
        assert!(html.contains(&format!(">{stage} alone<")), "{stage}");
    }
    assert!(!html.contains("class=\"cell\""));
}
