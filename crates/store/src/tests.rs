//! Round trips and duplicates. What damage does is in [`damage`], what failures to write
//! leave behind in [`failures`].

mod damage;
mod failures;

use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;
use treffer_types::{DocId, Document, Heading, Metadata};

use crate::{Error, Store, StoreWriter};

const FILES: [&str; 5] = [
    "documents.zst",
    "blocks.table",
    "ids.table",
    "hashes.table",
    "checksums",
];

fn document(id: &str, text: &str) -> Document {
    Document {
        id: id.to_owned(),
        text: text.to_owned(),
        ..Document::default()
    }
}

/// Documents of very different lengths, several blocks of them.
fn many(n: usize) -> Vec<Document> {
    (0..n)
        .map(|i| {
            let words = (0..i * 37 % 400).map(|w| format!("word{}", w * i));
            document(&format!("doc-{i}"), &words.collect::<Vec<_>>().join(" "))
        })
        .collect()
}

fn write(dir: &Path, documents: &[Document]) {
    let mut writer = StoreWriter::create(dir).unwrap();
    for (i, document) in documents.iter().enumerate() {
        assert_eq!(writer.add(document).unwrap(), DocId(i as u32));
    }
    writer.finish().unwrap();
}

fn store(documents: &[Document]) -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), documents);
    let store = Store::open_folder(dir.path()).unwrap();
    (dir, store)
}

/// Everything a store can be asked, as text.
fn everything(store: &Store, ids: &[&str]) -> Result<String, Error> {
    let mut text = String::new();
    for doc in 0..store.len() as u32 {
        text += &format!(
            "{:?} {:?}\n",
            store.id(DocId(doc))?,
            store.document(DocId(doc))?
        );
    }
    for id in ids {
        text += &format!("{:?}\n", store.find(id)?);
    }
    Ok(text)
}

/// What a complete check finds.
fn problems(dir: &Path) -> Vec<String> {
    let mut problems = Vec::new();
    if let Ok(store) = Store::open_folder(dir) {
        store.verify(&mut |path, reason| {
            let name = path.file_name().unwrap().to_string_lossy();
            problems.push(format!("{name}: {reason}"));
        });
    }
    problems
}

#[test]
fn documents_come_back_in_any_order() {
    let documents = many(300);
    let (_dir, store) = store(&documents);
    assert_eq!(store.len(), 300);
    for i in (0..300).map(|i| i * 77 % 300) {
        let doc = DocId(i as u32);
        assert_eq!(store.document(doc).unwrap(), documents[i]);
        assert_eq!(store.id(doc).unwrap(), documents[i].id);
        assert_eq!(store.find(&documents[i].id).unwrap(), Some(doc));
    }
    assert_eq!(store.find("doc-300").unwrap(), None);
    assert_eq!(store.find("").unwrap(), None);
}

#[test]
fn threads_may_read_one_store_at_once() {
    fn shared<T: Send + Sync>() {}
    shared::<Store>();
    shared::<StoreWriter>();
    let documents = many(100);
    let (_dir, store) = store(&documents);
    std::thread::scope(|scope| {
        for start in 0..4 {
            let (store, documents) = (&store, &documents);
            scope.spawn(move || {
                for i in (start..100).step_by(3) {
                    assert_eq!(&store.document(DocId(i as u32)).unwrap(), &documents[i]);
                }
            });
        }
    });
}

#[test]
fn an_empty_store_answers_every_call() {
    let (_dir, store) = store(&[]);
    assert!(store.is_empty());
    assert_eq!(store.find("a").unwrap(), None);
    let error = store.document(DocId(0)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no document 0; the store holds 0"
    );
    assert!(store.id(DocId(0)).is_err());
}

#[test]
fn a_number_that_was_not_assigned_is_an_error() {
    let (_dir, store) = store(&many(3));
    for doc in [3, 4, u32::MAX] {
        assert!(matches!(
            store.document(DocId(doc)),
            Err(Error::UnknownDoc { len: 3, .. })
        ));
        assert!(store.id(DocId(doc)).is_err());
    }
}

#[test]
fn a_second_document_of_one_id_is_refused_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = StoreWriter::create(dir.path()).unwrap();
    for id in ["a", "b"] {
        writer.add(&document(id, "first")).unwrap();
    }
    for (id, number) in [("b", 1), ("a", 0)] {
        let error = writer.add(&document(id, "second")).unwrap_err();
        assert!(
            matches!(&error, Error::DuplicateId { id: i, first } if i == id && first.0 == number)
        );
    }
    assert_eq!(writer.add(&document("c", "first")).unwrap(), DocId(2));
    writer.finish().unwrap();
    let store = Store::open_folder(dir.path()).unwrap();
    assert_eq!(store.len(), 3);
    for doc in 0..3 {
        assert_eq!(store.document(DocId(doc)).unwrap().text, "first");
    }
}

