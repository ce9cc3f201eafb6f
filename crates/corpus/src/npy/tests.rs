//! Files as NumPy writes them, and files that it does not.

use std::fs;

use proptest::prelude::*;

use super::*;

/// A file as numpy.save writes it, of any version, header and content.
fn file(version: [u8; 2], header: &str, content: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.npy");
    let mut bytes = MAGIC.to_vec();
    bytes.extend(version);
    let text = format!("{header}\n");
    match version {
        [1, _] => bytes.extend((text.len() as u16).to_le_bytes()),
        _ => bytes.extend((text.len() as u32).to_le_bytes()),
    }
    bytes.extend(text.as_bytes());
    bytes.extend(content);
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn header(descr: &str, fortran: &str, shape: &str) -> String {
    format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}")
}

fn refusal(version: [u8; 2], header: &str, content: &[u8]) -> String {
    let (_folder, path) = file(version, header, content);
    VectorFile::open(&path).unwrap_err().to_string()
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// What numpy 2 wrote for `np.save(f, np.array([[1, 2], [-0.5, 4]], dtype='<f4'))`.
#[test]
fn a_file_of_numpy_is_read() {
    let mut written =
        b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }"
            .to_vec();
    written.resize(127, b' ');
    written.push(b'\n');
    written.extend(bytes(&[1.0, 2.0, -0.5, 4.0]));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.npy");
    fs::write(&path, written).unwrap();
    let file = VectorFile::open(&path).unwrap();
    assert_eq!((file.rows(), file.dimension()), (2, 2));
    assert_eq!(file.row(0).unwrap().unwrap(), [1.0, 2.0]);
    assert_eq!(file.row(1).unwrap().unwrap(), [-0.5, 4.0]);
    assert_eq!(file.row(0).unwrap().unwrap(), [1.0, 2.0], "again");
    assert!(file.row(2).is_err());
}

#[test]
fn halves_are_what_their_bits_say() {
    for (bits, expected) in [
        (0x3C00_u16, 1.0),
        (0xC000, -2.0),
        (0x7BFF, 65504.0),
        (0x0001, 2_f64.powi(-24)),
        (0x0400, 2_f64.powi(-14)),
        (0x3555, 0.333_251_953_125),
        (0x8000, 0.0),
    ] {
        assert_eq!(Kind::F16.value(&bits.to_le_bytes()), expected, "{bits:x}");
    }
    assert!(Kind::F16.value(&0x7C00_u16.to_le_bytes()).is_infinite());
    assert!(Kind::F16.value(&0x7C01_u16.to_le_bytes()).is_nan());
}

