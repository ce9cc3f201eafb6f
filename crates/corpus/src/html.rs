//! Extracts the readable text of HTML. Tags are handled one by one without building a
//! tree, which suffices to separate words and lines and to leave out hidden content.

use html5gum::{State, Token, Tokenizer};

use crate::prose::{Prose, Readable};

/// The text that a reader would see. The title is that of `<title>`, else that of the
/// first `<h1>`; scripts, styles, templates, drawings and comments are left out.
///
/// A tag that closes itself is an empty element, as in XHTML. A browser that takes a page for
/// HTML ignores the slash: it would read all that follows `<title/>` or `<script/>` as the
/// title or the script. Whoever writes such a tag means XHTML.
pub(crate) fn readable(html: &str) -> Readable {
    let page = read(html, Page::default());
    page.body.under(page.title)
}

/// The text of a part of a page, in which no heading is a title.
pub(crate) fn fragment(html: &str) -> Prose {
    let titled = Page {
        title: Some(String::new()),
        ..Page::default()
    };
    read(html, titled).body
}

fn read(html: &str, mut page: Page) -> Page {
    let mut tokens = Tokenizer::new(html);
    while let Some(Ok(token)) = tokens.next() {
        match token {
            Token::StartTag(tag) if tag.self_closing => {
                page.start(&tag.name, true);
                page.end_empty(&tag.name);
            }
            Token::StartTag(tag) => {
                page.start(&tag.name, false);
                // A token is handed out before anything after it is read, so that this decides
                // how the content of the element is read.
                if let Some(state) = content(&tag.name) {
                    tokens.set_state(state);
                }
            }
            Token::EndTag(tag) => page.end(&tag.name),
            Token::String(text) => page.text(&String::from_utf8_lossy(&text)),
            // What XHTML calls character data is a comment to HTML.
            Token::Comment(text) => {
                if let Some(text) = text.strip_prefix(b"[CDATA[") {
                    let text = text.strip_suffix(b"]]").unwrap_or(text);
                    page.text(&String::from_utf8_lossy(text));
                }
            }
            Token::Doctype(_) | Token::Error(_) => {}
        }
    }
    page.close_heading();
    page
}

/// How the content of an element is read if it is not markup. `noscript` is one of them: who
/// reads a page with scripts does not see it.
fn content(name: &[u8]) -> Option<State> {
    match name {
        b"title" | b"textarea" => Some(State::RcData),
        b"script" => Some(State::ScriptData),
        b"style" | b"xmp" | b"iframe" | b"noembed" | b"noframes" | b"noscript" => {
            Some(State::RawText)
        }
        b"plaintext" => Some(State::PlainText),
        _ => None,
    }
}

#[derive(Default)]
struct Page {
    title: Option<String>,
    body: Prose,
    /// The title while it is being read.
    heading: Option<Prose>,
    /// The hidden element being skipped, and how many elements of its name are open.
    hidden: Option<(Vec<u8>, usize)>,
}

impl Page {
    fn start(&mut self, name: &[u8], self_closing: bool) {
        if let Some((hidden, depth)) = &mut self.hidden {
            if hidden == name && !self_closing {
                *depth += 1;
            }
            return;
        }
        match role(name) {
            Role::Hidden if !self_closing => self.hidden = Some((name.to_vec(), 1)),
            Role::Hidden | Role::Inline => {}
            Role::Cell => self.prose().end_word(),
            Role::Break | Role::Box => self.prose().end_line(),
            Role::Block => self.close_heading(),
            Role::Title => {
                self.close_heading();
                if self.title.is_none() {
                    self.heading = Some(Prose::default());
                } else if let Some(level) = level(name) {
                    self.body.begin_heading(level);
                }
            }
            Role::Heading => {
                self.close_heading();
                if let Some(level) = level(name) {
                    self.body.begin_heading(level);
                }
            }
        }
    }

    fn end(&mut self, name: &[u8]) {
        if let Some((hidden, depth)) = &mut self.hidden {
            if hidden == name {
                *depth -= 1;
                if *depth == 0 {
                    self.hidden = None;
                }
            }
            return;
        }
        match role(name) {
            Role::Hidden | Role::Inline => {}
            Role::Cell => self.prose().end_word(),
            Role::Break | Role::Box => self.prose().end_line(),
            Role::Block | Role::Title | Role::Heading => self.close_heading(),
        }
    }

