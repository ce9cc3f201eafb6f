//! `cargo xtask gpu`: one check of a GPU, packed on a machine that has none.
//!
//! `pack` builds benches/gpu with the CUDA device, gathers models and texts ([`work`]), and puts
//! them with the scripts into one folder that can be copied anywhere. What runs there is
//! xtask/peers/gpu_check.py, which needs the driver, CUDA's libraries and Python, and for the
//! comparison PyTorch and Sentence Transformers. `check` runs the same on this machine.

mod work;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::bench::write;
use crate::cuda;
use crate::python;
use crate::workspace::{Workspace, executable, output, run as run_command};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Builds and gathers all that the check needs into target/gpu/pack
    Pack(Pack),
    /// Runs the check on this machine
    Check(Check),
}

#[derive(clap::Args)]
struct Pack {
    #[command(flatten)]
    sources: Sources,
    #[command(flatten)]
    build: cuda::Build,
}

#[derive(clap::Args)]
struct Check {
    /// The devices that are checked, the most important first; `cpu` tries the check where there is no GPU
    #[arg(long, default_value = "cuda:bf16,cuda")]
    device: String,
    /// Few texts and a second for each figure: shows that everything runs
    #[arg(long)]
    quick: bool,
    /// Builds without optimizing our own code, which is faster; the figures are worth nothing
    #[arg(long)]
    dev: bool,
    /// Interpreter of an environment that holds PyTorch and Sentence Transformers
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// Folder of the results
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    sources: Sources,
    #[command(flatten)]
    build: cuda::Build,
}

/// What a pack is made of.
#[derive(clap::Args)]
struct Sources {
    /// Folder that holds one folder per collection; scifact and msmarco-dl20 are read
    /// [default: the texts in data/sample]
    #[arg(long, env = "TREFFER_COLLECTIONS")]
    collections: Option<PathBuf>,
    /// Cache with the models [default: the program's own]
    #[arg(long, env = "TREFFER_MODELS")]
    models: Option<PathBuf>,
    /// Also pack the bi-encoder, which adds 30 MB; without it, the layers of the cross-encoder,
    /// which have the same shape, stand in
    #[arg(long)]
    embedder: bool,
    /// benches/gpu as it was built before, in place of building it
    #[arg(long)]
    program: Option<PathBuf>,
}

/// Package and program of what is measured with.
const PROGRAM: &str = "treffer-gpu";
const CROSS: &str = "ms-marco-MiniLM-L-12-v2";
const EMBEDDER: &str = "bge-small-en-v1.5";
/// Scripts of the pack, from xtask/peers; the first is started.
const SCRIPTS: [&str; 4] = [
    "gpu_check.py",
    "gpu_report.py",
    "gpu_torch.py",
    "weights.py",
];
/// A pack must be small enough to be sent along with a checkout, which has 18 MiB, in 64 MiB.
const LARGEST: u64 = 46 << 20;

pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    match &arguments.command {
        Action::Pack(pack) => pack_for_elsewhere(workspace, pack),
        Action::Check(check) => check_here(workspace, check),
    }
}

/// Packs and says what to run where there is a GPU.
fn pack_for_elsewhere(workspace: &Workspace, pack: &Pack) -> Result<()> {
    // Everything that can be missing is looked for before the build, which takes long.
    let contents = Contents::find(workspace, &pack.sources)?;
    let folder = workspace.target.join("gpu").join("pack");
    let program = match &pack.sources.program {
        Some(program) => program.clone(),
        None => cuda::build(workspace, &pack.build, PROGRAM)?,
    };
    gather(
        workspace,
        &contents,
        &program,
        &folder.join("contents"),
        false,
    )?;
    for script in SCRIPTS {
        copy(
            &workspace.root.join("xtask/peers").join(script),
            &folder.join(script),
        )?;
    }
    let archive = folder.join("contents.tar.xz");
    run_command(
        Command::new("tar")
            .arg("--create")
            .arg("--xz")
            .arg("--file")
            .arg(&archive)
            .arg("--directory")
            .arg(folder.join("contents"))
            .arg("."),
    )?;
    fs::remove_dir_all(folder.join("contents")).context("could not remove what was packed")?;
    let size = size(&folder)?;
    ensure!(
        size <= LARGEST,
        "the pack has {} MiB, more than {}; leave --embedder out",
        size >> 20,
        LARGEST >> 20
    );
    eprintln!(
        "{:.1} MiB in {}; copy it to a machine with a GPU, or the checkout with it, and run there:",
        size as f64 / f64::from(1 << 20),
        folder.display()
    );
    let folder = workspace.relative(&folder);
    println!(
        "python3 {}/{} --out gpu-results",
        folder.display(),
        SCRIPTS[0]
    );
    Ok(())
}

