//! Columns against the documents that they were made of. What damage does is in [`damage`],
//! filters are compared in [`filters`].

mod damage;
mod filters;

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use treffer_types::{DocId, Document};

use crate::{
    ColumnWriter, Columns, Date, Error, FieldSchema, FieldType, FixedBitSet, SortBy, Value,
};

/// A document with this metadata, an object.
fn document(metadata: Json) -> Document {
    match metadata {
        Json::Object(metadata) => Document {
            metadata,
            ..Document::default()
        },
        other => panic!("{other} is no object"),
    }
}

fn schema() -> FieldSchema {
    [
        ("brand", FieldType::Keyword),
        ("price", FieldType::Float),
        ("published", FieldType::Date),
        ("sold", FieldType::Boolean),
        ("tag", FieldType::Keyword),
        ("year", FieldType::Integer),
    ]
    .into_iter()
    .collect()
}

fn columns(schema: &FieldSchema, documents: &[Document]) -> (TempDir, Columns) {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = ColumnWriter::create(dir.path(), schema).unwrap();
    for document in documents {
        assert_eq!(writer.push(document).unwrap(), []);
    }
    let record = writer.finish().unwrap();
    let columns = Columns::open(dir.path()).unwrap();
    assert_eq!(columns.record(), record);
    assert_eq!(problems(&columns), [""; 0]);
    (dir, columns)
}

fn problems(columns: &Columns) -> Vec<String> {
    let mut problems = Vec::new();
    columns.verify(&mut |path, problem| {
        let file = path.file_name().unwrap().to_string_lossy();
        problems.push(format!("{file}: {problem}"));
    });
    problems
}

/// The different values of a field of a document, by its JSON alone. Fields are at the top.
fn values_of(document: &Document, field: &str, field_type: FieldType) -> Vec<Value> {
    let list = match document.metadata.get(field) {
        None => Vec::new(),
        Some(Json::Array(list)) => list.clone(),
        Some(one) => vec![one.clone()],
    };
    let value = |json: &Json| match field_type {
        FieldType::Keyword => Value::Keyword(json.as_str().unwrap().to_owned()),
        FieldType::Integer => Value::Integer(json.as_i64().unwrap()),
        FieldType::Float => Value::Float(json.as_f64().unwrap() + 0.0),
        FieldType::Date => Value::Date(json.as_str().unwrap().parse().unwrap()),
        FieldType::Boolean => Value::Boolean(json.as_bool().unwrap()),
    };
    let mut values: Vec<Value> = list.iter().map(value).collect();
    values.sort();
    values.dedup();
    values
}

fn all(columns: &Columns) -> FixedBitSet {
    let mut all = FixedBitSet::with_capacity(columns.len());
    all.toggle_range(..);
    all
}

/// A value of each type, from few and from many different ones.
fn value(field_type: FieldType) -> BoxedStrategy<Json> {
    match field_type {
        FieldType::Keyword => prop_oneof![
            prop::sample::select(vec!["a", "b", "B", "ab", "aé", "z"]).prop_map(Json::from),
            "[a-z]{1,3}".prop_map(Json::from),
        ]
        .boxed(),
        FieldType::Integer => prop_oneof![
            (-3i64..3).prop_map(Json::from),
            (0i64..100).prop_map(|n| Json::from(n * 1000 - 7)),
            any::<i64>().prop_map(Json::from),
        ]
        .boxed(),
        FieldType::Float => prop_oneof![
            (-6i64..6).prop_map(|n| Json::from(n as f64 / 2.0)),
            (-1e300..1e300).prop_map(Json::from),
        ]
        .boxed(),
        FieldType::Date => (0..5, 1..13, 1..29, 0..3)
            .prop_map(|(year, month, day, hour)| {
                let day = format!("{}-{month:02}-{day:02}", 1968 + year);
                Json::from(if hour == 0 {
                    day
                } else {
                    format!("{day}T0{hour}:00:00Z")
                })
            })
            .boxed(),
        FieldType::Boolean => any::<bool>().prop_map(Json::from).boxed(),
    }
}

