//! Directories that are not an index, not this index, not finished, or not whole.

use std::fs;
use std::path::Path;

use treffer_bm25::{Analyzer, Bm25Config, Bm25Index, Bm25Writer, Error, Fields};
use treffer_types::DocId;

use crate::support::{Doc, build, config, large_corpus, plain, weighted};

fn open_error(dir: &Path, config: &Bm25Config) -> Error {
    Bm25Index::open_folder(dir, config)
        .err()
        .expect("this is no index to be opened")
}

#[test]
fn a_directory_without_a_finished_index_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = dir.path().join("nowhere");
    assert!(matches!(
        open_error(&nowhere, &plain()),
        Error::Missing { .. }
    ));
    assert!(matches!(
        open_error(dir.path(), &plain()),
        Error::Missing { .. }
    ));

    let mut writer = Bm25Writer::create(dir.path(), &plain()).unwrap();
    writer.add(DocId(0), "", "x").unwrap();
    drop(writer);
    let error = open_error(dir.path(), &plain());
    assert!(matches!(error, Error::Missing { .. }));
    assert!(
        error
            .to_string()
            .contains(&dir.path().display().to_string())
    );
}

#[test]
fn an_index_is_never_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let begun = Bm25Writer::create(dir.path(), &plain()).unwrap();
    let again = || Bm25Writer::create(dir.path(), &plain()).err().unwrap();
    assert!(matches!(again(), Error::Exists { .. }));
    begun.finish().unwrap();
    assert!(matches!(again(), Error::Exists { .. }));
}

#[test]
fn an_index_cannot_be_created_in_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Bm25Writer::create(file.path(), &plain()).err().unwrap();
    assert!(matches!(error, Error::Io { .. }));
}

#[test]
fn another_analyzer_or_kind_of_fields_is_refused_with_both_named() {
    let dir = tempfile::tempdir().unwrap();
    build(dir.path(), &plain(), &large_corpus(3));
    let german = config(Analyzer::German, Fields::Concatenated);
    let folded = Bm25Config {
        fold_accents: Some(true),
        ..plain()
    };
    for (other, built, asked) in [
        (german, "`plain`", "`german`"),
        (folded, "fold_accents `false`", "`true`"),
        (weighted(1.0, 1.0), "`concatenated`", "`weighted`"),
    ] {
        let message = open_error(dir.path(), &other).to_string();
        assert!(
            message.contains(built) && message.contains(asked),
            "{message}"
        );
    }
}

#[test]
fn invalid_settings_are_refused_before_anything_is_read_or_written() {
    let dir = tempfile::tempdir().unwrap();
    let invalid = Bm25Config { b: 2.0, ..plain() };
    assert!(Bm25Writer::create(dir.path(), &invalid).is_err());
    assert!(fs::read_dir(dir.path()).unwrap().next().is_none());
    assert!(matches!(
        open_error(dir.path(), &invalid),
        Error::Config { .. }
    ));
}

/// Everything that an index can be asked, as text.
fn everything(dir: &Path, config: &Bm25Config) -> Result<String, Error> {
    let index = Bm25Index::open_folder(dir, config)?;
    let mut answers = String::new();
    for depth in [1, 10_000] {
        answers += &format!("{:?}\n", index.search("all few missing", depth, None)?);
    }
    answers += &format!("{:?}\n", index.score("all few", &[DocId(1), DocId(31)])?);
    answers += &format!("{:?}\n", index.lengths(&[DocId(1), DocId(31)])?);
    answers += &format!("{:?}\n", index.explain("few", DocId(30))?);
    Ok(answers)
}

/// What a complete check finds.
fn problems(dir: &Path, config: &Bm25Config) -> Vec<String> {
    let mut problems = Vec::new();
    match Bm25Index::open_folder(dir, config) {
        Ok(index) => index.verify(&mut |path, reason| {
            problems.push(format!("{}: {reason}", path.display()));
        }),
        Err(error) => problems.push(error.to_string()),
    }
    problems
}

/// Calls `damage` for every file of an index, and restores the file afterwards. `damage` gets
/// a way to check the damaged index: it is an error or gives the same answers, and it is
/// always found by a complete check.
fn for_each_file(config: &Bm25Config, damage: impl Fn(&Path, &[u8], &dyn Fn(&str))) {
    let dir = tempfile::tempdir().unwrap();
    // A list of postings in a full block and a rest, and a short one.
    let text = |doc: u32| {
        if doc.is_multiple_of(5) {
            "all few few"
        } else {
            "all"
        }
    };
    let docs: Vec<Doc> = (0..150)
        .map(|doc| (doc, "all".to_owned(), text(doc).to_owned()))
        .collect();
    build(dir.path(), config, &docs);
    let answers = everything(dir.path(), config).unwrap();
    assert_eq!(problems(dir.path(), config), [""; 0]);
    let mut n_files = 0;
    for entry in fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        let whole = fs::read(&path).unwrap();
        damage(&path, &whole, &|what| {
            if let Ok(damaged) = everything(dir.path(), config) {
                assert_eq!(damaged, answers, "{what} of {}", path.display());
            }
            let found = problems(dir.path(), config);
            assert!(!found.is_empty(), "{what} of {}", path.display());
        });
        fs::write(&path, &whole).unwrap();
        n_files += 1;
    }
    assert!(n_files > 5);
    assert!(Bm25Index::open_folder(dir.path(), config).is_ok());
}

