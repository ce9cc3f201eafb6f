//! Building and searching a large index: time, memory, recall.
//!
//! Measured, by `build`: time and memory of `DenseWriter`, the vectors included; by `search`, in
//! a process that does nothing else: time and recall of `DenseIndex::search` against a scan of
//! the vectors in f32, time of `DenseIndex::score_docs` of 10,000 documents, memory; by `truth`:
//! the scan; by `forms`: scans of the vectors in each form. Corpus: unit vectors of 384 dimensions around centers, one for every 400 vectors,
//! seeded. Notes: `truth` comes before `search` and `forms`, and writes DIRECTORY.truth, for `--export` also
//! the vectors and queries, for `large_peers.py`; memory and time of the processors are those
//! that Linux tells.
//!
//! ```text
//! cargo run --release -p treffer-dense --example large -- truth DIRECTORY VECTORS [--export]
//! cargo run --release -p treffer-dense --example large -- build DIRECTORY VECTORS f16
//! cargo run --release -p treffer-dense --example large -- search DIRECTORY VECTORS
//! cargo run --release -p treffer-dense --example large -- forms DIRECTORY VECTORS
//! ```

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use treffer_dense::{DenseIndex, DenseWriter, GraphConfig, Storage};
use treffer_types::{DocId, NoProgress, PassageId};

const DIMENSION: usize = 384;
const PER_CENTER: usize = 400;
const QUERIES: usize = 100;
const DEPTH: usize = 100;
const SCORED: usize = 10_000;
/// Times that a search is repeated; the fastest counts, since other programs may run.
const AGAIN: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let usage = "usage: large truth|build|search|forms DIRECTORY VECTORS [f32|f16|int8|--export]";
    let [action, dir, n, rest @ ..] = args.as_slice() else {
        return Err(usage.into());
    };
    let (dir, n) = (Path::new(dir), n.parse()?);
    let rest = rest.first().map_or("", String::as_str);
    match action.as_str() {
        "truth" => truth(dir, &Corpus::new(n), rest == "--export"),
        "build" => {
            let storage = match rest {
                "f32" => Storage::F32,
                "f16" => Storage::F16,
                "int8" => Storage::Int8,
                _ => return Err(usage.into()),
            };
            build(dir, Corpus::new(n), storage)
        }
        "search" => search(dir, &Corpus::new(n)),
        "forms" => forms(dir, n),
        _ => Err(usage.into()),
    }
}

fn build(dir: &Path, mut corpus: Corpus, storage: Storage) -> Result<(), Box<dyn Error>> {
    let config = GraphConfig::new(16, 100);
    let mut writer = DenseWriter::create(dir, DIMENSION, &config, storage)?;
    for doc in 0..corpus.n {
        let vector = corpus.next();
        writer.add(PassageId::whole(DocId(doc as u32)), &vector)?;
    }
    let (start, before) = (Instant::now(), processor_seconds());
    println!("before finishing: {}", memory());
    writer.finish(&NoProgress)?;
    println!(
        "built in {:.1} s, {:.1} s of the processors: {}",
        start.elapsed().as_secs_f64(),
        processor_seconds() - before,
        memory()
    );
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        bytes += entry?.metadata()?.len();
    }
    println!("{:.1} MB on disk", 1e-6 * bytes as f64);
    Ok(())
}

/// Writes for each query the documents of the `DEPTH` best vectors, best first.
fn truth(dir: &Path, corpus: &Corpus, export: bool) -> Result<(), Box<dyn Error>> {
    const BLOCK: usize = 4096;
    let queries = corpus.queries();
    let mut rows = Corpus::new(corpus.n);
    let mut best = vec![Vec::<(f32, u32)>::new(); QUERIES];
    let mut file = export
        .then(|| std::fs::File::create(dir.with_extension("vectors")))
        .transpose()?
        .map(std::io::BufWriter::new);
    for first in (0..corpus.n).step_by(BLOCK) {
        let block: Vec<Vec<f32>> = (first..corpus.n.min(first + BLOCK))
            .map(|_| rows.next())
            .collect();
        if let Some(file) = &mut file {
            write_values(file, block.iter().flatten())?;
        }
        for (query, best) in queries.iter().zip(&mut best) {
            best.extend(
                block
                    .iter()
                    .zip(first..)
                    .map(|(vector, doc)| (dot(query, vector), doc as u32)),
            );
            best.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            best.truncate(DEPTH);
        }
    }
    let mut truth = std::fs::File::create(dir.with_extension("truth"))?;
    let docs = best.iter().flatten();
    let bytes: Vec<u8> = docs.flat_map(|(_, doc)| doc.to_le_bytes()).collect();
    truth.write_all(&bytes)?;
    if export {
        let mut file = std::fs::File::create(dir.with_extension("queries"))?;
        write_values(&mut file, queries.iter().flatten())?;
    }
    Ok(())
}

