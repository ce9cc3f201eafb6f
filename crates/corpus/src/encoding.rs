//! Encodings other than UTF-8: found by a byte order mark or named, and turned into UTF-8
//! while reading.

use std::fmt;
use std::io::{self, BufRead, Cursor, Read};
use std::str::FromStr;

use encoding_rs::{Decoder, DecoderResult, UTF_8, UTF_16BE, UTF_16LE};

/// The encoding of a text, by its name in the Encoding Standard of the WHATWG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding(&'static encoding_rs::Encoding);

impl Encoding {
    /// UTF-8, which needs no decoding.
    pub const UTF_8: Encoding = Encoding(UTF_8);

    /// The standard's name, such as `windows-1252`.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// What a page of HTML or XHTML declares at its start, as in `<meta charset="latin1">`.
    pub(crate) fn declared(page: &[u8]) -> Option<Encoding> {
        const LOOKED_AT: usize = 1024; // as in browsers
        let start = String::from_utf8_lossy(&page[..page.len().min(LOOKED_AT)]);
        let start = start.to_ascii_lowercase();
        let (_, after) = start
            .split_once("charset=")
            .or_else(|| start.split_once("encoding="))?;
        let after = after.trim_start_matches(['"', '\'', ' ']);
        let is_end = |c: char| !(c.is_ascii_alphanumeric() || "-_:.".contains(c));
        after.split(is_end).next()?.parse().ok()
    }

    /// The bytes as text; `None` if some are no character.
    pub(crate) fn decode(self, bytes: &[u8]) -> Option<String> {
        let text = self
            .0
            .decode_without_bom_handling_and_without_replacement(bytes)?;
        Some(text.into_owned())
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Encoding {
    type Err = String;

    /// Any label of the standard, such as `latin1`, which means windows-1252.
    fn from_str(label: &str) -> Result<Self, String> {
        let found = encoding_rs::Encoding::for_label_no_replacement(label.as_bytes());
        found.map(Encoding).ok_or_else(|| {
            format!(
                "unknown encoding `{label}`; known are utf-8, utf-16le, utf-16be, windows-1252 (latin1), shift_jis, gb18030, big5, euc-kr and the others of the WHATWG's Encoding Standard"
            )
        })
    }
}

/// A stream of UTF-8, and the encoding that it was decoded from.
pub(crate) struct Text {
    pub(crate) reader: Box<dyn BufRead + Send>,
    pub(crate) encoding: Encoding,
}

/// Why a stream is no text that can be read.
#[derive(Debug)]
pub(crate) enum NotText {
    Io(io::Error),
    /// UTF-16 by its zero bytes, but without a byte order mark.
    Utf16(Encoding),
    Utf32,
}

impl Text {
    /// Decodes a stream. A byte order mark counts more than `named`, the encoding of streams
    /// without one, which is UTF-8 by default.
    pub(crate) fn new(
        mut raw: impl BufRead + Send + 'static,
        named: Option<Encoding>,
    ) -> Result<Text, NotText> {
        let mut start = Vec::with_capacity(4);
        let head = raw.by_ref().take(4).read_to_end(&mut start);
        head.map_err(NotText::Io)?;
        let (encoding, mark) = match (start.as_slice(), named) {
            ([0xff, 0xfe, 0, 0] | [0, 0, 0xfe, 0xff], _) => return Err(NotText::Utf32),
            ([0xff, 0xfe, ..], _) => (Encoding(UTF_16LE), 2),
            ([0xfe, 0xff, ..], _) => (Encoding(UTF_16BE), 2),
            // This mark stays: whoever reads lines or files drops it.
            ([0xef, 0xbb, 0xbf, ..], _) => (Encoding::UTF_8, 0),
            (_, Some(named)) => (named, 0),
            // Characters of ASCII, two bytes each. No other text alternates so.
            ([a, 0, b, 0], None) if *a > 0 && *b > 0 => {
                return Err(NotText::Utf16(Encoding(UTF_16LE)));
            }
            ([0, a, 0, b], None) if *a > 0 && *b > 0 => {
                return Err(NotText::Utf16(Encoding(UTF_16BE)));
            }
            (_, None) => (Encoding::UTF_8, 0),
        };
        let mut start = Cursor::new(start);
        start.set_position(mark);
        let raw = start.chain(raw);
        let reader: Box<dyn BufRead + Send> = if encoding == Encoding::UTF_8 {
            Box::new(raw)
        } else {
            Box::new(Decoded::new(raw, encoding))
        };
        Ok(Text { reader, encoding })
    }
}

/// Stands for what could not be decoded: no byte of UTF-8, so that the record is reported
/// as a bad one instead of holding a character that nobody wrote.
const INVALID: u8 = 0xff;

/// A stream turned into UTF-8.
struct Decoded<R> {
    raw: R,
    decoder: Decoder,
    buffer: Vec<u8>,
    /// The part of the buffer that has not been read.
    rest: std::ops::Range<usize>,
    is_over: bool,
}

impl<R> Decoded<R> {
    fn new(raw: R, encoding: Encoding) -> Self {
        Decoded {
            raw,
            decoder: encoding.0.new_decoder_without_bom_handling(),
            buffer: vec![0; 64 * 1024],
            rest: 0..0,
            is_over: false,
        }
    }
}

impl<R: BufRead> BufRead for Decoded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.rest.is_empty() && !self.is_over {
            let input = self.raw.fill_buf()?;
            let is_last = input.is_empty();
            let room = self.buffer.len() - 1; // and one byte for what is invalid
            let (result, n_read, n_written) = self.decoder.decode_to_utf8_without_replacement(
                input,
                &mut self.buffer[..room],
                is_last,
            );
            self.raw.consume(n_read);
            self.rest = 0..n_written;
            match result {
                DecoderResult::InputEmpty => self.is_over = is_last,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => {
                    self.buffer[n_written] = INVALID;
                    self.rest.end += 1;
                }
            }
        }
        Ok(&self.buffer[self.rest.clone()])
    }

