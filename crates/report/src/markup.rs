//! HTML and SVG that cannot be put together unescaped.
//!
//! A template engine would bring a macro and its compile time for one page. What a report
//! needs of it is that text from a corpus never becomes markup, and a type does that.

use std::fmt::{Display, Write};

/// Finished markup. It is made of elements and escaped text only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Markup(String);

impl Markup {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Markup::default()
    }

    /// Adds markup.
    pub(crate) fn push(&mut self, more: impl Into<Markup>) {
        self.0 += &more.into().0;
    }

    /// The markup as it stands in a file.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Text as markup that shows it.
pub(crate) fn text(text: impl Display) -> Markup {
    Markup(escaped(&text.to_string()))
}

/// An element without content so far.
pub(crate) fn el(name: &'static str) -> Element {
    Element {
        name,
        attributes: String::new(),
        inner: String::new(),
    }
}

/// An SVG element that scales with the page, `width` by `height` of its own units, with
/// what it shows in words. It never shrinks so far that its text cannot be read.
pub(crate) fn svg(width: f64, height: f64, alternative: &str) -> Element {
    let least = num(width * 0.8);
    el("svg")
        .attr("viewBox", format!("0 0 {} {}", num(width), num(height)))
        .attr(
            "style",
            format!("min-width:{least}px;max-width:{}px", num(width)),
        )
        .attr("role", "img")
        .attr("aria-label", alternative)
}

/// Text in an SVG at a place, with a class.
pub(crate) fn label(x: f64, y: f64, class: &str, shown: impl Display) -> Element {
    el("text")
        .attr("x", num(x))
        .attr("y", num(y))
        .attr("class", class)
        .text(shown)
}

/// A line in an SVG, with a class.
pub(crate) fn line(from: (f64, f64), to: (f64, f64), class: &str) -> Element {
    el("line")
        .attr("x1", num(from.0))
        .attr("y1", num(from.1))
        .attr("x2", num(to.0))
        .attr("y2", num(to.1))
        .attr("class", class)
}

/// A horizontal line across a plot at each value, which is written at its left end.
pub(crate) fn levels(
    plot: Element,
    (values, decimals): (&[f64], usize),
    y: impl Fn(f64) -> f64,
    (left, right): (f64, f64),
) -> Element {
    values.iter().fold(plot, |plot, value| {
        let y = y(*value);
        let shown = format!("{value:.decimals$}");
        plot.add(line((left, y), (right, y), "grid"))
            .add(label(left - 8.0, y + 4.0, "end", shown))
    })
}

/// A rectangle in an SVG, with a class.
pub(crate) fn rect(x: f64, y: f64, width: f64, height: f64, class: &str) -> Element {
    el("rect")
        .attr("x", num(x))
        .attr("y", num(y))
        .attr("width", num(width.max(0.0)))
        .attr("height", num(height.max(0.0)))
        .attr("class", class)
}

/// A closed shape in an SVG through these points, with a class.
pub(crate) fn polygon(points: &[(f64, f64)], class: &str) -> Element {
    let points: Vec<String> = points
        .iter()
        .map(|(x, y)| format!("{},{}", num(*x), num(*y)))
        .collect();
    el("polygon")
        .attr("points", points.join(" "))
        .attr("class", class)
}

/// A plot that can be moved sideways where the page is narrower than it.
pub(crate) fn scrolling(plot: impl Into<Markup>) -> Markup {
    el("div").class("scroll").add(plot).into()
}

/// A coordinate, to a hundredth.
pub(crate) fn num(value: f64) -> String {
    let rounded = (value * 100.0).round() / 100.0 + 0.0; // without negative zero
    rounded.to_string()
}

/// An element that is being put together.
#[derive(Clone, Debug)]
pub(crate) struct Element {
    name: &'static str,
    attributes: String,
    inner: String,
}

impl Element {
    /// With an attribute.
    pub(crate) fn attr(mut self, name: &'static str, value: impl Display) -> Self {
        let value = escaped(&value.to_string());
        write!(self.attributes, " {name}=\"{value}\"").expect("a string takes everything");
        self
    }

    /// With a class.
    pub(crate) fn class(self, class: &str) -> Self {
        self.attr("class", class)
    }

    /// With a child.
    pub(crate) fn add(mut self, child: impl Into<Markup>) -> Self {
        self.inner += &child.into().0;
        self
    }

    /// With children.
    pub(crate) fn add_all(self, children: impl IntoIterator<Item = impl Into<Markup>>) -> Self {
        children.into_iter().fold(self, Element::add)
    }

    /// With text.
    pub(crate) fn text(self, shown: impl Display) -> Self {
        self.add(text(shown))
    }

    /// With our own style sheet or script, which is not escaped in HTML.
    pub(crate) fn verbatim(mut self, source: &'static str) -> Self {
        self.inner += source;
        self
    }
}

impl From<Element> for Markup {
    fn from(element: Element) -> Self {
        let Element {
            name,
            attributes,
            inner,
        } = element;
        if VOID.contains(&name) {
            return Markup(format!("<{name}{attributes}>\n"));
        }
        let end = if BLOCKS.contains(&name) { "\n" } else { "" };
        Markup(format!("<{name}{attributes}>{inner}</{name}>{end}"))
    }
}

/// Elements that have no content and no end tag.
const VOID: [&str; 3] = ["meta", "br", "hr"];
/// Elements after which a line ends, so that a report can also be read as text.
const BLOCKS: [&str; 12] = [
    "section", "table", "tr", "p", "h1", "h2", "h3", "svg", "details", "summary", "li", "style",
];

/// Text in which nothing is markup, also between double quotes. Characters that HTML
/// does not allow are shown as such.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() => escaped.push(char::REPLACEMENT_CHARACTER),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_attributes_are_escaped() {
        let hostile = "</script><script>alert(\"1\")</script> & ' \u{0}";
        let markup: Markup = el("a").attr("title", hostile).text(hostile).into();
        let safe =
            "&lt;/script&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39; \u{fffd}";
        assert_eq!(markup.as_str(), format!("<a title=\"{safe}\">{safe}</a>"));
    }

    #[test]
    fn elements_without_content_have_no_end() {
        let markup: Markup = el("meta").attr("charset", "utf-8").into();
        assert_eq!(markup.as_str(), "<meta charset=\"utf-8\">\n");
    }

    #[test]
    fn coordinates_are_short() {
        assert_eq!(num(1.0 / 3.0), "0.33");
        assert_eq!(num(-0.001), "0");
        assert_eq!(num(12.0), "12");
    }
}
