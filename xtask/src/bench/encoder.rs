//! `cargo xtask bench encoder`: our models beside PyTorch and ONNX Runtime.
//!
//! The work is one of [`rows`], written to a job file that all contestants read. Each
//! is a program of its own ([`Contestant`]): ours is benches/encoder.rs, the peers run
//! xtask/peers/encoder.py in a throw-away Python environment ([`mod@peers`]). They run in
//! turn, every one once per round, so that a slow minute of the [`Machine`] hits all
//! alike; medians, ratios and differences of the results go to stdout as a [`table`].

mod rows;
mod table;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use self::rows::{Model, Row, Work};
use self::table::{Circumstances, Differences, Finding, Measured};
use super::contestant::{Contestant, in_turn};
use super::machine::{Isa, Machine};
use super::{build_bench, peers, write};
use crate::python::script;
use crate::texts::Collection;
use crate::workspace::{Workspace, output, run as run_command};

/// What the names of our own contestants begin with.
const OURS: &str = "treffer";
/// The peers; the first is the reference for results.
const PEERS: [&str; 4] = ["torch-f32", "torch-bf16", "ort-f32", "ort-int8"];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Folder that holds one folder per collection; scifact is read
    #[arg(long, env = "TREFFER_COLLECTIONS")]
    collections: PathBuf,
    /// Model cache to use instead of the program's own
    #[arg(long)]
    models: Option<PathBuf>,
    /// Environment of the peers, made if it is not there; it takes several GB, less if
    /// pip is pointed at builds of PyTorch without CUDA [default: in the user's cache folder]
    #[arg(long)]
    python: Option<PathBuf>,
    /// How often every contestant does the work
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Only these rows
    #[arg(long, value_delimiter = ',', value_name = "ROW")]
    only: Vec<String>,
    /// Only these peers; the first of torch-f32, torch-bf16, ort-f32, ort-int8 is what
    /// results are compared with
    #[arg(long, value_delimiter = ',', value_name = "PEER", value_parser = PEERS)]
    peers: Vec<String>,
    /// Hold both sides down to an older instruction set
    #[arg(long, value_enum, default_value_t = Isa::Auto)]
    isa: Isa,
    /// Our device beside the one that --isa names, as in cpu:candle
    #[arg(long, value_delimiter = ',', value_name = "DEVICE")]
    beside: Vec<String>,
    /// Encode every document of the collection, not a sample
    #[arg(long)]
    full: bool,
    /// Let PyTorch also try torch.compile, which needs a C++ compiler and minutes
    #[arg(long)]
    compile: bool,
    /// Also write the tables into benches/README.md, in place of those recorded there
    #[arg(long)]
    record: bool,
}

/// Prepares everything, measures row by row and prints the table.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    // Everything that can be missing is looked for before anything slow begins.
    let rows = rows::chosen(&arguments.only)?;
    let collection = Collection::read(&arguments.collections.join("scifact"))?;
    let machine = Machine::look()?;
    let (peers, notes) = peers(&arguments.peers, arguments.isa, &machine);
    let interpreter = match &peers[..] {
        [] => None,
        _ => Some(peers::prepare(
            workspace,
            "encoder",
            arguments.python.as_deref(),
        )?),
    };
    let mut bench = Bench {
        treffer: workspace.build_program()?,
        binary: build_bench(workspace, "encoder")?,
        interpreter,
        script: workspace.root.join("xtask/peers/encoder.py"),
        scratch: workspace.target.join("bench-encoder"),
        machine,
        peers,
        arguments,
        versions: BTreeMap::new(),
    };
    let mut findings = Vec::new();
    for row in rows {
        let work = row.work(&collection, arguments.full);
        let title = row.title(&work);
        eprintln!("{title}");
        let measured = bench
            .measure(&row, &work)
            .with_context(|| format!("in row {}", row.name))?;
        findings.push(Finding { title, measured });
    }
    let circumstances = Circumstances {
        machine: &bench.machine,
        isa: isa_in_words(arguments.isa),
        rounds: arguments.rounds as usize,
        peers: peers::versions(&bench.versions),
        notes,
    };
    let report = table::report(&circumstances, &findings);
    print!("{report}");
    if arguments.record {
        super::record(workspace, "encoder", &report)?;
    }
    Ok(())
}

