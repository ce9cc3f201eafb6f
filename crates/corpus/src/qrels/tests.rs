//! How good and bad judgments are read.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

/// Judgments and problems, or the error.
fn read(
    input: impl AsRef<[u8]>,
    name: &str,
    format: Option<JudgmentFormat>,
) -> Result<(Judgments, Vec<String>), Error> {
    let input = std::io::Cursor::new(input.as_ref().to_vec());
    let options = JudgmentOptions {
        format,
        ..JudgmentOptions::default()
    };
    let mut problems = Vec::new();
    let mut keep = |problem: &Problem| problems.push(problem.to_string());
    let judgments = judgments_from_reader(input, Path::new(name), &options, &mut keep)?;
    Ok((judgments, problems))
}

fn check(input: impl AsRef<[u8]>, expect: Expect) {
    check_as(input, "in", None, expect);
}

fn check_as(input: impl AsRef<[u8]>, name: &str, format: Option<JudgmentFormat>, expect: Expect) {
    let (read, problems) = match read(input, name, format) {
        Ok(read) => read,
        Err(error) => return expect.assert_eq(&format!("error: {error}\n")),
    };
    let judgments = read.qrels.0.iter().flat_map(|(query, judgments)| {
        judgments
            .iter()
            .map(move |(doc, grade)| format!("{query} / {doc} = {grade}\n"))
    });
    let problems = problems.iter().map(|problem| format!("{problem}\n"));
    expect.assert_eq(&judgments.chain(problems).collect::<String>());
}

