//! Training data: where negatives come from, and what is kept out.

use std::collections::{BTreeMap, BTreeSet};

use treffer_engine::Engine;
use treffer_engine::mine::{
    MineReport, MineRequest, Mined, MinedPassage, Origin, Sought, Source, judged, mine, silver,
};
use treffer_engine::profile::Profile;
use treffer_engine::search::Searcher;
use treffer_engine::topics::Topics;
use treffer_testkit::{random_corpus, random_queries};
use treffer_types::{Document, NoProgress, PairScorer, Qrels, Query, StageName};

use crate::support::{BM25, CROSS, DENSE, Place, depths, everything, ids};

const N: usize = 80;

fn request(profile: &Profile) -> MineRequest<'_> {
    MineRequest {
        profile,
        stages: vec![BM25, DENSE],
        ranks: 3..=20,
        margin: None,
        guard: None,
        relevant: None,
        negatives: 5,
        random: 1,
        teacher: false,
        seed: 1,
    }
}

/// The ranking of one stage: ids, best first, with raw scores.
fn ranking(engine: &Engine, stage: StageName, query: &str) -> Vec<(String, f32)> {
    let profile = Profile {
        depths: depths(N, N, 1),
        ..Profile::default()
    };
    let mut options = everything();
    options.stages = Some(vec![stage]);
    let response = Searcher::new(engine, &profile, &options)
        .unwrap()
        .search(&Query::text(query))
        .unwrap();
    let scores = response
        .hits
        .iter()
        .map(|hit| hit.stages.get(stage).unwrap().raw.unwrap().value());
    let ids = ids(&response).into_iter().map(str::to_owned);
    ids.zip(scores).collect()
}

/// Queries of which the bi-encoder's documents at ranks 2 and 6 are relevant, and those at 4
/// and 8 are not.
fn topics(engine: &Engine) -> Topics {
    let queries = random_queries(5, 12);
    let mut qrels = Qrels::default();
    for query in &queries {
        let ranked = ranking(engine, DENSE, &query.text);
        let grades = [(1, 2), (5, 1), (3, 0), (7, 0)];
        let grades = grades.map(|(at, grade)| (ranked[at].0.clone(), grade));
        qrels.0.insert(query.id.clone(), BTreeMap::from(grades));
    }
    Topics::new(engine, queries, qrels, None).unwrap()
}

fn mined(
    engine: &Engine,
    request: &MineRequest<'_>,
    sought: &[Sought],
) -> (Vec<Mined>, MineReport) {
    let mut all = Vec::new();
    let report = mine(engine, request, sought, &NoProgress, &mut |mined| {
        all.push(mined);
        Ok(())
    });
    (all, report.unwrap())
}

fn hard(mined: &Mined) -> impl Iterator<Item = (&MinedPassage, StageName, usize, f32)> {
    mined.passages.iter().filter_map(|one| match one.source {
        Source::Stage { stage, rank, score } => Some((one, stage, rank, score)),
        _ => None,
    })
}

#[test]
fn negatives_have_the_ranks_and_scores_of_their_stages() {
    let place = Place::built(&random_corpus(3, N));
    let engine = place.open();
    let topics = topics(&engine);
    let profile = Profile::default();
    let sought = judged(&engine, &topics).unwrap();
    let (all, report) = mined(&engine, &request(&profile), &sought);
    assert_eq!((report.queries, report.mined), (12, 12));
    let mut stages = BTreeSet::new();
    for one in &all {
        let grades = topics.qrels.query(&one.query_id).unwrap();
        assert_eq!(one.origin, Origin::Judged);
        let labels: Vec<i32> = one.passages.iter().map(|passage| passage.grade).collect();
        assert_eq!(labels[..2], [2, 1]);
        assert!(labels[2..].iter().all(|label| *label == 0));
        assert_eq!(hard(one).count(), 5);
        for (passage, stage, rank, score) in hard(one) {
            stages.insert(stage);
            assert!((3..=20).contains(&rank));
            assert!(grades.get(&passage.doc).is_none_or(|grade| *grade == 0));
            let ranked = ranking(&engine, stage, &one.query);
            assert_eq!(ranked[rank - 1], (passage.doc.clone(), score));
        }
        let docs: BTreeSet<&str> = one.passages.iter().map(|p| p.doc.as_str()).collect();
        assert_eq!(docs.len(), one.passages.len());
    }
    assert_eq!(stages, BTreeSet::from([BM25, DENSE]));
    let of_stages: usize = report.hard.values().sum();
    assert_eq!((of_stages, report.answers), (60, 24));
}

#[test]
fn of_the_relevant_passages_the_best_are_kept() {
    let place = Place::built(&random_corpus(3, N));
    let engine = place.open();
    let sought = judged(&engine, &topics(&engine)).unwrap();
    let profile = Profile::default();
    let (all, _) = mined(&engine, &request(&profile), &sought);
    let one_each = MineRequest {
        relevant: Some(1),
        ..request(&profile)
    };
    let (some, report) = mined(&engine, &one_each, &sought);
    assert_eq!((report.answers, report.answers_left_out), (12, 12));
    for (all, some) in all.iter().zip(&some) {
        let relevant = |one: &Mined| one.passages.iter().filter(|p| p.grade > 0).count();
        assert_eq!((relevant(all), relevant(some)), (2, 1));
        assert_eq!(some.passages[0], all.passages[0]);
        // What is left out is no negative either.
        let left_out = &all.passages[1].doc;
        assert!(some.passages.iter().all(|p| p.doc != *left_out));
    }
}

