//! The same texts and vectors with other programs: tantivy by itself here, the others in
//! xtask/peers/scale.py.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Instant;

use super::data::{DIMENSION, document, query, write_vector};
use super::measure::{median, memory, millis};
use super::{DEPTHS, EF_CONSTRUCTION, Result, preset};

pub(crate) const DENSE: [&str; 3] = ["hnswlib", "faiss", "usearch"];

/// What a program of xtask/peers/scale.py prints.
pub(crate) fn run(python: &Path, name: &str, place: &Path) -> Result<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("xtask/peers/scale.py");
    let m = preset()?.dense.ok_or("the preset has no graph")?.graph.m;
    let threads = std::thread::available_parallelism()?.get();
    let command = Command::new(python)
        .args(["-I", "-W", "ignore"])
        .arg(script)
        .arg(name)
        .arg(place)
        .args([DIMENSION, m, EF_CONSTRUCTION, threads].map(|number| number.to_string()))
        .output()?;
    succeeded(command)
}

/// Writes what they read: texts, vectors and fields of all `n` documents.
pub(crate) fn export(n: u64, folder: &Path) -> Result<()> {
    let create = |name| File::create(folder.join(name)).map(BufWriter::new);
    let (mut texts, mut vectors) = (create("texts.txt")?, create("vectors.f32")?);
    let mut fields = create("fields.u32")?;
    for number in 0..n {
        let generated = document(n, number, 0);
        writeln!(texts, "{}", generated.text)?;
        write_vector(&mut vectors, &generated.vector)?;
        for value in [generated.r, generated.center] {
            fields.write_all(&(value as u32).to_le_bytes())?;
        }
    }
    texts.flush()?;
    vectors.flush()?;
    Ok(fields.flush()?)
}

/// What tantivy does with the same texts by itself.
pub(crate) fn tantivy(n: u64, folder: &Path) -> Result<String> {
    let dir = folder.join("tantivy");
    fs::create_dir_all(&dir)?;
    let start = Instant::now();
    let mut schema = tantivy::schema::Schema::builder();
    let text = schema.add_text_field("text", tantivy::schema::TEXT);
    let index = tantivy::Index::create_in_dir(&dir, schema.build())?;
    let mut writer = index.writer(500_000_000)?;
    for line in BufReader::new(File::open(folder.join("texts.txt"))?).lines() {
        writer.add_document(tantivy::doc!(text => line?))?;
    }
    writer.commit()?;
    let segments = index.searchable_segment_ids()?;
    writer.merge(&segments).wait()?;
    writer.wait_merging_threads()?;
    let built = start.elapsed().as_secs_f64();
    let searcher = index.reader()?.searcher();
    let parser = tantivy::query::QueryParser::for_index(&index, vec![text]);
    let mut line = format!("| tantivy | {built:.1} s | {:.0} MB ", memory("VmHWM")?);
    let files = fs::read_dir(&dir)?.map(|file| Ok(file?.metadata()?.len()));
    let bytes = files.sum::<std::io::Result<u64>>()?;
    write!(line, "| {:.0} MB ", bytes as f64 / 1e6)?;
    for depth in DEPTHS {
        let times = (0..100).map(|nth| {
            let query = parser.parse_query(&query(n, nth).0)?;
            let best = tantivy::collector::TopDocs::with_limit(depth).order_by_score();
            let start = Instant::now();
            searcher.search(&query, &best)?;
            Ok(millis(start))
        });
        write!(line, "| {:.2} ms ", median(times.collect::<Result<_>>()?))?;
    }
    write!(line, "| {:.0} MB |", memory("VmRSS")?)?;
    Ok(line)
}

/// What a process printed.
pub(crate) fn succeeded(output: Output) -> Result<String> {
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned())
}
