//! How a line of judgments or of a run is split into columns.

/// The `n` columns of a line. Any blanks separate them, as in `trec_eval`; where that gives
/// another number, tabs alone do, so that ids in a tab-separated file may hold blanks.
///
/// # Errors
/// The number of columns that there are instead.
pub(crate) fn columns(line: &str, n: usize) -> Result<Vec<&str>, usize> {
    let by_blanks = by_blanks(line);
    if by_blanks.len() == n {
        return Ok(by_blanks);
    }
    let by_tabs = by_tabs(line);
    if by_tabs.len() == n {
        return Ok(by_tabs);
    }
    // The number that the writer of the line most likely meant.
    Err(match by_tabs.len() {
        1 => by_blanks.len(),
        n_tabs => n_tabs,
    })
}

/// The columns between runs of blanks, which are those of C's `isspace`: an id may hold a
/// no-break space.
pub(crate) fn by_blanks(line: &str) -> Vec<&str> {
    let is_blank = |c: char| c.is_ascii_whitespace() || c == '\u{b}';
    line.split(is_blank)
        .filter(|column| !column.is_empty())
        .collect()
}

/// The columns between tabs, without white space around them.
pub(crate) fn by_tabs(line: &str) -> Vec<&str> {
    line.split('\t').map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_and_tabs_may_be_mixed() {
        for line in [
            "q1 0 d1 1",
            "q1\t0 d1\t1",
            " q1\t\t0\td1   1\r",
            "q1\u{b}0\u{c}d1 1",
        ] {
            assert_eq!(columns(line, 4), Ok(vec!["q1", "0", "d1", "1"]), "{line:?}");
        }
    }

    #[test]
    fn ids_between_tabs_may_hold_blanks() {
        assert_eq!(columns("q 1\ta doc\t0", 3), Ok(vec!["q 1", "a doc", "0"]));
        assert_eq!(
            columns("q\u{a0}1 0 d 1", 4),
            Ok(vec!["q\u{a0}1", "0", "d", "1"])
        );
    }

    #[test]
    fn another_number_of_columns_is_counted() {
        assert_eq!(columns("a b c", 4), Err(3));
        assert_eq!(columns("a b\tc", 4), Err(2));
        assert_eq!(columns("a", 4), Err(1));
    }
}
