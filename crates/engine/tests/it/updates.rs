//! Documents come and go: an index that was changed answers as one that was built of what is left.

use std::collections::BTreeMap;

use proptest::prelude::*;
use treffer_corpus::{Problem, ReadOptions};
use treffer_engine::Engine;
use treffer_engine::api::SearchRequest;
use treffer_engine::build::{
    AddRequest, DeleteReport, DeleteRequest, WriteReport, add, compact, delete, repair,
};
use treffer_engine::check::check;
use treffer_engine::config::Config;
use treffer_types::{Document, NoProgress};

use crate::support::{Place, config, document};

impl Place {
    /// Adds documents to the index.
    pub(crate) fn add(
        &self,
        documents: &[Document],
        commit_every: Option<u32>,
        merges: bool,
    ) -> WriteReport {
        let input = self.write_corpus("more.jsonl", documents);
        let request = AddRequest {
            dir: &self.dir(),
            inputs: &[input],
            vectors: None,
            reading: &ReadOptions::default(),
            strict: true,
            commit_every,
            device: None,
            merges,
        };
        let mut on_problem = |problem: &Problem| panic!("{problem}");
        add(&request, &self.fakes, &NoProgress, &mut on_problem).unwrap()
    }

    pub(crate) fn delete(&self, ids: &[&str], merges: bool) -> DeleteReport {
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        let request = DeleteRequest {
            dir: &self.dir(),
            ids: &ids,
            filter: None,
            merges,
        };
        delete(&request, &NoProgress).unwrap()
    }
}

/// The hits of a query: ids with every score, as text that shows every bit.
pub(crate) fn found(engine: &Engine, text: &str) -> Vec<String> {
    let mut request = SearchRequest::text(text);
    request.options.top_k = 1000;
    request.options.explain = true;
    let response = engine.search(&request).unwrap();
    let shown = response.hits.iter();
    shown
        .map(|hit| format!("{} {:?} {:?}", hit.id, hit.score, hit.stages))
        .collect()
}

fn assert_sound(place: &Place) {
    let checked = check(&place.dir()).unwrap();
    assert!(checked.damage.is_empty(), "{:?}", checked.damage);
}

/// Whether the index answers as one that is built at once of the same documents in the same order.
pub(crate) fn assert_like_new(place: &Place, documents: &[Document], queries: &[&str]) {
    assert_sound(place);
    let engine = place.open();
    assert_eq!(engine.n_docs() as usize, documents.len());
    if documents.is_empty() {
        for query in queries {
            assert_eq!(found(&engine, query), Vec::<String>::new());
        }
        return;
    }
    let mut new = Place::with_corpus(documents);
    new.config = place.config.clone();
    new.build().unwrap();
    let new = new.open();
    for query in queries {
        assert_eq!(found(&engine, query), found(&new, query), "{query}");
    }
}

#[test]
fn a_document_takes_the_place_of_the_one_with_its_id() {
    let place = Place::built(&[document("a", "red apple"), document("b", "green pear")]);
    let report = place.add(
        &[
            document("b", "yellow pear"),
            document("c", "blue plum"),
            document("a", "red apple"),
        ],
        None,
        false,
    );
    assert_eq!((report.added, report.updated, report.unchanged), (1, 1, 1));
    assert_eq!(report.documents, 3);
    let left = [
        document("a", "red apple"),
        document("b", "yellow pear"),
        document("c", "blue plum"),
    ];
    assert_like_new(&place, &left, &["pear", "green", "yellow plum", "apple"]);
    compact(&place.dir(), &NoProgress).unwrap();
    assert_like_new(&place, &left, &["pear", "green", "yellow plum", "apple"]);
}

#[test]
fn unknown_ids_are_told_and_deleting_everything_leaves_an_index() {
    let place = Place::built(&[document("a", "red apple"), document("b", "green pear")]);
    let report = place.delete(&["b", "x", "b", "a"], true);
    assert_eq!((report.deleted, report.documents), (2, 0));
    assert_eq!(report.unknown, ["x"]);
    assert_like_new(&place, &[], &["pear", "apple"]);
    assert_eq!(place.open().manifest().segments.len(), 0);
    place.add(&[document("c", "blue plum")], None, true);
    assert_like_new(&place, &[document("c", "blue plum")], &["plum", "apple"]);
}

