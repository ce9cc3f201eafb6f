//! Stages of fields: scores by hand, fusion, tuning, and what is refused.

use serde_json::json;
use treffer_engine::api::{Hit, SearchOptions, SearchRequest};
use treffer_engine::config::{Base, Config};
use treffer_engine::evaluate::evaluate;
use treffer_engine::fields::Date;
use treffer_engine::profile::Profile;
use treffer_engine::topics::Topics;
use treffer_engine::tune::{DRAWS, Prior, ScoresOrigin, Search, TuneRequest, tune};
use treffer_engine::{Engine, Error, OpenOptions};
use treffer_types::{Document, NoProgress, Qrels, StageName};

use crate::support::{ALL, Place, chain, config, document, everything, query, raw};
use crate::support::{BM25, DENSE};

const FRESH: StageName = StageName::from_static("freshness");
const SALES: StageName = StageName::from_static("popularity");

const STAGES: [&str; 9] = [
    "fields.published=date",
    "fields.sales=integer",
    "fields.tag=keyword",
    "field_stages.freshness.field=published",
    "field_stages.freshness.decay=exponential",
    "field_stages.freshness.origin=now",
    "field_stages.freshness.scale=30d",
    "field_stages.popularity.field=sales",
    "field_stages.popularity.transform=saturation",
];

fn overrides<'a>(others: &[&'a str]) -> Vec<&'a str> {
    let pivot = ["field_stages.popularity.pivot=100"];
    [&STAGES[..], &pivot, others].concat()
}

fn sold(id: &str, published: Option<&str>, sales: Option<u32>) -> Document {
    let mut document = document(id, &format!("quiet fridge {id}"));
    if let Some(published) = published {
        document
            .metadata
            .insert("published".into(), json!(published));
    }
    if let Some(sales) = sales {
        document.metadata.insert("sales".into(), json!(sales));
    }
    document
}

/// Documents that BM25 finds alike.
fn documents() -> Vec<Document> {
    vec![
        sold("unknown", None, None),
        sold("old", Some("2024-04-01"), Some(300)),
        sold("new", Some("2024-05-31"), Some(0)),
        sold("future", Some("2024-06-30"), Some(100)),
    ]
}

fn place(others: &[&str]) -> Place {
    let mut place = Place::with_corpus(&documents());
    place.config = config(&overrides(others));
    place.build().unwrap();
    place
}

fn open_at(place: &Place, now: Option<&str>) -> Engine {
    let options = OpenOptions {
        now: now.map(|now| now.parse::<Date>().unwrap()),
        ..OpenOptions::default()
    };
    Engine::open(&place.dir(), &options, &place.fakes).unwrap()
}

fn hits(engine: &Engine, set: &[&str], stages: &[StageName]) -> Vec<Hit> {
    let request = SearchRequest {
        options: SearchOptions {
            set: set.iter().map(ToString::to_string).collect(),
            stages: Some(stages.to_vec()),
            explain: true,
            ..everything()
        },
        ..SearchRequest::text("quiet fridge")
    };
    engine.search(&request).unwrap().hits
}

fn of<'a>(hits: &'a [Hit], id: &str) -> &'a Hit {
    hits.iter().find(|hit| hit.id == id).unwrap()
}

const WEIGHTS: &str = "weights={bm25=0.5,freshness=0.3,popularity=0.2}";

#[test]
fn scores_are_those_of_the_formulas_and_are_shown() {
    let place = place(&[]);
    let engine = open_at(&place, Some("2024-05-31"));
    assert_eq!(engine.stages(), [&ALL[..], &[FRESH, SALES]].concat());
    let found = hits(&engine, &[WEIGHTS], &[BM25, FRESH, SALES]);
    // 60 days before, on the day, and 30 days after; 300 / 400, 0 / 100 and 100 / 200.
    for (id, fresh, popular) in [
        ("old", Some(0.25), Some(0.75)),
        ("new", Some(1.0), Some(0.0)),
        ("future", Some(0.5), Some(0.5)),
        ("unknown", None, None),
    ] {
        let hit = of(&found, id);
        assert_eq!((raw(hit, FRESH), raw(hit, SALES)), (fresh, popular), "{id}");
        // All are alike to BM25, for which min-max is a half then.
        let mut expected = 0.5 * 0.5;
        for (stage, weight, raw) in [(FRESH, 0.3, fresh), (SALES, 0.2, popular)] {
            let shown = hit.stages.get(stage).unwrap();
            let normalized = f64::from(raw.unwrap_or(0.0));
            assert_eq!(shown.normalized.unwrap_or(0.0), normalized, "{id} {stage}");
            close(shown.weighted, weight * normalized);
            expected += weight * normalized;
        }
        close(hit.score, expected);
    }
    let ids: Vec<&str> = found.iter().map(|hit| hit.id.as_str()).collect();
    assert_eq!(ids, ["new", "future", "old", "unknown"]);
}