    /// Ends an element that has no content.
    fn end_empty(&mut self, name: &[u8]) {
        if self.hidden.is_none() {
            self.end(name);
        }
    }

    fn text(&mut self, text: &str) {
        if self.hidden.is_none() {
            self.prose().push(text);
        }
    }

    fn prose(&mut self) -> &mut Prose {
        self.heading.as_mut().unwrap_or(&mut self.body)
    }

    /// Ends the title or heading that is being read. An empty title is ignored; a title is made
    /// one line.
    fn close_heading(&mut self) {
        if let Some(heading) = self.heading.take() {
            let title = heading.into_text().replace('\n', " ");
            self.title = Some(title).filter(|title| !title.is_empty());
        }
        self.body.end_heading();
    }
}

/// How an element affects the text around it.
enum Role {
    /// The title, unless there is one already.
    Title,
    /// A heading that is never the title.
    Heading,
    /// On lines of its own, and never within a title or heading: it ends one left open.
    Block,
    /// On lines of its own, but possibly within a title or heading.
    Box,
    /// Ends a line.
    Break,
    /// Ends a word.
    Cell,
    /// Not shown to a reader.
    Hidden,
    /// Everything else; does not end a word.
    Inline,
}

/// The level of a heading; none of `<title>`.
fn level(name: &[u8]) -> Option<u8> {
    match name {
        [b'h', level @ b'1'..=b'6'] => Some(level - b'0'),
        _ => None,
    }
}

