//! `cargo xtask bench tuning`: our search for weights beside ranx's, on the same scores.
//!
//! benches/tuning.rs makes the scores, writes them as runs and judgments, and is timed;
//! xtask/peers/tuning.py reads them into ranx's `optimize_fusion`, with min-max and a
//! weighted sum. The means that both found are compared, point by point: ranx takes the
//! points whose weights sum to 1 in floating-point numbers, which are not all of them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use super::contestant::{Contestant, in_turn};
use super::figures::{duration, extremes, median};
use super::machine::Machine;
use super::peers::{self, Arguments};
use super::{build_bench, write};
use crate::python::script;
use crate::workspace::Workspace;

/// From weight 0 to weight 1; what benches/tuning.rs searches.
const STEPS: u32 = 50;
/// What the same sum may differ by when it is added up in another order.
const ROUNDING: f64 = 1e-9;

/// Prepares everything, measures in turn and prints the table.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    let machine = Machine::look()?;
    let interpreter = peers::prepare(workspace, "tuning", arguments.python.as_deref())?;
    let binary = build_bench(workspace, "tuning")?;
    let scratch = workspace.target.join("bench-tuning");

    let mut contestants = Vec::new();
    for (name, work) in [
        ("treffer, every point", "grid"),
        ("treffer, whole tuner", "weights"),
    ] {
        let job = job(&scratch, work, machine.n_threads)?;
        contestants.push(Contestant::start(name, Command::new(&binary).arg(job))?);
    }
    eprintln!("starting ranx, which compiles and runs once: minutes");
    let mut command = script(&interpreter, &workspace.root.join("xtask/peers/tuning.py"));
    command
        .arg(job(&scratch, "grid", machine.n_threads)?)
        .env("NUMBA_NUM_THREADS", machine.n_threads.to_string());
    contestants.push(Contestant::start("ranx, optimize_fusion", &mut command)?);

    let times = in_turn(&mut contestants, arguments.rounds)?;
    let [grid, _, ranx] = &mut contestants[..] else {
        bail!("there are not three contestants");
    };
    let (ours, theirs) = (points(&grid.scores()?)?, points(&ranx.scores()?)?);
    let agreement = Agreement::between(&ours, &theirs)?;
    let rows: Vec<(&Contestant, &Vec<f64>)> = contestants.iter().zip(&times).collect();
    let report = format!(
        "{machine}\n\
         Scores of three stages, 300 queries of 100 candidates, nDCG@10. Medians of {} rounds, \
         all in turn. Peer: {}.\n\n{}{}",
        arguments.rounds,
        peers::versions(&contestants[2].ready.versions).join(", "),
        table(&rows),
        agreement.report()
    );
    print!("{report}");
    if arguments.record {
        super::record(workspace, "tuning", &report)?;
    }
    Ok(())
}

/// Writes the file that tells a contestant what to do.
fn job(scratch: &Path, work: &str, threads: usize) -> Result<PathBuf> {
    let job = json!({
        "folder": scratch,
        "work": work,
        "threads": threads,
        "step": 1.0 / f64::from(STEPS),
    });
    let path = scratch.join(format!("{work}.json"));
    write(&path, job.to_string().as_bytes())?;
    Ok(path)
}

/// Means by weights, these in steps of the grid.
type Points = BTreeMap<[u32; 3], f64>;

/// # Errors
/// If a row is no point of the grid.
fn points(rows: &[Vec<f64>]) -> Result<Points> {
    let mut points = Points::new();
    for row in rows {
        let &[bm25, dense, cross, mean] = row.as_slice() else {
            bail!(
                "a weighting has {} numbers, not three weights and a mean",
                row.len()
            );
        };
        let steps = [bm25, dense, cross].map(|weight| (weight * f64::from(STEPS)).round() as u32);
        ensure!(
            steps.iter().sum::<u32>() == STEPS && points.insert(steps, mean).is_none(),
            "the weights {bm25}, {dense}, {cross} are no point of the grid, or came twice"
        );
    }
    Ok(points)
}

