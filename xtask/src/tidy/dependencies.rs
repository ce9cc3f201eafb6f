//! Who may depend on whom, read off the manifests.

use crate::workspace::Package;

const TYPES: &str = "treffer-types";

/// Siblings that never see one another.
const LEAVES: [&str; 8] = [
    "treffer-corpus",
    "treffer-bm25",
    "treffer-models",
    "treffer-encoder",
    "treffer-dense",
    "treffer-store",
    "treffer-fusion",
    "treffer-eval",
];

/// What the encoder computes with; knows nobody.
const KERNELS: &str = "treffer-kernels";
const ENCODER: &str = "treffer-encoder";
const ENGINE: &str = "treffer-engine";
const ROOT: &str = "treffer";
const TESTKIT: &str = "treffer-testkit";
const XTASK: &str = "xtask";

/// Foreign crates behind a wall, and the one package that knows them. A name also
/// covers its family: `candle` stands for `candle-core` as well.
const WALLS: [(&str, &str); 6] = [
    ("tantivy", "treffer-bm25"),
    ("candle", "treffer-encoder"),
    ("cudarc", "treffer-encoder"),
    ("tokenizers", "treffer-encoder"),
    ("hnsw_rs", "treffer-dense"),
    ("hessboost", "treffer-fusion"),
];

/// One sentence for every dependency that must not be.
pub(super) fn problems(packages: &[Package]) -> Vec<String> {
    let mut problems = Vec::new();
    for package in packages {
        let Some(allowed) = below(&package.name) else {
            problems.push(format!(
                "{} has no place in the order of dependencies: give it one in xtask/src/tidy/dependencies.rs",
                package.name
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let (from, to) = (package.name.as_str(), dependency.name.as_str());
            if packages.iter().any(|package| package.name == to) {
                let fake = to == TESTKIT && dependency.kind.as_deref() == Some("dev");
                let may_fake = from != TYPES && from != TESTKIT && from != XTASK;
                if !(allowed.contains(&to) || fake && may_fake) {
                    problems.push(forbidden(from, to));
                }
            }
            for (family, owner) in WALLS {
                if in_family(to, family) && from != owner {
                    problems.push(format!(
                        "{from} depends on {to}, which only {owner} may know"
                    ));
                }
            }
        }
    }
    problems
}

/// The members that `package` may depend on; `None` if it has no place yet.
fn below(package: &str) -> Option<Vec<&'static str>> {
    let leaf = LEAVES.contains(&package);
    match package {
        TYPES | XTASK | KERNELS => Some(Vec::new()),
        TESTKIT => Some(vec![TYPES]),
        ENCODER => Some(vec![TYPES, KERNELS]),
        _ if leaf => Some(vec![TYPES]),
        ENGINE => Some([&[TYPES], LEAVES.as_slice()].concat()),
        // Its benchmarks measure the kernels too.
        ROOT => Some([&[TYPES, KERNELS, ENGINE], LEAVES.as_slice()].concat()),
        _ => None,
    }
}

fn forbidden(from: &str, to: &str) -> String {
    let why = match to {
        TESTKIT => "fakes are dev-dependencies only",
        _ if LEAVES.contains(&from) && LEAVES.contains(&to) => "siblings never see one another",
        _ => "dependencies go from the binary down to the types",
    };
    format!("{from} depends on {to}, but {why}")
}

fn in_family(name: &str, family: &str) -> bool {
    name.strip_prefix(family)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn package(name: &str, dependencies: &[&str]) -> Package {
        let dependency = |word: &&str| match word.strip_prefix("dev:") {
            Some(name) => Dependency {
                name: name.into(),
                kind: Some("dev".into()),
            },
            None => Dependency {
                name: (*word).into(),
                kind: None,
            },
        };
        Package {
            name: name.into(),
            manifest_path: "Cargo.toml".into(),
            dependencies: dependencies.iter().map(dependency).collect(),
            targets: Vec::new(),
        }
    }

    /// Problems of one package among the usual members.
    fn check(name: &str, dependencies: &[&str]) -> Vec<String> {
        let mut packages: Vec<Package> = [TYPES, KERNELS, ENGINE, ROOT, TESTKIT, XTASK]
            .into_iter()
            .chain(LEAVES)
            .filter(|other| *other != name)
            .map(|other| package(other, &[]))
            .collect();
        packages.push(package(name, dependencies));
        problems(&packages)
    }

    #[test]
    fn the_order_of_the_design_is_allowed() {
        assert_eq!(
            check("treffer-bm25", &["treffer-types", "tantivy", "serde"]),
            [""; 0]
        );
        assert_eq!(
            check("treffer-engine", &["treffer-fusion", "dev:treffer-testkit"]),
            [""; 0]
        );
        assert_eq!(
            check("treffer", &["treffer-engine", "treffer-eval", "clap"]),
            [""; 0]
        );
        assert_eq!(check("treffer-testkit", &["treffer-types"]), [""; 0]);
    }

    #[test]
    fn siblings_never_see_one_another_not_even_in_tests() {
        for word in ["treffer-eval", "dev:treffer-eval"] {
            let problems = check("treffer-fusion", &[word]);
            assert_eq!(
                problems,
                ["treffer-fusion depends on treffer-eval, but siblings never see one another"]
            );
        }
    }

    #[test]
    fn nothing_points_upwards() {
        assert_eq!(check("treffer-types", &["treffer-fusion"]).len(), 1);
        assert_eq!(check("treffer-eval", &["treffer-engine"]).len(), 1);
        assert_eq!(check("treffer-engine", &["treffer"]).len(), 1);
        assert_eq!(check("treffer-testkit", &["treffer-fusion"]).len(), 1);
        assert_eq!(check("xtask", &["treffer-types"]).len(), 1);
    }

    #[test]
    fn fakes_are_for_tests() {
        let problems = check("treffer-engine", &["treffer-testkit"]);
        assert_eq!(
            problems,
            ["treffer-engine depends on treffer-testkit, but fakes are dev-dependencies only"]
        );
        assert_eq!(check("treffer-types", &["dev:treffer-testkit"]).len(), 1);
    }

    #[test]
    fn a_wall_keeps_a_whole_family_in() {
        assert_eq!(
            check("treffer-encoder", &["candle-core", "tokenizers"]),
            [""; 0]
        );
        assert_eq!(check("treffer-engine", &["candle-core"]).len(), 1);
        assert_eq!(check("treffer", &["dev:tantivy_common"]).len(), 1);
        assert_eq!(check("treffer-bm25", &["hnsw_rs"]).len(), 1);
        assert_eq!(check("treffer-bm25", &["candlelight"]), [""; 0]);
    }

    #[test]
    fn a_member_without_a_place_is_reported() {
        assert!(check("treffer-server", &[])[0].starts_with("treffer-server has no place"));
    }
}