fn role(name: &[u8]) -> Role {
    match name {
        b"title" | b"h1" => Role::Title,
        b"script" | b"style" | b"template" | b"noscript" | b"iframe" | b"noembed" | b"noframes"
        | b"svg" | b"canvas" | b"object" => Role::Hidden,
        b"h2" | b"h3" | b"h4" | b"h5" | b"h6" => Role::Heading,
        b"p" | b"ul" | b"ol" | b"dl" | b"table" | b"pre" | b"blockquote" | b"section"
        | b"article" | b"main" | b"nav" | b"form" | b"body" | b"html" | b"head" => Role::Block,
        b"address" | b"aside" | b"caption" | b"center" | b"dd" | b"details" | b"dialog"
        | b"div" | b"dt" | b"fieldset" | b"figcaption" | b"figure" | b"footer" | b"header"
        | b"legend" | b"li" | b"menu" | b"option" | b"search" | b"select" | b"summary"
        | b"tbody" | b"textarea" | b"tfoot" | b"thead" | b"tr" => Role::Box,
        b"br" | b"hr" => Role::Break,
        b"td" | b"th" | b"button" | b"img" | b"input" => Role::Cell,
        _ => Role::Inline,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;
    use crate::prose::{headings_begin_lines, with_marks};

    fn check(html: &str, expect: Expect) {
        let page = readable(html);
        expect.assert_eq(&format!(
            "{}\n{}\n",
            page.title.as_deref().unwrap_or("(none)"),
            with_marks(&page)
        ));
    }

    #[test]
    fn a_page_reads_as_it_looks() {
        check(
            "<!DOCTYPE html><html><head><meta charset=utf-8><title> K&uuml;hl&shy;schrank\n280&nbsp;L </title>\
             <style>p { color: red }</style><script>if (a < b) { \"</p>\" }</script></head>\
             <body><!-- not <b>this</b> --><h1>Kühlschrank</h1><p>Nach <b>DIN</b>&#8239;13277,\n   <i>un</i>teilbar\
             <ul><li>eins<li>zwei</ul><table><tr><td>Volumen<td>280 L<tr><th>T</th><td>+5&deg;C</td></table>\
             Zeile<br>Umbruch<div>kasten</div>a &lt; b &amp;amp; c &notanentity; &</body></html>",
            expect![[r#"
                Kühlschrank 280 L
                # Kühlschrank
                Nach DIN 13277, unteilbar
                eins
                zwei
                Volumen 280 L
                T +5°C
                Zeile
                Umbruch
                kasten
                a < b &amp; c ¬anentity; &
            "#]],
        );
    }

    #[test]
    fn the_first_heading_is_the_title_if_there_is_no_other() {
        check(
            "<div>before</div><h1>The <em>one</em></h1><h1>another</h1>",
            expect![[r#"
                The one
                before
                # another
            "#]],
        );
        check(
            "<title> </title><h1>heading</h1>",
            expect![[r#"
            heading

        "#]],
        );
        check(
            "<h1>never closed<p>text</p>",
            expect![[r#"
            never closed
            text
        "#]],
        );
        check(
            "<h1><div>boxed</div></h1><p>text",
            expect![[r#"
            boxed
            text
        "#]],
        );
        check(
            "<h2>no title</h2><p>text",
            expect![[r#"
                (none)
                ## no title
                text
            "#]],
        );
    }

    #[test]
    fn headings_know_their_level() {
        check(
            "<title>T</title><h1>One</h1>text<h2><div>boxed</div>on</h2><h3> </h3><ul><li><h6>six</h6>item</ul>\
             <h4>left open<p>text<h5/>no heading<h2><script>x</script></h2><title>no heading</title><h1><br></h1>end",
            expect![[r#"
                T
                # One
                text
                ## boxed
                on
                ###### six
                item
                #### left open
                text
                no heading
                no heading
                end
            "#]],
        );
    }

    #[test]
    fn hidden_elements_are_left_out() {
        check(
            "a<noscript>enable</noscript><template>x<template>y</template>z</template>b\
             <svg><title>t</title><text>drawn</text><svg/></svg>c<iframe>f</iframe>d",
            expect![[r#"
                (none)
                abcd
            "#]],
        );
    }

    #[test]
    fn a_tag_that_closes_itself_swallows_nothing() {
        for name in [
            "title",
            "script",
            "style",
            "iframe",
            "textarea",
            "noscript",
            "xmp",
            "noembed",
            "noframes",
            "plaintext",
            "template",
            "svg",
            "object",
            "canvas",
            "h1",
            "select",
        ] {
            let page = readable(&format!(
                "<html><head><{name}/></head><body><p>The <b>harbor</b> <{name} a='b' />master.</p></body></html>"
            ));
            assert!(!page.text.contains('<'), "{name}: {}", page.text);
            let words: Vec<&str> = page.text.split_whitespace().collect();
            assert_eq!(words, ["The", "harbor", "master."], "{name}");
            assert_eq!(page.title, None, "{name}");
        }
        check(
            "<head><title/><style/></head><h1>One</h1><svg><svg/>drawn</svg><script>var x;</script>text",
            expect![[r#"
                One
                text
            "#]],
        );
    }

    #[test]
    fn character_data_are_text() {
        check(
            "<p>a <![CDATA[b & c]]> d<script>//<![CDATA[\nx //]]></script>",
            expect![[r#"
                (none)
                a b & c d
            "#]],
        );
    }

    #[test]
    fn broken_pages_yield_the_text_they_have() {
        check(
            "<p>a <b>b</p> </div> c < d <",
            expect![[r#"
            (none)
            a b
            c < d <
        "#]],
        );
        check(
            "text<script>never closed <p>x",
            expect![[r#"
            (none)
            text
        "#]],
        );
        check(
            "text <!-- never closed <p>x",
            expect![[r#"
            (none)
            text
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
        fn any_text_is_read_without_failing(html in "(<[a-z/!]{1,9}>?|</?h[1-6]>|&[a-z#0-9]{0,4};?|\\PC{0,3}|[ \n\0])*") {
            let page = readable(&html);
            prop_assert_eq!(page.text.trim(), &page.text);
            prop_assert!(headings_begin_lines(&page), "{page:?}");
            let part = fragment(&html);
            prop_assert!(headings_begin_lines(&part.under(None)));
        }

        #[test]
        fn text_without_markup_keeps_its_words(text in "[^<&\0\u{ad}]{0,3000}") {
            let words: Vec<&str> = text.split_whitespace().collect();
            let page = readable(&text);
            prop_assert_eq!(page.text.split_whitespace().collect::<Vec<_>>(), words);
        }
    }
}
