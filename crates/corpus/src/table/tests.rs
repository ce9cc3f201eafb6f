//! Records, delimiters and unclosed quotes, with the csv crate as the oracle.

use proptest::prelude::*;

use super::*;

fn rows(input: &str, limit: u64) -> Vec<Row> {
    let mut table = Table::new(Lines::new(input.as_bytes(), limit), Dialect::CSV);
    std::iter::from_fn(|| table.next().unwrap()).collect()
}

/// Records by the csv crate, which reads an unclosed field to the end of the input.
fn oracle(input: &str) -> Vec<(u64, Vec<String>)> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .terminator(csv::Terminator::Any(b'\n'))
        .from_reader(input.as_bytes());
    let records = reader.records().map(|record| {
        let record = record.unwrap();
        let fields = record.iter().map(str::to_owned).collect();
        (record.position().unwrap().line(), fields)
    });
    records.collect()
}

#[test]
fn large_fields_and_many_fields_fit_the_buffers() {
    let text = "word, \"\" ".repeat(10_000);
    let input = format!("1,\"{text}\"\n{}\n", ",".repeat(5_000));
    let rows = rows(&input, 1 << 20);
    let (_, first) = &rows[0];
    assert_eq!(first.as_ref().unwrap()[1], text.replace("\"\"", "\""));
    assert_eq!(rows[1].1.as_ref().unwrap().len(), 5_001);
    assert_eq!(rows.len(), 2);
}

#[test]
fn lines_after_an_unclosed_quote_are_read_even_if_the_field_exceeds_the_limit() {
    let input = format!("1,\"a\n{}", "2,b\n".repeat(100));
    let rows = rows(&input, 50);
    assert!(matches!(rows[0], (1, Err(Reason::UnclosedQuote))));
    assert_eq!(rows.len(), 101);
    assert!(rows[1..].iter().all(|(_, row)| row.is_ok()));
}

#[test]
fn a_file_of_unclosed_quotes_is_read_in_linear_time() {
    // Each line opens a field that none closes. Reading on from every one of them would
    // take hours.
    let n = 300_000;
    let input = format!("{}x,y,z", "a\",\"\n".repeat(n));
    for (limit, last) in [(u64::MAX >> 1, 1), (1 << 20, 1)] {
        let rows = rows(&input, limit);
        assert_eq!(rows.len(), n + last);
        assert!(
            rows[..n]
                .iter()
                .all(|(_, row)| matches!(row, Err(Reason::UnclosedQuote)))
        );
        assert_eq!(rows[n].1.as_ref().unwrap(), &["x", "y", "z"]);
    }
}

#[test]
fn looking_at_a_record_does_not_take_it() {
    let input = "\n\"a\nb\";c\n1;2\n";
    let mut table = Table::new(Lines::new(input.as_bytes(), 100), Dialect::CSV);
    let (line, by_comma) = table.peek().unwrap().unwrap();
    assert_eq!((line, by_comma.unwrap()), (2, vec!["a\nb;c".to_owned()]));
    table.set_delimiter(b';');
    for _ in 0..2 {
        let (line, fields) = table.peek().unwrap().unwrap();
        assert_eq!(
            (line, fields.unwrap()),
            (2, vec!["a\nb".to_owned(), "c".to_owned()])
        );
    }
    assert_eq!(table.next().unwrap().unwrap().0, 2);
    assert_eq!(table.next().unwrap().unwrap().0, 4);
    assert!(table.next().unwrap().is_none());
}

#[test]
fn a_spreadsheet_names_its_delimiter_in_the_first_line() {
    for (input, expected) in [
        ("sep=;\na", Some(b';')),
        ("\u{feff}SEP=|\r\na", Some(b'|')),
        ("\"sep=,\"\na", Some(b',')),
        ("sep=\t\na", Some(b'\t')),
        ("sep=x\na", None),
        ("sep=;;\na", None),
        ("\nsep=;\n", None),
        ("", None),
    ] {
        let mut table = Table::new(Lines::new(input.as_bytes(), 100), Dialect::CSV);
        assert_eq!(table.take_separator_line().unwrap(), expected, "{input:?}");
    }
}

proptest! {
    #[test]
    fn records_are_those_of_the_csv_crate(input in "[ab,\"\n é]{0,40}") {
        let rows = rows(&input, 1 << 20);
        // The two differ on purpose if a quote is never closed.
        let good: Result<Vec<_>, Reason> =
            rows.into_iter().map(|(line, row)| row.map(|row| (line, row))).collect();
        if let Ok(good) = good {
            // The csv crate gives a record the line number of the blank lines before it.
            let fields: Vec<_> = good.iter().map(|(_, fields)| fields.clone()).collect();
            let expected: Vec<_> = oracle(&input).into_iter().map(|(_, fields)| fields).collect();
            prop_assert_eq!(fields, expected);
            let without_blanks = !input.starts_with('\n') && !input.contains("\n\n");
            if without_blanks {
                let lines: Vec<u64> = good.iter().map(|(line, _)| *line).collect();
                let expected: Vec<u64> =
                    oracle(&input).into_iter().map(|(line, _)| line).collect();
                prop_assert_eq!(lines, expected);
            }
        }
    }

    #[test]
    fn what_the_csv_crate_writes_is_read(
        table in proptest::collection::vec(("[ab,\"\n\t é]{0,6}", "[x\"]{1,2}"), 0..8),
    ) {
        let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
        for (a, b) in &table {
            writer.write_record([a, b]).unwrap();
        }
        let written = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        let read: Vec<_> = rows(&written, 1 << 20)
            .into_iter()
            .map(|(_, row)| row.unwrap())
            .collect();
        let table: Vec<_> = table.into_iter().map(|(a, b)| vec![a, b]).collect();
        prop_assert_eq!(read, table);
    }
}
