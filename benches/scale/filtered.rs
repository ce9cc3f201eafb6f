//! Searches of the graph under filters, by the share of documents that they hold for.
//!
//! Three kinds of filter:
//! - `random`: a range of the field `r`, which is drawn at random.
//! - `near`: the documents of the centers that are most similar to the query, its own first.
//! - `far`: those of the centers that are least similar to it.
//!
//! Where a center has more documents than the share, a range of `r` takes some of them.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use treffer_engine::Engine;
use treffer_engine::api::SearchRequest;
use treffer_testkit::Random;

use super::data::{VALUES, center_of, centers, number_of};
use super::measure::{median, millis, timed};
use super::{QUERIES, Result};

/// Where the filters are written, with what an exact scan finds under each: a line of JSON each.
pub(crate) const FILE: &str = "filters.jsonl";
const KINDS: [&str; 3] = ["random", "near", "far"];
const SHARES: [f64; 6] = [1.0, 0.5, 0.1, 0.01, 0.001, 0.0001];
const DEPTH: usize = 10;

/// The kinds and shares that are measured, in order; for all documents, the kind makes no
/// difference.
fn cases() -> impl Iterator<Item = (&'static str, f64)> {
    let all = KINDS
        .iter()
        .flat_map(|&kind| SHARES.map(|share| (kind, share)));
    all.filter(|&(kind, share)| share < 1.0 || kind == "random")
}

/// Which documents may be found.
struct Filter {
    /// Their centers; any if there are none.
    centers: Vec<u64>,
    /// Their `r`, from the first to before the second.
    from: u64,
    end: u64,
}

impl Filter {
    /// A filter that holds for about this share of `n` documents. `by_similarity` are the centers,
    /// that of the query first.
    fn new(kind: &str, share: f64, by_similarity: &[u64], random: &mut Random) -> Self {
        let n_centers = by_similarity.len();
        let n_taken = ((share * n_centers as f64).ceil() as usize).clamp(1, n_centers);
        let (centers, share) = match kind {
            "near" => (&by_similarity[..n_taken], share),
            "far" => (&by_similarity[n_centers - n_taken..], share),
            _ => (&[][..], share),
        };
        let of_taken = match centers.len() {
            0 => share,
            n_taken => share * n_centers as f64 / n_taken as f64,
        };
        let width = ((VALUES as f64 * of_taken).round() as u64).clamp(1, VALUES);
        let from = random.below(VALUES - width + 1);
        Filter {
            centers: centers.to_vec(),
            from,
            end: from + width,
        }
    }

    /// As `--filter` takes it.
    fn text(&self) -> String {
        let mut text = format!("r:[{} TO {}]", self.from, self.end - 1);
        if !self.centers.is_empty() {
            let centers: Vec<String> = self.centers.iter().map(u64::to_string).collect();
            let _ = write!(text, " AND center:({})", centers.join(" OR "));
        }
        text
    }
}

/// The centers by their similarity to a vector, the most similar first.
fn by_similarity(n: u64, vector: &[f32]) -> Vec<u64> {
    let mut centers: Vec<(f64, u64)> = (0..centers(n))
        .map(|center| {
            let values: Vec<f64> = center_of(center).collect();
            let norm = values.iter().map(|value| value * value).sum::<f64>().sqrt();
            let product = values.iter().zip(vector).map(|(a, b)| a * f64::from(*b));
            (product.sum::<f64>() / norm, center)
        })
        .collect();
    centers.sort_by(|a, b| b.0.total_cmp(&a.0));
    centers.into_iter().map(|(_, center)| center).collect()
}

/// Searches under every filter, and writes the filters with the exact answers to `folder`. Returns
/// a line for each case: the time of the stage, that of the whole search, recall.
pub(crate) fn search(
    n: u64,
    folder: &Path,
    engine: &Engine,
    ef_search: usize,
    query: impl Fn(u64) -> SearchRequest,
) -> Result<String> {
    let mut out = BufWriter::new(File::create(folder.join(FILE))?);
    let mut lines = String::new();
    let mut random = Random::new(5_000_000);
    let depth = format!("dense_depth={DEPTH}");
    let queries: Vec<SearchRequest> = (0..QUERIES).map(&query).collect();
    let orders: Vec<Vec<u64>> = queries
        .iter()
        .map(|request| by_similarity(n, request.query.vector.as_deref().unwrap_or_default()))
        .collect();
    for (kind, share) in cases() {
        let (mut of_stage, mut of_search, mut recall) = (Vec::new(), Vec::new(), 0.0);
        for (at, (request, order)) in queries.iter().zip(&orders).enumerate() {
            let filter = Filter::new(kind, share, order, &mut random);
            let mut request = request.clone();
            request.options.filter = Some(filter.text());
            let exact = [depth.clone(), "exact_below=2000000000".to_owned()];
            let (_, mut best) = timed(engine, request.clone(), &exact)?;
            best.truncate(DEPTH);
            let start = Instant::now();
            let (ms, found) = timed(engine, request, std::slice::from_ref(&depth))?;
            of_search.push(millis(start));
            of_stage.push(ms);
            let right = best.iter().filter(|id| found.contains(id)).count();
            recall += match best.len() {
                0 => 1.0,
                all => right as f64 / all as f64,
            };
            let best: Vec<u32> = best.iter().map(|id| number_of(id)).collect::<Result<_>>()?;
            writeln!(
                out,
                r#"{{"kind": "{kind}", "share": {share}, "query": {at}, "ef": {ef_search}, "centers": {:?}, "from": {}, "end": {}, "best": {best:?}}}"#,
                filter.centers, filter.from, filter.end,
            )?;
        }
        writeln!(
            lines,
            "{:.2} ms, {:.4} | {:.2} ms",
            median(of_stage),
            recall / QUERIES as f64,
            median(of_search),
        )?;
    }
    out.flush()?;
    Ok(lines)
}

/// A table of what [`search`] and the programs beside it measured, by name: a line for each case.
pub(crate) fn table(columns: &[(String, String)]) -> Result<String> {
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let mut table = format!("| filter | share | {} |\n", names.join(" | "));
    let n_cells: usize = names.join(" | ").split(" | ").count();
    writeln!(table, "|---|---:|{}", "---:|".repeat(n_cells))?;
    let mut cells: Vec<_> = columns.iter().map(|(_, lines)| lines.lines()).collect();
    for (kind, share) in cases() {
        let cells: Vec<&str> = cells
            .iter_mut()
            .map(|lines| lines.next().unwrap_or("missing"))
            .collect();
        let share = share * 100.0;
        writeln!(table, "| {kind} | {share} % | {} |", cells.join(" | "))?;
    }
    Ok(table)
}
