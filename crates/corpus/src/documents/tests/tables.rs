//! Tables by their header, delimiter and encoding, and what is said where one of them fails.

use expect_test::expect;

use super::*;

#[test]
fn a_table_tells_its_delimiter() {
    for table in [
        "id;title;text\n1;\"K;ühlung\";\"Ein; Text, mit Komma\"\n",
        "sep=;\r\nid;title;text\r\n1;K;ühlung;x\r\n1;\"K;ühlung\";\"Ein; Text, mit Komma\"\r\n",
        "id|title|text\n1|K;ühlung|Ein; Text, mit Komma\n",
        "id\ttitle\ttext\n1\tK;ühlung\tEin; Text, mit Komma\n",
        "\"id\",\"title\",\"text\"\n1,K;ühlung,\"Ein; Text, mit Komma\"\n",
        "id;\"ti\ntle\";title;text\n1;;\"K;ühlung\";\"Ein; Text, mit Komma\"\n",
    ] {
        let found = read(table.as_bytes(), Format::Csv, &ReadOptions::default());
        assert!(
            found.ends_with("[1] \"K;ühlung\" \"Ein; Text, mit Komma\"\n"),
            "{table}\n{found}"
        );
    }
    check(
        "nr;was\n1;x\n",
        Format::Csv,
        expect![[r#"
            error: could not find the column `_id` or `id` or `doc_id` or `docid` or `docno` or `corpus_id` or `document_id` in the header of in, which has: nr, was; rename the column, or say which one to read
        "#]],
    );
    let options = ReadOptions {
        delimiter: Some("^".parse().unwrap()),
        ..ReadOptions::default()
    };
    expect![[r#"
        2 [1] "" "a;b"
    "#]]
    .assert_eq(&read(b"id^text\n1^a;b\n", Format::Csv, &options));
}

#[test]
fn a_table_without_a_header_has_numbered_columns() {
    let without = |columns: Columns| ReadOptions {
        has_header: false,
        columns,
        ..ReadOptions::default()
    };
    let plain = without(Columns::default());
    expect![[r#"
        1 [7] "" "some text"
        in:2: columns found: 1, in the header: 2
        3 [8] "" "more"
    "#]]
    .assert_eq(&read(b"7;some text\nx\n8;more\n", Format::Csv, &plain));
    let numbered = without(Columns {
        id: Some("3".to_owned()),
        title: Some("1".to_owned()),
        text: Some("2".to_owned()),
    });
    expect![[r#"
        1 [i] "t" "x" {"column4":"m"}
    "#]]
    .assert_eq(&read(b"t\tx\ti\tm\n", Format::Tsv, &numbered));
    expect![[r#"
        error: could not read the header of in: it has none, and its first line has 3 columns; say by number which column holds the id
    "#]].assert_eq(&read(b"a,b,c\n", Format::Csv, &plain));
    expect![[r#"
        error: could not read the header of in: it has none, and its first line has 2 columns; say by number which column holds the id (not `3`)
    "#]].assert_eq(&read(b"a,b\n", Format::Csv, &numbered));
    // With a header, a number is one too, unless it is a name.
    let options = ReadOptions {
        columns: Columns {
            id: Some("2".to_owned()),
            ..Columns::default()
        },
        ..ReadOptions::default()
    };
    expect![[r#"
        2 [k] "" "x"
    "#]]
    .assert_eq(&read(b"text,key\nx,k\n", Format::Csv, &options));
    expect![[r#"
        2 [k] "" "x" {"id":"y"}
    "#]]
    .assert_eq(&read(b"text,id,2\nx,y,k\n", Format::Csv, &options));
}

#[test]
fn a_header_that_cannot_be_read_is_an_error_with_its_reason() {
    let utf16: Vec<u8> = "id,text\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    check(
        utf16,
        Format::Csv,
        expect![[r#"
            error: could not read in as text: it looks like UTF-16LE without a byte order mark; name that encoding, or convert the file to UTF-8
        "#]],
    );
    check(
        b"id,\xfcberschrift,text\n1,a,b\n",
        Format::Csv,
        expect![[r#"
            error: could not read the header of in: line 1 is not valid UTF-8 (from byte 4); name the encoding, such as windows-1252 (latin-1), or convert the file to UTF-8
        "#]],
    );
    check(
        "\n\"id,text\n1,a\n",
        Format::Csv,
        expect![[r#"
            error: could not read the header of in: in line 2 a quoted field is opened and never closed
        "#]],
    );
    check(
        "id;\"text\n1;a\n",
        Format::Csv,
        expect![[r#"
            error: could not read the header of in: in line 1 a quoted field is opened and never closed
        "#]],
    );
    let options = ReadOptions {
        max_record_bytes: 4,
        ..ReadOptions::default()
    };
    expect![[r#"
        error: could not read the header of in: line 1: longer than 4 bytes, the limit for one record
    "#]]
    .assert_eq(&read(b"id,text\n", Format::Csv, &options));
}

#[test]
fn other_encodings_are_read_by_mark_or_name() {
    let utf16: Vec<u8> = "\u{feff}id,text\r\n1,\"Kühl\n🧊\"\r\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    check(
        utf16,
        Format::Csv,
        expect![[r#"
            2 [1] "" "Kühl\n🧊"
        "#]],
    );
    let options = ReadOptions {
        encoding: Some("latin1".parse().unwrap()),
        ..ReadOptions::default()
    };
    expect![[r#"
        2 [1] "" "Kühl" {"größe":"€"}
    "#]]
    .assert_eq(&read(
        b"id,text,gr\xf6\xdfe\n1,K\xfchl,\x80\n",
        Format::Csv,
        &options,
    ));
    let options = ReadOptions {
        encoding: Some("shift_jis".parse().unwrap()),
        ..ReadOptions::default()
    };
    expect![[r#"
        in:1: not valid Shift_JIS; convert the file to UTF-8
        2 [2] "" "冷"
    "#]]
    .assert_eq(&read(
        b"{\"_id\": 1, \"text\": \"\xff\"}\n{\"_id\": 2, \"text\": \"\x97\xe2\"}\n",
        Format::Jsonl,
        &options,
    ));
}

#[test]
fn a_header_without_the_columns_is_an_error_that_names_them() {
    check(
        "1,some text\n",
        Format::Csv,
        expect![[r#"
            error: could not find the column `_id` or `id` or `doc_id` or `docid` or `docno` or `corpus_id` or `document_id` in the header of in, which has: 1, some text; rename the column, or say which one to read
        "#]],
    );
    check(
        "id,body\n1,x\n",
        Format::Csv,
        expect![[r#"
            error: could not find the column `text` or `contents` in the header of in, which has: id, body; rename the column, or say which one to read
        "#]],
    );
    check(
        "",
        Format::Tsv,
        expect![[r#"
            error: could not read the header of in: the input is empty
        "#]],
    );
    let options = ReadOptions {
        columns: Columns {
            title: Some("name".to_owned()),
            ..Columns::default()
        },
        ..ReadOptions::default()
    };
    expect![[r#"
        error: could not find the column `name` in the header of in, which has: id, text; rename the column, or say which one to read
    "#]].assert_eq(&read(b"id,text\n", Format::Csv, &options));
}

#[test]
fn what_has_no_meaning_for_a_format_is_refused() {
    let of = |change: fn(&mut ReadOptions)| {
        let mut options = ReadOptions::default();
        change(&mut options);
        options
    };
    let semicolon = of(|options| options.delimiter = Some("; ".trim().parse().unwrap()));
    expect![[r#"
        error: could not use a delimiter for in: only CSV and TSV are tables
    "#]]
    .assert_eq(&read(b"", Format::Jsonl, &semicolon));
    expect![[r#"
        error: could not use that delimiter for in: the fields of TSV are separated by tabs; read the input as CSV instead
    "#]].assert_eq(&read(b"", Format::Tsv, &semicolon));
    let headless = of(|options| options.has_header = false);
    expect![[r#"
        error: could not use a table without a header for in: only CSV and TSV are tables
    "#]]
    .assert_eq(&read(b"", Format::Jsonl, &headless));
}

#[test]
fn columns_can_be_named_in_the_options() {
    let options = ReadOptions {
        columns: Columns {
            id: Some("sku".to_owned()),
            title: Some("name".to_owned()),
            text: Some("description".to_owned()),
        },
        ..ReadOptions::default()
    };
    let table = "description,id,SKU,name,text\nd,i, s ,n,t\n";
    expect![[r#"
        2 [s] "n" "d" {"id":"i","text":"t"}
    "#]]
    .assert_eq(&read(table.as_bytes(), Format::Csv, &options));
    let lines = "{\"id\": 1, \"sku\": \" s \", \"Name\": \"n\", \"description\": \"d\"}\n{\"id\": 2, \"description\": \"d\"}\n{\"sku\": 3, \"name\": [], \"text\": \"t\"}\n";
    expect![[r#"
        1 [s] "n" "d" {"id":1}
        in:2: the id is missing or empty
        in:3: `name` is an array, a string is expected
    "#]]
    .assert_eq(&read(lines.as_bytes(), Format::Jsonl, &options));
}