    fn consume(&mut self, n: usize) {
        self.rest.start += n;
    }
}

impl<R: BufRead> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(buffer)?;
        self.consume(n);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8], named: Option<&str>) -> Result<Vec<u8>, NotText> {
        let named = named.map(|name| name.parse().unwrap());
        let mut text = Text::new(Cursor::new(bytes.to_vec()), named)?;
        let mut read = Vec::new();
        text.reader.read_to_end(&mut read).unwrap();
        Ok(read)
    }

    fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(to_bytes).collect()
    }

    #[test]
    fn a_byte_order_mark_tells_the_encoding_and_counts_more_than_a_name() {
        let little = utf16("\u{feff}Kühl 🧊", u16::to_le_bytes);
        let big = utf16("\u{feff}Kühl 🧊", u16::to_be_bytes);
        for named in [None, Some("latin1")] {
            assert_eq!(read(&little, named).unwrap(), "Kühl 🧊".as_bytes());
            assert_eq!(read(&big, named).unwrap(), "Kühl 🧊".as_bytes());
            let marked = "\u{feff}ü".as_bytes();
            assert_eq!(read(marked, named).unwrap(), marked);
        }
        assert_eq!(
            read(b"K\xfchl \x80", Some("latin1")).unwrap(),
            "Kühl €".as_bytes()
        );
    }

    #[test]
    fn what_looks_like_utf_16_or_utf_32_is_said() {
        let little = utf16("id,text", u16::to_le_bytes);
        let big = utf16("id,text", u16::to_be_bytes);
        for (bytes, expected) in [(&little, "UTF-16LE"), (&big, "UTF-16BE")] {
            match read(bytes, None) {
                Err(NotText::Utf16(encoding)) => assert_eq!(encoding.name(), expected),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(read(&little, Some("utf-16")).unwrap(), b"id,text");
        assert!(matches!(
            read(b"\xff\xfe\0\0a\0\0\0", None),
            Err(NotText::Utf32)
        ));
    }

    #[test]
    fn what_cannot_be_decoded_is_marked_and_the_rest_kept() {
        // A surrogate without its other half, and half a unit at the end.
        let mut bytes = b"\xff\xfea\0\0\xd8b\0".to_vec();
        bytes.push(b'c');
        assert_eq!(read(&bytes, None).unwrap(), b"a\xffb\xff");
    }

    #[test]
    fn a_page_declares_its_encoding() {
        for page in [
            "<meta charset=latin1>",
            "<META CHARSET='Windows-1252'/>",
            "<meta http-equiv=\"Content-Type\" content=\"text/html; charset=iso-8859-1\">",
            "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><html>",
        ] {
            let declared = Encoding::declared(page.as_bytes()).unwrap();
            assert_eq!(declared.name(), "windows-1252", "{page}");
        }
        for page in ["<p>charset", "<meta charset=>", "<meta charset=klingon>"] {
            assert_eq!(Encoding::declared(page.as_bytes()), None, "{page}");
        }
        let latin1: Encoding = "latin1".parse().unwrap();
        assert_eq!(latin1.decode(b"K\xfchl").as_deref(), Some("Kühl"));
        assert_eq!(Encoding::UTF_8.decode(b"K\xfchl"), None);
    }

    #[test]
    fn labels_are_those_of_the_standard() {
        assert_eq!(
            "ISO-8859-1".parse::<Encoding>().unwrap().name(),
            "windows-1252"
        );
        let message = "klingon".parse::<Encoding>().unwrap_err();
        assert!(message.contains("unknown encoding `klingon`"), "{message}");
    }

    proptest! {
        #[test]
        fn long_texts_are_decoded_as_they_were_encoded(text in "(\\PC|\n){0,40}", n in 1..4000_usize) {
            let text = format!("x{text}").repeat(n);
            let bytes = utf16(&format!("\u{feff}{text}"), u16::to_le_bytes);
            prop_assert_eq!(read(&bytes, None).unwrap(), text.as_bytes());
        }

        #[test]
        fn text_in_utf_8_is_passed_on_as_it_is(bytes in proptest::collection::vec(1..=u8::MAX, 0..50)) {
            prop_assume!(!bytes.starts_with(b"\xff\xfe") && !bytes.starts_with(b"\xfe\xff"));
            prop_assert_eq!(read(&bytes, None).unwrap(), bytes);
        }
    }
}
