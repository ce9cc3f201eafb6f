//! A store of several folders with deleted documents answers as the documents that are left.

use std::sync::Arc;

use fixedbitset::FixedBitSet;
use proptest::prelude::*;
use treffer_types::{DocId, Document, Passage};

use crate::{Error, Store, StorePart, StoreWriter};

/// A document of a few passages, with the number of its id.
fn document(id: usize, n_passages: usize) -> (Document, Vec<Passage>) {
    let document = Document {
        id: format!("doc-{id}"),
        text: format!("words of {id}"),
        ..Document::default()
    };
    let passage = |nth| Passage {
        context: format!("part {nth}"),
        start: 0,
        end: 5,
    };
    (document, (0..n_passages).map(passage).collect())
}

/// Parts, each of documents: the number of its id, its passages, whether it is deleted.
fn parts() -> impl Strategy<Value = Vec<Vec<(usize, usize, bool)>>> {
    let document = (1_usize..4, any::<bool>());
    let part = prop::collection::vec(document, 0..6);
    prop::collection::vec(part, 0..5).prop_map(|parts| {
        let mut id = 0;
        let mut number = |(n_passages, is_deleted)| {
            id += 1;
            (id, n_passages, is_deleted)
        };
        let mut numbered = |part: Vec<_>| part.into_iter().map(&mut number).collect();
        parts.into_iter().map(&mut numbered).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn parts_answer_as_one(parts in parts()) {
        let folders: Vec<tempfile::TempDir> =
            parts.iter().map(|_| tempfile::tempdir().unwrap()).collect();
        let mut opened = Vec::new();
        for (part, folder) in parts.iter().zip(&folders) {
            let mut writer = StoreWriter::create(folder.path()).unwrap();
            let mut deleted = FixedBitSet::with_capacity(part.len());
            for (at, (id, n_passages, is_deleted)) in part.iter().enumerate() {
                let (document, passages) = document(*id, *n_passages);
                writer.add_split(&document, &passages).unwrap();
                deleted.set(at, *is_deleted);
            }
            writer.finish().unwrap();
            opened.push(StorePart { dir: folder.path(), deleted: Some(Arc::new(deleted)) });
        }
        let store = Store::open(&opened).unwrap();
        let all: Vec<(usize, usize, bool)> = parts.concat();
        prop_assert_eq!(store.len(), all.len());
        prop_assert_eq!(store.is_empty(), all.is_empty());
        let mut first_passage = 0;
        let mut live = Vec::new();
        for (number, (id, n_passages, is_deleted)) in (0..).zip(&all) {
            let doc = DocId(number);
            let (expected, passages) = document(*id, *n_passages);
            for nth in 0..*n_passages as u32 {
                let passage = store.passage(first_passage + nth).unwrap();
                prop_assert_eq!((passage.doc, passage.passage), (doc, nth));
            }
            if *is_deleted {
                prop_assert!(!store.is_live(doc));
                let unknown = matches!(store.document(doc), Err(Error::UnknownDoc { .. }));
                prop_assert!(unknown && store.id(doc).is_err() && store.passages_of(doc).is_err());
                prop_assert_eq!(store.find(&expected.id).unwrap(), None);
            } else {
                live.push(doc);
                prop_assert_eq!(store.id(doc).unwrap(), &expected.id);
                prop_assert_eq!(store.find(&expected.id).unwrap(), Some(doc));
                let range = first_passage..first_passage + *n_passages as u32;
                prop_assert_eq!(store.passages_of(doc).unwrap(), range);
                prop_assert_eq!(store.split_document(doc).unwrap(), (expected, passages));
            }
            first_passage += *n_passages as u32;
        }
        prop_assert_eq!(store.n_passages(), first_passage);
        prop_assert!(store.passage(first_passage).is_err());
        prop_assert!(store.document(DocId(all.len() as u32)).is_err());
        prop_assert_eq!(store.n_live(), live.len());
        prop_assert_eq!(store.live_docs().collect::<Vec<_>>(), live);
        // By part, the passages of what is deleted.
        let deleted = store.deleted_passages().unwrap();
        let found: usize = deleted.iter().flatten().map(|set| set.count_ones(..)).sum();
        let expected: usize = all.iter().filter(|one| one.2).map(|one| one.1).sum();
        prop_assert_eq!(found, expected);
    }
}
