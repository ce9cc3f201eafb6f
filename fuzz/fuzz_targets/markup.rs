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
    let Readable { title, text } = markup.readable(text);
    assert_eq!(text.trim(), text);
    if let Some(title) = title {
        assert!(!title.is_empty() && !title.contains('\n'));
    }
});
