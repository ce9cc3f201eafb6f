//! The metadata at the very start of a Markdown file: YAML between lines of `---`, or TOML
//! between lines of `+++`.

/// A file in two parts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Split<'a> {
    /// The title that the metadata give, if any.
    pub(crate) title: Option<String>,
    /// What follows them: the text.
    pub(crate) body: &'a str,
}

/// Takes the metadata off, if there are any. Rules elsewhere in a file, or at its start but
/// around something else, are part of the text.
pub(crate) fn split(text: &str) -> Split<'_> {
    split_off(text).unwrap_or(Split {
        title: None,
        body: text,
    })
}

fn split_off(text: &str) -> Option<Split<'_>> {
    let mut lines = text.split_inclusive('\n');
    let fence = lines.next()?;
    let fence_line = fence.trim_end();
    let ends: &[&str] = match fence_line {
        "---" => &["---", "..."],
        "+++" => &["+++"],
        _ => return None,
    };
    let mut end = fence.len();
    for line in lines {
        if ends.contains(&line.trim_end()) {
            let metadata = &text[fence.len()..end];
            return Some(Split {
                title: match fence_line {
                    "---" => yaml_title(metadata)?,
                    _ => toml_title(metadata)?,
                },
                body: &text[end + line.len()..],
            });
        }
        end += line.len();
    }
    None // never closed: it is a rule
}

/// Whether every line could be one of YAML's, and some are `key: value`. A rule with text
/// below it would have a blank line or a sentence.
fn is_yaml(text: &str) -> bool {
    let is_possible = |line: &str| {
        let is_inner = line.starts_with([' ', '\t', '#', ']', '}']) || line.starts_with("- ");
        line.is_empty() || is_inner || yaml_entry(line).is_some()
    };
    let mut lines = text.lines().map(str::trim_end).peekable();
    let starts = lines.peek().is_none_or(|line| !line.is_empty());
    let has_entry = text.is_empty() || text.lines().any(|line| yaml_entry(line).is_some());
    starts && has_entry && lines.all(is_possible)
}

/// Key and value of a line such as `key: value`.
fn yaml_entry(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once(':')?;
    // YAML allows more in a key; but with blanks in it, it is more likely a sentence.
    let is_plain = |c: char| c.is_alphanumeric() || "_-.".contains(c);
    let key = key.trim_matches(['"', '\'']);
    let is_key = !key.is_empty() && !key.starts_with('-') && key.chars().all(is_plain);
    let is_separated = value.is_empty() || value.starts_with([' ', '\t']);
    (is_key && is_separated).then_some((key, value.trim()))
}

/// The title in YAML, `None` if it is no YAML. Of the whole language, only the forms that a
/// title has: plain, quoted or folded over lines, so that no parser of YAML is needed.
fn yaml_title(yaml: &str) -> Option<Option<String>> {
    if !is_yaml(yaml) {
        return None;
    }
    let mut lines = yaml.lines();
    let first = lines.find_map(|line| match yaml_entry(line) {
        Some((key, value)) if key.eq_ignore_ascii_case("title") => Some(value),
        _ => None,
    });
    Some(first.and_then(|first| yaml_scalar(first, lines)))
}

/// The text that begins with `first` and goes on in the lines below that are indented.
fn yaml_scalar<'a>(first: &'a str, lines: impl Iterator<Item = &'a str>) -> Option<String> {
    let more = lines.take_while(|line| line.is_empty() || line.starts_with([' ', '\t']));
    let more: Vec<&str> = more
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let is_block = first.starts_with(['>', '|']);
    let mut parts = if is_block { Vec::new() } else { vec![first] };
    parts.extend(more);
    let value = parts.join(" ");
    let value = value.trim();
    let title = if is_block {
        value.to_owned()
    } else if let Some(inner) = value.strip_prefix('\'') {
        // Within single quotes, only the quote itself is escaped: by doubling it.
        let whole = inner.replace("''", "\0");
        whole
            .split('\'')
            .next()
            .unwrap_or_default()
            .replace('\0', "'")
    } else if value.starts_with('"') {
        // Escapes are those of JSON and a few that no title has.
        let mut strings = serde_json::Deserializer::from_str(value).into_iter::<String>();
        match strings.next() {
            Some(Ok(title)) => title,
            _ => value.trim_matches('"').to_owned(),
        }
    } else {
        value
            .split(" #")
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    Some(title).filter(|title| !title.is_empty() && title != "~" && title != "null")
}

/// The title in TOML, `None` if it is no TOML.
fn toml_title(text: &str) -> Option<Option<String>> {
    let table: toml::Table = text.parse().ok()?;
    let title = table.get("title").and_then(toml::Value::as_str);
    Some(
        title
            .map(|title| title.trim().to_owned())
            .filter(|title| !title.is_empty()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn title(yaml: &str) -> Option<String> {
        let text = format!("---\nlayout: page\n{yaml}\ntags: [a]\n---\nbody");
        let Split { title, body } = split(&text);
        assert_eq!(body, "body", "{text}");
        title
    }

    #[test]
    fn a_title_is_read_in_every_form() {
        for (yaml, expected) in [
            (
                "title: Plain: with a colon # comment",
                "Plain: with a colon",
            ),
            ("title: 'It''s quoted' # comment", "It's quoted"),
            ("Title: \"K\\u00fchl \\\"A\\\"\" # comment", "Kühl \"A\""),
            ("title: >-\n  folded over\n\n  lines", "folded over lines"),
            ("title: plain over\n  lines", "plain over lines"),
            ("title: 1984", "1984"),
        ] {
            assert_eq!(title(yaml).as_deref(), Some(expected), "{yaml}");
        }
        for yaml in [
            "title:",
            "title: ''",
            "title: ~",
            "other: x",
            "sub:\n  title: x",
        ] {
            assert_eq!(title(yaml), None, "{yaml}");
        }
    }

    #[test]
    fn toml_has_plus_signs() {
        let text = "+++\n# comment\ntitle = \"A \\\"b\\\"\"\n[x]\ntitle = 1\n+++\r\nbody";
        let split = split(text);
        assert_eq!(
            (split.title.as_deref(), split.body),
            (Some("A \"b\""), "body")
        );
    }

    #[test]
    fn rules_are_text() {
        for text in [
            "text\n---\ntitle: x\n---\n",
            "---\n\ntitle: x\n---\n",
            "---\nA sentence: with a colon, too.\n---\nmore",
            "---\n**bold** text\n---\nmore",
            "---\n# Heading\n---\nmore",
            "---\nnote: one key\nand a sentence\n---\nmore",
            "---\nhttp://x\n---\nmore",
            "---\ntitle: never closed\n",
            "+++\nsome text\n+++\n",
            "----\ntitle: x\n----\n",
            " ---\ntitle: x\n---\n",
            "",
        ] {
            assert_eq!(
                split(text),
                Split {
                    title: None,
                    body: text
                },
                "{text:?}"
            );
        }
    }

    #[test]
    fn empty_metadata_are_taken_off() {
        assert_eq!(split("---\n---\nbody").body, "body");
        assert_eq!(
            split("---\r\n# comment\r\n\r\na:\r\n- b\r\n...\r\nbody").body,
            "body"
        );
    }
}
