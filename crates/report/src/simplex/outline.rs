//! Lines around parts of the triangle's cells.

use std::collections::HashSet;

use super::{Triangle, hexagon};
use crate::markup::{Element, el, num};
use crate::surface::Point;

/// Around a part of the cells: its edges towards all that is not in it.
pub(crate) fn outline(part: &[&Point], to_plot: &Triangle, radius: f64) -> Element {
    let inside = Centers::of(part, to_plot);
    let path = edges(part, to_plot, radius, |across| !inside.holds(across));
    el("path").attr("d", path).class("outline")
}

/// Between a part of the cells and the other cells: nothing along the triangle's sides.
pub(crate) fn border(part: &[&Point], all: &[&Point], to_plot: &Triangle, radius: f64) -> Element {
    let (inside, cells) = (Centers::of(part, to_plot), Centers::of(all, to_plot));
    let is_other = |across| cells.holds(across) && !inside.holds(across);
    let path = edges(part, to_plot, radius, is_other);
    el("path").attr("d", path).class("outline wide")
}

/// The edges of cells across which `is_drawn` holds of the neighbor's center.
fn edges(
    cells: &[&Point],
    to_plot: &Triangle,
    radius: f64,
    is_drawn: impl Fn((f64, f64)) -> bool,
) -> String {
    let mut path = String::new();
    for point in cells {
        let (x, y) = to_plot.place(&point.weights);
        let corners = hexagon((x, y), radius);
        for at in 0..6 {
            let (a, b) = (corners[at], corners[(at + 1) % 6]);
            // Across the edge lies the neighbor: the center mirrored in the edge's middle.
            if is_drawn((a.0 + b.0 - x, a.1 + b.1 - y)) {
                path += &format!("M{} {}L{} {}", num(a.0), num(a.1), num(b.0), num(b.1));
            }
        }
    }
    path
}

/// Where cells are, to a quarter of a unit.
struct Centers(HashSet<(i64, i64)>);

impl Centers {
    fn of(cells: &[&Point], to_plot: &Triangle) -> Self {
        let centers = cells.iter().map(|point| to_plot.place(&point.weights));
        Centers(centers.map(Centers::key).collect())
    }

    fn key((x, y): (f64, f64)) -> (i64, i64) {
        ((x * 4.0).round() as i64, (y * 4.0).round() as i64)
    }

    fn holds(&self, at: (f64, f64)) -> bool {
        let (x, y) = Centers::key(at);
        // Rounding may put a neighbor into the next quarter.
        (-1..=1).any(|dx| (-1..=1).any(|dy| self.0.contains(&(x + dx, y + dy))))
    }
}

#[cfg(test)]
mod tests {
    use treffer_types::StageName;

    use super::*;
    use crate::markup::Markup;
    use crate::simplex::SIDE;
    use crate::surface::tests::rising;

    #[test]
    fn the_outline_runs_around_the_cells_near_the_best_only() {
        let corners = [StageName::BM25, StageName::DENSE, StageName::CROSS];
        let surface = rising(10, &corners);
        let to_plot = Triangle {
            corners,
            margin: 0.0,
        };
        let near: Vec<&Point> = surface.points.iter().filter(|it| it.is_near()).collect();
        let path: Markup = outline(&near, &to_plot, SIDE / 10.0 / 3_f64.sqrt()).into();
        // Three rows of one, two and three cells: 6 * 6 edges less twice the 9 shared.
        assert_eq!(near.len(), 6);
        assert_eq!(path.as_str().matches('M').count(), 36 - 18);
        // Towards the cells below the row of three there are two edges for each.
        let all: Vec<&Point> = surface.points.iter().collect();
        let path: Markup = border(&near, &all, &to_plot, SIDE / 10.0 / 3_f64.sqrt()).into();
        assert_eq!(path.as_str().matches('M').count(), 2 * 3);
    }
}
