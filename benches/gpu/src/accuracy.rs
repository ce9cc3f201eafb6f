//! Whether a device computes what another does.

use std::time::Instant;

use serde_json::json;
use treffer_eval::Metric;
use treffer_types::{BoxError, Device, Embedder, PairScorer};

use crate::print;
use crate::work::{MAX_LENGTH, Topic, Work, refs};

/// Compares logits of pairs at their real lengths, and the vectors of their passages.
pub(crate) fn parity(
    work: &Work,
    device: Device,
    reference: Device,
    pairs: usize,
) -> Result<(), BoxError> {
    let set = work.real()?;
    let per_query = set.passages.len().min(pairs);
    let passages = refs(&set.passages[..per_query]);
    let queries = refs(&set.queries[..pairs.div_ceil(per_query).min(set.queries.len())]);
    let logits = |device| -> Result<Vec<f32>, BoxError> {
        let model = work.cross("cross", MAX_LENGTH, device)?;
        let mut logits = Vec::new();
        for query in &queries {
            let scores = model.score_pairs(query, &passages)?;
            logits.extend(scores.iter().map(|score| score.score));
        }
        Ok(logits)
    };
    let found = logits(device)?;
    let expected = logits(reference)?;
    let differences = found.iter().zip(&expected).map(|(a, b)| (a - b).abs());
    let of_logits = summary("logits", device, reference, differences.collect());
    print(&of_logits)?;

    let vectors = |device| -> Result<Vec<Vec<f32>>, BoxError> {
        let (model, _) = work.embedder(device)?;
        let embeddings = model.embed_passages(&passages)?;
        Ok(embeddings.into_iter().map(|one| one.vector).collect())
    };
    let found = vectors(device)?;
    let expected = vectors(reference)?;
    // 1 - cosine would be lost in the rounding of f32.
    let distance = |(a, b): (&Vec<f32>, &Vec<f32>)| {
        let square = |(a, b): (&f32, &f32)| f64::from(a - b).powi(2);
        a.iter().zip(b).map(square).sum::<f64>().sqrt() as f32
    };
    let distances = found.iter().zip(&expected).map(distance).collect();
    let of_vectors = summary("vectors", device, reference, distances);
    print(&of_vectors)?;
    check(&of_logits, MOST_OF_LOGITS)?;
    check(&of_vectors, MOST_OF_VECTORS)
}

/// Differences from f32 in the median beyond which kernels are wrong and not merely rounded: bf16
/// gives about 0.02 of logits in a range of 20, and 0.01 of vectors of length 1.
const MOST_OF_LOGITS: f64 = 0.25;
const MOST_OF_VECTORS: f64 = 0.1;

fn check(summary: &serde_json::Value, most: f64) -> Result<(), BoxError> {
    // Written so that a NaN is wrong.
    match summary["median"].as_f64() {
        Some(median) if median <= most => Ok(()),
        _ => Err(format!(
            "the {} of {} differ from those of {} by {} in the median, more than {most}: no speed of \
             this device counts",
            summary["what"], summary["device"], summary["reference"], summary["median"]
        )
        .into()),
    }
}

/// The differences in words that `what` stands for: absolute for logits, Euclidean for unit
/// vectors.
fn summary(
    what: &str,
    device: Device,
    reference: Device,
    mut differences: Vec<f32>,
) -> serde_json::Value {
    differences.sort_by(f32::total_cmp);
    json!({
        "step": "parity",
        "what": what,
        "device": device.to_string(),
        "reference": reference.to_string(),
        "n": differences.len(),
        "median": differences.get(differences.len() / 2),
        "largest": differences.last(),
    })
}

/// Ranks the topics on the device, and as many on the reference as its seconds allow.
pub(crate) fn rerank(
    work: &Work,
    device: Device,
    reference: Device,
    seconds: f64,
) -> Result<(), BoxError> {
    let metric: Metric = "ndcg@10".parse()?;
    let model = work.cross("cross", MAX_LENGTH, device)?;
    let start = Instant::now();
    let found = work.topics.iter().map(|topic| logits(&model, topic));
    let found: Vec<Vec<f32>> = found.collect::<Result<_, _>>()?;
    let elapsed = start.elapsed().as_secs_f64();
    let pairs: usize = found.iter().map(Vec::len).sum();
    let mean = |scores: &[Vec<f32>], n: usize| {
        let topics = work.topics.iter().zip(scores).take(n);
        topics.map(|(t, s)| measured(metric, t, s)).sum::<f64>() / n.max(1) as f64
    };
    let first_stage: Vec<Vec<f32>> = (work.topics.iter())
        .map(|topic| {
            (0..topic.candidates.len())
                .map(|rank| -(rank as f32))
                .collect()
        })
        .collect();
    let n = work.topics.len();
    print(&json!({
        "step": "rerank", "device": device.to_string(), "topics": n, "pairs": pairs,
        "ndcg_at_10": mean(&found, n), "ndcg_at_10_of_first_stage": mean(&first_stage, n),
        "seconds": elapsed,
    }))?;

    let model = work.cross("cross", MAX_LENGTH, reference)?;
    let start = Instant::now();
    let mut expected = Vec::new();
    for topic in &work.topics {
        if start.elapsed().as_secs_f64() > seconds {
            break;
        }
        expected.push(logits(&model, topic)?);
    }
    let n = expected.len();
    let order = |scores: &[f32]| {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        order.truncate(10);
        order
    };
    let same = found
        .iter()
        .zip(&expected)
        .filter(|(a, b)| order(a) == order(b))
        .count();
    print(&json!({
        "step": "rerank", "device": device.to_string(), "reference": reference.to_string(),
        "topics": n, "ndcg_at_10": mean(&found, n), "ndcg_at_10_of_reference": mean(&expected, n),
        "topics_with_the_same_first_ten": same,
    }))
}

fn logits(model: &dyn PairScorer, topic: &Topic) -> Result<Vec<f32>, BoxError> {
    let texts: Vec<&str> = topic
        .candidates
        .iter()
        .map(|(_, text)| text.as_str())
        .collect();
    let scores = model.score_pairs(&topic.query, &texts)?;
    Ok(scores.iter().map(|score| score.score).collect())
}

fn measured(metric: Metric, topic: &Topic, scores: &[f32]) -> f64 {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let ranking = order
        .iter()
        .map(|&place| topic.candidates[place].0.as_str());
    metric.score(ranking, Some(&topic.judgments))
}
