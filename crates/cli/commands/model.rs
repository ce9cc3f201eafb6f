//! `treffer model`: the registry of models and its cache.

use anyhow::{Result, bail};
use clap::Subcommand;
use treffer_models::{Entry, Fetched, FileOutcome, PullOptions, Reference, Registry, State};
use treffer_types::{ModelFolder, NoProgress};

use crate::format::ResultFormat;
use crate::options::Global;
use crate::progress::Bars;
use crate::terminal::{bytes, print_line, say};
use crate::{Outcome, input};

mod list;

use list::ModelList;

#[derive(Debug, clap::Args)]
pub(crate) struct Model {
    #[command(subcommand)]
    command: ModelCommand,
}

#[derive(Debug, Subcommand)]
enum ModelCommand {
    /// List the models known by name
    List {
        /// Form of the output
        #[arg(long, value_enum, default_value = "table")]
        format: ResultFormat,
    },
    /// Fetch models into the cache
    Pull {
        /// Names from `treffer model list`, or hf:ORGANIZATION/NAME
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
        /// Fetch again even if it is there
        #[arg(long)]
        force: bool,
        /// Print what would be fetched, and fetch nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Compare pulled models with their pinned checksums
    Verify {
        /// Names [default: every model that was pulled]
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
    /// Print the folder of a model
    Path {
        /// A name from `treffer model list`, or hf:ORGANIZATION/NAME
        #[arg(value_name = "NAME")]
        name: String,
    },
}

/// Runs one of the registry's commands.
pub(crate) fn run(command: &Model, global: &Global) -> Result<Outcome> {
    let registry = input::registry(global)?;
    match &command.command {
        ModelCommand::List { format } => {
            format.print(&ModelList::new(&registry))?;
            Ok(Outcome::Found)
        }
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
        let (Fetched::Ready(ModelFolder { path, .. }) | Fetched::Undescribed { path, .. }) =
            fetched;
        say(&format!("{name}: {}", path.display()));
    }
    Ok(Outcome::Found)
}

fn would_pull(registry: &Registry, names: &[String]) -> Result<Outcome> {
    for name in names {
        match registry.find(name, None)? {
            Reference::Registered(entry) => {
                let size = entry.download_size().map_or("unknown size".into(), bytes);
                match registry.state(&entry) {
                    State::Pulled(folder) => {
                        say(&format!("{name}: is in {}", folder.display()));
                    }
                    State::NotPulled => say(&format!("{name}: would fetch {size}")),
                }
            }
            Reference::Hub { repo, revision } => {
                say(&format!(
                    "{name}: would fetch {repo} at {revision} from the model hub"
                ));
            }
            Reference::Folder(path) => {
                say(&format!("{name}: is the folder {}", path.display()));
            }
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
            print_line(&format!("{name}/{}: {verdict}", check.file))?;
        }
    }
    match damaged.as_slice() {
        [] if names.is_empty() => {
            let cache = registry.cache().display();
            say(&format!("no model was pulled into {cache}"));
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
            offline.fetch(name, &NoProgress)?.path().to_path_buf()
        }
        Reference::Folder(path) => path,
    };
    print_line(&folder.display().to_string())?;
    Ok(Outcome::Found)
}
