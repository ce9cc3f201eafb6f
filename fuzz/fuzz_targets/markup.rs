//! Markdown and HTML. The first byte chooses.

#![no_main]

use libfuzzer_sys::fuzz_target;
use treffer_corpus::{Markup, Readable};

fuzz_target!(|input: &[u8]| {
    let Some((choice, bytes)) = input.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let markup = [Markup::Plain, Markup::Markdown, Markup::Html][usize::from(choice & 3) % 3];
    let Readable {
        title,
        text,
        headings,
    } = markup.readable(text);
    assert_eq!(text.trim(), text);
    for heading in &headings {
        let (before, line) = text.split_at(heading.at as usize);
        assert!(before.is_empty() || before.ends_with('\n'));
        assert!(!line.starts_with(char::is_whitespace) && !line.is_empty());
    }
    assert!(headings.is_sorted_by(|a, b| a.at < b.at));
    if let Some(title) = title {
        assert!(!title.is_empty() && !title.contains('\n'));
    }
});
