//! Times and scores of all contestants, as Markdown.

use std::fmt::Write;

use crate::bench::figures::{duration, extremes, median};
use crate::bench::machine::Machine;

/// What one contestant did in one row.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) contestant: String,
    pub(super) settings: String,
    /// Milliseconds, one per round.
    pub(super) times: Vec<f64>,
    /// How its results differ from the reference's; `None` without one.
    pub(super) differences: Option<Differences>,
}

/// One row of the table: the same work for all.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) title: String,
    /// Ours first.
    pub(super) measured: Vec<Measured>,
}

/// Distances between two lists of results, text by text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Differences {
    pub(super) median: f64,
    pub(super) largest: f64,
}

impl Differences {
    /// Of logits, |a - b|; of vectors, 1 - cos(a, b). `None` if they are not about
    /// the same texts.
    pub(super) fn between(ours: &[Vec<f64>], theirs: &[Vec<f64>]) -> Option<Self> {
        let alike = |(a, b): (&Vec<f64>, &Vec<f64>)| a.len() == b.len() && !a.is_empty();
        if ours.len() != theirs.len() || !ours.iter().zip(theirs).all(alike) {
            return None;
        }
        let distance = |(a, b): (&Vec<f64>, &Vec<f64>)| match (&a[..], &b[..]) {
            ([a], [b]) => (a - b).abs(),
            _ => (1.0 - cosine(a, b)).max(0.0),
        };
        let distances: Vec<f64> = ours.iter().zip(theirs).map(distance).collect();
        Some(Differences {
            median: median(&distances)?,
            largest: distances.iter().copied().max_by(f64::total_cmp)?,
        })
    }
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// What stands above the table: everything that the figures depend on.
pub(super) struct Circumstances<'a> {
    pub(super) machine: &'a Machine,
    /// The instruction set that was allowed.
    pub(super) isa: String,
    pub(super) rounds: usize,
    /// Names and versions of the peers.
    pub(super) peers: Vec<String>,
    /// What was left out and why.
    pub(super) notes: Vec<String>,
}

/// The whole report.
pub(super) fn report(circumstances: &Circumstances, findings: &[Finding]) -> String {
    let mut text = heading(circumstances);
    text.push_str(&times(findings));
    text.push_str(&details(findings));
    text
}

fn heading(circumstances: &Circumstances) -> String {
    let mut lines = vec![
        circumstances.machine.to_string(),
        format!(
            "Instruction set: {}. Medians of {} rounds, all in turn; in parentheses, the time \
             divided by Treffer's. Peers: {}.",
            circumstances.isa,
            circumstances.rounds,
            match &circumstances.peers[..] {
                [] => "none".to_owned(),
                peers => peers.join(", "),
            }
        ),
    ];
    lines.extend(circumstances.notes.iter().cloned());
    lines.join("\n") + "\n\n"
}

/// Medians, each with its ratio to ours, and the ratio of the fastest peer to ours.
fn times(findings: &[Finding]) -> String {
    let Some(first) = findings.first() else {
        return String::new();
    };
    let mut text = "| work |".to_owned();
    for measured in &first.measured {
        let _ = write!(text, " {} |", measured.contestant);
    }
    text.push_str(" fastest peer / Treffer |\n|---|");
    text.push_str(&"---:|".repeat(first.measured.len() + 1));
    text.push('\n');
    for finding in findings {
        let medians: Vec<Option<f64>> = finding.measured.iter().map(|m| median(&m.times)).collect();
        let ours = medians.first().copied().flatten();
        let _ = write!(text, "| {} |", finding.title);
        for (place, &time) in medians.iter().enumerate() {
            let _ = match (time, ours) {
                (Some(time), Some(ours)) if place > 0 => {
                    write!(text, " {} ({:.2}x) |", duration(time), time / ours)
                }
                (Some(time), _) => write!(text, " {} |", duration(time)),
                (None, _) => write!(text, " - |"),
            };
        }
        let peers = finding.measured.iter().zip(&medians);
        let best = peers
            .filter(|(measured, _)| !measured.contestant.starts_with(super::OURS))
            .filter_map(|(_, &time)| time)
            .min_by(f64::total_cmp);
        let _ = match (best, ours) {
            (Some(best), Some(ours)) => writeln!(text, " **{:.2}** |", best / ours),
            _ => writeln!(text, " - |"),
        };
    }
    text
}

/// Spread of the times, settings and differences in the results.
fn details(findings: &[Finding]) -> String {
    let mut text = "\n| work | program | fastest to slowest | settings | difference of results: median, largest |\n\
                    |---|---|---|---|---|\n"
        .to_owned();
    for finding in findings {
        for measured in &finding.measured {
            let differences = match measured.differences {
                Some(Differences { median, largest }) => format!("{median:.1e}, {largest:.1e}"),
                None => "-".to_owned(),
            };
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {differences} |",
                finding.title,
                measured.contestant,
                extremes(&measured.times),
                measured.settings,
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(contestant: &str, times: &[f64]) -> Measured {
        Measured {
            contestant: contestant.to_owned(),
            settings: "batch 4".to_owned(),
            times: times.to_vec(),
            differences: None,
        }
    }

    #[test]
    fn ratios_are_to_ours_and_the_best_peer_is_none_of_ours() {
        let findings = [Finding {
            title: "work".to_owned(),
            measured: vec![
                measured("treffer cpu", &[2000.0, 100.0, 100.0]),
                measured("treffer cpu:candle", &[50.0]),
                measured("torch-f32", &[250.0]),
                measured("ort-f32", &[150.0]),
            ],
        }];
        let table = times(&findings);
        assert_eq!(
            table.lines().last().unwrap(),
            "| work | 100 ms | 50 ms (0.50x) | 250 ms (2.50x) | 150 ms (1.50x) | **1.50** |"
        );
        let columns: Vec<usize> = table.lines().map(|l| l.matches('|').count()).collect();
        assert_eq!(columns, [7, 7, 7]);
        assert!(details(&findings).contains("| treffer cpu | 100 ms to 2.00 s | batch 4 | - |"));
    }

    #[test]
    fn without_peers_there_is_no_ratio() {
        let findings = [Finding {
            title: "work".to_owned(),
            measured: vec![measured("treffer cpu", &[1.234])],
        }];
        assert!(times(&findings).ends_with("| work | 1.23 ms | - |\n"));
        assert_eq!(times(&[]), "");
    }

    #[test]
    fn logits_differ_by_their_distance_and_vectors_by_their_angle() {
        let logits = |values: &[f64]| values.iter().map(|&v| vec![v]).collect::<Vec<_>>();
        let differences =
            Differences::between(&logits(&[1.0, 2.0, 3.0]), &logits(&[1.0, 2.5, 5.0]));
        let expected = Differences {
            median: 0.5,
            largest: 2.0,
        };
        assert_eq!(differences, Some(expected));
        let (a, b) = (vec![vec![1.0, 0.0]], vec![vec![0.0, 2.0]]);
        assert_eq!(Differences::between(&a, &b).unwrap().largest, 1.0);
        assert_eq!(Differences::between(&a, &a).unwrap().largest, 0.0);
        assert_eq!(Differences::between(&a, &logits(&[1.0])), None);
        assert_eq!(Differences::between(&a, &[]), None);
    }
}