#[test]
fn an_open_engine_goes_on_reading_and_can_move_to_the_next_generation() {
    let place = Place::built(&[document("a", "red apple"), document("b", "green pear")]);
    let old = place.open();
    assert!(old.newer(&place.fakes).unwrap().is_none());
    let before = found(&old, "pear");
    place.add(&[document("b", "yellow banana")], None, true);
    compact(&place.dir(), &NoProgress).unwrap();
    assert_eq!(found(&old, "pear"), before);
    let new = old.newer(&place.fakes).unwrap().unwrap();
    assert!(new.manifest().generation > old.manifest().generation);
    assert_eq!(
        found(&new, "pear").len(),
        found(&place.open(), "pear").len()
    );
}

#[test]
fn a_text_that_is_there_is_not_encoded_again() {
    let place = Place::built(&[document("a", "red apple"), document("b", "green pear")]);
    let encoded = place.fakes.n_embedded();
    let mut priced = document("a", "red apple");
    priced.metadata.insert("price".into(), 7.into());
    let report = place.add(&[priced.clone(), document("b", "green pear")], None, true);
    assert_eq!((report.updated, report.unchanged), (1, 1));
    assert_eq!(place.fakes.n_embedded(), encoded);
    assert_like_new(
        &place,
        &[document("b", "green pear"), priced],
        &["apple", "pear"],
    );
}

#[test]
fn batches_are_merged_between_and_what_the_run_has_seen_is_still_known() {
    let numbered = |n: usize, text: &str| document(&format!("d{n:02}"), &format!("word{n} {text}"));
    let old: Vec<Document> = (0..12).map(|n| numbered(n, "old")).collect();
    let place = Place::built(&old);
    // Replaces half of the old ones, so that merging takes documents away below all others.
    let mut more: Vec<Document> = (0..6).map(|n| numbered(n, "new")).collect();
    more.push(numbered(8, "old"));
    more.extend((12..40).map(|n| numbered(n, "new")));
    let mut left: Vec<Document> = (6..12).map(|n| numbered(n, "old")).collect();
    left.extend(more.iter().filter(|one| one.id != "d08").cloned());
    // Known already: as it is, from this run and unchanged.
    more.extend([
        numbered(39, "newer"),
        numbered(8, "newer"),
        numbered(12, "new"),
    ]);
    let request = AddRequest {
        dir: &place.dir(),
        inputs: &[place.write_corpus("more.jsonl", &more)],
        vectors: None,
        reading: &ReadOptions::default(),
        strict: false,
        commit_every: Some(1),
        device: None,
        merges: true,
    };
    let (mut problems, mut most) = (Vec::new(), 0);
    let report = add(
        &request,
        &place.fakes,
        &NoProgress,
        &mut |problem: &Problem| {
            problems.push(problem.to_string());
            most = most.max(place.open().manifest().segments.len());
        },
    );
    let report = report.unwrap();
    assert_eq!((report.added, report.updated, report.unchanged), (28, 6, 1));
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(most < 10, "{most} segments while adding");
    assert_eq!(place.open().manifest().n_deleted(), 0);
    assert_like_new(&place, &left, &["word3 word8", "new", "old word39"]);
}

/// What may happen to an index.
#[derive(Clone, Debug)]
enum Step {
    /// Adds documents, each with the number of its id and that of its text.
    Add(Vec<(u8, u8)>, Option<u32>, bool),
    Delete(Vec<u8>, bool),
    Compact,
}

fn step() -> impl Strategy<Value = Step> {
    let documents = prop::collection::vec((0_u8..30, 0_u8..40), 1..12);
    let every = prop::option::of(1_u32..5);
    prop_oneof![
        4 => (documents, every, any::<bool>()).prop_map(|(d, e, m)| Step::Add(d, e, m)),
        2 => (prop::collection::vec(0_u8..30, 1..8), any::<bool>()).prop_map(|(d, m)| Step::Delete(d, m)),
        1 => Just(Step::Compact),
    ]
}

