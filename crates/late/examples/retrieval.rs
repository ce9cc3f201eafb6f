//! What retrieval by lists of centroids misses and takes: the table in `benches/README.md`.
//!
//! The first two arguments are folders of token vectors (`INDEX/segment-1/late`): of the documents, in
//! any form, and of the queries, with all values (`late.storage=f16`), which are indexed as documents
//! are. For a model without markers and prefixes that gives the same vectors. A line of JUDGMENTS
//! has the number of a query, the number of a document, both from 0 in their order in the index, and
//! a grade. The vectors of the documents are copied to a new folder with lists.
//!
//! Each query is answered by scoring every passage and with each number of probes and candidates, one
//! after the other, so that times compare. Recall is the share of the best documents of the former.
//!
//! ```text
//! cargo run --release -p treffer-late --example retrieval -- DOCUMENTS QUERIES JUDGMENTS
//! ```

use std::collections::HashSet;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use treffer_late::{Compression, LateIndex, LateWriter, Pruning};
use treffer_types::NoProgress;

use shared::{documents_of, judgments, ndcg, read};

mod shared;

const PROBES: [usize; 6] = [2, 4, 8, 16, 32, 64];
const CANDIDATES: [usize; 5] = [125, 250, 500, 1000, 2000];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [documents, queries, grades] = &arguments[..] else {
        return Err("usage: retrieval DOCUMENTS QUERIES JUDGMENTS".into());
    };
    let (queries, grades) = (read(queries)?, judgments(grades)?);
    let dir = std::env::temp_dir().join(format!("treffer-retrieval-{}", std::process::id()));
    list(&LateIndex::open_folder(documents)?, &dir)?;
    let index = LateIndex::open_folder(&dir)?;
    let all = std::iter::once(None);
    let pruned = PROBES
        .into_iter()
        .flat_map(|probes| CANDIDATES.map(|candidates| Some(Pruning { probes, candidates })));
    let mut rows: Vec<Row> = all.chain(pruned).map(Row::new).collect();
    for (number, (_, vectors)) in (0..).zip(&queries) {
        let mut exact = Vec::new();
        for row in &mut rows {
            let query = index.query(vectors)?;
            let start = Instant::now();
            let ranking = match row.pruning {
                None => index.rank_all(&query, None)?,
                Some(pruning) => index.retrieve(&query, pruning.candidates, pruning, None)?,
            };
            row.ms.push(start.elapsed().as_secs_f64() * 1e3);
            let ranking = documents_of(&ranking);
            if row.pruning.is_none() {
                exact.clone_from(&ranking);
            }
            for (recall, depth) in row.recall.iter_mut().zip([10, 100]) {
                *recall += share(&exact, &ranking, depth) / queries.len() as f64;
            }
            row.ndcg.extend(ndcg(number, &ranking, &grades));
        }
    }
    std::fs::remove_dir_all(&dir)?;
    println!("| probes | candidates | recall@10 | recall@100 | nDCG@10 | ms, median | ms, p95 |");
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    rows.iter_mut().for_each(Row::print);
    Ok(())
}

/// Copies vectors to a folder with lists, and says what that takes.
fn list(old: &LateIndex, dir: &Path) -> Result<(), Box<dyn Error>> {
    let width = old.width().ok_or("the index holds no passages")?;
    let learned = old.learned();
    let kept = learned.projection.as_ref().map(|one| one.to());
    let compression = Compression {
        storage: old.storage().ok_or("the index holds no passages")?,
        dimension: kept,
        pool: 1,
    };
    let mut writer = LateWriter::create(dir, width, &compression, learned)?;
    writer.copy_from(old, |passage| passage)?;
    let start = Instant::now();
    writer.finish(&NoProgress)?;
    let seconds = start.elapsed().as_secs_f64();
    let bytes = |name: &str| std::fs::metadata(dir.join(name)).map_or(0, |file| file.len());
    println!(
        "{} passages, {} tokens; sealed and listed in {seconds:.1} s; lists {:.1} MB, \
         centroids {:.1} MB",
        old.len(),
        old.tokens(),
        bytes("lists") as f64 / 1e6,
        bytes("list-centroids") as f64 / 1e6
    );
    Ok(())
}

/// The share of the best documents of the one ranking that the other has among as many.
fn share(exact: &[u32], other: &[u32], depth: usize) -> f64 {
    let best: HashSet<u32> = exact.iter().take(depth).copied().collect();
    let found = other.iter().take(depth).filter(|doc| best.contains(doc));
    found.count() as f64 / best.len().max(1) as f64
}

/// What one way to retrieve gives. Nothing is pruned where there is no pruning.
struct Row {
    pruning: Option<Pruning>,
    recall: [f64; 2],
    ndcg: Vec<f64>,
    ms: Vec<f64>,
}

impl Row {
    fn new(pruning: Option<Pruning>) -> Self {
        Row {
            pruning,
            recall: [0.0; 2],
            ndcg: Vec::new(),
            ms: Vec::new(),
        }
    }

    fn print(&mut self) {
        self.ms.sort_by(f64::total_cmp);
        let quantile = |share: f64| self.ms[(self.ms.len() as f64 * share) as usize];
        let ndcg = self.ndcg.iter().sum::<f64>() / self.ndcg.len() as f64;
        let (probes, candidates) = match self.pruning {
            None => ("".to_owned(), "all".to_owned()),
            Some(Pruning { probes, candidates }) => (probes.to_string(), candidates.to_string()),
        };
        println!(
            "| {probes} | {candidates} | {:.4} | {:.4} | {ndcg:.4} | {:.1} | {:.1} |",
            self.recall[0],
            self.recall[1],
            quantile(0.5),
            quantile(0.95)
        );
    }
}