fn search(dir: &Path, corpus: &Corpus) -> Result<(), Box<dyn Error>> {
    let queries = corpus.queries();
    let truth = read_truth(dir)?;
    println!("before opening: {}", memory());
    let start = Instant::now();
    let index = DenseIndex::open_folder(dir)?;
    println!("opened in {:.2} ms", 1e3 * start.elapsed().as_secs_f64());
    println!("depth   ef  recall   first time         mean      p50      p99");
    for (depth, ef) in [
        (10, 50),
        (10, 100),
        (10, 200),
        (100, 100),
        (100, 200),
        (100, 400),
    ] {
        let (mut firsts, mut times, mut recall) = (0.0, Vec::new(), 0.0);
        for (number, query) in queries.iter().enumerate() {
            let mut best = f64::MAX;
            for again in 0..=AGAIN {
                let start = Instant::now();
                let found = index.search(query, depth, ef, None)?;
                let time = 1e3 * start.elapsed().as_secs_f64();
                if again == 0 {
                    firsts += time / QUERIES as f64;
                    let docs: Vec<u32> = found.iter().map(|hit| hit.0.doc.0).collect();
                    let best = &truth[number * DEPTH..][..depth];
                    recall += right(best, &docs) / QUERIES as f64;
                } else {
                    best = best.min(time);
                }
            }
            times.push(best);
        }
        times.sort_unstable_by(f64::total_cmp);
        println!(
            "{depth:5} {ef:4}  {recall:.4} {firsts:8.3} ms  {:8.3} ms {:6.3} ms {:6.3} ms",
            times.iter().sum::<f64>() / QUERIES as f64,
            times[QUERIES / 2],
            times[QUERIES * 99 / 100]
        );
    }
    println!("{}", memory());
    let mut random = Random(7);
    let mut docs: Vec<DocId> = (0..SCORED)
        .map(|_| DocId((random.next_u64() % corpus.n as u64) as u32))
        .collect();
    docs.sort_unstable();
    let mut times = Vec::new();
    for query in queries.iter().take(30) {
        let start = Instant::now();
        index.score_docs(query, &docs)?;
        times.push(1e3 * start.elapsed().as_secs_f64());
    }
    let first = times[0];
    times.sort_unstable_by(f64::total_cmp);
    println!(
        "{SCORED} documents scored in {first:.3} ms the first time, then in {:.3} ms, at least {:.3} ms: {}",
        times[times.len() / 2],
        times[0],
        memory()
    );
    Ok(())
}

