//! Scores are gathered once, kept beside the index, and never mistaken for others.

use treffer_engine::tune::ScoresOrigin;

use super::*;

fn cached<'a>(profile: &'a Profile) -> TuneRequest<'a> {
    TuneRequest {
        cache: true,
        learn: false,
        ..request(profile, 5)
    }
}

/// The files of the cache.
fn kept(place: &Place) -> Vec<std::path::PathBuf> {
    let Ok(entries) = fs::read_dir(place.dir().join("tuning-cache")) else {
        return Vec::new();
    };
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn without_origin(report: TuneReport) -> TuneReport {
    TuneReport {
        scores: ScoresOrigin::Cache,
        elapsed: std::time::Duration::ZERO,
        ..report
    }
}

#[test]
fn tuning_again_reads_nothing_and_says_the_same() {
    let (place, index) = place();
    let profile = profile("0.2,0.3,0.5");
    let topics = topics(&index, judged_by(&index, DENSE));
    let first = run(&index, &cached(&profile), &topics);
    assert_eq!(first.scores, ScoresOrigin::Gathered { note: None });
    let calls = place.fakes.scorer.reads().calls();
    let again = run(&index, &cached(&profile), &topics);
    assert_eq!(again.scores, ScoresOrigin::Cache);
    assert_eq!(place.fakes.scorer.reads().calls(), calls);
    assert_eq!(without_origin(again), without_origin(first.clone()));
    // Other judgments of the same queries need no other scores.
    let others = super::topics(&index, judged_by(&index, BM25));
    assert_eq!(
        run(&index, &cached(&profile), &others).scores,
        ScoresOrigin::Cache
    );
    assert_eq!(kept(&place).len(), 1);
}

#[test]
fn whatever_the_scores_depend_on_is_gathered_anew() {
    let (place, index) = place();
    let profile = profile("0.2,0.3,0.5");
    let topics = topics(&index, judged_by(&index, DENSE));
    run(&index, &cached(&profile), &topics);
    let gathered = ScoresOrigin::Gathered { note: None };
    let deeper = Profile {
        depths: depths(200, 200, N_DOCS + 1),
        ..profile.clone()
    };
    assert_eq!(run(&index, &cached(&deeper), &topics).scores, gathered);
    let two = TuneRequest {
        stages: Some(&[BM25, DENSE]),
        ..cached(&profile)
    };
    assert_eq!(run(&index, &two, &topics).scores, gathered);
    let mut fewer = topics.clone();
    fewer.queries[0].text.push_str(" more");
    assert_eq!(run(&index, &cached(&profile), &fewer).scores, gathered);
    let uncached = TuneRequest {
        cache: false,
        learn: false,
        ..cached(&profile)
    };
    assert_eq!(run(&index, &uncached, &topics).scores, gathered);
    let text = fs::read_to_string(place.settings()).unwrap();
    fs::write(place.settings(), text.replace("k1 = 0.9", "k1 = 1.2")).unwrap();
    let changed = place.open();
    assert_eq!(run(&changed, &cached(&profile), &topics).scores, gathered);
    assert_eq!(kept(&place).len(), 5);
}

#[test]
fn a_damaged_cache_is_told_and_gathered_anew() {
    let (place, index) = place();
    let profile = profile("0.2,0.3,0.5");
    let topics = topics(&index, judged_by(&index, DENSE));
    let honest = run(&index, &cached(&profile), &topics);
    let path = kept(&place).pop().unwrap();
    let whole = fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for damaged in [flipped, whole[..whole.len() / 2].to_vec(), Vec::new()] {
        fs::write(&path, damaged).unwrap();
        let report = run(&index, &cached(&profile), &topics);
        let ScoresOrigin::Gathered { note: Some(note) } = &report.scores else {
            panic!("{:?}", report.scores);
        };
        assert!(note.contains("are not used"), "{note}");
        assert_eq!(report.out_of_fold, honest.out_of_fold);
        // And mended by the way.
        let again = run(&index, &cached(&profile), &topics);
        assert_eq!(again.scores, ScoresOrigin::Cache);
    }
}

#[test]
fn a_cache_that_cannot_be_written_is_no_error() {
    let (place, index) = place();
    let profile = profile("0.2,0.3,0.5");
    fs::write(place.dir().join("tuning-cache"), "a file in its place").unwrap();
    let topics = topics(&index, judged_by(&index, DENSE));
    let report = run(&index, &cached(&profile), &topics);
    let ScoresOrigin::Gathered { note: Some(note) } = &report.scores else {
        panic!("{:?}", report.scores);
    };
    assert!(note.contains("could not be kept"), "{note}");
}

#[test]
fn scores_of_a_replaced_index_go_with_it() {
    let (mut place, index) = place();
    let profile = profile("0.2,0.3,0.5");
    run(
        &index,
        &cached(&profile),
        &topics(&index, judged_by(&index, DENSE)),
    );
    place.replace = true;
    place.build().unwrap();
    let index = place.open();
    let topics = topics(&index, judged_by(&index, DENSE));
    let report = run(&index, &cached(&profile), &topics);
    assert_eq!(report.scores, ScoresOrigin::Gathered { note: None });
    assert_eq!(kept(&place).len(), 1, "the old ones were removed");
}
