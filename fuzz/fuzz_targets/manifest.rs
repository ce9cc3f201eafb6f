//! A manifest of arbitrary text under a valid checksum, in a folder that holds nothing else.

#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;
use treffer_engine::check::check;
use treffer_engine::manifest::{MANIFEST, Manifest};

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let dir = folder.path();
    let sum = crc32fast::hash(input);
    let sealed = format!("{{\"crc32\": {sum}, \"manifest\": {text}}}\n");
    fs::write(dir.join(MANIFEST), sealed).expect("it can be written");
    let Ok(manifest) = Manifest::read(dir) else {
        return;
    };
    let n = manifest.n_documents() + manifest.n_deleted();
    assert_eq!(
        n,
        manifest.segments.iter().map(|one| one.documents).sum::<u32>()
    );
    let _ = (manifest.n_passages(), manifest.n_files(), manifest.n_bytes());
    // What it names is not there.
    let checked = check(dir).expect("the manifest can be read");
    assert!(manifest.segments.is_empty() || !checked.damage.is_empty());
    manifest.write(dir).expect("it can be written");
    assert_eq!(Manifest::read(dir).expect("it can be read"), manifest);
});