/// Runs the check on what is built for this machine.
fn check_here(workspace: &Workspace, check: &Check) -> Result<()> {
    let contents = Contents::find(workspace, &check.sources)?;
    let program = if let Some(program) = &check.sources.program {
        program.clone()
    } else if check.device.starts_with("cuda") {
        cuda::build(workspace, &check.build, PROGRAM)?
    } else {
        let mut command = workspace.cargo();
        command.args(["build", "--package", PROGRAM]);
        if !check.dev {
            command.arg("--release");
        }
        command.arg("--message-format=json-render-diagnostics");
        executable(&output(&mut command)?, PROGRAM)?
    };
    let folder = workspace.target.join("gpu").join("check");
    gather(workspace, &contents, &program, &folder, check.quick)?;
    let script = workspace.root.join("xtask/peers").join(SCRIPTS[0]);
    let mut command = python::script(&check.python, &script);
    command.arg("--contents").arg(&folder);
    command.args(["--devices", &check.device]);
    if check.quick {
        command.arg("--quick");
    }
    let out = check.out.clone();
    command
        .arg("--out")
        .arg(out.unwrap_or_else(|| workspace.target.join("gpu").join("results")));
    run_command(&mut command)
}

/// What goes into a pack, found.
struct Contents {
    work: work::Work,
    /// Folders of models with the names that they get.
    models: Vec<(&'static str, PathBuf)>,
}

impl Contents {
    fn find(workspace: &Workspace, sources: &Sources) -> Result<Self> {
        let cache = match &sources.models {
            Some(cache) => cache.clone(),
            None => default_cache()?,
        };
        let mut models = vec![("cross", model(&cache, CROSS)?)];
        if sources.embedder {
            models.push(("embedder", model(&cache, EMBEDDER)?));
        }
        let sample = workspace.root.join("data").join("sample");
        Ok(Contents {
            work: work::Work::read(sources.collections.as_deref(), &sample)?,
            models,
        })
    }
}

/// Writes program, texts and models into `folder`, in place of what was there.
fn gather(
    workspace: &Workspace,
    contents: &Contents,
    program: &Path,
    folder: &Path,
    quick: bool,
) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("could not empty {}", folder.display()))?;
    }
    let work = contents.work.json(quick).to_string();
    write(&folder.join("work.json"), work.as_bytes())?;
    for (name, from) in &contents.models {
        for file in files(from)? {
            let to = folder.join("models").join(name);
            copy(&file, &to.join(file.file_name().unwrap_or_default()))?;
        }
    }
    copy(program, &folder.join(PROGRAM))?;
    let folder = workspace.relative(folder);
    eprintln!("gathered models, texts and program in {}", folder.display());
    Ok(())
}

/// Where the program keeps models unless it is told otherwise.
fn default_cache() -> Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let cache = match (variable("XDG_CACHE_HOME"), variable("HOME")) {
        (Some(cache), _) => PathBuf::from(cache),
        (None, Some(home)) => Path::new(&home).join(".cache"),
        (None, None) => anyhow::bail!("HOME is not set; name a cache of models with --models"),
    };
    Ok(cache.join("treffer").join("models"))
}

/// The folder of a model in a cache, which has a part of its checksum after its name.
fn model(cache: &Path, name: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(cache).into_iter().flatten().flatten();
    let named = |path: &PathBuf| {
        let found = path.file_name().and_then(|found| found.to_str());
        found.is_some_and(|found| found.rsplit_once('-').is_some_and(|(n, _)| n == name))
    };
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir() && named(path))
        .collect();
    found.sort();
    found.pop().with_context(|| {
        format!(
            "there is no {name} in {}; run `treffer model pull {name}` first, or name a cache \
             that holds it with --models",
            cache.display()
        )
    })
}

/// Files in `folder`, without those that begin with a dot.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let context = || format!("could not list {}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(context)? {
        let path = entry.with_context(context)?.path();
        let hidden = path
            .file_name()
            .is_none_or(|n| n.to_string_lossy().starts_with('.'));
        if path.is_file() && !hidden {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn size(folder: &Path) -> Result<u64> {
    let mut size = 0;
    for file in files(folder)? {
        size += fs::metadata(&file)
            .with_context(|| format!("could not measure {}", file.display()))?
            .len();
    }
    Ok(size)
}

/// Copies a file with its permissions, and makes the folders above it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let made = to.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::copy(from, to))
        .with_context(|| format!("could not copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_found_by_its_whole_name() {
        let cache = tempfile::tempdir().unwrap();
        for name in ["a-model-0a1b", "a-model-large-0a1b", "model-0a1b"] {
            fs::create_dir(cache.path().join(name)).unwrap();
        }
        fs::write(cache.path().join(".a-model-0a1b.lock"), "").unwrap();
        let found = |name| model(cache.path(), name).unwrap();
        assert!(found("a-model").ends_with("a-model-0a1b"));
        assert!(found("a-model-large").ends_with("a-model-large-0a1b"));
        let error = model(cache.path(), "other").unwrap_err().to_string();
        assert!(error.contains("treffer model pull other"), "{error}");
    }

    #[test]
    fn every_script_of_the_pack_is_there() {
        let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        for script in SCRIPTS {
            assert!(peers.join(script).is_file(), "{script}");
        }
    }
}
