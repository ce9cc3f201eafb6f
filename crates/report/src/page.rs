//! The page: one file that needs nothing else, put together from sections.

use crate::markup::{Element, Markup, el, text};

/// A report as it is being put together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    title: String,
    /// What a reader should know first.
    lead: Markup,
    sections: Vec<Section>,
}

#[derive(Clone, Debug)]
struct Section {
    id: &'static str,
    heading: String,
    body: Markup,
}

impl Page {
    /// A page with a title and nothing else.
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Page {
            title: title.into(),
            ..Page::default()
        }
    }

    /// Adds to what stands above all sections.
    pub(crate) fn lead(&mut self, part: impl Into<Markup>) {
        self.lead.push(part);
    }

    /// Adds a section; `id` is its name in links.
    pub(crate) fn section(
        &mut self,
        id: &'static str,
        heading: impl Into<String>,
        body: impl Into<Markup>,
    ) {
        self.sections.push(Section {
            id,
            heading: heading.into(),
            body: body.into(),
        });
    }

    /// The file.
    pub(crate) fn to_html(&self) -> String {
        let head = el("head")
            .add(el("meta").attr("charset", "utf-8"))
            .add(
                el("meta")
                    .attr("name", "viewport")
                    .attr("content", "width=device-width, initial-scale=1"),
            )
            // Whatever a corpus holds, a report loads nothing and sends nothing.
            .add(
                el("meta")
                    .attr("http-equiv", "Content-Security-Policy")
                    .attr(
                        "content",
                        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'",
                    ),
            )
            .add(el("title").text(&self.title))
            .add(el("style").verbatim(include_str!("style.css")));
        let links = self.sections.iter().map(|section| {
            el("a")
                .attr("href", format!("#{}", section.id))
                .text(&section.heading)
        });
        let body = el("body")
            .add(el("h1").text(&self.title))
            .add(self.lead.clone())
            .add(el("nav").add_all(links))
            .add_all(self.sections.iter().map(Section::to_element))
            .add(el("script").verbatim(include_str!("script.js")));
        let html: Markup = el("html").attr("lang", "en").add(head).add(body).into();
        format!("<!DOCTYPE html>\n{}\n", html.as_str())
    }
}

impl Section {
    fn to_element(&self) -> Element {
        el("section")
            .attr("id", self.id)
            .add(el("h2").text(&self.heading))
            .add(self.body.clone())
    }
}

/// A cell of a table.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    content: Markup,
    class: &'static str,
}

impl Cell {
    /// With text that may be long, to the left.
    pub(crate) fn text(shown: impl std::fmt::Display) -> Self {
        Cell {
            content: text(shown),
            class: "wide",
        }
    }

    /// With a short text, to the left and on one line.
    pub(crate) fn word(shown: impl std::fmt::Display) -> Self {
        Cell::text(shown).class("")
    }

    /// With a number, to the right.
    pub(crate) fn number(shown: impl std::fmt::Display) -> Self {
        Cell {
            content: text(shown),
            class: "n",
        }
    }

    /// With anything.
    pub(crate) fn markup(content: impl Into<Markup>) -> Self {
        Cell {
            content: content.into(),
            class: "",
        }
    }

    /// The same in a class of its own.
    pub(crate) fn class(self, class: &'static str) -> Self {
        Cell { class, ..self }
    }
}

/// A table; a heading stands as its column does.
pub(crate) fn table(heads: &[&str], rows: Vec<Vec<Cell>>) -> Markup {
    let class = |column: usize| {
        let cell = rows.first().and_then(|row| row.get(column));
        let is_number = cell.is_some_and(|cell| cell.class.split(' ').any(|class| class == "n"));
        if is_number { "n" } else { "" }
    };
    let heads = heads.iter().enumerate().map(|(column, head)| {
        el("th")
            .attr("scope", "col")
            .class(class(column))
            .text(head)
    });
    let heads = el("thead").add(el("tr").add_all(heads));
    let rows = rows.iter().map(|row| {
        let cells = row
            .iter()
            .map(|cell| el("td").class(cell.class).add(cell.content.clone()));
        el("tr").add_all(cells)
    });
    let table = el("table").add(heads).add(el("tbody").add_all(rows));
    crate::markup::scrolling(table)
}

/// A paragraph; what stands between backticks is set as code.
pub(crate) fn paragraph(shown: impl std::fmt::Display) -> Element {
    let shown = shown.to_string();
    let parts = shown.split('`').enumerate();
    parts.fold(el("p"), |p, (at, part)| match at % 2 {
        0 => p.text(part),
        _ => p.add(el("code").text(part)),
    })
}

/// A remark in a softer color.
pub(crate) fn remark(shown: impl std::fmt::Display) -> Element {
    paragraph(shown).class("soft")
}

/// A warning.
pub(crate) fn warning(shown: impl std::fmt::Display) -> Element {
    paragraph(shown).class("warning")
}

/// A part that is shown when its summary is opened.
pub(crate) fn folded(summary: impl std::fmt::Display, body: impl Into<Markup>) -> Element {
    el("details").add(el("summary").text(summary)).add(body)
}