#[test]
fn a_million_words_are_one_document_like_any_other() {
    let long = "ein Wort und ".repeat(350_000);
    let documents = [
        document("before", "short"),
        document("long", &long),
        document("after", "short"),
    ];
    let (_dir, store) = store(&documents);
    for (i, document) in documents.iter().enumerate() {
        assert!(store.document(DocId(i as u32)).unwrap() == *document);
    }
}

#[test]
fn metadata_is_kept_as_it_was() {
    let Value::Object(metadata) = json!({
        "zebra": 1, "apple": [1.5, -0.0, 1e300, 18_446_744_073_709_551_615u64, -1],
        "nested": {"b": null, "a": {"id": "x", "text": "\u{0}\u{1f9ca}"}}, "": false,
    }) else {
        unreachable!("it is an object")
    };
    let keys: Vec<_> = metadata.keys().cloned().collect();
    let document = Document {
        metadata,
        ..document("with \"quotes\" and \u{202e}", "")
    };
    let (_dir, store) = store(std::slice::from_ref(&document));
    let read = store.document(DocId(0)).unwrap();
    assert_eq!(read, document);
    assert_eq!(read.metadata.keys().cloned().collect::<Vec<_>>(), keys);
}

#[test]
fn metadata_is_as_deep_as_a_record_can_be_or_refused() {
    let nested = |levels: usize| {
        let text = format!(
            "{{\"deep\":{}{}}}",
            "[".repeat(levels - 1),
            "]".repeat(levels - 1)
        );
        serde_json::from_str::<Metadata>(&text)
    };
    // The deepest that the JSON library reads.
    let deepest = Document {
        metadata: nested(127).unwrap(),
        ..document("deep", "text")
    };
    assert!(nested(128).is_err());
    let (_dir, store) = store(std::slice::from_ref(&deepest));
    assert_eq!(store.document(DocId(0)).unwrap(), deepest);

    let mut deeper = deepest;
    deeper.metadata = Metadata::from_iter([("more".to_owned(), Value::Object(deeper.metadata))]);
    let dir = tempfile::tempdir().unwrap();
    let mut writer = StoreWriter::create(dir.path()).unwrap();
    let error = writer.add(&deeper).unwrap_err();
    assert!(matches!(error, Error::TooDeep { most: 127, .. }), "{error}");
    assert_eq!(writer.add(&document("b", "")).unwrap(), DocId(0));
}

#[test]
fn a_store_is_not_written_over() {
    let (dir, _) = store(&many(2));
    let error = StoreWriter::create(dir.path()).unwrap_err();
    assert!(matches!(error, Error::Exists { .. }), "{error}");
}

#[test]
fn a_store_that_was_not_finished_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = StoreWriter::create(dir.path()).unwrap();
    for document in many(50) {
        writer.add(&document).unwrap();
    }
    drop(writer);
    let error = Store::open_folder(dir.path()).unwrap_err();
    assert!(matches!(error, Error::Missing { .. }), "{error}");
    write(dir.path(), &many(2));
    assert_eq!(Store::open_folder(dir.path()).unwrap().len(), 2);
}

#[test]
fn the_record_is_that_of_the_seal() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = StoreWriter::create(dir.path()).unwrap();
    writer.add(&document("a", "text")).unwrap();
    let record = writer.finish().unwrap();
    assert_eq!(record.files, 5);
    assert_eq!(Store::open_folder(dir.path()).unwrap().records()[0], record);
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        Just("\0".to_owned()),
        Just("שלום \u{1f600} \u{0301}".to_owned()),
        "[a-z ]{0,300}",
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((text(), inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

prop_compose! {
    fn any_document()(
        id in text(), title in text(), text in text(),
        headings in prop::collection::vec((any::<u32>(), 1..=6u8), 0..3),
        metadata in prop::collection::vec((text(), value()), 0..3),
    ) -> Document {
        let headings = headings.into_iter().map(|(at, level)| Heading { at, level }).collect();
        Document { id, title, text, headings, metadata: metadata.into_iter().collect() }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_document_comes_back_unless_its_id_was_there(
        documents in prop::collection::vec(any_document(), 0..40),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = StoreWriter::create(dir.path()).unwrap();
        let mut kept: Vec<&Document> = Vec::new();
        for document in &documents {
            // The obvious way: compare with every id so far.
            let first = kept.iter().position(|other| other.id == document.id);
            match (writer.add(document), first) {
                (Ok(doc), None) => {
                    prop_assert_eq!(doc.0 as usize, kept.len());
                    kept.push(document);
                }
                (Err(Error::DuplicateId { first, .. }), Some(expected)) => {
                    prop_assert_eq!(first.0 as usize, expected);
                }
                (other, _) => prop_assert!(false, "unexpected {:?}", other),
            }
        }
        writer.finish().unwrap();
        let store = Store::open_folder(dir.path()).unwrap();
        prop_assert_eq!(store.len(), kept.len());
        for (i, document) in kept.into_iter().enumerate() {
            let doc = DocId(i as u32);
            prop_assert_eq!(&store.document(doc).unwrap(), document);
            prop_assert_eq!(store.id(doc).unwrap(), &document.id);
            prop_assert_eq!(store.find(&document.id).unwrap(), Some(doc));
        }
    }
}
