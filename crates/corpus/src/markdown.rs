//! Extracts the readable text of Markdown.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::front_matter::{self, Split};
use crate::html;
use crate::prose::{Prose, Readable};

/// The text without markup. The title is that of the metadata at the start, else the first
/// heading that is not empty. Metadata are left out; embedded HTML is reduced to its
/// readable text, and its headings are never the title.
pub(crate) fn readable(markdown: &str) -> Readable {
    // Not the parser's own metadata blocks, which it finds in the middle of a text too.
    let Split { title, body } = front_matter::split(markdown);
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS;
    let mut page = Page {
        title: title
            .map(|title| one_line(&title))
            .filter(|title| !title.is_empty()),
        ..Page::default()
    };
    for event in Parser::new_ext(body, options) {
        page.event(event);
    }
    page.body.under(page.title)
}

#[derive(Default)]
struct Page {
    title: Option<String>,
    body: Prose,
    /// The title while it is being read.
    heading: Option<Prose>,
    /// A block of HTML while it is being read.
    html: String,
}

impl Page {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(&tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Code(text) => self.prose().push(&text),
            Event::Html(html) => self.html.push_str(&html),
            Event::InlineHtml(html) if html.starts_with("<br") => self.prose().end_line(),
            Event::SoftBreak => self.prose().end_word(),
            Event::HardBreak | Event::Rule => self.prose().end_line(),
            Event::InlineHtml(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::FootnoteReference(_)
            | Event::TaskListMarker(_) => {}
        }
    }

    fn start(&mut self, tag: &Tag<'_>) {
        match tag {
            Tag::Heading { level, .. } => {
                if self.title.is_none() {
                    self.body.end_line();
                    self.heading = Some(Prose::default());
                } else {
                    self.body.begin_heading(*level as u8);
                }
            }
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
                self.body.end_heading();
            }
            TagEnd::HtmlBlock => {
                self.body.append(&html::fragment(&self.html));
                self.html.clear();
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

/// A title from the metadata, with its white space as that of a heading.
fn one_line(title: &str) -> String {
    let mut prose = Prose::default();
    prose.push(title);
    prose.into_text()
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

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;
    use crate::prose::{headings_begin_lines, with_marks};

    fn check(markdown: &str, expect: Expect) {
        let page = readable(markdown);
        expect.assert_eq(&format!(
            "{}\n{}\n",
            page.title.as_deref().unwrap_or("(none)"),
            with_marks(&page)
        ));
    }

    #[test]
    fn a_page_reads_as_it_looks() {
        check(
            "---\ntitle: front\n---\n\nIntro.\n\nThe `one`\n=========\n\nSome *emph*asis and\na [link](http://x \"t\"),\n\
             ![picture of a fridge](x.png)  \nbroken &amp; line.\n\n## Second\n\n- one\n  - two\n- [x] three\n\n\
             | a | b |\n|---|---|\n| c | d |\n\n```rust\nlet x = 1;\n```\n\n> quote[^1]\n\n[^1]: note\n\n***\nend",
            expect![[r#"
                front
                Intro.
                # The one
                Some emphasis and a link, picture of a fridge
                broken & line.
                ## Second
                one
                two
                three
                a b
                c d
                let x = 1;
                quote
                note
                end
            "#]],
        );
    }

    #[test]
    fn rules_in_the_middle_are_no_metadata() {
        check(
            "# Notes\n\nFirst.\n\n---\n**Second** part: bearings.\nOrder code 4711.\n---\n\n+++\nkey = 1\n+++\n\n---\nkey: value\n---\nLast.",
            expect![[r#"
                Notes
                First.
                ## Second part: bearings. Order code 4711.
                +++ key = 1 +++
                ## key: value
                Last.
            "#]],
        );
    }

    #[test]
    fn a_title_in_the_metadata_comes_before_headings() {
        check(
            "---\ntitle: Defrosting the Aurora freezer\ndescription: thawing\n---\n\n# Before you begin\n\nSwitch it off.",
            expect![[r#"
                Defrosting the Aurora freezer
                # Before you begin
                Switch it off.
            "#]],
        );
        // A soft hyphen alone is nothing to read.
        check(
            "---\ntitle: \u{ad}\n---\n# Heading\ntext",
            expect![[r#"
                Heading
                text
            "#]],
        );
        check(
            "+++\nweight = 3\n+++\n# Heading\ntext",
            expect![[r#"
                Heading
                text
            "#]],
        );
    }

    #[test]
    fn embedded_html_keeps_its_text_only() {
        check(
            "# T\n\n<div class=\"x\">\n<b>bold</b> box\n</div>\n\na<br>b <kbd>k</kbd> <!-- c -->\n\n<script>\nx\n</script>\n\nz",
            expect![[r#"
                T
                bold box
                a
                b k
                z
            "#]],
        );
    }

    #[test]
    fn headings_know_their_level() {
        check(
            "---\ntitle: T\n---\n# One\n\n### *Three* `code` <br> on\n\n##\n\n- ## in a list\n\nTwo\n---\nlast",
            expect![[r#"
                T
                # One
                ### Three code
                on
                ## in a list
                ## Two
                last
            "#]],
        );
        check(
            "# T\n\n<div>before<h1>One</h1>text<h3></h3></div>\n\n<h2>Two</h2>\n\n<h4>\n\nnot within\n",
            expect![[r#"
                T
                before
                # One
                text
                ## Two
                not within
            "#]],
        );
    }

    #[test]
    fn a_page_without_a_heading_has_no_title() {
        check(
            "just text\n\n#\n\n#hashtag",
            expect![[r#"
            (none)
            just text
            #hashtag
        "#]],
        );
        check(
            "#\n\n## Second heading first\n",
            expect![[r#"
            Second heading first

        "#]],
        );
        check(
            "",
            expect![[r#"
            (none)

        "#]],
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_failing(markdown in "([#>*`~|\\[\\]()<!\\-+=:\n ]|[a-z0-9]{1,3}|\\PC)*") {
            let page = readable(&markdown);
            prop_assert_eq!(page.text.trim(), &page.text);
            prop_assert!(headings_begin_lines(&page), "{page:?}");
        }

        #[test]
        fn every_heading_but_the_title_is_known(
            levels in proptest::collection::vec(1..=6_usize, 1..8),
            between in "[a-z*\n ]{0,12}",
        ) {
            let section = |(i, level): (usize, &usize)| format!("{} heading{i}\n\n{between}\n\n", "#".repeat(*level));
            let markdown: String = levels.iter().enumerate().map(section).collect();
            let page = readable(&markdown);
            prop_assert_eq!(page.title.as_deref(), Some("heading0"));
            let found: Vec<(String, usize)> = page.headings.iter().map(|heading| {
                let line = page.text[heading.at as usize..].lines().next().unwrap_or_default();
                (line.to_owned(), usize::from(heading.level))
            }).collect();
            let expected: Vec<(String, usize)> =
                levels.iter().enumerate().skip(1).map(|(i, level)| (format!("heading{i}"), *level)).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn plain_words_are_kept(words in proptest::collection::vec("[a-zäöü]{1,8}", 1..50)) {
            let text = words.join("\n");
            prop_assert_eq!(readable(&text).text, words.join(" "));
        }
    }
}
