//! How fast a device is.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use treffer_encoder::{Phases, phases};
use treffer_types::{BoxError, Device, Embedder, PairScorer};

use crate::print;
use crate::work::{MAX_LENGTH, Set, Work, refs};

/// Calls before the first that counts: they compile kernels and fill caches.
const WARM_UP: usize = 3;
/// Texts of a call of the bi-encoder.
const DOCUMENTS_AT_A_TIME: usize = 512;

/// Pairs a second of each set: one query at a time, and `callers` queries at a time.
pub(crate) fn pairs(
    work: &Work,
    device: Device,
    model: &str,
    names: &[String],
    callers: usize,
    seconds: f64,
) -> Result<(), BoxError> {
    let wanted = |set: &&Set| names.is_empty() || names.contains(&set.name);
    let sets: Vec<&Set> = work.sets.iter().filter(wanted).collect();
    if sets.is_empty() {
        let known: Vec<&str> = work.sets.iter().map(|set| set.name.as_str()).collect();
        return Err(format!("there is no such set; there are {}", known.join(", ")).into());
    }
    for set in sets {
        let scorer = work.cross(model, set.max_length, device)?;
        let passages = refs(&set.passages);
        let tokens = phases(&scorer, &set.queries[0], &passages)?.tokens;
        let calls = one_by_one(seconds, |call| {
            let query = &set.queries[call % set.queries.len()];
            scorer.score_pairs(query, &passages).map(drop)
        })?;
        let figure = |what: &str, calls: &Calls| {
            let pairs = calls.per_second() * passages.len() as f64;
            json!({
                "step": "speed", "model": model, "set": set.name, "device": device.to_string(),
                "what": what, "pairs_of_a_call": passages.len(), "calls": calls.times.len(),
                "p50_ms": calls.percentile(0.5), "p95_ms": calls.percentile(0.95),
                "pairs_per_second": pairs,
                "tokens_per_second": pairs * tokens as f64 / passages.len() as f64,
                "tokens_of_a_pair": tokens as f64 / passages.len() as f64,
            })
        };
        print(&figure("one query at a time", &calls))?;
        let calls = at_a_time(callers, seconds, |call| {
            let query = &set.queries[call % set.queries.len()];
            scorer.score_pairs(query, &passages).map(drop)
        })?;
        print(&figure(&format!("{callers} queries at a time"), &calls))?;
    }
    Ok(())
}

/// Documents a second: at their real lengths, and the passages of the shortest set.
pub(crate) fn documents(work: &Work, device: Device, seconds: f64) -> Result<(), BoxError> {
    let (model, name) = work.embedder(device)?;
    let documents = refs(&work.documents);
    // One passage after the other in many copies, so that a call is as large.
    let short = refs(&work.sets[0].passages);
    let short: Vec<&str> = short
        .iter()
        .cycle()
        .take(documents.len())
        .copied()
        .collect();
    for (what, texts) in [
        ("documents", documents),
        (work.sets[0].name.as_str(), short),
    ] {
        let parts: Vec<&[&str]> = texts.chunks(DOCUMENTS_AT_A_TIME).collect();
        let sizes = AtomicUsize::new(0);
        let calls = at_a_time(2, seconds, |call| {
            let part = parts[call % parts.len()];
            sizes.fetch_add(part.len(), Ordering::Relaxed);
            model.embed_passages(part).map(drop)
        })?;
        // The warm-up counts as calls of the mean size.
        let of_a_call = sizes.into_inner() as f64 / (calls.times.len() + WARM_UP) as f64;
        print(&json!({
            "step": "documents", "model": name, "set": what, "device": device.to_string(),
            "calls": calls.times.len(), "texts_of_a_call": of_a_call,
            "p50_ms": calls.percentile(0.5),
            "documents_per_second": calls.per_second() * of_a_call,
        }))?;
    }
    Ok(())
}

/// Shares of tokenization, copies and computation in a call, one after the other.
pub(crate) fn shares(
    work: &Work,
    device: Device,
    model: &str,
    seconds: f64,
) -> Result<(), BoxError> {
    for set in &work.sets {
        let scorer = work.cross(model, set.max_length.min(MAX_LENGTH), device)?;
        let passages = refs(&set.passages);
        let mut all: Vec<Phases> = Vec::new();
        one_by_one(seconds / 2.0, |call| {
            let query = &set.queries[call % set.queries.len()];
            all.push(phases(&scorer, query, &passages)?);
            Ok(())
        })?;
        let all = &all[WARM_UP.min(all.len().saturating_sub(1))..];
        let median = |part: fn(&Phases) -> Duration| {
            let mut times: Vec<f64> = all.iter().map(|p| milliseconds(part(p))).collect();
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        };
        print(&json!({
            "step": "shares", "model": model, "set": set.name, "device": device.to_string(),
            "calls": all.len(), "tokenize_ms": median(|p| p.tokenize),
            "upload_ms": median(|p| p.upload), "compute_ms": median(|p| p.compute),
            "download_ms": median(|p| p.download),
        }))?;
    }
    Ok(())
}

/// The calls that counted.
struct Calls {
    /// Milliseconds of each, in order of size.
    times: Vec<f64>,
    elapsed: f64,
}

impl Calls {
    fn new(mut times: Vec<f64>, elapsed: Duration) -> Self {
        times.sort_by(f64::total_cmp);
        Calls {
            times,
            elapsed: elapsed.as_secs_f64(),
        }
    }

    fn per_second(&self) -> f64 {
        self.times.len() as f64 / self.elapsed
    }

    fn percentile(&self, share: f64) -> f64 {
        let last = self.times.len().saturating_sub(1);
        let place = (share * last as f64).round() as usize;
        self.times.get(place).copied().unwrap_or(f64::NAN)
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Calls one after the other for so many seconds, at least one.
fn one_by_one(
    seconds: f64,
    mut call: impl FnMut(usize) -> Result<(), BoxError>,
) -> Result<Calls, BoxError> {
    for number in 0..WARM_UP {
        call(number)?;
    }
    let mut times = Vec::new();
    let start = Instant::now();
    while times.is_empty() || start.elapsed().as_secs_f64() < seconds {
        let begin = Instant::now();
        call(times.len())?;
        times.push(milliseconds(begin.elapsed()));
    }
    Ok(Calls::new(times, start.elapsed()))
}

/// Calls from so many threads for so many seconds, at least one from each.
fn at_a_time(
    callers: usize,
    seconds: f64,
    call: impl Fn(usize) -> Result<(), BoxError> + Sync,
) -> Result<Calls, BoxError> {
    for number in 0..WARM_UP {
        call(number)?;
    }
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    let run = || -> Result<Vec<f64>, BoxError> {
        let mut times = Vec::new();
        while times.is_empty() || start.elapsed().as_secs_f64() < seconds {
            let begin = Instant::now();
            call(next.fetch_add(1, Ordering::Relaxed))?;
            times.push(milliseconds(begin.elapsed()));
        }
        Ok(times)
    };
    let times = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..callers.max(1)).map(|_| scope.spawn(run)).collect();
        let mut times = Vec::new();
        for caller in callers {
            times.extend(caller.join().map_err(|_| "a caller panicked")??);
        }
        Ok::<_, BoxError>(times)
    })?;
    Ok(Calls::new(times, start.elapsed()))
}