#[test]
fn beir_has_three_columns_and_a_header() {
    check(
        "\u{feff}query-id\tcorpus-id\tscore\r\nq1\td1\t1\r\nq 2\ta doc.txt\t0\r\n\nq1\td2\t-1\n",
        expect![[r#"
            q 2 / a doc.txt = 0
            q1 / d1 = 1
            q1 / d2 = -1
        "#]],
    );
    check(
        "q1\td1\t2\n",
        expect![[r#"
        q1 / d1 = 2
    "#]],
    );
}

#[test]
fn trec_has_four_columns_of_any_white_space() {
    check(
        "1 0 d1 3\n1\t0\td2\t0\n  2  Q0  d1   1  \n",
        expect![[r#"
        1 / d1 = 3
        1 / d2 = 0
        2 / d1 = 1
    "#]],
    );
}

#[test]
fn blanks_and_tabs_may_be_mixed() {
    check(
        "q1\t0 d1\t1\nq2 0\td 2\t1\nq3\tQ0\td 3\t1\nq4 0 d4\t1\n",
        expect![[r#"
            q1 / d1 = 1
            q3 / d 3 = 1
            q4 / d4 = 1
            in:2: columns found: 3, expected: 4 (query, 0, document, grade)
        "#]],
    );
    check(
        "q1\tjudge:m d1\t2\n",
        expect![[r#"
            q1 / d1 = 2
        "#]],
    );
}

#[test]
fn a_header_may_name_the_columns_in_any_order() {
    for header in ["corpus-id\tscore\tquery-id", "DocID relevance QID"] {
        check(
            format!("\n{header}\nd1\t1\tq1\nd2 2 q2\n"),
            expect![[r#"
                q1 / d1 = 1
                q2 / d2 = 2
            "#]],
        );
    }
    check(
        "query-id\tcorpus-id\tscore\tsplit\nq1\td1\t1\ttest\nq1\td2\t1\n",
        expect![[r#"
            q1 / d1 = 1
            in:3: columns found: 3, expected: as many as in the header
        "#]],
    );
}

#[test]
fn a_table_is_told_by_its_name_or_by_the_format() {
    let table = "query_id;doc_id;relevance\nq1;\" d;1 \";2\nq1;d2\n;d3;1\nq1;d4;x\n";
    let expected = expect![[r#"
        q1 / d;1 = 2
        in:3: columns found: 2, in the header: 3
        in:4: the id is missing or empty
        in:5: the grade `x` is not an integer
    "#]];
    check_as(table, "in", Some(JudgmentFormat::Csv), expected);
    check_as(
        "qid,docno,rel\n1,2,3\n",
        "in.csv.gz",
        None,
        expect![[r#"
            1 / 2 = 3
        "#]],
    );
    check_as(
        "qid,docno\n1,2\n",
        "in.csv",
        None,
        expect![[r#"
            error: could not find the column `score` or `relevance` or `rel` or `grade` or `label` in the header of in.csv, which has: qid, docno; rename the column, or say which one to read
        "#]],
    );
}

#[test]
fn a_format_that_is_named_is_not_guessed() {
    let line = "q1\t0 d1\t1\n";
    check_as(
        line,
        "in",
        Some(JudgmentFormat::Beir),
        expect![[r#"
            q1 / 0 d1 = 1
        "#]],
    );
    check_as(
        line,
        "in.csv",
        Some(JudgmentFormat::Trec),
        expect![[r#"
            q1 / d1 = 1
        "#]],
    );
    check_as(
        "q1 d1 1\n",
        "in",
        Some(JudgmentFormat::Trec),
        expect![[r#"
            in:1: columns found: 3, expected: 4 (query, 0, document, grade)
        "#]],
    );
}

#[test]
fn judgments_in_utf_16_are_read() {
    let text = "\u{feff}q1\t0\td1\t1\r\n";
    let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    check(
        bytes,
        expect![[r#"
            q1 / d1 = 1
        "#]],
    );
}

#[test]
fn bad_judgments_are_problems_and_the_first_of_duplicates_is_kept() {
    check(
        [
            b"alone\nq1 0 d1 1\nq1 0 d1 1\nq1 0 d1 2\nq1 0 d2 1.0\nq1 0 d3 high\n".as_slice(),
            b"q1\td4\t1\nq1 0 d5 1 extra\nq1 0 d6 99999999999\nq1 0 \xff 1\nq1 0 d7 1\n",
        ]
        .concat(),
        expect![[r#"
            q1 / d1 = 1
            q1 / d7 = 1
            in:1: columns found: 1, expected: 3 (query, document, grade) or 4 (TREC)
            in:3: document `d1` was already judged for query `q1`; the first grade, 1, is kept
            in:4: document `d1` was already judged for query `q1`; the first grade, 1, is kept
            in:5: the grade `1.0` is not an integer
            in:6: the grade `high` is not an integer
            in:7: columns found: 3, expected: 4 (query, 0, document, grade)
            in:8: columns found: 5, expected: 4 (query, 0, document, grade)
            in:9: the grade `99999999999` is not an integer
            in:10: not valid UTF-8 (from byte 6 of the record); convert the file to UTF-8
        "#]],
    );
    check(
        "q1\td1\t1\nquery-id\tcorpus-id\tscore\n\td\t1\nq2 0 d 1\n",
        expect![[r#"
            q1 / d1 = 1
            in:2: the grade `score` is not an integer
            in:3: columns found: 2, expected: 3 (query, document, grade)
            in:4: columns found: 4, expected: 3 (query, document, grade)
        "#]],
    );
    check("", expect![[""]]);
}

proptest! {
    #[test]
    fn every_line_is_a_judgment_a_problem_or_the_header(
        lines in proptest::collection::vec("[qd0-9\t ]{0,8}|q[0-9]\td[0-9]\t[0-9]", 0..20),
    ) {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let (Judgments { qrels, .. }, problems) = read(&text, "in", None).unwrap();
        let n_lines = lines.iter().filter(|line| !line.trim().is_empty()).count();
        prop_assert_eq!(qrels.n_judgments() + problems.len(), n_lines);
    }

    #[test]
    fn both_layouts_yield_the_same_judgments(
        judgments in proptest::collection::btree_map(("[a-z]{1,3}", "[a-z0-9]{1,3}"), -2..4, 0..20),
    ) {
        let beir: String = judgments.iter().map(|((q, d), g)| format!("{q}\t{d}\t{g}\n")).collect();
        let beir = format!("query-id\tcorpus-id\tscore\n{beir}");
        let trec: String = judgments.iter().map(|((q, d), g)| format!("{q} 0 {d} {g}\n")).collect();
        let (Judgments { qrels: beir, .. }, no_problems) = read(&beir, "in", None).unwrap();
        prop_assert_eq!(no_problems.len(), 0);
        prop_assert_eq!(beir.n_judgments(), judgments.len());
        prop_assert!(judgments.iter().all(|((q, d), g)| beir.grade(q, d) == Some(*g)));
        prop_assert_eq!(&beir, &read(&trec, "in", None).unwrap().0.qrels);
        // A tab in the place of any blank makes no difference.
        for n in 1..4 {
            let mixed: String = trec.lines().map(|line| format!("{}\n", line.replacen(' ', "\t", n))).collect();
            prop_assert_eq!(&beir, &read(&mixed, "in", None).unwrap().0.qrels);
        }
    }
}

#[test]
fn judging_models_are_named() {
    let judges = |input: &str| read(input, "in", None).unwrap().0.judges;
    assert!(judges("1 0 d1 3\n1 Q0 d2 0\n").is_empty());
    assert!(judges("query-id\tcorpus-id\tscore\njudge:m\td1\t1\n").is_empty());
    let found = judges("1\tjudge:mini\td1\t3\n1\tjudge:mini\td2\t0\n2 judge:large d1 1\n");
    assert!(found.iter().eq(["large", "mini"]));
    // A skipped line contributes no judge.
    assert!(judges("1 judge:mini d1 very\n").is_empty());
}