/// The peers that take part, of those that are `wanted` or all, and why others do not.
fn peers(wanted: &[String], isa: Isa, machine: &Machine) -> (Vec<&'static str>, Vec<String>) {
    let asked = |peer: &&str| wanted.is_empty() || wanted.iter().any(|name| name == peer);
    let mut peers: Vec<&str> = PEERS.into_iter().filter(asked).collect();
    let mut notes = Vec::new();
    let mut leave_out = |prefix: &str, reason: &str| {
        let before = peers.len();
        peers.retain(|peer| !peer.starts_with(prefix));
        if peers.len() < before {
            notes.push(reason.to_owned());
        }
    };
    if isa.is_exceeded_by(machine) {
        leave_out(
            "ort",
            "ONNX Runtime is left out: nothing holds it down to an older instruction set.",
        );
    }
    if isa == Isa::Avx2 {
        leave_out(
            "torch-bf16",
            "PyTorch in bf16 is left out: AVX2 has no instructions for it.",
        );
    }
    (peers, notes)
}

fn isa_in_words(isa: Isa) -> String {
    let words = match isa {
        Isa::Auto => "all that the processor has",
        Isa::Avx512 => "AVX-512 with its extensions, no AMX",
        Isa::Avx2 => "AVX2 and FMA",
    };
    let settings: Vec<String> = isa
        .environment()
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    match &settings[..] {
        [] => words.to_owned(),
        _ => format!("{words} ({})", settings.join(" ")),
    }
}

/// What every row shares.
struct Bench<'a> {
    /// Our contestant.
    binary: PathBuf,
    /// Python with the peers; none if there are no peers.
    interpreter: Option<PathBuf>,
    script: PathBuf,
    treffer: PathBuf,
    /// Job files, exported graphs and cut-down models.
    scratch: PathBuf,
    machine: Machine,
    peers: Vec<&'static str>,
    arguments: &'a Arguments,
    /// What the peers say of their versions, once each.
    versions: BTreeMap<String, String>,
}

impl Bench<'_> {
    fn measure(&mut self, row: &Row, work: &Work) -> Result<Vec<Measured>> {
        let model = self.model(row.model)?;
        let mut contestants = self.start(row, work, &model)?;
        let times = in_turn(&mut contestants, self.arguments.rounds)?;
        let scores: Vec<_> = contestants
            .iter_mut()
            .map(Contestant::scores)
            .collect::<Result<_>>()?;
        let reference = self.peers.first().copied();
        let reference = contestants
            .iter()
            .position(|contestant| Some(contestant.name.as_str()) == reference);
        let mut measured = Vec::new();
        for (place, (contestant, times)) in contestants.iter().zip(times).enumerate() {
            let differences = match reference {
                Some(reference) if reference != place => Some(
                    Differences::between(&scores[place], &scores[reference]).with_context(
                        || {
                            format!(
                                "{} and {} did not do the same work",
                                contestant.name, contestants[reference].name
                            )
                        },
                    )?,
                ),
                _ => None,
            };
            measured.push(Measured {
                contestant: contestant.name.clone(),
                settings: contestant.ready.settings.clone(),
                times,
                differences,
            });
        }
        Ok(measured)
    }

    /// Ours first, then the peers, each started when the one before is ready.
    fn start(&mut self, row: &Row, work: &Work, model: &Path) -> Result<Vec<Contestant>> {
        let mut contestants = Vec::new();
        let devices = [self.arguments.isa.device()]
            .into_iter()
            .chain(self.arguments.beside.iter().map(String::as_str));
        for device in devices {
            let job = self.job(row, work, model, device)?;
            let name = format!("{OURS} {device}");
            eprintln!("  starting {name}");
            let mut command = Command::new(&self.binary);
            contestants.push(Contestant::start(&name, command.arg(job))?);
        }
        let Some(interpreter) = &self.interpreter else {
            return Ok(contestants);
        };
        for &peer in &self.peers {
            let job = self.job(row, work, model, peer)?;
            eprintln!("  starting {peer}, which looks for its best settings");
            let mut command = script(interpreter, &self.script);
            command
                .arg(job)
                .envs(self.arguments.isa.environment().iter().copied())
                .env("OMP_NUM_THREADS", self.machine.n_threads.to_string());
            let contestant = Contestant::start(peer, &mut command)?;
            eprintln!("    {}", contestant.ready.settings);
            self.versions.extend(contestant.ready.versions.clone());
            contestants.push(contestant);
        }
        Ok(contestants)
    }

    /// Writes the file that tells a contestant what to do.
    fn job(&self, row: &Row, work: &Work, model: &Path, contestant: &str) -> Result<PathBuf> {
        let file_name = model
            .file_name()
            .context("the model's folder has no name")?;
        let job = json!({
            "model": model,
            "query": work.query,
            "texts": work.texts,
            "max_length": work.max_length,
            "one_by_one": work.one_by_one,
            "threads": self.machine.n_threads,
            "device": contestant,
            "backend": contestant,
            "shipped": row.model.n_layers.is_none(),
            "exports": self.scratch.join("exports").join(file_name),
            "compile": self.arguments.compile,
        });
        let name = format!("{}-{}.json", row.name, contestant.replace(':', "-"));
        let path = self.scratch.join("jobs").join(name);
        write(&path, job.to_string().as_bytes())?;
        Ok(path)
    }

    /// The folder of `model`, pulled if it is not there and cut down if that is asked for.
    fn model(&self, model: Model) -> Result<PathBuf> {
        let treffer = || {
            let mut command = Command::new(&self.treffer);
            if let Some(cache) = &self.arguments.models {
                command.arg("--models").arg(cache);
            }
            command
        };
        run_command(treffer().args(["model", "pull", model.name])).context(
            "could not have the model: check the network, or name a cache that holds it with --models",
        )?;
        let folder = output(treffer().args(["model", "path", model.name]))?;
        let folder = PathBuf::from(folder.trim_end());
        match model.n_layers {
            None => Ok(folder),
            Some(n_layers) => cut(&folder, &self.scratch.join("models"), n_layers),
        }
    }
}

