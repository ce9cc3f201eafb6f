//! How long the stages took.

use std::time::Duration;

use treffer_types::StageName;

use crate::bars::bar;
use crate::markup::Markup;
use crate::page::{Cell, table};
use crate::text::percentile;

/// Median and 95th percentile of each stage.
pub(crate) fn times(times: &[(StageName, Vec<Duration>)]) -> Markup {
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
