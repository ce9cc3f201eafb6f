//! The marks of special points, seen on every color.

use crate::markup::{Element, el, num, polygon};

/// The mark of what was chosen.
pub(crate) fn star((x, y): (f64, f64)) -> Element {
    let corner = |at: u32| {
        let angle = f64::from(at) * std::f64::consts::PI / 5.0 - std::f64::consts::FRAC_PI_2;
        let radius = if at.is_multiple_of(2) { 11.0 } else { 4.8 };
        (x + radius * angle.cos(), y + radius * angle.sin())
    };
    let points: Vec<(f64, f64)> = (0..10).map(corner).collect();
    polygon(&points, "mark")
}

/// The mark of the current weights: a circle with a cross in it.
pub(crate) fn circled_cross((x, y): (f64, f64)) -> Element {
    let ring = el("circle")
        .attr("cx", num(x))
        .attr("cy", num(y))
        .attr("r", 8)
        .class("mark");
    let cross = format!(
        "M{} {}H{}M{} {}V{}",
        num(x - 8.0),
        num(y),
        num(x + 8.0),
        num(x),
        num(y - 8.0),
        num(y + 8.0)
    );
    el("g")
        .add(ring)
        .add(el("path").attr("d", cross).class("markline"))
}

/// The mark of the highest mean.
pub(crate) fn diamond((x, y): (f64, f64)) -> Element {
    let points = [(x, y - 7.0), (x + 7.0, y), (x, y + 7.0), (x - 7.0, y)];
    polygon(&points, "mark")
}
