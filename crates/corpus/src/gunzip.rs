//! Gzip files of one or several members.

use std::io::{self, BufRead, Read};
use std::mem;

use flate2::bufread::GzDecoder;

/// Decompresses one member after the other. Zero bytes after a member are skipped, as gzip
/// does: tapes and some archivers fill up their blocks with them.
pub(crate) struct Gunzip<R>(State<R>);

enum State<R> {
    Member(Box<GzDecoder<R>>),
    Between(R),
    Over,
}

impl<R: BufRead> Gunzip<R> {
    pub(crate) fn new(raw: R) -> Self {
        Gunzip(member(raw))
    }
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            self.0 = match mem::replace(&mut self.0, State::Over) {
                State::Over => return Ok(0),
                State::Member(mut current) => {
                    let n = current.read(buffer);
                    match n {
                        Ok(0) => State::Between((*current).into_inner()),
                        _ => {
                            self.0 = State::Member(current);
                            return n;
                        }
                    }
                }
                State::Between(mut raw) => match skip_zeros(&mut raw)? {
                    None => State::Over,
                    Some(0x1f) => member(raw),
                    Some(_) => {
                        return Err(io::Error::new(
                            io::ErrorKind::InvalidData,
                            "something that is not gzip follows the compressed data",
                        ));
                    }
                },
            };
        }
    }
}

fn member<R: BufRead>(raw: R) -> State<R> {
    State::Member(Box::new(GzDecoder::new(raw)))
}

/// The next byte that is not zero, which is not consumed.
fn skip_zeros(raw: &mut impl BufRead) -> io::Result<Option<u8>> {
    loop {
        let buffer = raw.fill_buf()?;
        if buffer.is_empty() {
            return Ok(None);
        }
        let n_zeros = buffer.iter().take_while(|byte| **byte == 0).count();
        let next = buffer.get(n_zeros).copied();
        raw.consume(n_zeros);
        if next.is_some() {
            return Ok(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Write};

    use super::*;

    fn gzip(text: &str) -> Vec<u8> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text.as_bytes()).unwrap();
        gzip.finish().unwrap()
    }

    fn unzip(bytes: &[u8]) -> io::Result<String> {
        let mut text = String::new();
        // A small buffer, so that members and zeros cross its border.
        Gunzip::new(BufReader::with_capacity(7, bytes)).read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn zeros_after_a_member_are_skipped() {
        let zeros = vec![0; 1000];
        for parts in [
            vec![gzip("one "), gzip("two")],
            vec![gzip("one two"), zeros.clone()],
            vec![gzip("one "), zeros.clone(), gzip(""), gzip("two"), zeros],
        ] {
            assert_eq!(unzip(&parts.concat()).unwrap(), "one two");
        }
    }

    #[test]
    fn anything_else_after_a_member_is_an_error() {
        let error = unzip(&[gzip("one"), b"\0\0two".to_vec()].concat()).unwrap_err();
        assert!(error.to_string().contains("not gzip"), "{error}");
        let cut = gzip("one two three");
        assert!(unzip(&[&gzip("zero")[..], &cut[..cut.len() - 5]].concat()).is_err());
    }
}
