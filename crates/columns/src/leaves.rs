//! The values of a document's metadata, by dotted name.

use serde_json::Value as Json;
use treffer_types::Metadata;

/// As deep as JSON is read; metadata from elsewhere may be deeper.
const MOST_LEVELS: usize = 128;

/// Calls `visit` with the name and value of every text, number and boolean in `metadata`.
///
/// `{"size": {"width": 60}}` has the name `size.width`. The elements of an array have the
/// array's name. What is null or an empty text has no value and is not visited. Returns the name
/// of what is nested too deep to be visited, if anything is.
pub(crate) fn for_each<'a>(
    metadata: &'a Metadata,
    visit: &mut dyn FnMut(&str, &'a Json),
) -> Option<String> {
    let mut walk = Walk {
        name: String::new(),
        too_deep: None,
        visit,
    };
    walk.object(metadata, 0);
    walk.too_deep
}

struct Walk<'v, 'a> {
    name: String,
    too_deep: Option<String>,
    visit: &'v mut dyn FnMut(&str, &'a Json),
}

impl<'a> Walk<'_, 'a> {
    fn object(&mut self, object: &'a Metadata, level: usize) {
        for (key, value) in object {
            let before = self.name.len();
            if level > 0 {
                self.name.push('.');
            }
            self.name.push_str(key);
            self.value(value, level + 1);
            self.name.truncate(before);
        }
    }

    fn value(&mut self, value: &'a Json, level: usize) {
        match value {
            Json::Null => {}
            Json::String(text) if text.trim().is_empty() => {}
            Json::Array(_) | Json::Object(_) if level > MOST_LEVELS => {
                self.too_deep.get_or_insert_with(|| self.name.clone());
            }
            Json::Array(elements) => {
                for element in elements {
                    self.value(element, level + 1);
                }
            }
            Json::Object(object) => self.object(object, level),
            Json::String(_) | Json::Number(_) | Json::Bool(_) => (self.visit)(&self.name, value),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn leaves(json: Json) -> Vec<String> {
        let Json::Object(metadata) = json else {
            unreachable!("it is an object")
        };
        let mut leaves = Vec::new();
        let too_deep = for_each(&metadata, &mut |name, value| {
            leaves.push(format!("{name}={value}"));
        });
        leaves.extend(too_deep.map(|name| format!("{name} is too deep")));
        leaves
    }

    #[test]
    fn objects_are_entered_and_arrays_are_several_values() {
        let json = json!({
            "a": 1, "b": {"c": [true, [2.5, null]], "d": {}}, "e": [{"f": "x"}, {"f": "y"}],
            "none": null, "empty": "", "blank": " ",
        });
        assert_eq!(
            leaves(json),
            ["a=1", "b.c=true", "b.c=2.5", "e.f=\"x\"", "e.f=\"y\""]
        );
    }

    #[test]
    fn what_is_too_deep_is_named() {
        let deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(leaves(json!({"a": deep, "b": 1})), ["b=1", "a is too deep"]);
    }
}
