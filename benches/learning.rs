//! Learning curves: what tuning on few queries is worth on others.
//!
//! `cargo xtask bench learning -- COLLECTIONS [--folder FOLDER] [--only NAME,NAME]
//! [--cross NAME,NAME] [--documents 1500] [--words 100] [--queries 240] [--draws 50]`
//!
//! `COLLECTIONS` holds one folder per collection in BEIR's layout. Of each, evenly spaced
//! queries of one split (`test`, or else `dev`) are taken, the documents that are judged for
//! them, evenly spaced others until there are `--documents`, and of each document its first
//! words. They are indexed once under `--folder` with BM25, dense and late interaction of the
//! preset `quick`, or, if the name ends in `-de`, with the preset `german`. Scores are gathered
//! once, and kept in the index as those of `treffer tune` are; the cross-encoder of the preset
//! `english` reads 20 candidates of the collections that `--cross` names.
//!
//! Measured, as nDCG@10:
//! - Preset weights: what is best on average over the other collections, on the one left out
//!   ([`presets`]).
//! - Curves: weights chosen with 10, 20, 40, 80 and 160 queries, drawn 50 times, on those that
//!   were not drawn ([`curves`]); only sizes that leave at least 30.
//!
//! Figures do not depend on the machine. Caveats: a part of a collection is easier than the
//! whole, and short documents favor no passages.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use treffer_engine::config::Config;
use treffer_engine::pipeline::{Available, Pipeline};
use treffer_engine::profile::Profile;
use treffer_engine::stages::Registry;
use treffer_engine::tune::{DRAWS, Pool, Prior, Rehearsal, Search, TuneRequest, rehearse};
use treffer_eval::{Comparison, Settings};
use treffer_fusion::Weights;
use treffer_testkit::Random;
use treffer_types::{BoxError, StageName};

#[path = "learning/collection.rs"]
mod collection;

use collection::Collection;

type Result<T> = std::result::Result<T, BoxError>;

const SIZES: [usize; 5] = [10, 20, 40, 80, 160];
/// How many queries a draw has to leave.
const LEFT: usize = 30;
const SEED: u64 = 42;
/// Steps from weight 0 to weight 1.
const STEPS: u32 = 20;
/// The combinations of stages that presets weigh, and the weights that they give them.
const LEGS: [(&[StageName], &str); 3] = [
    (
        &[StageName::BM25, StageName::DENSE, StageName::LATE],
        "quick",
    ),
    (
        &[StageName::BM25, StageName::DENSE, StageName::CROSS],
        "english",
    ),
    (&[StageName::BM25, StageName::DENSE], "german"),
];

fn main() -> anyhow::Result<()> {
    run().map_err(anyhow::Error::from_boxed)
}

struct Arguments {
    collections: PathBuf,
    folder: PathBuf,
    only: Option<BTreeSet<String>>,
    cross: BTreeSet<String>,
    documents: usize,
    words: usize,
    queries: usize,
    draws: usize,
}

impl Arguments {
    fn parse() -> Result<Self> {
        let mut arguments = Arguments {
            collections: PathBuf::new(),
            folder: std::env::temp_dir().join("treffer-bench-learning"),
            only: None,
            cross: BTreeSet::new(),
            documents: 1500,
            words: 100,
            queries: 240,
            draws: 50,
        };
        let names = |text: String| text.split(',').map(str::to_owned).collect();
        let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} has no value"));
            match word.as_str() {
                "--folder" => arguments.folder = PathBuf::from(value()?),
                "--only" => arguments.only = Some(names(value()?)),
                "--cross" => arguments.cross = names(value()?),
                "--documents" => arguments.documents = value()?.parse()?,
                "--words" => arguments.words = value()?.parse()?,
                "--queries" => arguments.queries = value()?.parse()?,
                "--draws" => arguments.draws = value()?.parse()?,
                _ => arguments.collections = PathBuf::from(word),
            }
        }
        if arguments.collections.as_os_str().is_empty() {
            return Err("name the folder that holds the collections".into());
        }
        Ok(arguments)
    }

    /// The collections, by name.
    fn names(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.collections)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_asked_for = self.only.as_ref().is_none_or(|only| only.contains(&name));
            if is_asked_for && entry.path().join("qrels").is_dir() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}