/// A copy of the model whose configuration says that it has fewer layers; the weights
/// of the rest stay in their file, unread.
fn cut(folder: &Path, into: &Path, n_layers: usize) -> Result<PathBuf> {
    let name = folder
        .file_name()
        .context("the model's folder has no name")?;
    let cut = into.join(format!("{}-{n_layers}-layers", name.to_string_lossy()));
    for entry in
        fs::read_dir(folder).with_context(|| format!("could not list {}", folder.display()))?
    {
        let path = entry?.path();
        let bytes =
            fs::read(&path).with_context(|| format!("could not read {}", path.display()))?;
        let target = cut.join(path.file_name().unwrap_or_default());
        if !target.ends_with("config.json") {
            write(&target, &bytes)?;
            continue;
        }
        let mut config: serde_json::Value = serde_json::from_slice(&bytes)
            .with_context(|| format!("could not understand {}", path.display()))?;
        let stated = config["num_hidden_layers"].as_u64();
        ensure!(
            stated.is_some_and(|stated| stated >= n_layers as u64),
            "{} has no {n_layers} layers to cut it to",
            path.display()
        );
        config["num_hidden_layers"] = json!(n_layers);
        write(&target, config.to_string().as_bytes())?;
    }
    Ok(cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_that_cannot_be_held_down_are_left_out_and_that_is_said() {
        let machine = Machine {
            model: "a processor".to_owned(),
            features: vec!["avx2", "avx512f"],
            load: "0.00".to_owned(),
            n_threads: 2,
        };
        let (all, notes) = peers(&[], Isa::Avx512, &machine);
        assert_eq!((all, notes.len()), (PEERS.to_vec(), 0));
        let (held_down, notes) = peers(&[], Isa::Avx2, &machine);
        assert_eq!(held_down, ["torch-f32"]);
        assert!(notes[0].contains("ONNX Runtime") && notes[1].contains("bf16"));
        let (chosen, notes) = peers(&["torch-f32".to_owned()], Isa::Avx2, &machine);
        assert_eq!((chosen, notes.len()), (vec!["torch-f32"], 0));
    }

    #[test]
    fn a_model_is_cut_by_its_configuration_alone() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("model");
        write(
            &model.join("config.json"),
            br#"{"num_hidden_layers": 12, "a": 1}"#,
        )
        .unwrap();
        write(&model.join("weights"), b"many").unwrap();
        let cut_down = cut(&model, folder.path(), 6).unwrap();
        let config = fs::read_to_string(cut_down.join("config.json")).unwrap();
        assert_eq!(config, r#"{"num_hidden_layers":6,"a":1}"#);
        assert_eq!(fs::read(cut_down.join("weights")).unwrap(), b"many");
        let message = cut(&model, folder.path(), 13).unwrap_err().to_string();
        assert!(message.contains("no 13 layers"), "{message}");
    }
}
