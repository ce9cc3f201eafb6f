//! Markdown to readable text.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::html;
use crate::prose::{Prose, Readable};

/// The text without its marks. The title is the first heading that holds words;
/// front matter is left out, and of embedded HTML the readable text is kept.
pub(crate) fn readable(markdown: &str) -> Readable {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
        | Options::ENABLE_PLUSES_DELIMITED_METADATA_BLOCKS;
    let mut page = Page::default();
    for event in Parser::new_ext(markdown, options) {
        page.event(event);
    }
    Readable {
        title: page.title,
        text: page.body.into_text(),
    }
}

#[derive(Default)]
struct Page {
    title: Option<String>,
    body: Prose,
    /// The title while it is being read.
    heading: Option<Prose>,
    /// A block of HTML while it is being read.
    html: String,
    in_front_matter: bool,
}

impl Page {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(&tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Code(text) if !self.in_front_matter => {
                self.prose().push(&text);
            }
            Event::Html(html) => self.html.push_str(&html),
            Event::InlineHtml(html) if html.starts_with("<br") => self.prose().end_line(),
            Event::SoftBreak => self.prose().end_word(),
            Event::HardBreak | Event::Rule => self.prose().end_line(),
            Event::Text(_)
            | Event::Code(_)
            | Event::InlineHtml(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::FootnoteReference(_)
            | Event::TaskListMarker(_) => {}
        }
    }

    fn start(&mut self, tag: &Tag<'_>) {
        match tag {
            Tag::Heading { .. } => {
                self.body.end_line();
                if self.title.is_none() {
                    self.heading = Some(Prose::default());
                }
            }
            Tag::MetadataBlock(_) => self.in_front_matter = true,
            Tag::TableCell => self.prose().end_word(),
            tag if is_inline(&tag.to_end()) => {}
            _ => self.prose().end_line(),
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) => {
                if let Some(heading) = self.heading.take() {
                    let title = heading.into_text().replace('\n', " ");
                    self.title = Some(title).filter(|title| !title.is_empty());
                }
                self.body.end_line();
            }
            TagEnd::MetadataBlock(_) => self.in_front_matter = false,
            TagEnd::HtmlBlock => {
                let page = html::readable(&std::mem::take(&mut self.html));
                for line in page
                    .title
                    .iter()
                    .map(String::as_str)
                    .chain(page.text.lines())
                {
                    self.body.end_line();
                    self.body.push(line);
                }
                self.body.end_line();
            }
            TagEnd::TableCell => self.prose().end_word(),
            tag if is_inline(&tag) => {}
            _ => self.prose().end_line(),
        }
    }

    fn prose(&mut self) -> &mut Prose {
        self.heading.as_mut().unwrap_or(&mut self.body)
    }
}

fn is_inline(tag: &TagEnd) -> bool {
    matches!(
        tag,
        TagEnd::Emphasis
            | TagEnd::Strong
            | TagEnd::Strikethrough
            | TagEnd::Superscript
            | TagEnd::Subscript
            | TagEnd::Link
            | TagEnd::Image
    )
}