/// Scans of each form against the scan of the vectors in f32.
fn forms(dir: &Path, n: usize) -> Result<(), Box<dyn Error>> {
    let queries = Corpus::new(n).queries();
    let truth = read_truth(dir)?;
    println!("form  depth  recall  mean difference of ranks  greatest  scan");
    for storage in [Storage::F32, Storage::F16, Storage::Int8] {
        let folder = dir.with_extension(format!("{storage:?}"));
        let mut corpus = Corpus::new(n);
        let config = GraphConfig::new(16, 100);
        let writer = DenseWriter::create(&folder, DIMENSION, &config, storage)?;
        let mut writer = writer.graph_from(usize::MAX);
        for doc in 0..n {
            writer.add(PassageId::whole(DocId(doc as u32)), &corpus.next())?;
        }
        writer.finish(&NoProgress)?;
        let index = DenseIndex::open_folder(&folder)?;
        for depth in [10, 100] {
            let (mut recall, mut moved, mut most, mut fastest) = (0.0, 0, 0, f64::MAX);
            for (query, best) in queries.iter().zip(truth.chunks(DEPTH)) {
                let start = Instant::now();
                let found = index.exact(query, depth, None)?;
                fastest = start.elapsed().as_secs_f64().min(fastest);
                let docs: Vec<u32> = found.iter().map(|hit| hit.0.doc.0).collect();
                recall += right(&best[..depth], &docs) / QUERIES as f64;
                for (rank, doc) in best[..depth].iter().enumerate() {
                    let other = docs.iter().position(|other| other == doc);
                    let away = other.map_or(depth - rank, |other| other.abs_diff(rank));
                    moved += away;
                    most = most.max(away);
                }
            }
            println!(
                "{storage:?}  {depth}  {recall:.4}  {:.4}  {most}  {:.2} ms",
                moved as f64 / (depth * QUERIES) as f64,
                1e3 * fastest
            );
        }
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(())
}

/// For each query the documents of the `DEPTH` best vectors.
fn read_truth(dir: &Path) -> std::io::Result<Vec<u32>> {
    let bytes = std::fs::read(dir.with_extension("truth"))?;
    let docs = bytes.as_chunks::<4>().0.iter();
    Ok(docs.map(|bytes| u32::from_le_bytes(*bytes)).collect())
}

/// The share of the best documents that were found.
fn right(best: &[u32], found: &[u32]) -> f64 {
    let both = best.iter().filter(|doc| found.contains(doc)).count();
    both as f64 / best.len() as f64
}

/// Vectors one after the other, the same in every run.
struct Corpus {
    n: usize,
    given: usize,
    centers: Vec<Vec<f32>>,
    random: Random,
}

impl Corpus {
    fn new(n: usize) -> Self {
        let mut random = Random(1);
        let centers = (0..n.div_ceil(PER_CENTER)).map(|_| random.vector());
        Corpus {
            n,
            given: 0,
            centers: centers.collect(),
            random,
        }
    }

    fn next(&mut self) -> Vec<f32> {
        let center = &self.centers[self.given % self.centers.len()];
        self.given += 1;
        self.random.near(center)
    }

    fn queries(&self) -> Vec<Vec<f32>> {
        let mut random = Random(2);
        (0..QUERIES)
            .map(|i| random.near(&self.centers[i * self.centers.len() / QUERIES]))
            .collect()
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0; 16];
    for (x, y) in a.as_chunks::<16>().0.iter().zip(b.as_chunks::<16>().0) {
        for lane in 0..16 {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    lanes.iter().sum()
}

fn write_values<'a>(
    file: &mut impl Write,
    values: impl Iterator<Item = &'a f32>,
) -> std::io::Result<()> {
    let bytes: Vec<u8> = values.flat_map(|value| value.to_le_bytes()).collect();
    file.write_all(&bytes)
}

/// Seconds that the threads of this process have run, those that have ended not counted.
fn processor_seconds() -> f64 {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else {
        return 0.0;
    };
    tasks
        .flatten()
        .map(|task| seconds_in(task.path().join("schedstat")))
        .sum()
}

fn seconds_in(path: impl AsRef<Path>) -> f64 {
    let stat = std::fs::read_to_string(path).unwrap_or_default();
    let nanoseconds = stat.split(' ').next().and_then(|text| text.parse().ok());
    1e-9 * nanoseconds.unwrap_or(0.0)
}

/// Resident memory now and at its highest.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        1.024e-3 * kilobytes.unwrap_or(0.0)
    };
    format!(
        "{:.0} MB of memory, {:.0} MB at most",
        of("VmRSS:"),
        of("VmHWM:")
    )
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn next(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 / (1 << 24) as f32 - 0.5
    }

    fn vector(&mut self) -> Vec<f32> {
        unit((0..DIMENSION).map(|_| self.next() + self.next()).collect())
    }

    fn near(&mut self, center: &[f32]) -> Vec<f32> {
        let away = self.vector();
        unit(center.iter().zip(away).map(|(x, y)| x + 0.7 * y).collect())
    }
}

fn unit(mut values: Vec<f32>) -> Vec<f32> {
    let length = values.iter().map(|x| x * x).sum::<f32>().sqrt();
    values.iter_mut().for_each(|x| *x /= length);
    values
}
