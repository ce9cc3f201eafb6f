//! Recall and time of searches under filters.
//!
//! Measured: for each share of documents that a filter lets through, the recall of
//! `DenseIndex::search` against `DenseIndex::exact` under the same filter, and the time of
//! both, one thread. Three kinds of filter:
//!
//! * `random`: documents drawn without regard to the query;
//! * `near`: those most similar to the query (by another query of the same cluster);
//! * `far`: those least similar to the query's cluster.
//!
//! Corpus: unit vectors of 384 dimensions around centers, one for every 400 vectors, seeded.
//! Notes: the first run builds the index in the directory. With `--deep` 200 documents are
//! searched for instead of 10. The thresholds of `search` were chosen by it; beside other programs,
//! `cargo xtask bench scale --filters` measures the same kinds of filter.
//!
//! ```text
//! cargo run --release -p treffer-dense --example filtered -- DIRECTORY [VECTORS] [--deep]
//! ```

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use fixedbitset::FixedBitSet;
use treffer_dense::{DenseIndex, DenseWriter, GraphConfig, Storage};
use treffer_types::{DocId, NoProgress, PassageId, Score};

const DIMENSION: usize = 384;
const PER_CENTER: usize = 400;
const QUERIES: usize = 50;
/// Shares of the documents that a filter lets through.
const SHARES: [f64; 11] = [1.0, 0.9, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.0001];

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some(dir) = args.first().map(PathBuf::from) else {
        return Err("usage: filtered DIRECTORY [VECTORS] [--deep]".into());
    };
    let n: usize = args
        .get(1)
        .filter(|arg| !arg.starts_with("--"))
        .map_or(Ok(100_000), |arg| arg.parse())?;
    let is_deep = args.iter().any(|arg| arg == "--deep");
    let (depth, ef_search) = if is_deep { (200, 200) } else { (10, 100) };

    let mut random = Random(1);
    let centers: Vec<Vec<f32>> = (0..n.div_ceil(PER_CENTER))
        .map(|_| random.vector())
        .collect();
    let vectors: Vec<Vec<f32>> = (0..n)
        .map(|doc| random.near(&centers[doc % centers.len()]))
        .collect();
    let queries: Vec<Vec<f32>> = (0..QUERIES)
        .map(|i| random.near(&centers[i * centers.len() / QUERIES]))
        .collect();
    if !dir.join("checksums").exists() {
        let config = GraphConfig::new(16, 100);
        let start = Instant::now();
        let mut writer = DenseWriter::create(&dir, DIMENSION, &config, Storage::F32)?;
        for (doc, vector) in vectors.iter().enumerate() {
            writer.add(PassageId::whole(DocId(doc as u32)), vector)?;
        }
        writer.finish(&NoProgress)?;
        println!("built in {:.1} s", start.elapsed().as_secs_f64());
    }
    let index = DenseIndex::open_folder(&dir)?;
    // By similarity to the center of the query's cluster, the nearest first.
    let orders: Vec<Vec<u32>> = (0..QUERIES)
        .map(|i| {
            let center = &centers[i * centers.len() / QUERIES];
            let all = index.exact(center, n, None)?;
            Ok(all.iter().map(|hit| hit.0.doc.0).collect())
        })
        .collect::<Result<_, treffer_dense::Error>>()?;
    drop(vectors);
    let mut shuffled: Vec<usize> = (0..n).collect();
    for last in (1..n).rev() {
        shuffled.swap(last, random.next_u64() as usize % (last + 1));
    }

    println!("filter  share    rows  recall@{depth}   least    search      scan");
    for kind in ["random", "near", "far"] {
        for share in SHARES {
            let m = ((n as f64 * share) as usize).max(1);
            let (mut recall, mut least) = (0.0, 1.0f64);
            let (mut searching, mut scanning) = (0.0, 0.0);
            for (query, order) in queries.iter().zip(&orders) {
                let mut allowed = FixedBitSet::with_capacity(n);
                match kind {
                    "random" => {
                        let start = random.next_u64() as usize % n;
                        let drawn = (start..start + m).map(|i| shuffled[i % n]);
                        drawn.for_each(|doc| allowed.insert(doc));
                    }
                    "near" => order[..m].iter().for_each(|&d| allowed.insert(d as usize)),
                    _ => order[n - m..]
                        .iter()
                        .for_each(|&d| allowed.insert(d as usize)),
                }
                let start = seconds();
                let found = index.search(query, depth, ef_search, Some(&allowed))?;
                searching += seconds() - start;
                let start = seconds();
                let exact = index.exact(query, depth, Some(&allowed))?;
                scanning += seconds() - start;
                assert_eq!(found.len(), depth.min(m), "too few");
                let right = right(&found, &exact);
                recall += right;
                least = least.min(right);
            }
            println!(
                "{kind:6} {:6.2} % {m:6}  {:.4}  {least:6.2}  {:6.3} ms {:6.3} ms",
                100.0 * share,
                recall / QUERIES as f64,
                1e3 * searching / QUERIES as f64,
                1e3 * scanning / QUERIES as f64,
            );
        }
    }
    Ok(())
}

/// Seconds that this thread has run: what other programs do at the same time does not count.
/// Linux alone tells; elsewhere it is 0.
fn seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = stat.split(' ').next().and_then(|text| text.parse().ok());
    1e-9 * nanoseconds.unwrap_or(0.0)
}

/// The share of the exact hits that were found.
fn right(found: &[(PassageId, Score)], exact: &[(PassageId, Score)]) -> f64 {
    let both = exact.iter().filter(|hit| found.contains(hit)).count();
    both as f64 / exact.len() as f64
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