#[test]
fn random_negatives_are_what_no_stage_found() {
    let place = Place::built(&random_corpus(3, N));
    let engine = place.open();
    let profile = Profile::default();
    let request = MineRequest {
        negatives: 0,
        random: 3,
        ..request(&profile)
    };
    let sought = judged(&engine, &topics(&engine)).unwrap();
    let (all, report) = mined(&engine, &request, &sought);
    assert_eq!(report.random, 36);
    for one in &all {
        let random = one.passages.iter().filter(|p| p.source == Source::Random);
        let found: BTreeSet<String> = [BM25, DENSE]
            .into_iter()
            .flat_map(|stage| ranking(&engine, stage, &one.query).into_iter().take(20))
            .map(|(id, _)| id)
            .collect();
        assert!(random.clone().count() == 3 && random.clone().all(|p| !found.contains(&p.doc)));
    }
}

#[test]
fn the_margin_leaves_out_what_scores_as_high_as_what_is_relevant() {
    let place = Place::built(&random_corpus(3, N));
    let engine = place.open();
    let topics = topics(&engine);
    let sought = judged(&engine, &topics).unwrap();
    let profile = Profile::default();
    let request = MineRequest {
        margin: Some(0.1),
        ranks: 1..=30,
        negatives: 100,
        ..request(&profile)
    };
    let (all, report) = mined(&engine, &request, &sought);
    assert!(report.above_margin > 0 && !all.is_empty());
    let mut judged_above = 0;
    for one in &all {
        let grades = topics.qrels.query(&one.query_id).unwrap();
        for (passage, stage, _, score) in hard(one) {
            let ranked = ranking(&engine, stage, &one.query);
            let relevant = ranked
                .iter()
                .filter(|(id, _)| grades.get(id).is_some_and(|grade| *grade > 0));
            let best = relevant.map(|(_, score)| *score).fold(f32::MIN, f32::max);
            let is_below = f64::from(score) <= f64::from(best) - 0.1 * f64::from(best.abs());
            let is_judged = grades.contains_key(&passage.doc);
            assert!(is_below || is_judged, "{} {score} {best}", passage.doc);
            judged_above += usize::from(is_judged && !is_below);
        }
    }
    // The bi-encoder's fourth is above the margin, and was judged.
    assert!(judged_above > 0);
}

#[test]
fn the_guard_leaves_out_what_the_cross_encoder_finds_relevant_and_the_teacher_scores_all() {
    let place = Place::built(&random_corpus(3, N));
    let engine = place.open();
    let sought = judged(&engine, &topics(&engine)).unwrap();
    let profile = Profile::default();
    let plain = mined(&engine, &request(&profile), &sought).0;
    assert!(
        plain
            .iter()
            .flat_map(|one| &one.passages)
            .all(|p| p.cross.is_none())
    );
    let own = |one: &Mined, passage: &MinedPassage| {
        let scored = place.fakes.scorer.score_pairs(&one.query, &[&passage.text]);
        scored.unwrap()[0].score
    };
    let share = |score: f32| 1.0 / (1.0 + f64::from(-score).exp());
    // The median of what would be chosen without, so that some are left out.
    let mut scores: Vec<f32> = plain
        .iter()
        .flat_map(|one| hard(one).map(|(passage, ..)| own(one, passage)))
        .collect();
    scores.sort_by(f32::total_cmp);
    let guard = share(scores[scores.len() / 2]);
    let request = MineRequest {
        guard: Some(guard),
        teacher: true,
        ..request(&profile)
    };
    place.fakes.take_read();
    let (all, report) = mined(&engine, &request, &sought);
    assert_eq!(place.fakes.take_read().len(), report.read);
    assert!(report.guarded > 0);
    let topics = topics(&engine);
    for one in &all {
        for passage in &one.passages {
            assert_eq!(passage.cross, Some(own(one, passage)));
        }
        for (passage, ..) in hard(one) {
            let judged = topics.qrels.grade(&one.query_id, &passage.doc);
            let score = share(passage.cross.unwrap());
            assert!(score < guard || judged.is_some(), "{score} {guard}");
        }
    }
}

#[test]
fn the_result_depends_on_seed_and_query_and_not_on_the_order_of_queries() {
    let place = Place::built(&random_corpus(3, N));
    let engine = place.open();
    let profile = Profile::default();
    let mut sought = judged(&engine, &topics(&engine)).unwrap();
    let (first, _) = mined(&engine, &request(&profile), &sought);
    sought.reverse();
    let (mut reversed, _) = mined(&engine, &request(&profile), &sought);
    reversed.reverse();
    assert_eq!(first, reversed);
    let other = MineRequest {
        seed: 2,
        ..request(&profile)
    };
    sought.reverse();
    assert_ne!(first, mined(&engine, &other, &sought).0);
}