#[track_caller]
fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
}

#[test]
fn documents_without_a_value_get_the_one_that_is_configured() {
    let place = place(&[
        "field_stages.popularity.missing=900",
        "field_stages.freshness.missing=\"2024-05-01\"",
    ]);
    let engine = open_at(&place, Some("2024-05-31"));
    let found = hits(&engine, &[WEIGHTS], &[BM25, FRESH, SALES]);
    let hit = of(&found, "unknown");
    assert_eq!((raw(hit, FRESH), raw(hit, SALES)), (Some(0.5), Some(0.9)));
}

#[test]
fn without_a_date_the_search_is_now() {
    let place = place(&[]);
    let found = hits(&place.open(), &[WEIGHTS], &[BM25, FRESH]);
    let fresh = |id| raw(of(&found, id), FRESH).unwrap();
    assert!(fresh("old") < fresh("new") && fresh("new") < fresh("future"));
}

fn topics(engine: &Engine, relevant: &str) -> Topics {
    let ids = ["q1", "q2", "q3", "q4", "q5", "q6"];
    let queries = ids.map(|id| query(id, "quiet fridge")).to_vec();
    let judged = ids.map(|id| (id.to_owned(), [(relevant.to_owned(), 1)].into()));
    Topics::new(engine, queries, Qrels(judged.into()), None).unwrap()
}

fn request<'a>(profile: &'a Profile, stages: &'a [StageName]) -> TuneRequest<'a> {
    TuneRequest {
        profile,
        stages: Some(stages),
        metric: "nDCG@10".parse().unwrap(),
        search: Search::Weights,
        prior: Prior::Preset,
        steps: 4,
        folds: 3,
        seed: 1,
        draws: DRAWS,
        budget_ms: None,
        cache: true,
        learn: false,
    }
}

#[test]
fn the_weight_is_tuned_like_any_other() {
    let place = place(&[]);
    let engine = open_at(&place, Some("2024-05-31"));
    let profile = engine.profile(&SearchOptions::default()).unwrap();
    let stages = [BM25, FRESH, SALES];
    for (relevant, stage) in [("old", SALES), ("new", FRESH)] {
        let topics = topics(&engine, relevant);
        let report = tune(&engine, &request(&profile, &stages), &topics, &NoProgress).unwrap();
        assert!(report.best.choice.weights.weight(stage) > 0.0, "{relevant}");
        assert_eq!(report.best.mean, 1.0, "{relevant}");
        // What was found is what a search finds.
        let best = report.best.choice.apply(&profile);
        let metrics = ["nDCG@10".parse().unwrap()];
        let measured = evaluate(
            &engine,
            &best,
            Some(&stages),
            &topics,
            &metrics,
            &NoProgress,
        )
        .unwrap();
        assert_eq!(measured.rows.last().unwrap().evaluation.summary(), [1.0]);
        let names: Vec<&str> = measured.rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["bm25", "freshness", "popularity", "hybrid"]);
    }
}

#[test]
fn results_that_are_to_stay_need_a_day_to_count_from() {
    let place = place(&[]);
    let today = place.open();
    let profile = today.profile(&SearchOptions::default()).unwrap();
    let all = topics(&today, "old");
    let metrics = ["nDCG@10".parse().unwrap()];
    let refused = evaluate(&today, &profile, None, &all, &metrics, &NoProgress).unwrap_err();
    assert!(refused.to_string().contains("--now"), "{refused}");
    let stages = [BM25, FRESH];
    let refused = tune(&today, &request(&profile, &stages), &all, &NoProgress).unwrap_err();
    assert!(refused.to_string().contains("--now"), "{refused}");
    // Where no stage counts from now, there is nothing to give.
    let others = [BM25, SALES];
    evaluate(&today, &profile, Some(&others), &all, &metrics, &NoProgress).unwrap();

    let gathered = ScoresOrigin::Gathered { note: None };
    for (now, origin) in [
        ("2024-05-31", &gathered),
        ("2024-05-31", &ScoresOrigin::Cache),
        ("2024-06-01", &gathered),
    ] {
        let engine = open_at(&place, Some(now));
        let report = tune(&engine, &request(&profile, &stages), &all, &NoProgress).unwrap();
        assert_eq!(report.scores, *origin, "{now}");
    }
}

