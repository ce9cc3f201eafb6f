//! `treffer model`: the registry of models and its cache.

use std::io::{self, Write};

use anyhow::{Result, bail};
use serde_json::{Value, json};
use treffer_models::{Entry, Fetched, FileOutcome, PullOptions, Reference, Registry, State};

use crate::args::{Global, Model, ModelCommand, ReportFormat};
use crate::output::{Table, bytes};
use crate::progress::Bars;
use crate::{Outcome, source};

/// Runs one of the registry's commands.
pub(crate) fn run(command: &Model, global: &Global) -> Result<Outcome> {
    let registry = source::registry(global)?;
    match &command.command {
        ModelCommand::List { format } => list(&registry, *format),
        ModelCommand::Pull {
            names,
            force,
            dry_run: false,
        } => pull(&registry, names, *force),
        ModelCommand::Pull { names, .. } => would_pull(&registry, names),
        ModelCommand::Verify { names } => verify(&registry, names),
        ModelCommand::Path { name } => path(&registry, name),
    }
}

fn list(registry: &Registry, format: ReportFormat) -> Result<Outcome> {
    let mut out = io::stdout().lock();
    if format == ReportFormat::Json {
        let models: Vec<Value> = registry
            .entries()
            .iter()
            .map(|entry| entry_json(registry, entry))
            .collect();
        writeln!(
            out,
            "{}",
            json!({ "cache": registry.cache(), "models": models })
        )?;
        return Ok(Outcome::Found);
    }
    let mut table = Table::default();
    table.row(["name", "role", "license", "download", "state", "about"]);
    for entry in registry.entries() {
        let state = match registry.state(entry) {
            State::Pulled(_) => "pulled",
            State::NotPulled if entry.is_pinned() => "not pulled",
            State::NotPulled => "not pulled, not pinned",
        };
        table.row([
            entry.name().to_string(),
            entry.spec.role.to_string(),
            entry.spec.license.clone(),
            entry.download_size().map_or("?".into(), bytes),
            state.to_string(),
            entry.summary.clone(),
        ]);
    }
    table.write(&mut out)?;
    writeln!(out, "\ncache: {}", registry.cache().display())?;
    writeln!(
        out,
        "not pinned: from the model hub only; its checksums are recorded at the first pull"
    )?;
    Ok(Outcome::Found)
}

fn entry_json(registry: &Registry, entry: &Entry) -> Value {
    let folder = match registry.state(entry) {
        State::Pulled(folder) => Some(folder),
        State::NotPulled => None,
    };
    json!({
        "spec": entry.spec,
        "summary": entry.summary,
        "pinned": entry.is_pinned(),
        "download_bytes": entry.download_size(),
        "folder": folder,
        "sha256": entry.files.iter().map(|(file, pin)| (file.clone(), json!(pin.sha256))).collect::<serde_json::Map<_, _>>(),
    })
}

fn pull(registry: &Registry, names: &[String], force: bool) -> Result<Outcome> {
    let bars = Bars::cancellable()?;
    for name in names {
        if let Reference::Folder(path) = registry.find(name, None)? {
            bail!(
                "{} is a folder already; there is nothing to pull",
                path.display()
            );
        }
        let fetched = registry.fetch_with(name, PullOptions { force }, &bars)?;
        let (Fetched::Ready(treffer_types::ModelFolder { path, .. })
        | Fetched::Undescribed { path, .. }) = fetched;
        eprintln!("{name}: {}", path.display());
    }
    Ok(Outcome::Found)
}

fn would_pull(registry: &Registry, names: &[String]) -> Result<Outcome> {
    for name in names {
        match registry.find(name, None)? {
            Reference::Registered(entry) => {
                let size = entry.download_size().map_or("unknown size".into(), bytes);
                match registry.state(&entry) {
                    State::Pulled(folder) => eprintln!("{name}: is in {}", folder.display()),
                    State::NotPulled => eprintln!("{name}: would fetch {size}"),
                }
            }
            Reference::Hub { repo, revision } => {
                eprintln!("{name}: would fetch {repo} at {revision} from the model hub");
            }
            Reference::Folder(path) => eprintln!("{name}: is the folder {}", path.display()),
        }
    }
    Ok(Outcome::Found)
}

fn verify(registry: &Registry, names: &[String]) -> Result<Outcome> {
    let is_pulled = |entry: &&Entry| matches!(registry.state(entry), State::Pulled(_));
    let names: Vec<String> = match names {
        [] => registry
            .entries()
            .iter()
            .filter(is_pulled)
            .map(|e| e.name().to_string())
            .collect(),
        names => names.to_vec(),
    };
    let bars = Bars::cancellable()?;
    let mut out = io::stdout().lock();
    let mut damaged = Vec::new();
    for name in &names {
        for check in registry.verify(name, &bars)? {
            let verdict = match check.outcome {
                FileOutcome::Ok => "ok".to_string(),
                FileOutcome::Missing => "missing".to_string(),
                FileOutcome::Differs { expected, found } => {
                    format!("differs: sha256 is {found}, pinned is {expected}")
                }
            };
            if verdict != "ok" && !damaged.contains(name) {
                damaged.push(name.clone());
            }
            writeln!(out, "{name}/{}: {verdict}", check.file)?;
        }
    }
    match damaged.as_slice() {
        [] if names.is_empty() => {
            eprintln!("no model was pulled into {}", registry.cache().display());
            Ok(Outcome::NothingFound)
        }
        [] => Ok(Outcome::Found),
        damaged => bail!(
            "damaged: {}; fetch anew with `treffer model pull --force {}`",
            damaged.join(", "),
            damaged.join(" ")
        ),
    }
}

fn path(registry: &Registry, name: &str) -> Result<Outcome> {
    let folder = match registry.find(name, None)? {
        Reference::Registered(entry) => match registry.state(&entry) {
            State::Pulled(folder) => folder,
            State::NotPulled => bail!(
                "{name} is not in the cache {}; fetch it with `treffer model pull {name}`",
                registry.cache().display()
            ),
        },
        // Looks into the cache only: what is not there is an error that says so.
        Reference::Hub { .. } => {
            let offline = registry.clone().offline(true);
            offline
                .fetch(name, &treffer_types::NoProgress)?
                .path()
                .to_path_buf()
        }
        Reference::Folder(path) => path,
    };
    writeln!(io::stdout(), "{}", folder.display())?;
    Ok(Outcome::Found)
}
