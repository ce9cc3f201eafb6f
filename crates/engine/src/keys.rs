//! Unknown configuration keys, found before the typed parser sees them, so that
//! the message can name the nearest right key.

use toml::{Table, Value};

/// The first key in `given` that `known` lacks, as a dotted path, with the nearest key that
/// `known` has in that table.
///
/// Only tables known as tables are entered; a table in `known` whose one key is
/// `*` allows any key there.
pub(crate) fn first_unknown(given: &Table, known: &Table) -> Option<(String, Option<String>)> {
    unknown_below(given, known, "")
}

fn unknown_below(given: &Table, known: &Table, path: &str) -> Option<(String, Option<String>)> {
    for (key, value) in given {
        let here = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        let Some(expected) = known.get(key).or_else(|| known.get("*")) else {
            let below = |name: &str| match path {
                "" => name.to_string(),
                _ => format!("{path}.{name}"),
            };
            let nearest = nearest(key, known.keys().map(String::as_str)).map(below);
            // Or the same key in a section that is missing from the path.
            let moved = known.iter().find(|(_, section)| {
                let section = section.as_table();
                section.is_some_and(|section| section.contains_key(key))
            });
            let moved = moved.map(|(section, _)| below(&format!("{section}.{key}")));
            return Some((here, moved.or(nearest)));
        };
        if let (Value::Table(given), Value::Table(known)) = (value, expected)
            && let Some(found) = unknown_below(given, known, &here)
        {
            return Some(found);
        }
    }
    None
}

/// The candidate nearest to `word` by edit distance, if one is near enough to be
/// what was meant.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().max(word.len()) / 2)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Sections that had another name before: the former name and today's. Configurations that
/// people wrote under the former one are still read.
const FORMER_SECTIONS: [(&str, &str); 1] = [("lexical", "bm25")];

/// A dotted key with the name that its section has today.
pub(crate) fn current_name(key: &str) -> String {
    let (section, rest) = key.split_once('.').unwrap_or((key, ""));
    let former = FORMER_SECTIONS
        .iter()
        .find(|(former, _)| *former == section);
    match former {
        Some((_, today)) if rest.is_empty() => (*today).to_string(),
        Some((_, today)) => format!("{today}.{rest}"),
        None => key.to_string(),
    }
}

/// Gives the sections of `table` the names that they have today.
///
/// # Errors
/// The former and today's name of a section that stands under both.
pub(crate) fn rename_former(table: &mut Table) -> Result<(), (&'static str, &'static str)> {
    for (former, today) in FORMER_SECTIONS {
        if let Some(section) = table.remove(former)
            && table.insert(today.to_string(), section).is_some()
        {
            return Err((former, today));
        }
    }
    Ok(())
}

/// Sets a dotted `key` in `table` to `value`, making the tables on the way.
///
/// # Errors
/// The part of the key that is not a table.
pub(crate) fn set(table: &mut Table, key: &str, value: Value) -> Result<(), String> {
    match key.split_once('.') {
        None => {
            table.insert(key.to_string(), value);
            Ok(())
        }
        Some((head, rest)) => {
            let inner = table
                .entry(head)
                .or_insert_with(|| Value::Table(Table::new()));
            match inner {
                Value::Table(inner) => set(inner, rest, value),
                _ => Err(head.to_string()),
            }
        }
    }
}

/// A table without tables in it: their keys become dotted ones.
///
/// # Errors
/// A key that then stands twice.
pub(crate) fn flattened(table: Table) -> Result<Table, String> {
    fn add(flat: &mut Table, path: &str, table: Table) -> Result<(), String> {
        for (key, value) in table {
            let name = match path {
                "" => key,
                _ => format!("{path}.{key}"),
            };
            match value {
                Value::Table(inner) => add(flat, &name, inner)?,
                _ if flat.contains_key(&name) => return Err(name),
                value => {
                    flat.insert(name, value);
                }
            }
        }
        Ok(())
    }
    let mut flat = Table::new();
    add(&mut flat, "", table)?;
    Ok(flat)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        text.parse().unwrap()
    }

    #[test]
    fn the_nearest_right_key_is_named() {
        let known = table("[bm25]\nanalyzer = ''\nk1 = 0.0\n[profiles.'*']\nweights = 0");
        let found = |text: &str| first_unknown(&table(text), &known);
        assert_eq!(found("[bm25]\nk1 = 1.0"), None);
        assert_eq!(
            found("[bm25]\nanalyser = 'german'"),
            Some(("bm25.analyser".into(), Some("bm25.analyzer".into())))
        );
        assert_eq!(
            found("[profiles.mine]\nwheights = 1"),
            Some((
                "profiles.mine.wheights".into(),
                Some("profiles.mine.weights".into())
            ))
        );
        assert_eq!(
            found("zzzzzzzzzzzzzzz = 1"),
            Some(("zzzzzzzzzzzzzzz".into(), None))
        );
    }

    #[test]
    fn a_key_without_its_section_is_found_in_it() {
        let known = table("device = ''\n[bm25]\nk1 = 0.0\nb = 0.0");
        assert_eq!(
            first_unknown(&table("b = 0.4"), &known),
            Some(("b".into(), Some("bm25.b".into())))
        );
    }

    #[test]
    fn a_section_is_read_under_its_former_name_but_not_under_both() {
        let mut old = table("[lexical]\nk1 = 1.0");
        assert_eq!(rename_former(&mut old), Ok(()));
        assert_eq!(old, table("[bm25]\nk1 = 1.0"));
        let mut both = table("[lexical]\nk1 = 1.0\n[bm25]\nb = 0.4");
        assert_eq!(rename_former(&mut both), Err(("lexical", "bm25")));
        assert_eq!(current_name("lexical.k1"), "bm25.k1");
        assert_eq!(current_name("lexical"), "bm25");
        assert_eq!(current_name("dense.m"), "dense.m");
        assert_eq!(current_name("lexicals.k1"), "lexicals.k1");
    }

    #[test]
    fn tables_within_become_dotted_keys() {
        let nested = table("a = 1\n'b.c' = 2\n[d]\ne = 3\n[d.f]\ng = 4");
        let flat = table("a = 1\n'b.c' = 2\n'd.e' = 3\n'd.f.g' = 4");
        assert_eq!(flattened(nested), Ok(flat));
        let twice = table("'a.b' = 1\n[a]\nb = 2");
        assert_eq!(flattened(twice), Err("a.b".to_string()));
    }

    #[test]
    fn a_dotted_key_makes_its_tables() {
        let mut made = Table::new();
        set(&mut made, "a.b.c", Value::Integer(3)).unwrap();
        assert_eq!(made, table("[a.b]\nc = 3"));
        assert_eq!(
            set(&mut made, "a.b.c.d", Value::Integer(3)),
            Err("c".to_string())
        );
    }
}
