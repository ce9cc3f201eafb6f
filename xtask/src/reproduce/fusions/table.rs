//! The fusion methods as tables in Markdown.

use std::collections::BTreeMap;

use super::{Against, BETTER, LEARNED, LEVEL, Line, WORSE};

/// The tuner's names of the baselines that come first, and what heads their columns.
const HEADINGS: [(&str, &str); 11] = [
    ("bm25 alone", "BM25"),
    ("dense alone", "dense"),
    ("late alone", "late"),
    ("cross alone", "cross"),
    ("rrf (k 60)", "RRF"),
    ("equal weights", "equal weights"),
    ("current profile", "preset's weights"),
    ("best two-way", "two-way, tuned"),
    ("best three-way", "three-way, tuned"),
    ("best without cross", "without cross, tuned"),
    (LEARNED, "learned"),
];

/// The baselines of the short table.
const SHORT: [&str; 4] = ["bm25 alone", "dense alone", "late alone", "cross alone"];

/// Means of the single stages and of the tuned profile.
pub(in crate::reproduce) fn summary(lines: &[Line]) -> String {
    let mut columns = vec![Column::collection()];
    columns.extend(SHORT.map(|name| Column::baseline(name, |one| decimals(one.mean))));
    columns.push(Column::new("tuned fusion", |line| decimals(line.tuned)));
    table(&columns, lines)
}

/// Means of all methods and what the tuned profile gains over each, with what the signs
/// mean.
pub(in crate::reproduce) fn tables(lines: &[Line]) -> String {
    let baselines = baselines(lines);
    let mut means = vec![
        Column::collection(),
        Column::new("queries", |line| line.n_queries.to_string()),
    ];
    means.extend(
        baselines
            .iter()
            .map(|name| Column::baseline(name, Against::mean)),
    );
    means.push(Column::new("tuned", Line::tuned));
    means.push(Column::new("weights", |line| weights(&line.weights)));
    let means = table(&means, lines);
    let mut gains = vec![Column::collection()];
    gains.extend(
        baselines
            .iter()
            .map(|name| Column::baseline(name, Against::gain)),
    );
    let gains = table(&gains, lines);
    let legend: Vec<String> = [(BETTER, "better"), (WORSE, "worse")]
        .into_iter()
        .filter(|(mark, _)| means.contains(mark))
        .map(|(mark, word)| {
            format!(
                "{mark} The tuned profile is significantly {word} (at {LEVEL}, corrected by \
                 Holm's method within the collection).\n"
            )
        })
        .collect();
    format!(
        "Means; for the tuned profile with half the width of the 95% interval of its mean.\n\
         {}\n{means}\n\
         Mean gain of the tuned profile over each method, as a 95% bootstrap interval without \
         correction; 0 if both ends round to 0.\n\n{gains}",
        legend.concat()
    )
}

/// One column of a table over the collections.
struct Column<'a> {
    heading: &'a str,
    cell: Box<dyn Fn(&Line) -> String + 'a>,
}

impl<'a> Column<'a> {
    fn new(heading: &'a str, cell: impl Fn(&Line) -> String + 'a) -> Self {
        Column {
            heading,
            cell: Box::new(cell),
        }
    }

    fn collection() -> Self {
        Column::new("collection", |line| line.collection.clone())
    }

    /// What `text` says of a baseline; empty where a collection does not have it.
    fn baseline(name: &'a str, text: impl Fn(&Against) -> String + 'a) -> Self {
        let known = HEADINGS.iter().find(|(known, _)| *known == name);
        let heading = known.map_or(name, |(_, heading)| *heading);
        Column::new(heading, move |line| {
            let mut against = line.against.iter();
            let found = against.find(|one| one.baseline == name);
            found.map_or(String::new(), &text)
        })
    }
}

