//! How long the stages took.

use std::time::Duration;

use treffer_types::StageName;

use super::bars::bar;
use super::markup::Markup;
use super::page::{Cell, table};

/// Median and 95th percentile of each stage.
pub(super) fn times(times: &[(StageName, Vec<Duration>)]) -> Markup {
    let rows: Vec<(StageName, f64, f64)> = times
        .iter()
        .map(|(stage, times)| {
            let ms = |percent| percentile(times, percent).as_secs_f64() * 1e3;
            (*stage, ms(50), ms(95))
        })
        .collect();
    let largest = rows.iter().fold(0.0_f64, |most, row| most.max(row.2));
    let rows = rows.into_iter().map(|(stage, p50, p95)| {
        let bar_of = |ms: f64| Cell::markup(bar(ms, largest, &format!("{ms:.2} ms")));
        vec![
            Cell::word(stage),
            Cell::number(format!("{p50:.2}")),
            bar_of(p50),
            Cell::number(format!("{p95:.2}")),
            bar_of(p95),
        ]
    });
    let heads = ["stage", "median ms", "", "95th percentile ms", ""];
    table(&heads, rows.collect())
}

/// The nearest-rank percentile; zero of nothing.
pub(crate) fn percentile(times: &[Duration], percent: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let times: Vec<Duration> = (1..=20).map(Duration::from_millis).collect();
        assert_eq!(percentile(&times, 50), Duration::from_millis(10));
        assert_eq!(percentile(&times, 95), Duration::from_millis(19));
        assert_eq!(percentile(&times[..1], 95), Duration::from_millis(1));
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }
}