/// Documents with `most` values in a field at most.
fn documents(most: usize) -> impl Strategy<Value = Vec<Document>> {
    let field = move |field_type| {
        let list = prop::collection::vec(value(field_type), 0..=most);
        list.prop_map(|list| (!list.is_empty()).then_some(Json::from(list)))
    };
    let fields: Vec<_> = schema()
        .iter()
        .map(|(name, ty)| {
            field(ty).prop_map({
                let name = name.to_owned();
                move |value| Some((name.clone(), value?))
            })
        })
        .collect();
    prop::collection::vec(fields, 0..90).prop_map(|documents| {
        let documents = documents.into_iter().map(|fields| Document {
            metadata: fields.into_iter().flatten().collect(),
            ..Document::default()
        });
        documents.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn values_facets_and_orders_are_those_of_the_documents(
        documents in prop_oneof![documents(1), documents(3)],
        picked in prop::collection::vec(any::<bool>(), 90),
    ) {
        let (_dir, columns) = columns(&schema(), &documents);
        prop_assert_eq!(columns.len(), documents.len());
        let mut docs = FixedBitSet::with_capacity(columns.len());
        for (doc, _) in picked.iter().take(columns.len()).enumerate().filter(|(_, take)| **take) {
            docs.insert(doc);
        }
        for (field, field_type) in schema().iter() {
            let expected: Vec<Vec<Value>> =
                documents.iter().map(|document| values_of(document, field, field_type)).collect();
            let n_present = expected.iter().filter(|values| !values.is_empty()).count();
            prop_assert_eq!(columns.n_present(field), Some(n_present as u32));
            for (doc, expected) in expected.iter().enumerate() {
                let doc = DocId(doc as u32);
                prop_assert_eq!(&columns.values(doc, field).unwrap(), expected);
                let number = match expected.first() {
                    Some(Value::Integer(n)) => Some(*n as f64),
                    Some(Value::Float(n)) => Some(*n),
                    Some(Value::Date(date)) => Some(date.microseconds() as f64 / 1e6),
                    Some(Value::Boolean(truth)) => Some(if *truth { 1.0 } else { 0.0 }),
                    Some(Value::Keyword(_)) | None => None,
                };
                match columns.number(doc, field) {
                    Ok(found) => prop_assert_eq!(found, number),
                    Err(error) => {
                        prop_assert!(field_type == FieldType::Keyword, "{}", error);
                    }
                }
            }
            // Facets, counted one by one.
            let mut counts: Vec<(u64, Value)> = Vec::new();
            for value in docs.ones().flat_map(|doc| &expected[doc]) {
                match counts.iter_mut().find(|(_, known)| known == value) {
                    Some((count, _)) => *count += 1,
                    None => counts.push((1, value.clone())),
                }
            }
            counts.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
            let facets = columns.facets(field, &docs, None).unwrap();
            let found: Vec<(u64, Value)> =
                facets.values.iter().map(|facet| (facet.count, facet.value.clone())).collect();
            prop_assert_eq!(&found, &counts);
            let present = docs.ones().filter(|&doc| !expected[doc].is_empty()).count() as u64;
            prop_assert_eq!(facets.n_present, present);
            prop_assert_eq!(facets.n_missing, docs.count_ones(..) as u64 - present);
            let top = columns.facets(field, &docs, Some(2)).unwrap();
            prop_assert_eq!(top.n_values, counts.len());
            prop_assert_eq!(top, facets.top(2));
            // Orders, sorted one by one.
            for descending in [false, true] {
                let by = SortBy { field: field.to_owned(), descending };
                let mut order: Vec<usize> = docs.ones().collect();
                order.sort_by(|&a, &b| {
                    let [a, b] = [a, b].map(|doc| if descending {
 expected[doc].last()
 } else {
 expected[doc].first()
 });
                    match (a, b) {
                        (Some(a), Some(b)) if descending => b.cmp(a),
                        (Some(a), Some(b)) => a.cmp(b),
                        (a, b) => a.is_none().cmp(&b.is_none()),
                    }
                });
                for top in [0, 3, 1000] {
                    let sorted = columns.sorted(&by, &docs, top).unwrap();
                    let found: Vec<usize> =
                        sorted.iter().map(|(_, doc)| doc.0 as usize).collect();
                    prop_assert_eq!(&found[..], &order[..top.min(order.len())]);
                    prop_assert!(sorted.is_sorted_by(|a, b| a.0 <= b.0));
                }
            }
        }
    }
}

// Each case seals several folders, and so waits for the disk.
proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_copy_of_some_documents_is_as_if_they_alone_had_been_written(
        first in prop_oneof![documents(1), documents(3)],
        second in documents(2),
        live in prop::collection::vec(any::<bool>(), 90),
    ) {
        let live = |doc: &usize| live[*doc];
        let (_first_dir, first_columns) = columns(&schema(), &first);
        let (_second_dir, second_columns) = columns(&schema(), &second);
        let dir = tempfile::tempdir().unwrap();
        let mut writer = ColumnWriter::create(dir.path(), &schema()).unwrap();
        let docs = (0..first.len()).filter(live).map(|doc| DocId(doc as u32));
        writer.copy(&first_columns, docs).unwrap();
        let docs = (0..second.len()).map(|doc| DocId(doc as u32));
        writer.copy(&second_columns, docs).unwrap();
        let record = writer.finish().unwrap();
        let remaining = (0..first.len()).filter(live).map(|doc| first[doc].clone());
        let together: Vec<Document> = remaining.chain(second).collect();
        let (_together_dir, expected) = columns(&schema(), &together);
        // The same bytes.
        prop_assert_eq!(record, expected.record());
    }

    #[test]
    fn facets_of_segments_add_up(documents in documents(2), cut in 0usize..90) {
        let cut = cut.min(documents.len());
        let (_dir, whole) = columns(&schema(), &documents);
        let (_left_dir, left) = columns(&schema(), &documents[..cut]);
        let (_right_dir, right) = columns(&schema(), &documents[cut..]);
        for field in schema().names() {
            let facets = |columns: &Columns| columns.facets(field, &all(columns), None).unwrap();
            prop_assert_eq!(facets(&left).merge(facets(&right)), facets(&whole));
        }
    }
}

#[test]
fn values_of_another_type_are_reported_and_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = ColumnWriter::create(dir.path(), &schema()).unwrap();
    let document = document(json!({
        "year": ["250", "250 Liter", 7], "sold": 1, "published": "soon", "brand": "x".repeat(2000),
        "other": {"not": "a field"}, "price": {"min": 1}, "tag": 5,
    }));
    let problems = writer.push(&document).unwrap();
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 4, "{texts:?}");
    assert!(texts[0].starts_with("the field `year` is of type integer, and \"250 Liter\" is none"));
    assert!(texts[1].starts_with("the field `sold` is of type boolean, and 1 is none"));
    assert!(texts[2].starts_with("the field `published` is of type date"));
    assert!(texts[3].starts_with("a value of the field `brand` has 2000 bytes"));
    writer.finish().unwrap();
    let columns = Columns::open(dir.path()).unwrap();
    let doc = DocId(0);
    let years = columns.values(doc, "year").unwrap();
    assert_eq!(years, [Value::Integer(7), Value::Integer(250)]);
    assert_eq!(
        columns.values(doc, "tag").unwrap(),
        [Value::Keyword("5".into())]
    );
    assert_eq!(columns.values(doc, "price").unwrap(), []);
}

