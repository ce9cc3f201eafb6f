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

use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use treffer_late::{Compression, LateIndex, LateWriter, Learned, Storage};
use treffer_types::{DocId, PassageId, Score};

type Texts = Vec<(PassageId, Vec<f32>)>;
type Grades = HashMap<(u32, u32), f64>;

/// Documents of a ranking that count.
const TOP: usize = 10;

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
        writer.finish()?;
        let writing = start.elapsed().as_secs_f64();
        let bytes = bytes(&dir)? as f64 / tokens as f64;
        let index = LateIndex::open_folder(&dir)?;
        let start = Instant::now();
        let (mut sum, mut judged) = (0.0, 0);
        for (number, (_, vectors)) in queries.iter().enumerate() {
            let ranking = index.rank_all(&index.query(vectors)?, None)?;
            if let Some(value) = ndcg(number as u32, &ranking, &grades) {
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

/// The passages of a folder with their vectors, in order.
fn read(dir: &Path) -> Result<Texts, Box<dyn Error>> {
    let index = LateIndex::open_folder(dir)?;
    let mut texts = Texts::new();
    for doc in (0..).map(DocId) {
        if texts.len() >= index.len() {
            break;
        }
        for passage in index.passages_of(doc)? {
            texts.extend(index.vectors_of(passage)?.map(|vectors| (passage, vectors)));
        }
    }
    Ok(texts)
}

fn judgments(path: &Path) -> Result<Grades, Box<dyn Error>> {
    let text = std::fs::read_to_string(path)?;
    let line = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [query, doc, grade] = fields[..] else {
            return Err(format!("not three numbers: {line:?}").into());
        };
        Ok(((query.parse()?, doc.parse()?), grade.parse()?))
    };
    text.lines().map(line).collect()
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

/// nDCG of documents by their best passages, `None` without a relevant one.
fn ndcg(query: u32, ranking: &[(PassageId, Score)], grades: &Grades) -> Option<f64> {
    let of_query = grades.iter().filter(|((of, _), _)| *of == query);
    let mut ideal: Vec<f64> = of_query.map(|(_, grade)| *grade).collect();
    ideal.sort_by(|a, b| b.total_cmp(a));
    let mut docs: Vec<u32> = Vec::new();
    for (PassageId { doc, .. }, _) in ranking {
        if docs.len() < TOP && !docs.contains(&doc.0) {
            docs.push(doc.0);
        }
    }
    let found = docs
        .iter()
        .map(|doc| grades.get(&(query, *doc)).copied().unwrap_or(0.0));
    let best = discounted(ideal);
    (best > 0.0).then(|| discounted(found) / best)
}

fn discounted(grades: impl IntoIterator<Item = f64>) -> f64 {
    let gains = grades.into_iter().take(TOP).enumerate();
    let gains = gains.map(|(rank, grade)| grade / (rank as f64 + 2.0).log2());
    gains.sum()
}