fn run() -> Result<()> {
    let arguments = Arguments::parse()?;
    let mut collections = Vec::new();
    for name in arguments.names()? {
        eprintln!("{name}");
        collections.push(Collection::prepare(&arguments, name)?);
    }
    for (stages, preset) in LEGS {
        let has_all = |one: &&Collection| stages.iter().all(|stage| one.stages.contains(stage));
        let with: Vec<&Collection> = collections.iter().filter(has_all).collect();
        if with.len() < 2 {
            continue;
        }
        let names: Vec<String> = stages.iter().map(StageName::to_string).collect();
        println!("\n## {}\n", names.join(" + "));
        let config = Config::preset(preset)?;
        let today = config.profiles["default"].weights.clone();
        let today = today
            .restricted_to(stages)
            .ok_or("the preset has no weights")?;
        let measured: Vec<Measured<'_>> = (with.into_iter())
            .map(|one| Measured::new(one, stages, &today))
            .collect::<Result<_>>()?;
        let left_out = presets(&measured, stages, &today)?;
        curves(&measured, stages, &today, &left_out, arguments.draws)?;
    }
    Ok(())
}

fn request(profile: &Profile, prior: Prior) -> Result<TuneRequest<'_>> {
    Ok(TuneRequest {
        profile,
        stages: None,
        metric: "nDCG@10".parse()?,
        search: Search::Weights,
        prior,
        steps: STEPS,
        folds: 5,
        seed: SEED,
        draws: DRAWS,
        budget_ms: None,
        cache: false,
        learn: false,
    })
}

/// A collection under one combination of stages: all weightings, measured on all queries.
struct Measured<'a> {
    name: &'a str,
    pools: Vec<Pool>,
    all: Rehearsal,
}

impl<'a> Measured<'a> {
    fn new(of: &'a Collection, stages: &[StageName], today: &Weights) -> Result<Self> {
        let mut pools = of.pools.clone();
        for candidate in pools.iter_mut().flat_map(|pool| &mut pool.candidates) {
            let unused = of.stages.iter().filter(|stage| !stages.contains(stage));
            unused.for_each(|stage| candidate.forget(*stage));
        }
        let all = rehearsed(&pools, stages, today, Prior::Equal, &[])?;
        Ok(Measured {
            name: &of.name,
            pools,
            all,
        })
    }

    /// The mean over all queries.
    fn mean(&self, weights: &Weights) -> Result<f64> {
        Ok(mean(self.values(weights)?))
    }

    fn values(&self, weights: &Weights) -> Result<&[f64]> {
        let values = self.all.values_of(weights);
        values.ok_or_else(|| "weights are missing in the grid".into())
    }