#[test]
fn the_whole_range_of_numbers_is_exact() {
    let numbers = [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX];
    let documents = numbers.map(|year| document(json!({ "year": year })));
    let (_dir, columns) = columns(&schema(), &documents);
    for (doc, number) in (0..).zip(numbers) {
        assert_eq!(
            columns.values(DocId(doc), "year").unwrap(),
            [Value::Integer(number)]
        );
    }
    // The largest code leaves no room for "none": it is not a single column, but must be one to
    // its users.
    let by = "-year".parse::<SortBy>().unwrap();
    assert_eq!(by.to_string(), "-year");
    let sorted = columns.sorted(&by, &all(&columns), 1).unwrap();
    assert_eq!(sorted[0].1, DocId(6));
    assert_eq!(sorted[0].0.value, Some(Value::Integer(i64::MAX)));
}

#[test]
fn values_that_have_much_in_common_take_few_bytes() {
    // Days, as microseconds: a byte each.
    let documents: Vec<Document> = (0..2000)
        .map(|i| document(json!({ "published": format!("2020-0{}-11", i % 9 + 1) })))
        .collect();
    let schema: FieldSchema = [("published", FieldType::Date)].into_iter().collect();
    let (_dir, columns) = columns(&schema, &documents);
    assert!(columns.record().bytes < 2200, "{:?}", columns.record());
    let date: Date = "2020-03-11".parse().unwrap();
    assert_eq!(
        columns.values(DocId(2), "published").unwrap(),
        [Value::Date(date)]
    );
}

#[test]
fn what_is_not_there_is_an_error_or_empty_as_documented() {
    let (dir, columns) = columns(&schema(), &[document(json!({"year": 1}))]);
    let unknown = columns.values(DocId(0), "colour").unwrap_err();
    assert!(matches!(unknown, Error::UnknownField { field } if field == "colour"));
    let unknown = columns.values(DocId(1), "year").unwrap_err();
    assert!(matches!(unknown, Error::UnknownDoc { doc: 1, len: 1 }));
    let keyword = columns.number(DocId(0), "brand").unwrap_err();
    assert!(matches!(keyword, Error::FieldType { .. }), "{keyword}");
    assert_eq!(
        columns
            .facets("colour", &all(&columns), None)
            .unwrap()
            .n_missing,
        1
    );
    let by = "colour".parse().unwrap();
    assert_eq!(columns.sort_key(&by, DocId(0)).unwrap().value, None);
    let other = columns
        .facets("year", &FixedBitSet::with_capacity(2), None)
        .unwrap_err();
    assert!(matches!(other, Error::OtherSet { found: 2, len: 1 }));
    let exists = ColumnWriter::create(dir.path(), &schema()).unwrap_err();
    assert!(matches!(exists, Error::Exists { .. }));
    let mut writer =
        ColumnWriter::create(tempfile::tempdir().unwrap().path(), &FieldSchema::new()).unwrap();
    let other = writer.copy(&columns, [DocId(0)]).unwrap_err();
    assert!(matches!(other, Error::OtherFields { .. }));
}