/// German texts whose compounds hold one another's words.
fn text(n: u8) -> String {
    const WORDS: [&str; 12] = [
        "Kühlschrank",
        "Schrank",
        "Labor",
        "Laborschrank",
        "Tür",
        "Schranktür",
        "kühl",
        "Wohnungstür",
        "Wohnung",
        "blau",
        "Schloss",
        "Türschloss",
    ];
    let n = usize::from(n);
    let word = |i: usize| WORDS[i % WORDS.len()];
    format!("{} {} {}", word(n), word(n / 2 + 3), word(n * 7 + 1))
}

/// Documents in the order in which they were last written.
#[derive(Default)]
struct Model {
    documents: BTreeMap<u64, Document>,
    place: BTreeMap<String, u64>,
    next: u64,
}

impl Model {
    fn add(&mut self, document: Document) {
        if let Some(old) = self.place.get(&document.id) {
            if self.documents[old] == document {
                return;
            }
            self.documents.remove(old);
        }
        self.place.insert(document.id.clone(), self.next);
        self.documents.insert(self.next, document);
        self.next += 1;
    }

    fn delete(&mut self, id: &str) {
        if let Some(old) = self.place.remove(id) {
            self.documents.remove(&old);
        }
    }
}

fn run(config: Config, steps: &[Step], queries: &[&str], is_exact_with_deletes: bool) {
    let first: Vec<Document> = (0..6)
        .map(|n| document(&format!("d{n}"), &text(n)))
        .collect();
    let mut place = Place::with_corpus(&first);
    place.config = config;
    place.build().unwrap();
    let mut model = Model::default();
    first.into_iter().for_each(|document| model.add(document));
    for step in steps {
        match step {
            Step::Add(documents, every, merges) => {
                // An id that comes twice in one command is a problem of the input.
                let documents: BTreeMap<u8, u8> = documents.iter().copied().collect();
                let documents: Vec<Document> = documents
                    .into_iter()
                    .map(|(id, n)| document(&format!("d{id}"), &text(n)))
                    .collect();
                place.add(&documents, *every, *merges);
                documents
                    .into_iter()
                    .for_each(|document| model.add(document));
            }
            Step::Delete(ids, merges) => {
                let ids: Vec<String> = ids.iter().map(|id| format!("d{id}")).collect();
                let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
                place.delete(&ids, *merges);
                ids.iter().for_each(|id| model.delete(id));
            }
            Step::Compact => {
                compact(&place.dir(), &NoProgress).unwrap();
            }
        }
        let left: Vec<Document> = model.documents.values().cloned().collect();
        let is_clean = place.open().manifest().n_deleted() == 0;
        if is_exact_with_deletes || is_clean {
            assert_like_new(&place, &left, queries);
        } else {
            assert_sound(&place);
        }
    }
}

const QUERIES: [&str; 5] = [
    "Schrank",
    "Laborschrank blau",
    "Tür Wohnung",
    "Kühlschrank",
    "Schloss kühl Tür",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Without compounds, deleted documents count nowhere.
    #[test]
    fn whatever_happened_the_ranking_is_that_of_a_new_index(steps in prop::collection::vec(step(), 1..7)) {
        let config = config(&["late.model=fake-token-embedder"]);
        run(config, &steps, &QUERIES, true);
    }

    /// Compounds are cut into words of deleted documents until their segment is merged.
    #[test]
    fn so_it_is_with_compounds_once_nothing_is_deleted(steps in prop::collection::vec(step(), 1..7)) {
        let config = config(&["bm25.analyzer=german"]);
        run(config, &steps, &QUERIES, false);
    }
}

