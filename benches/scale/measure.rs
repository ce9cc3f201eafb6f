//! Times and memory, also for benches/corpus.rs.

use std::fs;
use std::time::Instant;

use treffer_engine::Engine;
use treffer_engine::api::SearchRequest;

use super::Result;

/// The time of the one stage of a search in milliseconds, and the ids of what it found.
pub(crate) fn timed(
    engine: &Engine,
    mut request: SearchRequest,
    set: &[String],
) -> Result<(f64, Vec<String>)> {
    request.options.set = set.to_vec();
    request.options.timings = true;
    request.options.top_k = 100;
    let response = engine.search(&request)?;
    let ms = response.stages.first().and_then(|stage| stage.ms);
    let ids = response.hits.into_iter().map(|hit| hit.id).collect();
    Ok((ms.unwrap_or_default(), ids))
}

pub(crate) fn millis(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1000.0
}

pub(crate) fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// A line of the process's memory, in megabytes.
pub(crate) fn memory(line: &str) -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let found = status
        .lines()
        .find_map(|text| text.strip_prefix(line)?.strip_prefix(':'));
    let kb = found.and_then(|text| text.trim().strip_suffix("kB"));
    let kb: f64 = kb
        .ok_or("the system does not tell the memory of a process")?
        .trim()
        .parse()?;
    Ok(kb / 1000.0)
}
