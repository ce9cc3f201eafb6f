//! Every mode has its steps, and what cannot run is refused.

use std::collections::BTreeMap;

use super::*;

const BM25: StageName = StageName::BM25;
const DENSE: StageName = StageName::DENSE;
const CROSS: StageName = StageName::CROSS;
const LATE: StageName = StageName::from_static("late");

fn stage(name: StageName, retrieves: bool, reranks: bool) -> AvailableStage {
    AvailableStage {
        name,
        capabilities: Capabilities {
            retrieves,
            scores: !reranks,
            reranks,
            matches_words: name == StageName::BM25,
            by_document: false,
        },
        default_depth: 50,
        theoretical: Normalizer::MinMax,
    }
}

fn available() -> Available {
    Available {
        stages: vec![
            stage(BM25, true, false),
            stage(DENSE, true, false),
            stage(CROSS, false, true),
        ],
        n_docs: 80,
    }
}

fn steps(profile: &Profile, available: &Available) -> Vec<String> {
    let pipeline = Pipeline::of(profile, available).unwrap();
    let shown = pipeline.steps().iter().map(|step| match step {
        Step::Retrieve { stage, depth } => format!("retrieve {stage} {depth}"),
        Step::Score { stage } => format!("score {stage}"),
        Step::Rerank { stage, depth, .. } => format!("rerank {stage} {depth}"),
    });
    shown.collect()
}

fn in_mode(mode: Mode) -> Profile {
    Profile {
        mode,
        ..Profile::default()
    }
}

#[test]
fn every_mode_has_its_steps() {
    let available = available();
    assert_eq!(
        steps(&in_mode(Mode::Hybrid), &available),
        [
            "retrieve bm25 200",
            "retrieve dense 200",
            "score bm25",
            "rerank cross 100"
        ]
    );
    assert_eq!(
        steps(&in_mode(Mode::Cascade), &available),
        ["retrieve bm25 200", "score dense", "rerank cross 100"]
    );
    assert_eq!(
        steps(&in_mode(Mode::TwoStage), &available),
        ["retrieve bm25 200", "rerank cross 100"]
    );
    let dense_first = Profile {
        first_stage: DENSE,
        ..in_mode(Mode::TwoStage)
    };
    assert_eq!(
        steps(&dense_first, &available),
        ["retrieve dense 200", "rerank cross 100"]
    );
    assert_eq!(
        steps(&in_mode(Mode::Exhaustive), &available),
        ["score bm25", "score dense", "rerank cross 100"]
    );
}

#[test]
fn a_further_stage_takes_its_place_without_being_known() {
    let mut available = available();
    available.stages.insert(2, stage(LATE, true, false));
    let profile = in_mode(Mode::Hybrid);
    assert_eq!(
        steps(&profile, &available),
        [
            "retrieve bm25 200",
            "retrieve dense 200",
            "retrieve late 50",
            "score bm25",
            "score dense",
            "rerank cross 100",
        ]
    );
    available.stages[2].capabilities.retrieves = false;
    assert_eq!(
        steps(&in_mode(Mode::Cascade), &available),
        [
            "retrieve bm25 200",
            "score dense",
            "score late",
            "rerank cross 100"
        ]
    );
    let pipeline = Pipeline::of(&profile, &available).unwrap();
    assert_eq!(pipeline.scorers(), [BM25, DENSE, LATE]);
    assert_eq!(pipeline.reranker(), Some(CROSS));
}

#[test]
fn late_interaction_retrieves_where_a_profile_gives_it_a_depth() {
    let of = |mode, depth| {
        let depths = Depths::default().with(LATE, depth);
        let profile = Profile {
            depths,
            ..in_mode(mode)
        };
        steps(&profile, &Available::all(Registry::standard(), 80))
    };
    let scores = ["score bm25", "score late", "rerank cross 100"];
    assert_eq!(of(Mode::Hybrid, 0)[2..], scores);
    assert_eq!(
        of(Mode::Hybrid, 60),
        [
            "retrieve bm25 200",
            "retrieve dense 200",
            "retrieve late 60",
            "score bm25",
            "score dense",
            "rerank cross 100",
        ]
    );
    let first_finds = [
        "retrieve bm25 200",
        "score dense",
        "score late",
        "rerank cross 100",
    ];
    assert_eq!(of(Mode::Cascade, 0), first_finds);
    assert_eq!(of(Mode::Cascade, 60), first_finds);
    assert_eq!(
        of(Mode::TwoStage, 0),
        ["retrieve bm25 200", "score late", "rerank cross 100"]
    );
    assert_eq!(
        of(Mode::TwoStage, 60),
        ["retrieve bm25 200", "rerank cross 100"]
    );
    assert_eq!(
        of(Mode::Exhaustive, 60),
        [
            "score bm25",
            "score dense",
            "score late",
            "rerank cross 100"
        ]
    );
}

