//! Reads lists of words, one on each line.

use std::path::Path;

use crate::encoding::Encoding;
use crate::error::Error;
use crate::lines::Lines;
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
    let stream = ByteStream::open(path, Some(Encoding::UTF_8), stop)?;
    let mut lines = Lines::new(stream.reader, LIMIT).decoded_from(stream.encoding);
    loop {
        let next = lines.next_parsed(|line| match line.trim() {
            comment if comment.starts_with('#') => Ok(()),
            word => accept(word),
        });
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
}
