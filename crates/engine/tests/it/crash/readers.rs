//! Readers beside a writer: each search sees one generation, whole.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use treffer_disk::Lock;
use treffer_engine::api::SearchRequest;
use treffer_engine::build::{DeleteRequest, compact, delete};
use treffer_engine::manifest::{LOCK, LOCK_CONTENT};
use treffer_engine::{Engine, Error};
use treffer_types::{Document, NoProgress};

use super::changes::{Change, add_to, base, contents, copy};
use crate::support::{Place, chain, document};

const READERS: usize = 16;
const ROUNDS: usize = 25;
/// A word of every document.
const COMMON: &str = "gemeinsam";

type Texts = BTreeMap<String, String>;

/// Ids and texts of all documents, by a search through every stage.
fn found(engine: &Engine) -> Texts {
    let mut request = SearchRequest::text(COMMON);
    request.options.top_k = usize::MAX;
    let hits = engine.search(&request).unwrap().hits;
    let n = hits.len();
    let texts: Texts = hits.into_iter().map(|hit| (hit.id, hit.text)).collect();
    assert_eq!(texts.len(), n, "no document is found twice");
    texts
}

/// Changes an index again and again, and says beforehand what each generation will hold.
struct Writer<'a> {
    place: &'a Place,
    expected: &'a Mutex<HashMap<u64, Texts>>,
    generation: u64,
    texts: Texts,
}

impl Writer<'_> {
    fn announce(&mut self) {
        self.generation += 1;
        let mut expected = self.expected.lock().unwrap();
        expected.insert(self.generation, self.texts.clone());
    }

    fn round(&mut self, round: usize) {
        let new: Vec<Document> = (0..6)
            .map(|n| {
                // Half of the ids are there already.
                let id = format!("d{}", (round * 3 + n) % 60);
                document(&id, &format!("{COMMON} Runde{round} Schrank{n}tür"))
            })
            .collect();
        let unchanged = |one: &Document| self.texts.get(&one.id) == Some(&one.text);
        assert!(!new.iter().any(unchanged));
        let pairs = new.iter().map(|one| (one.id.clone(), one.text.clone()));
        self.texts.extend(pairs);
        self.place.write_corpus("more.jsonl", &new);
        self.announce();
        assert_eq!(add_to(self.place, None, false).unwrap(), [""; 0]);

        let doomed: Vec<String> = self.texts.keys().step_by(7).cloned().collect();
        self.texts.retain(|id, _| !doomed.contains(id));
        self.announce();
        let request = DeleteRequest {
            filter: None,
            dir: &self.place.dir(),
            ids: &doomed,
            merges: false,
        };
        delete(&request, &NoProgress).unwrap();
        if round % 4 == 3 {
            self.announce();
            compact(&self.place.dir(), &NoProgress).unwrap();
        }
    }
}

/// Searches until the writer is done; how often, and in how many generations.
fn read(
    place: &Place,
    expected: &Mutex<HashMap<u64, Texts>>,
    is_done: &AtomicBool,
) -> (usize, usize) {
    let mut engine = place.open();
    let (mut searches, mut generations) = (0, 1);
    loop {
        let was_done = is_done.load(Ordering::Acquire);
        let generation = engine.manifest().generation;
        let wanted = expected.lock().unwrap()[&generation].clone();
        assert_eq!(found(&engine), wanted, "generation {generation}");
        searches += 1;
        if was_done {
            return (searches, generations);
        }
        let newer = match searches % 3 {
            0 => Some(place.open()),
            _ => engine.newer(&place.fakes).unwrap(),
        };
        if let Some(newer) = newer {
            assert!(newer.manifest().generation >= generation);
            generations += usize::from(newer.manifest().generation > generation);
            // Until now, the old one is read, although its files may be gone.
            assert_eq!(found(&engine), wanted, "generation {generation}, again");
            engine = newer;
        }
    }
}

#[test]
fn every_search_sees_one_generation_whatever_is_written_meanwhile() {
    let first: Vec<Document> = (0..8)
        .map(|n| document(&format!("d{n}"), &format!("{COMMON} Anfang{n}")))
        .collect();
    let mut place = Place::with_corpus(&first);
    place.config = crate::support::config(&["bm25.analyzer=german"]);
    place.build().unwrap();
    let pairs = first.into_iter().map(|one| (one.id, one.text));
    let texts: Texts = pairs.collect();
    let expected = Mutex::new(HashMap::from([(1, texts.clone())]));
    let is_done = AtomicBool::new(false);
    let (place, expected, is_done) = (&place, &expected, &is_done);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS)
            .map(|_| scope.spawn(|| read(place, expected, is_done)))
            .collect();
        let mut writer = Writer {
            place,
            expected,
            generation: 1,
            texts,
        };
        // Also if it fails, so that the readers end.
        let written = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            (0..ROUNDS).for_each(|round| writer.round(round));
        }));
        is_done.store(true, Ordering::Release);
        let last = writer.generation;
        written.unwrap();
        assert_eq!(place.open().manifest().generation, last);
        let counts = readers.into_iter().map(|reader| reader.join().unwrap());
        let (searches, generations) =
            counts.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        println!(
            "{searches} searches in {generations} of {last} generations, by {READERS} readers"
        );
        assert!(searches > READERS && generations > READERS);
    });
}

#[test]
fn a_second_writer_is_turned_away() {
    let base = base();
    for change in [
        Change::Replace,
        Change::Add,
        Change::Delete,
        Change::Compact,
    ] {
        let place = change.prepare(&base);
        let lock = Lock::try_exclusive(&place.dir().join(LOCK), LOCK_CONTENT).unwrap();
        let before = contents(&place.dir());
        let error = change.run(&place).unwrap_err();
        assert!(
            matches!(error, Error::Locked { .. }),
            "{change:?}: {}",
            chain(&error)
        );
        assert!(error.to_string().contains("another process"), "{error}");
        assert_eq!(contents(&place.dir()), before);
        drop(lock);
        change.run_again(&place, "unlocked");
    }
}

#[test]
fn an_index_that_is_removed_under_a_reader_is_read_on() {
    let place = base();
    let texts = |engine: &Engine| {
        let request = SearchRequest::text("Laborschrank blau Tür");
        let hits = engine.search(&request).unwrap().hits;
        let shown = hits
            .iter()
            .map(|hit| format!("{} {} {}", hit.id, hit.score, hit.text));
        shown.collect::<Vec<String>>()
    };
    let engine = place.open();
    let whole = texts(&engine);
    assert!(whole.len() > 1);
    let kept = place.folder.path().join("kept");
    copy(&place.dir(), &kept);
    // A second one, of which nothing was read before.
    let untouched = place.open();
    fs::remove_dir_all(place.dir()).unwrap();
    for engine in [&engine, &untouched] {
        assert_eq!(texts(engine), whole);
        let error = engine.newer(&place.fakes).err().unwrap();
        assert!(matches!(error, Error::NoIndex { .. }), "{}", chain(&error));
    }
    assert!(place.refusal().contains("does not exist"));
    copy(&kept, &place.dir());
    assert_eq!(texts(&place.open()), whole);
    assert!(engine.newer(&place.fakes).unwrap().is_none());
}
