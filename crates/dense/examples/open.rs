//! What opening and searching an index costs: time, and memory at its highest.
//!
//! Measured: `DenseIndex::open`, then 100 searches, then one exact scan, in a process that does
//! nothing else. Corpus: 32,256 unit vectors of 384 dimensions around 256 centers, seeded.
//! Notes: the first run builds the index in the directory, so run it twice; memory is Linux's
//! `VmHWM`, pages of mapped files included as far as they were touched.
//!
//! ```text
//! cargo run --release -p treffer-dense --example open -- DIRECTORY
//! ```

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use treffer_dense::{DenseIndex, DenseWriter, GraphConfig, Storage};
use treffer_types::{DocId, NoProgress, PassageId};

const VECTORS: u32 = 32_256;
const DIMENSION: usize = 384;
const CENTERS: usize = 256;
const QUERIES: usize = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let Some(dir) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return Err("usage: open DIRECTORY".into());
    };
    let mut random = Random(1);
    let centers: Vec<Vec<f32>> = (0..CENTERS).map(|_| random.vector()).collect();
    if !dir.join("vectors").exists() {
        let config = GraphConfig::new(16, 100);
        let start = Instant::now();
        let mut writer = DenseWriter::create(&dir, DIMENSION, &config, Storage::F32)?;
        for doc in 0..VECTORS {
            let vector = random.near(&centers[doc as usize % CENTERS]);
            writer.add(PassageId::whole(DocId(doc)), &vector)?;
        }
        writer.finish(&NoProgress)?;
        println!("built in {:.1} s", start.elapsed().as_secs_f64());
        return Ok(());
    }
    let queries: Vec<Vec<f32>> = (0..QUERIES).map(|i| random.near(&centers[i])).collect();
    println!("before opening: {}", memory());
    let start = Instant::now();
    let index = DenseIndex::open_folder(&dir)?;
    let opened = start.elapsed();
    println!(
        "opened in {:.3} ms: {}",
        1e3 * opened.as_secs_f64(),
        memory()
    );
    let start = Instant::now();
    let mut found = Vec::new();
    for query in &queries {
        found.push(index.search(query, 10, 100, None)?);
    }
    let searched = start.elapsed() / QUERIES as u32;
    println!(
        "searched in {:.3} ms each: {}",
        1e3 * searched.as_secs_f64(),
        memory()
    );
    let start = Instant::now();
    for query in &queries {
        index.search(query, 10, 100, None)?;
    }
    let searched = start.elapsed() / QUERIES as u32;
    println!("and again in {:.3} ms each", 1e3 * searched.as_secs_f64());
    let mut right = 0;
    for (query, found) in queries.iter().zip(&found) {
        let exact = index.exact(query, 10, None)?;
        right += exact.iter().filter(|hit| found.contains(hit)).count();
    }
    println!(
        "recall@10 {:.4}: {}",
        right as f64 / (10 * QUERIES) as f64,
        memory()
    );
    Ok(())
}

/// The highest resident memory so far.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let highest = status.lines().find(|line| line.starts_with("VmHWM:"));
    highest.unwrap_or("memory is not known here").to_owned()
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1 << 24) as f32 - 0.5
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