#[test]
fn words_of_a_list_outlive_the_documents_that_came_with_them() {
    let queries = ["Schrank", "kühl rot", "Kühlschrank"];
    let mut place = Place::with_corpus(&[document("a", "Kühlschrank"), document("b", "blau")]);
    let list = place.folder.path().join("list.txt");
    std::fs::write(&list, "kühl\nSchrank\n").unwrap();
    let words = format!("bm25.words={}", list.display());
    place.config = config(&["bm25.analyzer=german", "fields.price=integer", &words]);
    (place.config.dense, place.config.cross) = (None, None);
    place.build().unwrap();
    assert_eq!(found(&place.open(), "Schrank").len(), 1);
    // All are replaced, and their segment is gone.
    let changed = [document("a", "Kühlschrank rot"), document("b", "blau rot")];
    let report = place.add(&changed, None, true);
    assert_eq!(report.updated, 2);
    assert_eq!(place.open().manifest().segments.len(), 1);
    assert_like_new(&place, &changed, &queries);
    // All are deleted, and others come.
    place.delete(&["a", "b"], true);
    assert_like_new(&place, &[], &queries);
    compact(&place.dir(), &NoProgress).unwrap();
    assert_like_new(&place, &[], &queries);
    let new = [document("c", "Kühlschrank grün")];
    place.add(&new, None, true);
    for _ in 0..2 {
        assert_like_new(&place, &new, &queries);
        assert_eq!(found(&place.open(), "Schrank").len(), 1);
        compact(&place.dir(), &NoProgress).unwrap();
    }
    assert_eq!(place.open().manifest().segments.len(), 1);
}

/// Changes a byte in the middle of every file of a part.
pub(crate) fn damage_part(folder: &std::path::Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        if let Some(byte) = bytes.get_mut(0) {
            *byte ^= 1;
        }
        std::fs::write(&path, bytes).unwrap();
    }
}

#[test]
fn what_documents_tell_is_repaired_from_them() {
    let documents: Vec<Document> = (0..6)
        .map(|n| document(&format!("d{n}"), &text(n)))
        .collect();
    for part in ["bm25", "dense", "columns"] {
        let mut place = Place::with_corpus(&documents[..4]);
        place.config = config(&["bm25.analyzer=german", "fields.price=integer"]);
        place.build().unwrap();
        place.add(&documents[4..], None, false);
        place.delete(&["d1"], false);
        let before = found(&place.open(), "Laborschrank Tür");
        damage_part(&place.segment().join(part));
        place
            .try_open()
            .err()
            .expect("a damaged index is not opened");
        let report = repair(&place.dir(), &place.fakes, None, &NoProgress).unwrap();
        assert_eq!(
            (report.repaired.len(), report.checked.damage.len()),
            (1, 0),
            "{report:?}"
        );
        assert_eq!(found(&place.open(), "Laborschrank Tür"), before, "{part}");
        // A sound index stays as it is.
        let generation = place.open().manifest().generation;
        let again = repair(&place.dir(), &place.fakes, None, &NoProgress).unwrap();
        assert!(again.repaired.is_empty() && again.checked.damage.is_empty());
        assert_eq!(place.open().manifest().generation, generation);
    }
}

#[test]
fn documents_that_are_lost_are_told() {
    let place = Place::built(&[document("a", "red apple"), document("b", "green pear")]);
    damage_part(&place.segment().join("store"));
    let report = repair(&place.dir(), &place.fakes, None, &NoProgress).unwrap();
    assert!(report.repaired.is_empty());
    assert!(!report.checked.damage.is_empty());
}

#[test]
fn settings_that_cannot_be_read_are_replaced_and_kept_aside() {
    let place = Place::built(&[document("a", "red apple")]);
    let good = std::fs::read_to_string(place.settings()).unwrap();
    std::fs::write(place.settings(), "generation = ?").unwrap();
    let report = repair(&place.dir(), &place.fakes, None, &NoProgress).unwrap();
    assert_eq!((report.repaired.len(), report.checked.damage.len()), (1, 0));
    assert_eq!(std::fs::read_to_string(place.settings()).unwrap(), good);
    let aside = place.dir().join("treffer.toml.damaged");
    assert_eq!(std::fs::read_to_string(aside).unwrap(), "generation = ?");
}