    /// The largest mean of the grid, with its weights.
    fn best(&self) -> Result<(f64, Weights)> {
        best_of(&self.all.weightings, |at| mean(&self.all.values[at]))
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The best of some weightings, the first on a tie.
fn best_of(weightings: &[Weights], value: impl Fn(usize) -> f64) -> Result<(f64, Weights)> {
    let values = weightings
        .iter()
        .enumerate()
        .map(|(at, one)| (value(at), one));
    let best = values.reduce(|best, one| if one.0 > best.0 { one } else { best });
    let (value, weights) = best.ok_or("there are no weightings")?;
    Ok((value, weights.clone()))
}

/// What samples of the queries choose, starting from a profile with these weights.
fn rehearsed(
    pools: &[Pool],
    stages: &[StageName],
    weights: &Weights,
    prior: Prior,
    samples: &[Vec<usize>],
) -> Result<Rehearsal> {
    let profile = Profile {
        weights: weights.clone(),
        ..Profile::default()
    };
    let available = Available::all(Registry::standard(), u32::MAX).limited_to(stages);
    let pipeline = Pipeline::of(&profile, &available)?;
    Ok(rehearse(
        pools,
        &request(&profile, prior)?,
        &pipeline,
        samples,
    )?)
}

/// Prints for each collection what is best on average over the others, and returns it.
fn presets(
    measured: &[Measured<'_>],
    stages: &[StageName],
    today: &Weights,
) -> Result<Vec<Weights>> {
    let equal = Weights::equal(stages).ok_or("there are no stages")?;
    let grid: Vec<Weights> = Weights::simplex(STEPS, stages).collect();
    let average = |left_out: Option<usize>| -> Result<Weights> {
        let others = (measured.iter().enumerate()).filter(|(at, _)| Some(*at) != left_out);
        let others: Vec<&Measured<'_>> = others.map(|(_, one)| one).collect();
        best_on_average(&others, &grid)
    };
    println!(
        "| collection | queries | best | best weights | chosen by the others | their nDCG@10 | preset | gain (95 % interval) | equal |"
    );
    println!("|---|---:|---:|---|---|---:|---:|---|---:|");
    let (mut chosen, mut sums, mut squares) = (Vec::new(), [0.0; 4], 0.0);
    let on_all = average(None)?;
    for (at, one) in measured.iter().enumerate() {
        let weights = average(Some(at))?;
        let (best, best_weights) = one.best()?;
        let means = [
            best,
            one.mean(&weights)?,
            one.mean(today)?,
            one.mean(&equal)?,
        ];
        let settings = Settings::usual(SEED);
        let gain = Comparison::new(one.values(&weights)?, one.values(today)?, &settings)?;
        println!(
            "| {} | {} | {:.4} | {} | {} | {:.4} | {:.4} | {:+.4} ({:+.4} to {:+.4}) | {:.4} |",
            one.name,
            one.pools.len(),
            means[0],
            shares(&best_weights, stages),
            shares(&weights, stages),
            means[1],
            means[2],
            means[1] - means[2],
            gain.interval.low,
            gain.interval.high,
            means[3],
        );
        for (sum, mean) in sums.iter_mut().zip(means) {
            *sum += mean / measured.len() as f64;
        }
        let away = |stage: &StageName| best_weights.weight(*stage) - on_all.weight(*stage);
        squares += stages.iter().map(|stage| away(stage).powi(2)).sum::<f64>();
        chosen.push(weights);
    }
    println!(
        "| mean | | {:.4} | | {} by all | {:.4} | {:.4} | {:+.4} | {:.4} |",
        sums[0],
        shares(&on_all, stages),
        sums[1],
        sums[2],
        sums[1] - sums[2],
        sums[3]
    );
    let n_free = (measured.len() * (stages.len() - 1)) as f64;
    println!(
        "\nStandard deviation of one weight between the best of the collections: {:.2}.",
        (squares / n_free).sqrt()
    );
    Ok(chosen)
}

/// What is best on average over collections, as the tuner chooses over queries: the mean of the
/// weightings that are within one standard error of the best, as the nearest point of the grid.
fn best_on_average(measured: &[&Measured<'_>], grid: &[Weights]) -> Result<Weights> {
    let mut means = Vec::with_capacity(grid.len());
    for weights in grid {
        let of_each = measured.iter().map(|one| one.mean(weights));
        means.push(of_each.collect::<Result<Vec<f64>>>()?);
    }
    let n = measured.len() as f64;
    let (_, top) = best_of(grid, |at| mean(&means[at]))?;
    let top = grid.iter().position(|one| *one == top).unwrap_or(0);
    let is_as_good = |at: &usize| {
        let behind = means[top]
            .iter()
            .zip(&means[*at])
            .map(|(best, own)| best - own);
        let behind: Vec<f64> = behind.collect();
        let average = mean(&behind);
        let squares: f64 = behind.iter().map(|one| (one - average).powi(2)).sum();
        average <= (squares / (n - 1.0).max(1.0) / n).sqrt()
    };
    let good: Vec<&Weights> = (0..grid.len())
        .filter(is_as_good)
        .map(|at| &grid[at])
        .collect();
    let center = |stage: StageName| {
        good.iter().map(|one| one.weight(stage)).sum::<f64>() / good.len() as f64
    };
    let (_, nearest) = best_of(grid, |at| {
        let stages = grid[at].stages();
        -stages
            .map(|stage| (grid[at].weight(stage) - center(stage)).powi(2))
            .sum::<f64>()
    })?;
    Ok(nearest)
}

fn shares(weights: &Weights, stages: &[StageName]) -> String {
    let shares = stages
        .iter()
        .map(|stage| format!("{:.2}", weights.weight(*stage)));
    shares.collect::<Vec<String>>().join(", ")
}

/// Prints means over collections of what is chosen with few queries, on the others.
fn curves(
    measured: &[Measured<'_>],
    stages: &[StageName],
    today: &Weights,
    left_out: &[Weights],
    draws: usize,
) -> Result<()> {
    let mut curves = Vec::with_capacity(measured.len());
    for (one, others) in measured.iter().zip(left_out) {
        let curve = one.curve(stages, today, others, draws)?;
        curves.push((one.name, curve));
    }
    print_curves(&curves);
    let n = curves.len();
    curves.retain(|(_, curve)| curve.len() == SIZES.len());
    if !curves.is_empty() && curves.len() < n {
        println!("\nOf the collections that are large enough for every size:");
        print_curves(&curves);
    }
    Ok(())
}

/// The means of a collection, by size.
type Curve = Vec<[f64; 8]>;

fn print_curves(curves: &[(&str, Curve)]) {
    println!(
        "\n| queries | collections | equal | preset | of the others | best stage | no prior | prior: preset | prior: equal | prior: others | least gain of one over preset |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    for (at, size) in SIZES.iter().enumerate() {
        let of_size: Vec<(&str, [f64; 8])> = (curves.iter())
            .filter_map(|(name, curve)| Some((*name, *curve.get(at)?)))
            .collect();
        let n = of_size.len();
        let mean_of = |column: usize| of_size.iter().map(|one| one.1[column]).sum::<f64>();
        let cells: Vec<String> = (0..8)
            .map(|column| format!("{:.4}", mean_of(column) / n as f64))
            .collect();
        let gains = of_size
            .iter()
            .map(|(name, means)| (means[5] - means[1], *name));
        if let Some((least, name)) = gains.reduce(|a, b| if b.0 < a.0 { b } else { a }) {
            println!(
                "| {size} | {n} | {} | {least:+.4} {name} |",
                cells.join(" | ")
            );
        }
    }
}

impl Measured<'_> {
    /// Means on the queries that were not drawn, over the draws, for each size that leaves some:
    /// of what [`curves`] prints.
    fn curve(
        &self,
        stages: &[StageName],
        today: &Weights,
        others: &Weights,
        draws: usize,
    ) -> Result<Curve> {
        let n = self.pools.len();
        let sizes: Vec<usize> = SIZES.into_iter().filter(|size| size + LEFT <= n).collect();
        // All draws of the first size, then all of the next.
        let seeds = || (0..draws as u64).map(|draw| SEED + draw);
        let samples: Vec<Vec<usize>> = (sizes.iter())
            .flat_map(|size| seeds().map(move |seed| drawn(n, *size, seed)))
            .collect();
        let held_out = |choose: &dyn Fn(usize) -> Result<Vec<f64>>| -> Result<Vec<f64>> {
            let of_sample = |(at, sample): (usize, &Vec<usize>)| -> Result<f64> {
                let values = choose(at)?;
                let is_left = |at: &usize| sample.binary_search(at).is_err();
                let left = (0..n).filter(is_left).map(|at| values[at]);
                Ok(mean(&left.collect::<Vec<f64>>()))
            };
            let all = samples.iter().enumerate().map(of_sample);
            let all = all.collect::<Result<Vec<f64>>>()?;
            Ok(all.chunks(draws.max(1)).map(mean).collect())
        };
        let fixed = |weights: &Weights| held_out(&|_| Ok(self.values(weights)?.to_vec()));
        let tuned = |from: &Weights, prior| -> Result<Vec<f64>> {
            let all = rehearsed(&self.pools, stages, from, prior, &samples)?;
            held_out(&|at| Ok(all.values[all.chosen[at]].clone()))
        };
        let alone: Vec<Weights> = (stages.iter())
            .filter_map(|stage| Weights::equal(&[*stage])?.restricted_to(stages))
            .collect();
        let best_stage = held_out(&|at| {
            let of_sample = |stage: usize| -> f64 {
                let values = self.values(&alone[stage]).unwrap_or_default();
                samples[at].iter().map(|at| values[*at]).sum()
            };
            let (_, best) = best_of(&alone, of_sample)?;
            Ok(self.values(&best)?.to_vec())
        })?;
        let columns = [
            fixed(&Weights::equal(stages).ok_or("there are no stages")?)?,
            fixed(today)?,
            fixed(others)?,
            best_stage,
            tuned(today, Prior::None)?,
            tuned(today, Prior::Preset)?,
            tuned(today, Prior::Equal)?,
            tuned(others, Prior::Preset)?,
        ];
        let row = |at: usize| std::array::from_fn(|column| columns[column][at]);
        Ok((0..sizes.len()).map(row).collect())
    }
}

/// `size` of `n` queries, ascending.
fn drawn(n: usize, size: usize, seed: u64) -> Vec<usize> {
    let mut random = Random::new(seed);
    let mut all: Vec<usize> = (0..n).collect();
    for at in 0..size {
        let other = at + random.below((n - at) as u64) as usize;
        all.swap(at, other);
    }
    all.truncate(size);
    all.sort_unstable();
    all
}
