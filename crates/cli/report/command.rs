//! Command lines to copy: what was typed, and what to type next.

use serde_json::Value;
use treffer_engine::tune::Choice;
use treffer_types::StageName;

use super::markup::{Element, el};
use crate::args::How;

/// The beginning of a command that follows up on a report: program, index and options.
#[derive(Clone, Debug)]
pub(super) struct Command {
    index: String,
    options: Vec<String>,
}

impl Command {
    /// On the same index in the same way.
    pub(super) fn on(index: &std::path::Path, how: &How) -> Self {
        let mut options = Vec::new();
        let mut option = |flag: &str, value: String| options.extend([flag.to_owned(), value]);
        if how.profile != treffer_engine::config::DEFAULT_PROFILE {
            option("--profile", how.profile.clone());
        }
        if let Some(stages) = &how.stages {
            let names: Vec<&str> = stages.iter().map(|stage| stage.as_str()).collect();
            option("--stages", names.join(","));
        }
        if let Some(weights) = &how.weights {
            option("--weights", weights.to_string());
        }
        for text in &how.overrides {
            option("--set", text.clone());
        }
        Command {
            index: index.display().to_string(),
            options,
        }
    }

    /// On the same index in the way that tuning chose, whether or not it was written:
    /// its weights, and what else it changed of the current profile.
    pub(super) fn tuned(
        index: &std::path::Path,
        how: &How,
        best: &Choice,
        current: &Choice,
    ) -> Self {
        let mut how = How {
            weights: Some(best.weights),
            ..how.clone()
        };
        let mut set = |key: String, value: Value, before: Value| {
            if value != before {
                how.overrides.push(format!("{key}={}", inline_toml(&value)));
            }
        };
        let (best, current) = (&best.setup, &current.setup);
        for (key, depth, before) in [
            ("bm25_depth", best.bm25_depth, current.bm25_depth),
            ("dense_depth", best.dense_depth, current.dense_depth),
            ("cross_depth", best.cross_depth, current.cross_depth),
        ] {
            set(key.into(), depth.into(), before.into());
        }
        set(
            "cross_order".into(),
            json(best.cross_order),
            json(current.cross_order),
        );
        for stage in StageName::ALL {
            let (chosen, before) = (best.normalizers[stage], current.normalizers[stage]);
            set(format!("normalizers.{stage}"), json(chosen), json(before));
        }
        Command::on(index, &how)
    }

    /// `treffer explain` of a document for a query.
    pub(super) fn explaining(&self, query: &str, doc: &str) -> Element {
        let mut words = vec!["treffer".to_owned(), "explain".into()];
        words.extend(self.options.iter().cloned());
        if [self.index.as_str(), query, doc]
            .iter()
            .any(|word| word.starts_with('-'))
        {
            words.push("--".into()); // what follows is no flag
        }
        words.extend([self.index.clone(), query.to_owned(), doc.to_owned()]);
        shown(&words)
    }
}

/// A command as it would be typed in a shell.
pub(super) fn shown(words: &[String]) -> Element {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    el("code").class("command").text(words.join(" "))
}

fn json(value: impl serde::Serialize) -> Value {
    serde_json::to_value(value).expect("the keys of a profile are text")
}

/// A value as `--set` takes it.
fn inline_toml(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(key, value)| format!("{key} = {}", inline_toml(value)));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A word in the quotes of a POSIX shell, where it needs them.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_the_option_takes_them() {
        let value = serde_json::json!({ "sigmoid": { "slope": 0.5, "offset": -1.25 } });
        assert_eq!(
            inline_toml(&value),
            "{ sigmoid = { slope = 0.5, offset = -1.25 } }"
        );
        assert_eq!(inline_toml(&"min-max".into()), "min-max");
        assert_eq!(inline_toml(&25.into()), "25");
    }

    #[test]
    fn words_are_quoted_where_a_shell_would_take_them_apart() {
        assert_eq!(quoted("cross_depth=20"), "cross_depth=20");
        assert_eq!(quoted("quiet fridge"), "'quiet fridge'");
        assert_eq!(quoted("it's; rm -rf $HOME"), "'it'\\''s; rm -rf $HOME'");
        assert_eq!(quoted(""), "''");
    }
}