/// What the two found.
#[derive(Debug, PartialEq)]
struct Agreement {
    n_ours: usize,
    n_theirs: usize,
    /// Largest distance of two means of one point.
    largest: f64,
    best_ours: f64,
    best_theirs: f64,
}

impl Agreement {
    /// # Errors
    /// If they are not about the same scores.
    fn between(ours: &Points, theirs: &Points) -> Result<Self> {
        let mut largest: f64 = 0.0;
        for (steps, mean) in theirs {
            let our_mean = (ours.get(steps))
                .with_context(|| format!("ranx tried {steps:?}, which we did not"))?;
            largest = largest.max((mean - our_mean).abs());
        }
        ensure!(
            largest <= ROUNDING,
            "the means differ by up to {largest:e}, so the two did not do the same work"
        );
        let best = |points: &Points| points.values().copied().max_by(f64::total_cmp);
        Ok(Agreement {
            n_ours: ours.len(),
            n_theirs: theirs.len(),
            largest,
            best_ours: best(ours).context("we tried nothing")?,
            best_theirs: best(theirs).context("ranx tried nothing")?,
        })
    }

    fn report(&self) -> String {
        let best = if self.best_ours - self.best_theirs > ROUNDING {
            "the best point is among those that it skipped"
        } else {
            "the best point is among those that it tried"
        };
        format!(
            "\nranx tried {} of {} points, and {best}: {:.6} of {:.6}. Means of one point differ by at most {:.1e}.\n",
            self.n_theirs, self.n_ours, self.best_theirs, self.best_ours, self.largest
        )
    }
}

/// Medians, each with its ratio to the first.
fn table(rows: &[(&Contestant, &Vec<f64>)]) -> String {
    let mut text = "| program | median | relative to the first | fastest to slowest | settings |\n\
                    |---|---:|---:|---|---|\n"
        .to_owned();
    let ours = rows.first().and_then(|(_, times)| median(times));
    for (contestant, times) in rows {
        let (Some(time), Some(ours)) = (median(times), ours) else {
            continue;
        };
        let _ = writeln!(
            text,
            "| {} | {} | {:.1} | {} | {} |",
            contestant.name,
            duration(time),
            time / ours,
            extremes(times),
            contestant.ready.settings
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rows: &[[f64; 4]]) -> Result<Points> {
        points(&rows.iter().map(|row| row.to_vec()).collect::<Vec<_>>())
    }

    #[test]
    fn points_are_compared_whatever_the_last_digit_of_their_weights() {
        let ours = of(&[[0.14, 0.3, 0.56, 0.5], [0.0, 0.02, 0.98, 0.75]]).unwrap();
        let theirs = of(&[[0.14, 0.3, 0.56 + 1e-16, 0.5 + 1e-12]]).unwrap();
        let agreement = Agreement::between(&ours, &theirs).unwrap();
        assert_eq!((agreement.n_ours, agreement.n_theirs), (2, 1));
        assert!(agreement.largest > 0.0 && agreement.largest < 1e-11);
        assert!(
            agreement
                .report()
                .contains("tried 1 of 2 points, and the best point is among those that it skipped")
        );
        let agreement = Agreement::between(&ours, &ours).unwrap();
        assert!(agreement.report().contains("among those that it tried"));
    }

    #[test]
    fn other_work_is_refused() {
        let ours = of(&[[0.5, 0.5, 0.0, 0.5]]).unwrap();
        let other_mean = of(&[[0.5, 0.5, 0.0, 0.51]]).unwrap();
        let other_point = of(&[[0.5, 0.0, 0.5, 0.5]]).unwrap();
        assert!(Agreement::between(&ours, &other_mean).is_err());
        assert!(Agreement::between(&ours, &other_point).is_err());
        assert!(of(&[[0.5, 0.5, 0.5, 0.5]]).is_err(), "not on the simplex");
        assert!(
            of(&[[0.5, 0.5, 0.0, 0.1], [0.5, 0.5, 0.0, 0.1]]).is_err(),
            "twice"
        );
        assert!(points(&[vec![1.0, 0.0, 0.0]]).is_err(), "no mean");
    }
}
