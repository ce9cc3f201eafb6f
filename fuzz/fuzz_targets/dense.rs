//! A dense index one of whose files is of arbitrary bytes under a valid seal: the first byte says
//! which, the second how many vectors there were.

#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;
use treffer_dense::{DenseIndex, DenseWriter, GraphConfig, Storage};
use treffer_types::{DocId, NoProgress, PassageId};

const FORMS: [Storage; 3] = [Storage::F32, Storage::F16, Storage::Int8];

fuzz_target!(|input: &[u8]| {
    let [choice, n, file @ ..] = input else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let dir = folder.path();
    let config = GraphConfig::new(4, 8);
    let form = FORMS[usize::from(*choice) % FORMS.len()];
    let writer = DenseWriter::create(dir, 4, &config, form).expect("the folder is empty");
    let mut writer = writer.graph_from(2);
    for doc in 0..u32::from(*n % 32) {
        let angle = doc as f32;
        let vector = [angle.cos(), angle.sin(), 0.0, 0.0];
        let passage = PassageId {
            doc: DocId(doc),
            passage: 0,
        };
        writer.add(passage, &vector).expect("it is of length 1");
    }
    writer.finish(&NoProgress).expect("it can be written");
    let mut names: Vec<_> = fs::read_dir(dir)
        .expect("it can be listed")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().is_some_and(|name| name != "checksums"))
        .collect();
    names.sort();
    let name = &names[usize::from(*choice) / FORMS.len() % names.len()];
    fs::write(name, file).expect("it can be written");
    treffer_disk::seal(dir).expect("it can be sealed");
    let Ok(index) = DenseIndex::open_folder(dir) else {
        return;
    };
    index.verify(&mut |_, _| {});
    let query = [0.6, 0.8, 0.0, 0.0];
    let _ = index.exact(&query, 3, None);
    let _ = index.search(&query, 3, 5, None);
    let docs: Vec<DocId> = (0..40).map(DocId).collect();
    let _ = index.score_docs(&query, &docs);
    for doc in docs {
        for passage in index.passages_of(doc).unwrap_or_default() {
            let _ = index.vector(passage);
        }
    }
});