#[test]
fn no_flipped_byte_changes_an_answer() {
    for config in [plain(), weighted(2.0, 1.0)] {
        for_each_file(&config, |path, whole, check| {
            for i in (0..whole.len()).step_by(2) {
                let mut bytes = whole.to_vec();
                bytes[i] ^= [0x01, 0x80, 0xff][i % 3];
                fs::write(path, &bytes).unwrap();
                check(&format!("byte {i}"));
            }
        });
    }
}

#[test]
fn no_cut_or_lost_file_changes_an_answer() {
    for config in [plain(), weighted(2.0, 1.0)] {
        for_each_file(&config, |path, whole, check| {
            for len in [0, 1, whole.len() / 2, whole.len().saturating_sub(1)] {
                if len < whole.len() {
                    fs::write(path, &whole[..len]).unwrap();
                    check(&format!("a cut to {len} bytes"));
                }
            }
            fs::remove_file(path).unwrap();
            check("the loss");
        });
    }
}

/// Behind the checksums, whatever wrote them: no file causes a panic.
#[test]
fn sealed_nonsense_causes_no_panic() {
    for config in [plain(), weighted(2.0, 1.0)] {
        let dir = tempfile::tempdir().unwrap();
        build(dir.path(), &config, &large_corpus(150));
        let paths: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| !path.ends_with("checksums"))
            .collect();
        for path in paths {
            let whole = fs::read(&path).unwrap();
            for i in (0..whole.len()).step_by(whole.len() / 12 + 1) {
                let mut bytes = whole.clone();
                bytes[i] ^= [0x01, 0x80, 0xff][i % 3];
                fs::write(&path, &bytes).unwrap();
                treffer_disk::seal(dir.path()).unwrap();
                let _ = everything(dir.path(), &config);
                let _ = problems(dir.path(), &config);
            }
            fs::write(&path, &whole).unwrap();
        }
    }
}

#[test]
fn a_complete_check_finds_columns_that_make_no_sense() {
    let dir = tempfile::tempdir().unwrap();
    build(dir.path(), &plain(), &large_corpus(30));
    for (name, reason) in [
        ("languages.u8", "it counts"),
        ("body-length.u32", "lengths sum to"),
    ] {
        let path = dir.path().join(name);
        let whole = fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        bytes[12 + 4 * 7] ^= 0x01;
        fs::write(&path, &bytes).unwrap();
        treffer_disk::seal(dir.path()).unwrap();
        let found = problems(dir.path(), &plain());
        assert!(found.len() == 1 && found[0].contains(reason), "{found:?}");
        fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn a_finished_index_is_read_only_and_keeps_no_locks() {
    let dir = tempfile::tempdir().unwrap();
    build(dir.path(), &plain(), &large_corpus(40));
    let names = || -> std::collections::BTreeSet<_> {
        fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    let before = names();
    assert!(before.iter().all(|name| !name.ends_with(".lock")));
    let index = Bm25Index::open_folder(dir.path(), &plain()).unwrap();
    assert!(!index.search("w0", 5, None).unwrap().is_empty());
    assert_eq!(names(), before);
}

#[cfg(unix)]
#[test]
fn every_file_has_the_permissions_of_a_new_one() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    build(dir.path(), &plain(), &large_corpus(3));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    let usual = dir.path().join("usual");
    fs::write(&usual, b"").unwrap();
    for entry in fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), mode(&usual), "{}", path.display());
    }
}

#[test]
fn an_unreadable_record_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    build(dir.path(), &plain(), &large_corpus(3));
    let of = |analyzer: &str, n_docs: u32, n_terms: &str, n_pieces: &str| {
        format!(
            "{{\"format\":7,\"analyzer\":\"{analyzer}\",\"fold_accents\":false,\"fields\":\"concatenated\",\
             \"n_docs\":{n_docs},\"n_terms\":[{n_terms}],\"n_pieces\":{n_pieces},\"n_listed\":{n_pieces},\"n_compounds\":{n_pieces},\
             \"languages\":{{\"de\":0,\"en\":0,\"other\":0,\"unsure\":3}}}}"
        )
    };
    for record in [
        "",
        "{}",
        &of("plain", 4, "9", "null"),
        &of("plain", 3, "", "null"),
        &of("plain", 3, "9", "0"),
        &of("german", 3, "9", "null"),
    ] {
        fs::write(dir.path().join("bm25.json"), record).unwrap();
        assert!(matches!(
            open_error(dir.path(), &plain()),
            Error::Damaged { .. }
        ));
        treffer_disk::seal(dir.path()).unwrap();
        assert!(matches!(
            open_error(dir.path(), &plain()),
            Error::Damaged { .. }
        ));
    }
}

#[test]
fn another_format_is_told_from_damage() {
    let dir = tempfile::tempdir().unwrap();
    build(dir.path(), &plain(), &large_corpus(3));
    for format in 1..=6 {
        let record = format!("{{\"format\":{format},\"more\":0}}");
        fs::write(dir.path().join("bm25.json"), record).unwrap();
        treffer_disk::seal(dir.path()).unwrap();
        let error = open_error(dir.path(), &plain());
        assert!(
            matches!(error, Error::Format { built, .. } if built == format),
            "{error}"
        );
    }
}
