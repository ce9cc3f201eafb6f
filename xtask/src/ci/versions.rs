//! No dependency needs a newer Rust than the workspace says that it needs itself.
//!
//! It stands in for a build with the oldest compiler, which is rarely at hand; of our own
//! code, the lint `incompatible_msrv` says the same.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::workspace::{Workspace, output};

/// What `cargo metadata` says of every package in the graph.
#[derive(Deserialize)]
struct Graph {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    /// `None`: the package does not say.
    rust_version: Option<String>,
    /// `None` for our own.
    source: Option<String>,
}

/// Fails if a dependency asks for more.
pub(super) fn check(workspace: &Workspace) -> Result<()> {
    let mut command = workspace.cargo();
    let json = output(command.args(["metadata", "--format-version=1", "--all-features"]))?;
    let graph: Graph =
        serde_json::from_str(&json).context("could not understand what cargo metadata printed")?;
    let ours = oldest(&graph)?;
    let newer = newer(&graph, ours)?;
    ensure!(
        newer.is_empty(),
        "the workspace says rust-version = {}.{}, but {}; take older versions of these, or raise \
         rust-version in Cargo.toml",
        ours.0,
        ours.1,
        newer.join(", ")
    );
    let n_silent = graph
        .packages
        .iter()
        .filter(|p| p.rust_version.is_none())
        .count();
    println!(
        "{} packages need no newer Rust than {}.{}; {n_silent} of them do not say what they need",
        graph.packages.len(),
        ours.0,
        ours.1
    );
    Ok(())
}

/// The oldest Rust that one of our own packages says to need: all say the same.
fn oldest(graph: &Graph) -> Result<(u32, u32)> {
    let ours = graph
        .packages
        .iter()
        .filter(|package| package.source.is_none());
    let versions = ours.filter_map(|package| package.rust_version.as_deref());
    let versions: Result<Vec<_>> = versions.map(parse).collect();
    versions?
        .into_iter()
        .min()
        .context("no package of the workspace says its rust-version")
}

fn newer(graph: &Graph, ours: (u32, u32)) -> Result<Vec<String>> {
    let mut newer = Vec::new();
    for package in graph
        .packages
        .iter()
        .filter(|package| package.source.is_some())
    {
        let Some(wanted) = &package.rust_version else {
            continue;
        };
        if parse(wanted)? > ours {
            newer.push(format!(
                "{} {} needs {wanted}",
                package.name, package.version
            ));
        }
    }
    Ok(newer)
}

/// The first two numbers of a version: no patch release has ever raised what is needed.
fn parse(version: &str) -> Result<(u32, u32)> {
    let mut numbers = version.split('.').map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Ok((major, minor)),
        (Some(Ok(major)), None) => Ok((major, 0)),
        _ => anyhow::bail!("`{version}` is no Rust version"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(packages: &[(&str, Option<&str>)]) -> Graph {
        let package = |&(name, rust_version): &(&str, Option<&str>)| Package {
            name: name.into(),
            version: "1.2.3".into(),
            rust_version: rust_version.map(str::to_owned),
            source: (!name.starts_with("ours")).then(|| "registry".into()),
        };
        Graph {
            packages: packages.iter().map(package).collect(),
        }
    }

    #[test]
    fn a_dependency_that_needs_more_is_named() {
        let graph = graph(&[
            ("ours", Some("1.93")),
            ("old", Some("1.9.0")),
            ("same", Some("1.93.1")),
            ("silent", None),
            ("new", Some("1.94")),
            ("newer", Some("2")),
        ]);
        let ours = oldest(&graph).unwrap();
        assert_eq!(ours, (1, 93));
        assert_eq!(
            newer(&graph, ours).unwrap(),
            ["new 1.2.3 needs 1.94", "newer 1.2.3 needs 2"]
        );
    }

    #[test]
    fn a_version_that_cannot_be_read_is_an_error() {
        for version in ["", "one", "1.x"] {
            assert!(parse(version).is_err(), "{version}");
        }
        assert!(oldest(&graph(&[("other", Some("1.93"))])).is_err());
    }
}