#[test]
fn what_cannot_be_read_is_refused_with_what_to_do() {
    let four = bytes(&[1.0, 2.0, 3.0, 4.0]);
    let good = header("<f4", "False", "(2, 2)");
    for (version, header, content, why) in [
        (
            [1, 0],
            header("<f4", "True", "(2, 2)"),
            &four[..],
            "ascontiguousarray",
        ),
        ([1, 0], header(">f4", "False", "(2, 2)"), &four, "`>f4`"),
        ([1, 0], header("<i8", "False", "(2, 1)"), &four, "`<i8`"),
        (
            [1, 0],
            header("<f4", "False", "(4,)"),
            &four,
            "its shape is (4)",
        ),
        (
            [1, 0],
            header("<f4", "False", "(1, 2, 2)"),
            &four,
            "its shape is (1, 2, 2)",
        ),
        (
            [1, 0],
            header("<f4", "False", "()"),
            &four,
            "its shape is ()",
        ),
        (
            [1, 0],
            header("<f4", "False", "(4, 0)"),
            &four,
            "its shape is (4, 0)",
        ),
        ([1, 0], header("<f4", "False", "(3, 2)"), &four, "cut short"),
        ([1, 0], header("<f4", "False", "(1, 2)"), &four, "appended"),
        (
            [1, 0],
            header("<f4", "False", "(9223372036854775807, 9223372036854775807)"),
            &four,
            "cut short",
        ),
        (
            [1, 0],
            "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}".into(),
            &four,
            "several fields",
        ),
        (
            [1, 0],
            "{'descr': '<f4', 'shape': (2, 2)}".into(),
            &four,
            "lacks",
        ),
        ([1, 0], "{'descr': '<f4'".into(), &four, "cannot be read"),
        ([1, 0], "__import__('os')".into(), &four, "cannot be read"),
        ([3, 0], good.clone(), &four, "version 3.0"),
    ] {
        let message = refusal(version, &header, content);
        assert!(message.contains(why), "{header}: {message}");
        assert!(message.contains("v.npy"), "{message}");
    }
    assert!(refusal([2, 0], &" ".repeat(20_000), &four).contains("its header has 20001 bytes"));
    let folder = tempfile::tempdir().unwrap();
    assert!(VectorFile::open(folder.path()).is_err());
    let path = folder.path().join("v.npy");
    for (content, why) in [
        (&b"{\"a\": 1}"[..], "numpy.save"),
        (b"\x93NUM", "cut short"),
        (b"\x93NUMPY\x01\x00\xff", "cut short"),
        (b"", "cut short"),
    ] {
        fs::write(&path, content).unwrap();
        let message = VectorFile::open(&path).unwrap_err().to_string();
        assert!(message.contains(why), "{message}");
    }
}

#[test]
fn a_value_that_is_no_number_is_a_bad_record() {
    let values = [
        1e300,
        1.0,
        f64::NAN,
        1.0,
        f64::NEG_INFINITY,
        1.0,
        0.0,
        -0.0,
        0.0,
        2.0,
    ];
    let content: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let (_folder, path) = file([2, 0], &header("<f8", "False", "(5, 2)"), &content);
    let file = VectorFile::open(&path).unwrap();
    for (row, why) in [
        (0, "too large"),
        (1, "not a finite number"),
        (2, "not a finite number"),
        (3, "no direction"),
    ] {
        let reason = file.row(row).unwrap().unwrap_err().to_string();
        assert!(
            reason.contains(why) && reason.contains(&format!("row {row} of")),
            "{reason}"
        );
    }
    assert_eq!(file.row(4).unwrap().unwrap(), [0.0, 2.0]);
}

proptest! {
    /// Any row, in any order, is what was written, to the precision of its type.
    #[test]
    fn rows_are_read_in_any_order(
        kind in 0..3,
        dimension in 1_usize..9,
        values in prop::collection::vec(1_u16..0x7C00, 1..200),
        order in prop::collection::vec(any::<prop::sample::Index>(), 1..30),
    ) {
        let rows = values.len().div_ceil(dimension);
        let mut halves = values;
        halves.resize(rows * dimension, 0x3C00);
        let values: Vec<f64> = (halves.iter())
            .map(|bits| Kind::F16.value(&bits.to_le_bytes()))
            .collect();
        let (descr, content): (&str, Vec<u8>) = match kind {
            0 => ("<f2", halves.iter().flat_map(|bits| bits.to_le_bytes()).collect()),
            1 => (
                "<f4",
                values.iter().flat_map(|value| (*value as f32).to_le_bytes()).collect(),
            ),
            _ => ("<f8", values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        };
        let (_folder, path) = file([1, 0], &header(descr, "False", &format!("({rows}, {dimension})")), &content);
        let file = VectorFile::open(&path).unwrap();
        for at in order {
            let row = at.index(rows);
            let expected: Vec<f32> = values[row * dimension..][..dimension].iter().map(|value| *value as f32).collect();
            prop_assert_eq!(file.row(row as u64).unwrap().unwrap(), expected);
        }
    }

    /// No header makes it panic.
    #[test]
    fn any_header_is_read_or_refused(text in "[{}'\"a-z<>0-9(),: TrueFalse\\PC]{0,80}") {
        let _ = Header::parse(&text).map(|header| header.vectors());
    }
}
