//! Reads lists of words and of ids, one on each line.

use std::path::Path;

use crate::encoding::Encoding;
use crate::error::Error;
use crate::lines::Lines;
use crate::names;
use crate::problem::{Problem, Reason};
use crate::record::Origin;
use crate::stop::Stop;
use crate::stream::ByteStream;

/// Limit of one line, in bytes.
const LIMIT: u64 = 1 << 16;

/// Passes each word of a list in UTF-8 to `accept`: one on a line, without the blanks around it.
/// Blank lines and those that begin with `#` are ignored.
///
/// A bad line (invalid UTF-8, too long, or one for which `accept` gives a reason) is skipped and
/// handed to `on_problem`.
///
/// # Errors
/// If the file cannot be opened or read to its end.
pub fn read_words(
    path: &Path,
    stop: &Stop,
    accept: &mut dyn FnMut(&str) -> Result<(), Reason>,
    on_problem: &mut dyn FnMut(Problem),
) -> Result<(), Error> {
    let accept = &mut |line: &str| match line.trim() {
        comment if comment.starts_with('#') => Ok(()),
        word => accept(word),
    };
    read_lines(path, Some(Encoding::UTF_8), stop, accept, on_problem)
}

/// The ids in a list, or on standard input for `-`: one on a line, without the blanks around it.
/// Blank lines are ignored.
///
/// A bad line (invalid UTF-8, too long) is skipped and handed to `on_problem`.
///
/// # Errors
/// If the file cannot be opened or read to its end.
pub fn read_ids(
    path: &Path,
    stop: &Stop,
    on_problem: &mut dyn FnMut(Problem),
) -> Result<Vec<String>, Error> {
    let mut ids = Vec::new();
    let accept = &mut |line: &str| -> Result<(), Reason> {
        ids.push(names::id(line)?.to_owned());
        Ok(())
    };
    read_lines(path, None, stop, accept, on_problem)?;
    Ok(ids)
}

/// Passes each line that is not blank to `accept`.
fn read_lines(
    path: &Path,
    encoding: Option<Encoding>,
    stop: &Stop,
    accept: &mut dyn FnMut(&str) -> Result<(), Reason>,
    on_problem: &mut dyn FnMut(Problem),
) -> Result<(), Error> {
    let stream = ByteStream::open(path, encoding, stop)?;
    let mut lines = Lines::new(stream.reader, LIMIT).decoded_from(stream.encoding);
    loop {
        let next = lines.next_parsed(&mut *accept);
        let next = next.map_err(|source| Error::read(path, lines.number(), source))?;
        let Some((line, result)) = next else {
            return Ok(());
        };
        if let Err(reason) = result {
            let origin = Origin {
                path: path.to_owned(),
                line: Some(line),
            };
            on_problem(origin.problem(reason));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_bad_lines_reported_by_number() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"# words\n T\xc3\xbcr \r\n\nx y\n\xff\nBad").unwrap();
        let (mut words, mut problems) = (Vec::new(), Vec::new());
        let mut accept = |word: &str| {
            if word.contains(' ') {
                let why = "more than one word".to_owned();
                return Err(Reason::NotAWord { why });
            }
            words.push(word.to_owned());
            Ok(())
        };
        let mut report = |problem: Problem| {
            problems.push((problem.line, problem.reason.to_string()));
        };
        read_words(file.path(), &Stop::default(), &mut accept, &mut report).unwrap();
        assert_eq!(words, ["Tür", "Bad"]);
        assert_eq!(
            problems[0],
            (Some(4), "no word: more than one word".to_owned())
        );
        assert_eq!((problems.len(), problems[1].0), (2, Some(5)));
    }

    #[test]
    fn ids_are_read_as_other_files_are() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read = |bytes: &[u8]| {
            std::fs::write(file.path(), bytes).unwrap();
            let mut lines = Vec::new();
            let mut report = |problem: Problem| lines.extend(problem.line);
            let ids = read_ids(file.path(), &Stop::default(), &mut report).unwrap();
            (ids, lines)
        };
        let text = "\u{feff}a b \r\n\n#1\nü";
        let ids = ["a b", "#1", "ü"].map(str::to_owned).to_vec();
        assert_eq!(read(text.as_bytes()), (ids.clone(), vec![]));
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(&utf16), (ids.clone(), vec![]));
        let zstd = zstd::encode_all(text.as_bytes(), 1).unwrap();
        assert_eq!(read(&zstd), (ids, vec![]));
        assert_eq!(read(b"a\n\xff\nb"), (vec!["a".into(), "b".into()], vec![2]));
    }
}
