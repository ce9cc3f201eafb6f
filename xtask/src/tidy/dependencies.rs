//! Which crate may depend on which, read from the manifests.

use crate::workspace::Package;

const TYPES: &str = "treffer-types";
const DISK: &str = "treffer-disk";
const API: &str = "treffer-api";
const KERNELS: &str = "treffer-kernels";
const ENGINE: &str = "treffer-engine";
const REPORT: &str = "treffer-report";
const TRAIN: &str = "treffer-train";
const FACADE: &str = "treffer";
const CLI: &str = "treffer-cli";
const TESTKIT: &str = "treffer-testkit";
const GPU: &str = "treffer-gpu";
const XTASK: &str = "xtask";

/// Crates of one layer: none may depend on another.
const SIBLINGS: [&str; 11] = [
    API, CORPUS, BM25, MODELS, ENCODER, DENSE, LATE, STORE, COLUMNS, FUSION, EVAL,
];
const CORPUS: &str = "treffer-corpus";
const BM25: &str = "treffer-bm25";
const MODELS: &str = "treffer-models";
const ENCODER: &str = "treffer-encoder";
const DENSE: &str = "treffer-dense";
const LATE: &str = "treffer-late";
const STORE: &str = "treffer-store";
const COLUMNS: &str = "treffer-columns";
const FUSION: &str = "treffer-fusion";
const EVAL: &str = "treffer-eval";

/// The members, each with those that it may depend on.
const ALLOWED: [(&str, &[&str]); 22] = [
    (TYPES, &[]),
    // Durable writing and verified reading; depends on no other member.
    (DISK, &[]),
    // What the encoder and late interaction compute with; depends on no other member.
    (KERNELS, &[]),
    (API, &[TYPES]),
    (CORPUS, &[TYPES, DISK]),
    (BM25, &[TYPES, DISK]),
    (MODELS, &[TYPES, DISK]),
    (ENCODER, &[TYPES, KERNELS]),
    (DENSE, &[TYPES, DISK]),
    (LATE, &[TYPES, DISK, KERNELS]),
    (STORE, &[TYPES, DISK]),
    (COLUMNS, &[TYPES, DISK]),
    (FUSION, &[TYPES]),
    (EVAL, &[TYPES, DISK]),
    // Models are handed to it, so that a program with its own compiles no others.
    (
        ENGINE,
        &[
            TYPES, DISK, API, CORPUS, BM25, DENSE, LATE, STORE, COLUMNS, FUSION, EVAL,
        ],
    ),
    // Trains what the encoder runs.
    (TRAIN, &[TYPES, DISK, KERNELS, ENCODER, EVAL]),
    (REPORT, &[TYPES, DISK, API, FUSION, EVAL, ENGINE]),
    // The engine with its models; its requests are made of types of corpus and eval.
    (FACADE, &[TYPES, API, CORPUS, MODELS, ENCODER, EVAL, ENGINE]),
    // Its benchmarks measure single crates too.
    (
        CLI,
        &[
            TYPES, DISK, KERNELS, API, CORPUS, BM25, MODELS, ENCODER, DENSE, LATE, STORE, COLUMNS,
            FUSION, EVAL, ENGINE, TRAIN, REPORT, FACADE,
        ],
    ),
    (TESTKIT, &[TYPES]),
    // Carried to a machine with a GPU, so that it is to be small.
    (GPU, &[TYPES, ENCODER, EVAL]),
    (XTASK, &[]),
];

/// Third-party crates that a single package may depend on, and that package. A name also
/// covers its family: `candle` stands for `candle-core` as well.
const CONFINED: [(&str, &str); 7] = [
    ("tantivy", BM25),
    ("candle", ENCODER),
    ("cudarc", KERNELS),
    ("tokenizers", ENCODER),
    ("hnsw_rs", DENSE),
    ("hessboost", FUSION),
    ("memmap2", DISK),
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
            for (family, owner) in CONFINED {
                // Benchmarks compare with what others make of it.
                let measures = from == CLI && dependency.kind.as_deref() == Some("dev");
                if in_family(to, family) && from != owner && !measures {
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
fn below(package: &str) -> Option<&'static [&'static str]> {
    let room = ALLOWED.iter().find(|(name, _)| *name == package)?;
    Some(room.1)
}

fn forbidden(from: &str, to: &str) -> String {
    let why = match to {
        TESTKIT => "fakes are dev-dependencies only",
        ENCODER | MODELS if from == ENGINE => "models are handed to the engine",
        _ if SIBLINGS.contains(&from) && SIBLINGS.contains(&to) => "siblings never see one another",
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
            features: Default::default(),
            targets: Vec::new(),
        }
    }

    /// Problems of one package among the usual members.
    fn check(name: &str, dependencies: &[&str]) -> Vec<String> {
        let mut packages: Vec<Package> = ALLOWED
            .iter()
            .filter(|(other, _)| *other != name)
            .map(|(other, _)| package(other, &[]))
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
            check("treffer", &["treffer-engine", "treffer-encoder"]),
            [""; 0]
        );
        assert_eq!(
            check("treffer-cli", &["treffer", "treffer-eval", "clap"]),
            [""; 0]
        );
        assert_eq!(
            check("treffer-store", &["treffer-types", "treffer-disk"]),
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
        assert_eq!(check("treffer-disk", &["treffer-types"]).len(), 1);
        assert_eq!(check("treffer-api", &["treffer-fusion"]).len(), 1);
        assert_eq!(check("treffer-report", &["treffer"]).len(), 1);
        assert_eq!(check("treffer-testkit", &["treffer-fusion"]).len(), 1);
        assert_eq!(check("xtask", &["treffer-types"]).len(), 1);
    }

    #[test]
    fn the_engine_brings_no_models() {
        for name in ["treffer-encoder", "dev:treffer-models"] {
            let problems = check("treffer-engine", &[name]);
            assert!(
                problems[0].ends_with("models are handed to the engine"),
                "{problems:?}"
            );
        }
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
        assert_eq!(check("treffer-cli", &["tantivy_common"]).len(), 1);
        assert_eq!(check("treffer-cli", &["dev:tantivy_common"]), [""; 0]);
        assert_eq!(check("treffer-engine", &["dev:tantivy_common"]).len(), 1);
        assert_eq!(check("treffer-bm25", &["hnsw_rs"]).len(), 1);
        assert_eq!(check("treffer-bm25", &["candlelight"]), [""; 0]);
    }

    #[test]
    fn a_member_without_a_place_is_reported() {
        assert!(check("treffer-server", &[])[0].starts_with("treffer-server has no place"));
    }
}
