//! Times of filters, facets and orders over a million documents, and bytes for each.
//!
//!     cargo run --release -p treffer-columns --example million

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use serde_json::json;
use treffer_columns::{ColumnWriter, Columns, FieldSchema, FieldType, Filter, SortBy};
use treffer_types::{DocId, Document};

const DOCUMENTS: u64 = 1_000_000;

const FILTERS: [&str; 12] = [
    "brand:\"brand 3\"",
    "brand:(\"brand 1\" OR \"brand 3\" OR \"brand 7\")",
    "tag:\"tag 17\"",
    "tag:\"tag 1\"*",
    "tags:\"tag 17\"",
    "year:[1990 TO 1999]",
    "stock:>500000",
    "volume_l:[250 TO *]",
    "published:[2020-01-01 TO 2021]",
    "stock:(17 OR 4711 OR 815 OR 123456)",
    "NOT sold:true",
    "brand:\"brand 3\" AND volume_l:[250 TO *] AND NOT sold:true AND (tag:\"tag 5\"* OR year:>2000)",
];

/// Numbers in no order, the same in every run (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

fn document(numbers: &mut Numbers) -> Document {
    let mut tag = || format!("tag {}", numbers.below(1000));
    let tags = [tag(), tag(), tag()];
    let metadata = json!({
        "tag": tag(),
        "tags": tags,
        "brand": format!("brand {}", numbers.below(10)),
        "year": 1950 + numbers.below(75),
        "stock": numbers.below(1_000_000),
        "volume_l": numbers.below(8000) as f64 / 10.0,
        "published": format!(
            "20{:02}-{:02}-{:02}", 10 + numbers.below(15), 1 + numbers.below(12),
            1 + numbers.below(28)
        ),
        "changed": format!(
            "2024-{:02}-{:02}T{:02}:{:02}:{:02}Z", 1 + numbers.below(12), 1 + numbers.below(28),
            numbers.below(24), numbers.below(60), numbers.below(60)
        ),
        "sold": numbers.below(5) == 0,
    });
    match metadata {
        serde_json::Value::Object(metadata) => Document {
            metadata,
            ..Document::default()
        },
        _ => Document::default(),
    }
}

/// The middle of several times.
fn middle<T>(mut run: impl FnMut() -> T) -> Duration {
    let mut times: Vec<Duration> = (0..11)
        .map(|_| {
            let start = Instant::now();
            black_box(run());
            start.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

fn main() -> Result<(), Box<dyn Error>> {
    let schema: FieldSchema = [
        ("brand", FieldType::Keyword),
        ("changed", FieldType::Date),
        ("published", FieldType::Date),
        ("sold", FieldType::Boolean),
        ("stock", FieldType::Integer),
        ("tag", FieldType::Keyword),
        ("tags", FieldType::Keyword),
        ("volume_l", FieldType::Float),
        ("year", FieldType::Integer),
    ]
    .into_iter()
    .collect();
    let folder = tempfile::tempdir()?;
    let dir = folder.path().join("columns");
    let mut numbers = Numbers(7);
    let mut writer = ColumnWriter::create(&dir, &schema)?;
    let mut writing = Duration::ZERO;
    for _ in 0..DOCUMENTS {
        let document = document(&mut numbers);
        let start = Instant::now();
        writer.push(&document)?;
        writing += start.elapsed();
    }
    let start = Instant::now();
    writer.finish()?;
    println!(
        "taken in {writing:.2?}, finished in {:.2?}",
        start.elapsed()
    );
    for (place, name) in schema.names().enumerate() {
        let bytes = std::fs::metadata(dir.join(format!("column-{place}")))?.len();
        println!(
            "{:>6.2} bytes a document: {name}",
            bytes as f64 / DOCUMENTS as f64
        );
    }
    println!("opened in {:.2?}", middle(|| Columns::open(&dir).map(drop)));
    let columns = Columns::open(&dir)?;
    let bind = |text| -> Result<_, Box<dyn Error>> { Ok(Filter::parse(text)?.bind(&schema)?) };
    let start = Instant::now();
    bind(FILTERS[7])?.matches(&columns)?;
    println!(
        "{:>10.2?} for the first filter, which verifies its column",
        start.elapsed()
    );
    for text in FILTERS {
        let filter = bind(text)?;
        let n = filter.matches(&columns)?.count_ones(..);
        let time = middle(|| filter.matches(&columns).map(drop));
        println!("{time:>10.2?} {n:>8} {text}");
    }
    let all = bind("brand:*")?.matches(&columns)?;
    let some = bind("volume_l:[250 TO 330]")?.matches(&columns)?;
    for (name, docs) in [("all", &all), ("a tenth", &some)] {
        for field in schema.names() {
            let time = middle(|| columns.facets(field, docs, Some(10)).map(drop));
            println!("{time:>10.2?} facets of {field} over {name}");
        }
    }
    for by in ["volume_l", "-changed", "tags"] {
        let by: SortBy = by.parse()?;
        let time = middle(|| columns.sorted(&by, &all, 100).map(drop));
        println!("{time:>10.2?} 100 of all by {by}");
    }
    let one = middle(|| columns.number(DocId(numbers.below(DOCUMENTS) as u32), "volume_l"));
    println!("{one:>10.2?} a number");
    let copy = folder.path().join("copy");
    let start = Instant::now();
    let mut writer = ColumnWriter::create(&copy, &schema)?;
    writer.copy(&columns, all.ones().map(|doc| DocId(doc as u32)))?;
    println!("copied in {:.2?}", start.elapsed());
    Ok(())
}
