//! Corpora on disk: folders, compressed files, and inputs that cannot be read.

// The whole file is tests.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
#[cfg(unix)]
use std::os::unix::fs::symlink;
use std::path::Path;

use expect_test::expect;
use treffer_corpus::{
    Columns, DocumentReader, Error, Format, ReadOptions, Record, check_input, read_documents,
};

/// One line for every record.
fn shown(reader: Result<DocumentReader, Error>) -> String {
    let reader = match reader {
        Ok(reader) => reader,
        Err(error) => return format!("error: {error}\n"),
    };
    let mut out = String::new();
    for record in reader {
        match record {
            Ok(Record::Document {
                document, origin, ..
            }) => {
                let line = origin.line.map_or("-".to_owned(), |line| line.to_string());
                write!(out, "{line} [{}] {:?}", document.id, document.title).unwrap();
                writeln!(out, " {:?}", document.text).unwrap();
            }
            Ok(Record::Problem(problem)) => writeln!(out, "{problem}").unwrap(),
            Err(error) => writeln!(out, "error: {error}").unwrap(),
        }
    }
    out
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// `shown` with the folder's path replaced.
fn read_path(folder: &Path, name: &str) -> String {
    let read = shown(read_documents(&folder.join(name), &ReadOptions::default()));
    read.replace(folder.to_str().unwrap(), "DIR")
}

#[cfg(unix)]
#[test]
fn the_text_files_of_a_folder_are_read_in_the_order_of_their_paths() {
    let dir = folder();
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    write("b.txt", "\u{feff}plain\r\ntext\n".as_bytes());
    write("a/page.html", b"<title>A &amp; B</title><p>one<p>two");
    write("a/z.md.gz", &gzip(b"# Head\n\nbody\n"));
    write("a-b.htm", b"<h1>First</h1>rest");
    write("empty.txt", b" \n");
    write("bare.md", b"no heading");
    write("latin1.txt", b"ok\nK\xfchlschrank\n");
    write("cut.txt.gz", &gzip(&[b'x'; 1000])[..20]);
    write("image.png", b"\x89PNG");
    write("no_extension", b"x");
    write(".hidden.txt", b"x");
    write(".git/x.txt", b"x");
    symlink(dir.path(), dir.path().join("a/loop")).unwrap();
    symlink(dir.path().join("b.txt"), dir.path().join("link.txt")).unwrap();
    symlink("nowhere", dir.path().join("dangling.txt")).unwrap();
    expect![[r#"
        - [a/page.html] "A & B" "one\ntwo"
        - [a/z.md.gz] "Head" "body"
        - [a-b.htm] "First" "rest"
        - [b.txt] "b" "plain\r\ntext"
        - [bare.md] "bare" "no heading"
        DIR/cut.txt.gz: could not be read: incomplete deflate stream
        DIR/dangling.txt: could not be read: No such file or directory (os error 2)
        DIR/empty.txt: empty text: nothing to search in
        DIR/latin1.txt:2: not valid UTF-8 (from byte 5 of the record); convert the file to UTF-8
        - [link.txt] "link" "plain\r\ntext"
    "#]]
    .assert_eq(&read_path(dir.path(), ""));
    let mut reader = read_documents(dir.path(), &ReadOptions::default()).unwrap();
    assert_eq!(reader.bytes_read(), 0);
    assert_eq!(reader.by_ref().count(), 10);
    assert_eq!(Some(reader.bytes_read()), reader.bytes_total());
    assert_eq!(
        reader.passed_over().to_string(),
        "5 files passed over: 2 hidden, 1 .png, 1 links to folders, 1 without extension"
    );
}

#[test]
fn a_beir_folder_is_read_as_its_corpus_in_any_compression() {
    let lines = b"{\"_id\": \"a\", \"text\": \"b\"}\n";
    for (name, bytes) in [
        ("corpus.jsonl", lines.to_vec()),
        ("corpus.jsonl.gz", gzip(lines)),
        ("corpus.jsonl.zst", zstd::encode_all(&lines[..], 1).unwrap()),
    ] {
        let dir = folder();
        fs::write(dir.path().join(name), &bytes).unwrap();
        fs::write(dir.path().join("readme.txt"), "not read").unwrap();
        assert_eq!(read_path(dir.path(), ""), "1 [a] \"\" \"b\"\n", "{name}");
        let mut reader = read_documents(dir.path(), &ReadOptions::default()).unwrap();
        assert_eq!(reader.by_ref().count(), 1);
        assert_eq!(reader.bytes_read(), bytes.len() as u64);
        assert_eq!(reader.bytes_total(), Some(bytes.len() as u64));
    }
}

#[test]
fn compression_is_detected_by_content_and_must_match_the_name() {
    let dir = folder();
    let line = b"{\"_id\": \"a\", \"text\": \"b\"}\n";
    let two_members = [gzip(line), gzip(line)].concat();
    fs::write(dir.path().join("packed.jsonl"), two_members).unwrap();
    fs::write(dir.path().join("plain.jsonl.gz"), line).unwrap();
    fs::write(dir.path().join("empty.jsonl.zst"), b"").unwrap();
    fs::write(dir.path().join("empty.jsonl"), b"").unwrap();
    expect![[r#"
        1 [a] "" "b"
        2 [a] "" "b"
    "#]]
    .assert_eq(&read_path(dir.path(), "packed.jsonl"));
    expect![[r#"
        error: could not decompress DIR/plain.jsonl.gz: its name says gzip, but its content is something else; rename it or fetch it again
    "#]].assert_eq(&read_path(dir.path(), "plain.jsonl.gz"));
    expect![[r#"
        error: could not decompress DIR/empty.jsonl.zst: its name says zstd, but its content is something else; rename it or fetch it again
    "#]].assert_eq(&read_path(dir.path(), "empty.jsonl.zst"));
    expect![[""]].assert_eq(&read_path(dir.path(), "empty.jsonl"));
}

#[test]
fn a_truncated_compressed_file_yields_its_records_and_then_an_error() {
    let dir = folder();
    let n = 20_000;
    let lines: String = (0..n)
        .map(|id| format!("{{\"_id\": {id}, \"text\": \"{}\"}}\n", id * 7919))
        .collect();
    let packed = [
        ("x.jsonl.gz", gzip(lines.as_bytes())),
        (
            "x.jsonl.zst",
            zstd::encode_all(lines.as_bytes(), 1).unwrap(),
        ),
    ];
    for (name, bytes) in packed {
        let path = dir.path().join(name);
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let mut reader = read_documents(&path, &ReadOptions::default()).unwrap();
        let mut n_good = 0;
        let error = loop {
            match reader.next().expect("the cut is reported before the end") {
                Ok(Record::Document { document, .. }) => {
                    assert_eq!(document.id, n_good.to_string());
                    n_good += 1;
                }
                Ok(Record::Problem(problem)) => panic!("{problem}"),
                Err(error) => break error.to_string(),
            }
        };
        assert!((n / 4..n).contains(&n_good), "{name}: {n_good}");
        assert!(
            error.contains(name) && error.contains(&format!("line {n_good}")),
            "{error}"
        );
        assert!(reader.next().is_none());
    }
}

#[test]
fn zeros_after_gzip_and_long_windows_of_zstd_are_read() {
    let dir = folder();
    let line = b"{\"_id\": \"a\", \"text\": \"b\"}\n";
    let padded = [gzip(line), vec![0; 700]].concat();
    fs::write(dir.path().join("padded.jsonl.gz"), padded).unwrap();
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(31).unwrap();
    encoder.long_distance_matching(true).unwrap();
    encoder.write_all(line).unwrap();
    fs::write(dir.path().join("long.jsonl.zst"), encoder.finish().unwrap()).unwrap();
    for name in ["padded.jsonl.gz", "long.jsonl.zst"] {
        assert_eq!(read_path(dir.path(), name), "1 [a] \"\" \"b\"\n", "{name}");
    }
}

#[test]
fn files_of_a_folder_may_be_in_other_encodings() {
    let dir = folder();
    let utf16 =
        |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    fs::write(dir.path().join("a.txt"), utf16("\u{feff}kühl")).unwrap();
    fs::write(dir.path().join("b.md"), b"# K\xfchl\n\x81\x8d").unwrap();
    fs::write(dir.path().join("c.html"), utf16("<p>kühl")).unwrap();
    fs::write(
        dir.path().join("d.html"),
        b"<meta charset=latin1>\n<p>K\xfchl",
    )
    .unwrap();
    expect![[r#"
        - [a.txt] "a" "kühl"
        DIR/b.md:1: not valid UTF-8 (from byte 4 of the record); convert the file to UTF-8
        DIR/c.html: could not be read: it looks like UTF-16LE without a byte order mark; name that encoding, or convert the file to UTF-8
        - [d.html] "d" "Kühl"
    "#]].assert_eq(&read_path(dir.path(), ""));
    let options = ReadOptions {
        encoding: Some("utf-16le".parse().unwrap()),
        ..ReadOptions::default()
    };
    let read = shown(read_documents(&dir.path().join("c.html"), &options));
    assert_eq!(read, "- [c.html] \"c\" \"kühl\"\n");
}

#[cfg(unix)]
#[test]
fn a_pipe_in_a_folder_is_reported_and_one_that_is_named_is_read() {
    let dir = folder();
    let pipe = dir.path().join("pipe.txt");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    fs::write(dir.path().join("a.txt"), "x").unwrap();
    expect![[r#"
        - [a.txt] "a" "x"
        DIR/pipe.txt: not a regular file but a named pipe; to read it as a stream, name it by itself
    "#]]
    .assert_eq(&read_path(dir.path(), ""));
    let writer = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::write(pipe, "from a pipe").unwrap()
    });
    assert_eq!(
        read_path(dir.path(), "pipe.txt"),
        "- [pipe.txt] \"pipe\" \"from a pipe\"\n"
    );
    writer.join().unwrap();
}

#[test]
fn columns_are_refused_where_there_are_none() {
    let dir = folder();
    fs::write(dir.path().join("a.txt"), "x").unwrap();
    let options = ReadOptions {
        columns: Columns {
            id: Some("sku".to_owned()),
            ..Columns::default()
        },
        ..ReadOptions::default()
    };
    for name in ["", "a.txt"] {
        let input = dir.path().join(name);
        let message = check_input(&input, &options).unwrap_err().to_string();
        assert!(
            message.ends_with("text, Markdown and HTML have no columns or fields"),
            "{message}"
        );
        assert!(read_documents(&input, &options).is_err());
    }
    // A folder of BEIR has fields.
    fs::write(
        dir.path().join("corpus.jsonl"),
        "{\"sku\": 1, \"text\": \"x\"}\n",
    )
    .unwrap();
    check_input(dir.path(), &options).unwrap();
    assert_eq!(
        shown(read_documents(dir.path(), &options)),
        "1 [1] \"\" \"x\"\n"
    );
}

#[test]
fn an_unreadable_input_is_an_error_that_says_what_to_do() {
    let dir = folder();
    fs::write(dir.path().join("corpus.dat"), b"x").unwrap();
    expect![[r#"
        error: could not open DIR/missing.jsonl
    "#]]
    .assert_eq(&read_path(dir.path(), "missing.jsonl"));
    expect![[r#"
        error: could not tell the format of DIR/corpus.dat from its name; give the format, or rename the file to end in .jsonl, .csv, .tsv, .txt, .md or .html (.gz or .zst may follow)
    "#]].assert_eq(&read_path(dir.path(), "corpus.dat"));
    let as_format = |path: &Path, format| {
        let options = ReadOptions {
            format: Some(format),
            ..ReadOptions::default()
        };
        shown(read_documents(path, &options)).replace(dir.path().to_str().unwrap(), "DIR")
    };
    expect![[r#"
        error: could not read standard input as files: standard input is one stream, not several files with names
    "#]].assert_eq(&as_format(Path::new("-"), Format::Files));
    expect![[r#"
        error: could not read DIR as csv: it is a folder; name a file in it
    "#]]
    .assert_eq(&as_format(dir.path(), Format::Csv));
    expect![[r#"
        - [corpus.dat] "corpus" "x"
    "#]]
    .assert_eq(&as_format(&dir.path().join("corpus.dat"), Format::Files));
}
