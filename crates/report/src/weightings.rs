//! The section on weightings: the surface as a triangle of cells where three stages are
//! weighed, otherwise as a profile along each weight, and the best weightings as a table.

use crate::markup::{Markup, scrolling};
use crate::page::{Cell, folded, paragraph, table};
use crate::surface::{Point, Surface, error_chain};
use crate::{profile, simplex};

/// As a section: what it shows, the plot, and the best weightings as a table.
pub(crate) fn section(surface: &Surface) -> Markup {
    let n_near = surface
        .points
        .iter()
        .filter(|point| point.is_near())
        .count();
    let mut body = Markup::new();
    body.push(paragraph(format!(
        "{} of {} weightings on all queries, under the tuned profile's other settings. {n_near} of them are within one standard error of the highest: these queries are too few to rank those among each other.",
        surface.metric,
        surface.points.len()
    )));
    body.push(plot(surface));
    body.push(folded("the ten best weightings", best(surface)));
    body
}

/// The plot that suits the number of stages.
fn plot(surface: &Surface) -> Markup {
    match *surface.stages.as_slice() {
        [top, left, right] => scrolling(simplex::simplex(surface, [top, left, right])),
        _ => profile::profiles(surface),
    }
}

/// The best weightings, for those who would rather read than look.
fn best(surface: &Surface) -> Markup {
    const SHOWN: usize = 10;
    let mut points: Vec<&Point> = surface.points.iter().collect();
    points.sort_by(|a, b| b.mean.total_cmp(&a.mean));
    let rows = points.into_iter().take(SHOWN).map(|point| {
        vec![
            Cell::word(error_chain(&point.weights)),
            Cell::number(format!("{:.4}", point.mean)),
            Cell::number(format!("{:.4}", point.behind)),
            Cell::number(format!("{:.4}", point.standard_error)),
        ]
    });
    let heads = [
        "weights",
        &surface.metric,
        "behind the highest",
        "standard error of that",
    ];
    table(&heads, rows.collect())
}
