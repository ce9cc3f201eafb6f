//! Files that are missing, changed, mixed or of another version.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;
use treffer_types::{DocId, Document};

use super::{all, columns, document, problems, schema};
use crate::{Columns, Error, Filter, SortBy};

const FILES: [&str; 8] = [
    "fields.table",
    "column-0",
    "column-1",
    "column-2",
    "column-3",
    "column-4",
    "column-5",
    "checksums",
];

/// Columns of every kind: `brand` has one value at most, `tag` several.
fn many(n: usize) -> (TempDir, Columns) {
    let documents: Vec<Document> = (0..n)
        .map(|i| {
            document(json!({
                "brand": format!("brand {}", i % 5), "price": i as f64 / 4.0, "sold": i % 2 == 0,
                "tag": [format!("t{i}"), format!("t{}", i / 2)], "year": [i, i * i],
                "published": (i % 3 > 0).then(|| format!("20{:02}-01-01", i % 100)),
            }))
        })
        .collect();
    columns(&schema(), &documents)
}

/// Everything that columns can be asked, as text.
fn everything(columns: &Columns) -> Result<String, Error> {
    let mut text = String::new();
    let all = all(columns);
    for field in columns.schema().names() {
        for doc in 0..columns.len() as u32 {
            text += &format!("{:?}", columns.values(DocId(doc), field)?);
        }
        text += &format!("{:?}", columns.facets(field, &all, None)?);
        let by = SortBy {
            field: field.to_owned(),
            descending: true,
        };
        text += &format!("{:?}", columns.sorted(&by, &all, 7)?);
    }
    for filter in FILTERS {
        let filter = Filter::parse(filter).unwrap().bind(&schema()).unwrap();
        text += &format!("{:?}", filter.matches(columns)?.ones().collect::<Vec<_>>());
        text += &format!("{:?}", filter.case_hints(columns)?);
    }
    Ok(text)
}

const FILTERS: [&str; 4] = [
    "brand:\"brand 1\" OR brand:X OR brand:c* OR brand:*",
    "tag:(t1 OR t3 OR t5) AND NOT price:{1 TO 3}",
    "year:(1 OR 4 OR 16) OR sold:true",
    "published:[2001 TO 2005]",
];

#[test]
fn a_missing_file_is_named() {
    for name in FILES {
        let (dir, _) = many(2);
        fs::remove_file(dir.path().join(name)).unwrap();
        let error = Columns::open(dir.path()).unwrap_err();
        assert!(matches!(error, Error::Missing { file, .. } if file == name));
    }
    let error = Columns::open(Path::new("no/such/directory")).unwrap_err();
    assert!(error.is_damage());
}

#[test]
fn every_flipped_byte_is_noticed() {
    let (dir, whole_columns) = many(12);
    let expected = everything(&whole_columns).unwrap();
    for name in FILES {
        let path = dir.path().join(name);
        let whole = fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(3) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(&path, &bytes).unwrap();
            let read = Columns::open(dir.path()).and_then(|columns| everything(&columns));
            assert!(read.is_err(), "{name} with byte {at} changed was read");
        }
        fs::write(&path, &whole).unwrap();
    }
    let columns = Columns::open(dir.path()).unwrap();
    assert_eq!(everything(&columns).unwrap(), expected);
}

#[test]
fn every_truncation_and_addition_is_noticed_when_opening() {
    let (dir, _) = many(12);
    for name in FILES {
        let path = dir.path().join(name);
        let whole = fs::read(&path).unwrap();
        for end in 0..whole.len() {
            fs::write(&path, &whole[..end]).unwrap();
            assert!(Columns::open(dir.path()).is_err(), "{name} cut at {end}");
        }
        fs::write(&path, [&whole[..], b"\0"].concat()).unwrap();
        assert!(
            Columns::open(dir.path()).is_err(),
            "{name} with a byte more"
        );
        fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn a_damaged_block_leaves_the_rest_readable() {
    let (dir, _) = many(20_000);
    // The words of `tag`, at the end.
    let path = dir.path().join("column-4");
    let mut bytes = fs::read(&path).unwrap();
    assert!(bytes.len() > 3 * treffer_disk::BLOCK_BYTES);
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    let columns = Columns::open(dir.path()).unwrap();
    assert_eq!(columns.values(DocId(7), "year").unwrap().len(), 2);
    let error = columns.values(DocId(9999), "tag").unwrap_err();
    assert!(matches!(&error, Error::Damaged { .. }), "{error}");
    let found = problems(&columns);
    assert!(found.len() == 1 && found[0].starts_with("column-4: the checksum of bytes"));
}

#[test]
fn files_of_two_folders_do_not_mix() {
    let ((small, _), (large, _)) = (many(5), many(6));
    for name in FILES {
        let path = large.path().join(name);
        let own = fs::read(&path).unwrap();
        fs::copy(small.path().join(name), &path).unwrap();
        assert!(Columns::open(large.path()).is_err(), "{name}");
        // Nor under a seal.
        treffer_disk::seal(large.path()).unwrap();
        assert!(
            name == "checksums" || Columns::open(large.path()).is_err(),
            "{name}"
        );
        fs::write(&path, own).unwrap();
        treffer_disk::seal(large.path()).unwrap();
    }
}

#[test]
fn another_version_is_told_from_damage() {
    for name in FILES {
        let (dir, _) = many(2);
        let path = dir.path().join(name);
        let mut bytes = fs::read(&path).unwrap();
        bytes[8] += 1;
        fs::write(&path, bytes).unwrap();
        // A file that another version wrote, it also sealed.
        if name != "checksums" {
            let error = Columns::open(dir.path()).unwrap_err();
            assert!(matches!(error, Error::Damaged { .. }), "{error}");
            treffer_disk::seal(dir.path()).unwrap();
        }
        let error = Columns::open(dir.path()).unwrap_err();
        assert!(matches!(error, Error::Version { .. }), "{name}: {error}");
    }
}

/// Files under a valid seal that contradict each other are errors, found by `verify` or harmless,
/// and never a panic.
#[test]
fn sealed_nonsense_causes_no_panic() {
    let (dir, whole_columns) = many(12);
    let expected = everything(&whole_columns).unwrap();
    let mut n_harmless = 0;
    for name in &FILES[..7] {
        let path = dir.path().join(name);
        let whole = fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(5) {
            let mut bytes = whole.clone();
            bytes[at] ^= [0xff, 1, 0x80][at % 3];
            fs::write(&path, &bytes).unwrap();
            treffer_disk::seal(dir.path()).unwrap();
            let Ok(columns) = Columns::open(dir.path()) else {
                continue;
            };
            let read = everything(&columns);
            if problems(&columns).is_empty() {
                // Another value of the same type; everything else would be a contradiction.
                assert!(read.is_ok(), "{name} with byte {at}: {read:?}");
                n_harmless += usize::from(read.unwrap() == expected);
            }
        }
        fs::write(&path, &whole).unwrap();
    }
    // Zeros between parts.
    assert!(n_harmless < 10, "{n_harmless}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn random_bytes_are_no_columns(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (dir, _) = many(3);
        for name in FILES {
            let path = dir.path().join(name);
            let own = fs::read(&path).unwrap();
            fs::write(&path, &bytes).unwrap();
            prop_assert!(Columns::open(dir.path()).is_err());
            fs::write(&path, own).unwrap();
        }
    }
}