#[test]
fn the_bi_encoder_stands_in_for_bm25_even_if_late_interaction_retrieves() {
    let stand_in = |only: &[StageName], depth| {
        let depths = Depths::default().with(LATE, depth);
        let profile = Profile {
            depths,
            cross_language: 0.5,
            ..Profile::default()
        };
        let available = Available::all(Registry::standard(), 80);
        let pipeline = Pipeline::only(&profile, &available, only).unwrap();
        pipeline
            .normalization(profile.scaling())
            .stand_in
            .map(|one| one.by)
    };
    for depth in [0, 60] {
        assert_eq!(stand_in(&[BM25, DENSE, LATE], depth), Some(DENSE));
    }
    assert_eq!(stand_in(&[BM25, LATE], 0), None);
    assert_eq!(stand_in(&[BM25, LATE], 60), Some(LATE));
}

#[test]
fn two_stage_runs_one_first_stage() {
    let stages = |profile: &Profile| {
        let pipeline = Pipeline::of(profile, &available()).unwrap();
        pipeline.stages().to_vec()
    };
    let profile = in_mode(Mode::TwoStage);
    assert_eq!(stages(&profile), [BM25, CROSS]);
    let profile = Profile {
        first_stage: DENSE,
        ..profile
    };
    assert_eq!(stages(&profile), [DENSE, CROSS]);
    let profile = Profile {
        depths: profile.depths.clone().with(CROSS, 0),
        ..profile
    };
    assert_eq!(stages(&profile), [DENSE]);
}

#[test]
fn without_bm25_the_bi_encoder_retrieves_in_a_cascade() {
    let pipeline = Pipeline::only(&in_mode(Mode::Cascade), &available(), &[DENSE, CROSS]).unwrap();
    assert_eq!(pipeline.retrieves(DENSE), Some(200));
}

#[test]
fn a_reranker_without_weight_has_no_effect() {
    let profile = Profile {
        weights: "0.5,0.5,0".parse().unwrap(),
        ..Profile::default()
    };
    let effective = Pipeline::effective(&profile, &available()).unwrap();
    assert_eq!(effective.stages(), [BM25, DENSE]);
    let all = Pipeline::of(&profile, &available()).unwrap();
    assert_eq!(all.stages(), [BM25, DENSE, CROSS]);
}

#[test]
fn what_cannot_run_is_refused_with_the_reason() {
    let refused = |only: &[StageName], profile: &Profile| {
        let pipeline = Pipeline::only(profile, &available(), only);
        pipeline.unwrap_err().to_string()
    };
    let hybrid = in_mode(Mode::Hybrid);
    assert!(refused(&[], &hybrid).contains("no stage is left to run"));
    assert!(refused(&[CROSS], &hybrid).contains("name one of bm25, dense too"));
    let opened = available().limited_to(&[CROSS]);
    let error = Pipeline::of(&hybrid, &opened).unwrap_err().to_string();
    assert!(
        error.contains("open the index with one that does, or use mode"),
        "{error}"
    );
    assert!(refused(&[LATE], &hybrid).contains("it runs bm25, dense, cross"));
    let shallow = Profile {
        depths: Depths::default().with(CROSS, 79),
        ..in_mode(Mode::Exhaustive)
    };
    assert!(refused(&[CROSS], &shallow).contains("raise cross_depth"));
}

#[test]
fn the_bounds_of_a_cross_encoder_are_those_of_its_grades() {
    use crate::config::Config;
    use crate::manifest::{BuiltSettings, FORMAT, ModelRecord, Models};
    use treffer_types::{Fingerprint, ModelDetails, ModelRole, ModelSpec, Pooling, Scoring};

    let bounds = |scoring| {
        let spec = ModelSpec {
            name: "graded".into(),
            role: ModelRole::CrossEncoder,
            pooling: Pooling::Cls,
            query_prefix: String::new(),
            passage_prefix: String::new(),
            max_length: 64,
            license: "MIT".into(),
            details: ModelDetails {
                scoring,
                ..ModelDetails::default()
            },
        };
        let record = ModelRecord {
            spec,
            fingerprint: Fingerprint("f".into()),
        };
        let manifest = Manifest {
            format: FORMAT,
            written_by: "treffer 0.0.0".into(),
            generation: 1,
            blueprint: Config::preset("english").unwrap().blueprint(),
            models: Models {
                dense: None,
                late: None,
                cross: Some(record),
                cross_by_language: BTreeMap::new(),
            },
            settings: BuiltSettings {
                generation: 1,
                toml: String::new(),
            },
            unfinished: false,
            segments: Vec::new(),
            deleted: None,
        };
        let available = Available::in_index(&manifest, Registry::standard());
        let cross = available.stages.iter().find(|stage| stage.name == CROSS);
        cross.unwrap().theoretical
    };
    let graded = bounds(Scoring::Grades(vec![3, 1, 0]));
    assert_eq!(
        graded,
        Normalizer::Bounds {
            low: 0.0,
            high: 3.0
        }
    );
    let logit = bounds(Scoring::Label("yes".into()));
    assert!(matches!(logit, Normalizer::Sigmoid { .. }));
}
