//! Damage in an index of several segments, and in the file of its deleted documents.

use std::fs;
use std::path::PathBuf;

use treffer_engine::Error;
use treffer_engine::check::check;
use treffer_engine::manifest::{LOCK, MANIFEST, Manifest, SETTINGS};

use super::{answers, is_noticed_or_harmless};
use crate::crash::changes::{add_to, delete_from};
use crate::support::{Place, chain, config, document, files_below};

/// An index of three segments with deleted documents, whose first inverted index was written anew.
fn of_three_segments() -> Place {
    let mut place = Place::with_corpus(&[
        document("a", "w0 Kühlschrank w1"),
        document("b", "w0 Laborschrank"),
        document("c", "w1 w2 Tür"),
        document("d", "w2 w3"),
    ]);
    place.config = config(&["bm25.analyzer=german"]);
    place.build().unwrap();
    for more in [
        [document("e", "w0 Schrank w4"), document("f", "kühl w1")],
        [document("g", "w3 Labor"), document("h", "w0 w1 w2")],
    ] {
        place.write_corpus("more.jsonl", &more);
        assert_eq!(add_to(&place, None, false).unwrap(), [""; 0]);
    }
    assert_eq!(delete_from(&place, &["d"]).unwrap(), [""; 0]);
    let manifest = Manifest::read(&place.dir()).unwrap();
    assert_eq!(manifest.segments.len(), 3);
    let mut parts = manifest.segments[0].parts.keys();
    assert!(parts.any(|part| part.starts_with("bm25-")));
    assert!(manifest.deleted.is_some());
    place
}

#[test]
fn a_damaged_file_of_several_segments_is_noticed() {
    let place = of_three_segments();
    let whole = answers(&place).unwrap();
    assert_eq!(check(&place.dir()).unwrap().damage, []);
    let is_sealed = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        ![MANIFEST, SETTINGS, LOCK].contains(&name)
    };
    let paths: Vec<_> = files_below(&place.dir())
        .into_iter()
        .filter(is_sealed)
        .collect();
    assert!(paths.len() > 40 && paths.iter().any(|path| path.ends_with("deleted-4")));
    for path in paths {
        let good = fs::read(&path).unwrap();
        // A bit of a byte that is another one in each file, and a cut there.
        let at = path.as_os_str().len() * 31 % good.len().max(1);
        let mut flipped = good.clone();
        if let Some(byte) = flipped.get_mut(at) {
            *byte ^= 1 << (at % 8);
        }
        let cut = good[..at].to_vec();
        for bad in [flipped, cut].iter().filter(|bad| **bad != good) {
            fs::write(&path, bad).unwrap();
            is_noticed_or_harmless(&place, &path, &whole)
                .unwrap_or_else(|found| panic!("{}, byte {at}: {found}", path.display()));
        }
        fs::remove_file(&path).unwrap();
        is_noticed_or_harmless(&place, &path, &whole)
            .unwrap_or_else(|found| panic!("{}, removed: {found}", path.display()));
        fs::write(&path, &good).unwrap();
    }
    assert_eq!(answers(&place).unwrap(), whole);
}

#[test]
fn every_bit_of_the_file_of_deleted_documents_counts() {
    let place = of_three_segments();
    let path = place.dir().join("deleted-4");
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            fs::write(&path, &bad).unwrap();
            let error = place.try_open().err().unwrap();
            assert!(
                matches!(error, Error::Damaged { .. }),
                "byte {at}: {}",
                chain(&error)
            );
            let error = delete_from(&place, &["a"]).unwrap_err();
            assert!(
                matches!(error, Error::Damaged { .. }),
                "byte {at}: {}",
                chain(&error)
            );
        }
    }
    // One of another generation, of the same form.
    let mut other = good.clone();
    other[12] = 1;
    fs::write(&path, &other).unwrap();
    assert!(place.refusal().contains("deleted-4"), "{}", place.refusal());
}