fn table(columns: &[Column<'_>], lines: &[Line]) -> String {
    let cells = |cell: &dyn Fn(&Column<'_>) -> String| -> String {
        let cells: Vec<String> = columns.iter().map(cell).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let head = cells(&|column| column.heading.to_owned());
    let rule = cells(&|_| "---".to_owned());
    let rows = lines
        .iter()
        .map(|line| cells(&|column| (column.cell)(line)));
    head + &rule + &rows.collect::<String>()
}

/// Names of all baselines: the known ones in their order, then the others as they come.
fn baselines(lines: &[Line]) -> Vec<&str> {
    let met = || {
        lines
            .iter()
            .flat_map(|line| &line.against)
            .map(|one| one.baseline.as_str())
    };
    let known = HEADINGS.iter().map(|(name, _)| *name);
    let mut names: Vec<&str> = known.filter(|name| met().any(|one| one == *name)).collect();
    for name in met() {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn weights(weights: &BTreeMap<String, f64>) -> String {
    let stages = ["bm25", "dense", "late", "cross"].iter();
    let shares = stages.filter_map(|stage| weights.get(*stage));
    let shares: Vec<String> = shares.map(f64::to_string).collect();
    shares.join(", ")
}

impl Line {
    fn tuned(&self) -> String {
        format!("{} ± {}", decimals(self.tuned), decimals(self.half_width))
    }
}

impl Against {
    /// The baseline's mean.
    fn mean(&self) -> String {
        decimals(self.mean) + self.mark()
    }

    /// The interval of what the tuned profile gains.
    fn gain(&self) -> String {
        let [low, high] = self.interval;
        if is_nothing(low) && is_nothing(high) {
            return "0".to_owned();
        }
        format!("{} to {}", signed(low), signed(high))
    }
}

fn decimals(value: f64) -> String {
    format!("{value:.3}")
}

fn signed(value: f64) -> String {
    // What rounds to nothing has no sign of its own.
    let value = if is_nothing(value) { 0.0 } else { value };
    format!("{value:+.3}")
}

/// Whether three decimals show nothing of it.
fn is_nothing(value: f64) -> bool {
    value.abs() < 0.0005
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::TUNED;
    use super::super::tests::tuned;
    use super::*;
    use crate::reproduce::COMMAND;
    use crate::reproduce::definition::Experiment;
    use crate::reproduce::generated::tests::section;

    #[test]
    fn every_baseline_has_a_column_and_unknown_ones_their_own_name() {
        let lines = [
            tuned("some other", 0.0, 1.0).line("one"),
            tuned("dense alone", -0.2, 0.051).line("two"),
        ];
        let tables = tables(&lines);
        let rows: Vec<&str> = tables
            .lines()
            .filter(|line| line.starts_with('|'))
            .collect();
        assert_eq!(
            rows,
            [
                "| collection | queries | BM25 | dense | some other | tuned | weights |",
                "| --- | --- | --- | --- | --- | --- | --- |",
                "| one | 2 | 0.400\\* |  | 0.700 | 0.700 ± 0.196 | 0.1, 0.35, 0.55 |",
                "| two | 2 | 0.400\\* | 0.900 |  | 0.700 ± 0.196 | 0.1, 0.35, 0.55 |",
                "| collection | BM25 | dense | some other |",
                "| --- | --- | --- | --- |",
                "| one | +0.200 to +0.400 |  | -1.250 to +0.500 |",
                "| two | +0.200 to +0.400 | -1.250 to +0.500 |  |",
            ]
        );
        assert_eq!(
            summary(&lines).lines().last(),
            Some("| two | 0.400 | 0.900 |  |  | 0.700 |")
        );
    }

    #[test]
    fn what_was_learned_is_a_column_with_the_tuned_profiles_gain_over_it() {
        let with = |difference: [f64; 3]| {
            let [difference, low, high] = difference;
            let mut tuned = tuned("dense alone", 0.1, 0.01);
            let learned = format!(
                r#"{{"out_of_fold": 0.71, "against_tuned":
                    {{"difference": {difference}, "interval": [{low}, {high}], "adjusted_p": 0.2}}}}"#
            );
            tuned.learned = Some(serde_json::from_str(&learned).unwrap());
            tables(&[tuned.line("one")])
        };
        let differs = with([0.01, -0.02, 0.04]);
        assert!(differs.contains("| learned |"), "{differs}");
        assert!(differs.contains("| 0.710 |"), "{differs}");
        assert!(differs.contains("| -0.040 to +0.020 |"), "{differs}");
        let same = with([0.0, -0.0, 0.0]);
        assert!(same.contains("| 0 |"), "{same}");
    }

    #[test]
    fn a_worse_tuned_profile_is_marked() {
        let tables = tables(&[tuned("some other", -0.1, 0.001).line("one")]);
        assert!(tables.contains("| 0.800† |"), "{tables}");
        assert!(tables.contains("† The tuned profile is significantly worse"));
    }

    #[test]
    fn the_pages_show_what_the_definitions_expect() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let folder = root.join("configs/reproduce");
        let page = section("configs/reproduce/README.md", COMMAND);
        let short = section("README.md", COMMAND);
        let cells = |line: &str| -> Vec<String> {
            line.split('|').map(|cell| cell.trim().to_owned()).collect()
        };
        let figure = |text: &str, collection: &str, heading: &str| -> Option<f64> {
            let mut rows = text.lines().map(cells).skip_while(|row| row.len() < 2);
            let head = rows.next()?;
            let column = head.iter().position(|cell| cell == heading)?;
            let row = rows.find(|row| row.get(1).is_some_and(|name| name == collection))?;
            let number = row[column].split([' ', '\\', '†']).next()?;
            number.parse().ok()
        };
        for name in Experiment::names_in(&folder).unwrap() {
            let experiment = Experiment::read(&folder, &name).unwrap();
            let fusions = experiment.index.iter().flat_map(|index| &index.fusions);
            for expected in fusions.flat_map(|fusions| &fusions.expect) {
                let known = HEADINGS.iter().find(|(row, _)| *row == expected.row);
                let heading = known.map_or(expected.row.as_str(), |(_, heading)| *heading);
                let shown = figure(&page, &name, heading).unwrap();
                let rounding = 0.0005;
                assert!(
                    (shown - expected.value).abs() <= expected.tolerance + rounding,
                    "{name}, {heading}: the page has {shown}, {} is expected",
                    expected.value
                );
                let short_heading = if heading == TUNED {
                    "tuned fusion"
                } else {
                    heading
                };
                if SHORT.contains(&expected.row.as_str()) || heading == TUNED {
                    assert_eq!(
                        figure(&short, &name, short_heading),
                        Some(shown),
                        "{name}, {heading}"
                    );
                }
            }
        }
    }
}
