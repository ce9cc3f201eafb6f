//! What each form of token vectors takes and loses: the table in `benches/README.md`.
//!
//! The first two arguments are folders of token vectors (`INDEX/segment-1/late`) of indexes that were
//! built with `late.storage=f16` and all values: of the documents, and of the queries, which are
//! indexed as documents are. For a model without markers and prefixes that gives the same vectors. A
//! line of JUDGMENTS has the number of a query, the number of a document, both from 0 in their order
//! in the index, and a grade. Every passage is scored for every query; what is learned is learned
//! from every third passage.
//!
//! ```text
//! cargo run --release -p treffer-late --example forms -- DOCUMENTS QUERIES JUDGMENTS
//! ```

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use treffer_late::{Compression, LateIndex, LateWriter, Learned, Storage};
use treffer_types::NoProgress;

use shared::{documents_of, judgments, ndcg, read};

mod shared;

const FORMS: [(Storage, Option<usize>, usize); 12] = [
    (Storage::Int8, Some(96), 1),
    (Storage::Residual2, Some(64), 1),
    (Storage::Residual1, Some(128), 1),
    (Storage::Residual1, Some(96), 1),
    (Storage::Residual2, Some(96), 1),
    (Storage::Int4, Some(96), 1),
    (Storage::Int4, Some(64), 1),
    (Storage::Residual1, Some(64), 1),
    (Storage::Residual2, Some(96), 2),
    (Storage::Residual1, Some(128), 2),
    (Storage::Int8, None, 1),
    (Storage::F16, None, 1),
];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [documents, queries, grades] = &arguments[..] else {
        return Err("usage: forms DOCUMENTS QUERIES JUDGMENTS".into());
    };
    let width = LateIndex::open_folder(documents)?.width();
    let width = width.ok_or("the index holds no passages")?;
    let (documents, queries) = (read(documents)?, read(queries)?);
    let grades = judgments(grades)?;
    let tokens: usize = documents.iter().map(|(_, one)| one.len() / width).sum();
    println!(
        "{} passages, {tokens} tokens of {width} values, {} queries",
        documents.len(),
        queries.len()
    );
    let sample = documents.iter().step_by(3).map(|(_, one)| one.clone());
    let sample: Vec<Vec<f32>> = sample.collect();
    for (storage, dimension, pool) in FORMS {
        let compression = Compression {
            storage,
            dimension,
            pool,
        };
        let start = Instant::now();
        let learned = Learned::from_sample(&sample, width, &compression, tokens as u64)?;
        let learning = start.elapsed().as_secs_f64();
        let centroids = learned.codebook.as_ref().map_or(0, |one| one.centroids());
        let dir = std::env::temp_dir().join(format!("treffer-forms-{}", std::process::id()));
        let start = Instant::now();
        let mut writer = LateWriter::create(&dir, width, &compression, learned)?;
        for (passage, vectors) in &documents {
            writer.add(*passage, vectors)?;
        }
        writer.finish(&NoProgress)?;
        let writing = start.elapsed().as_secs_f64();
        let bytes = bytes(&dir)? as f64 / tokens as f64;
        let index = LateIndex::open_folder(&dir)?;
        let start = Instant::now();
        let (mut sum, mut judged) = (0.0, 0);
        for (number, (_, vectors)) in queries.iter().enumerate() {
            let ranking = index.rank_all(&index.query(vectors)?, None)?;
            if let Some(value) = ndcg(number as u32, &documents_of(&ranking), &grades) {
                sum += value;
                judged += 1;
            }
        }
        let ms = start.elapsed().as_secs_f64() * 1e3 / queries.len() as f64;
        std::fs::remove_dir_all(&dir)?;
        println!(
            "{storage:?} {} pool {pool}: {centroids} centroids, {bytes:.1} bytes a token, nDCG@10 {:.4}, \
             learned in {learning:.1} s, written in {writing:.1} s, {ms:.1} ms a query",
            dimension.unwrap_or(width),
            sum / f64::from(judged)
        );
    }
    Ok(())
}

/// Bytes of the files that grow with the number of tokens.
fn bytes(dir: &Path) -> Result<u64, Box<dyn Error>> {
    let mut sum = 0;
    for file in std::fs::read_dir(dir)? {
        let file = file?;
        if !["projection", "codebook"]
            .iter()
            .any(|name| file.file_name() == *name)
        {
            sum += file.metadata()?.len();
        }
    }
    Ok(sum)
}