#[test]
fn what_a_reranker_reads_does_not_depend_on_fields() {
    let read = |overrides: &[&str]| {
        let mut place = Place::with_corpus(&documents());
        place.config = config(overrides);
        place.build().unwrap();
        let engine = open_at(&place, Some("2024-05-31"));
        for order in ["fused", "bm25"] {
            let request = SearchRequest {
                options: SearchOptions {
                    set: vec!["cross_depth=2".into(), format!("cross_order={order}")],
                    ..everything()
                },
                ..SearchRequest::text("quiet fridge")
            };
            engine.search(&request).unwrap();
        }
        place.fakes.take_read()
    };
    let fields = &STAGES[..3];
    assert_eq!(read(&overrides(&[])), read(fields));
    let engine = open_at(&place(&[]), Some("2024-05-31"));
    let profile = engine.profile(&SearchOptions::default()).unwrap();
    let pipeline = treffer_engine::pipeline::Pipeline::of(&profile, engine.available()).unwrap();
    assert_eq!(pipeline.query_scorers(), [BM25, DENSE]);
    assert_eq!(pipeline.scorers(), [BM25, DENSE, FRESH, SALES]);
}

#[test]
fn settings_can_be_given_stages_later() {
    let mut place = Place::with_corpus(&documents());
    place.config = config(&STAGES[..3]);
    place.build().unwrap();
    let before = std::fs::read_to_string(place.settings()).unwrap();
    let with = |stage: &str| {
        std::fs::write(place.settings(), format!("{before}\n[field_stages.{stage}")).unwrap();
        place.try_open()
    };
    let engine = with(
        "age]\nfield = \"published\"\ndecay = \"linear\"\norigin = 2024-05-31\nscale = \"60d\"\n",
    )
    .unwrap();
    let age = "age".parse().unwrap();
    let found = hits(&engine, &["weights={bm25=0.5,age=0.5}"], &[BM25, age]);
    assert_eq!(raw(of(&found, "old"), age), Some(0.5));
    for (stage, why) in [
        (
            "age]\nfield = \"tag\"\ntransform = \"log\"\n",
            "`field` is `tag`, a keyword",
        ),
        (
            "age]\nfield = \"salez\"\ntransform = \"log\"\n",
            "did you mean `sales`?",
        ),
        ("age]\nfield = \"sales\"\ntransform = \"lag\"\n", "lag"),
        (
            "age]\nfeild = \"sales\"\n",
            "did you mean `field_stages.age.field`?",
        ),
        (
            "bm25]\nfield = \"sales\"\ntransform = \"log\"\n",
            "name of another stage",
        ),
        (
            "age]\nfield = \"sales\"\ntransform = \"saturation\"\n",
            "`pivot` is missing",
        ),
        (
            "age]\nfield = \"sales\"\ntransform = \"log\"\nscaling_factor = 0.5\n",
            "at least 1",
        ),
    ] {
        let refused = chain(&with(stage).err().unwrap());
        assert!(refused.contains(why), "{why}: {refused}");
    }
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_built() {
    let refused = |overrides: &[&str]| {
        let mut place = Place::with_corpus(&documents());
        place.config = config(overrides);
        let refused = place.build().unwrap_err();
        assert!(!place.dir().join("manifest.json").exists());
        chain(&refused)
    };
    let message = refused(&[&STAGES[3..7], &["fields.sales=integer"]].concat());
    assert!(
        message.contains("there is no field `published`"),
        "{message}"
    );
    let message = refused(&overrides(&["field_stages.freshness.pivot=3"]));
    assert!(
        message.contains("`pivot` has no meaning with a decay"),
        "{message}"
    );

    let place = place(&[]);
    let engine = open_at(&place, None);
    let weights = |name: &str| SearchOptions {
        weights: Some(
            [(BM25, 0.5), (name.parse().unwrap(), 0.5)]
                .into_iter()
                .collect(),
        ),
        ..SearchOptions::default()
    };
    engine.profile(&weights("freshness")).unwrap();
    let refused: Error = engine.profile(&weights("fresh")).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "there is no stage `fresh`; stages are bm25, dense, late, cross, freshness, popularity"
    );
    let no_field = ["field_stages.a.transform=log".to_owned()];
    let refused = Config::load(Base::Preset("english"), &no_field).unwrap_err();
    assert!(chain(&refused).contains("has no `field`"), "{refused}");
}