#[test]
fn titles_ask_for_the_texts_below_them_without_them() {
    let mut documents = random_corpus(4, N);
    let twice = |id: &str| Document {
        id: id.into(),
        title: "general notes".into(),
        text: "w1 w2 w3 w4 w5 w6 w7 w8 w9".into(),
        ..Document::default()
    };
    documents.extend([twice("a"), twice("b")]);
    let place = Place::built(&documents);
    let engine = place.open();
    let sought = silver(&engine, usize::MAX, 1, &NoProgress).unwrap();
    assert!(sought.len() > 20, "{}", sought.len());
    assert!(sought.iter().all(|one| one.origin == Origin::Title));
    assert!(sought.iter().all(|one| one.query.text != "general notes"));
    assert_eq!(silver(&engine, 7, 1, &NoProgress).unwrap().len(), 7);
    let profile = Profile::default();
    let (all, _) = mined(&engine, &request(&profile), &sought);
    assert!(!all.is_empty());
    let by_id: BTreeMap<&str, &Document> = documents
        .iter()
        .map(|document| (document.id.as_str(), document))
        .collect();
    for one in &all {
        let answer = by_id[one.passages[0].doc.as_str()];
        assert_eq!(one.query, answer.title);
        assert_eq!(one.query_id, format!("{}#title", answer.id));
        for passage in &one.passages[1..] {
            assert_eq!(passage.text, by_id[passage.doc.as_str()].text);
        }
    }
}

#[test]
fn queries_of_which_nothing_can_be_learned_are_counted() {
    let place = Place::built(&random_corpus(3, N));
    let engine = place.open();
    let mut sought = judged(&engine, &topics(&engine)).unwrap();
    sought[0].answers.clear();
    let profile = Profile::default();
    let beyond = MineRequest {
        ranks: N + 1..=N + 2,
        random: 0,
        ..request(&profile)
    };
    let (all, report) = mined(&engine, &beyond, &sought);
    assert!(all.is_empty());
    assert_eq!((report.without_answer, report.without_negative), (1, 11));
    let (all, report) = mined(&engine, &request(&profile), &sought);
    assert_eq!((all.len(), report.without_answer), (11, 1));
}

#[test]
fn a_request_that_cannot_be_followed_is_refused() {
    let place = Place::built(&random_corpus(3, N));
    let engine = place.open();
    let sought = judged(&engine, &topics(&engine)).unwrap();
    let profile = Profile::default();
    let refused = |change: &dyn Fn(&mut MineRequest<'_>)| {
        let mut request = request(&profile);
        change(&mut request);
        let result = mine(&engine, &request, &sought, &NoProgress, &mut |_| Ok(()));
        result.unwrap_err().to_string()
    };
    assert!(refused(&|r| r.ranks = 0..=5).contains("count from 1"));
    #[expect(clippy::reversed_empty_ranges, reason = "what is refused")]
    let backwards = 9..=5;
    assert!(refused(&|r| r.ranks = backwards.clone()).contains("9 to 5"));
    assert!(refused(&|r| r.margin = Some(1.0)).contains("margin"));
    assert!(refused(&|r| r.guard = Some(0.0)).contains("guard"));
    assert!(refused(&|r| r.stages = vec![CROSS]).contains("does not retrieve"));
    assert!(refused(&|r| (r.negatives, r.random) = (0, 0)).contains("neither"));
}

/// Also in the ranks before the window: what is too close there may be lower in another stage.
#[test]
fn what_one_stage_ranks_too_high_is_no_negative_of_another() {
    let place = Place::built(&random_corpus(3, N));
    let engine = place.open();
    let topics = topics(&engine);
    let sought = judged(&engine, &topics).unwrap();
    let profile = Profile::default();
    for margin in [None, Some(0.0)] {
        let request = MineRequest {
            ranks: 5..=40,
            margin,
            negatives: 20,
            ..request(&profile)
        };
        let mut n_negatives = 0;
        for one in mined(&engine, &request, &sought).0 {
            let grades = topics.qrels.query(&one.query_id).unwrap();
            for stage in [BM25, DENSE] {
                let ranked = ranking(&engine, stage, &one.query);
                let is_relevant = |id: &str| grades.get(id).is_some_and(|grade| *grade > 0);
                let best = ranked.iter().find(|(id, _)| is_relevant(id));
                let best = best.map_or(f32::NEG_INFINITY, |(_, score)| *score);
                for (passage, ..) in hard(&one) {
                    if grades.contains_key(&passage.doc) {
                        continue; // somebody judged it
                    }
                    n_negatives += 1;
                    let at = ranked.iter().position(|(id, _)| *id == passage.doc);
                    let Some(at) = at else { continue };
                    assert!(at + 1 >= 5, "{stage}: rank {}", at + 1);
                    let is_met = at < 40 && margin.is_some();
                    assert!(!is_met || ranked[at].1 <= best, "{stage}: {}", ranked[at].1);
                }
            }
        }
        assert!(n_negatives > 20, "{n_negatives}");
    }
}
