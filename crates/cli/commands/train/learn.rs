//! From what was typed to a trained model: reads the data, trains, and says what came of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use treffer_encoder::parts::Parts;
use treffer_models::Registry;
use treffer_train::{
    End, Examples, Options, Running, Task, Trained, ValueKind, check_output, read_examples,
};
use treffer_types::ModelFolder;

use super::log::{Log, SHOWN, show};
use super::shared::Shared;
use crate::options::Global;
use crate::progress::Bars;
use crate::terminal::{note, say, warn};
use crate::{Outcome, input};

/// What is trained.
pub(crate) trait Student {
    fn shared(&self) -> &Shared;

    /// What it learns from where a line has both.
    fn preferred(&self) -> ValueKind;

    /// The model that it begins as.
    fn base(&self, registry: &Registry, bars: &Bars) -> Result<ModelFolder>;

    fn options(&self, data: &Examples, base: &ModelFolder) -> Options;
}

/// Reads the data of a student. `preferred` are the values of a line with both.
pub(crate) fn read_data(shared: &Shared, preferred: ValueKind, bars: &Bars) -> Result<Examples> {
    // Before a teacher reads for hours. The folder of a base that is a name is known only later.
    let is_path = shared.base.contains(std::path::is_separator);
    let base = is_path.then(|| Path::new(&shared.base));
    check_output(&shared.out, base, shared.resume || shared.replace)?;
    let data = read(&shared.data, preferred, bars)?;
    if data.all.is_empty() {
        bail!("there are no usable lines in the data");
    }
    Ok(data)
}

/// Trains `student` on `data` as its options say, after `adjust` saw them and the number of the
/// base's layers.
pub(crate) fn learn(
    student: &dyn Student,
    data: &Examples,
    adjust: &dyn Fn(&mut Options, usize),
    registry: &Registry,
    bars: &Bars,
) -> Result<Outcome> {
    let shared = student.shared();
    let held_out = match shared.held_out.as_slice() {
        [] => None,
        files => Some(read(files, ValueKind::Labels, bars)?),
    };
    let folder = student.base(registry, bars)?;
    let mut options = student.options(data, &folder);
    let mut base = Parts::open(&folder, options.max_length)
        .with_context(|| format!("could not load the base {}", shared.base))?;
    adjust(&mut options, base.shape().layers);
    let mut log = Log::new(bars, shared.log_every);
    let running = Running {
        resume: shared.resume,
        replace: shared.replace,
        checkpoint_every: Duration::from_secs(shared.checkpoint_every),
    };
    let task = Task {
        data,
        held_out: held_out.as_ref(),
        out: &shared.out,
        options: &options,
    };
    let trained = treffer_train::train(&mut base, &task, running, bars, &mut |event| {
        log.event(event);
    })?;
    tell(&trained, &options, &shared.out);
    Ok(Outcome::Found)
}

/// Trains `student` on its data alone.
pub(super) fn run(student: &dyn Student, global: &Global) -> Result<Outcome> {
    input::limit_threads(global)?;
    let bars = Bars::cancellable()?;
    let data = read_data(student.shared(), student.preferred(), &bars)?;
    learn(student, &data, &|_, _| {}, &input::registry(global)?, &bars)
}

fn tell(trained: &Trained, options: &Options, out: &Path) {
    let best = match trained.best {
        Some((step, ndcg)) => format!(", best nDCG@10 {ndcg:.4} after step {step}"),
        None => String::new(),
    };
    let shown = out.display();
    match trained.end {
        End::Complete => say(&format!("trained {} steps{best}: {shown}", trained.steps)),
        End::NoBetter => say(&format!(
            "ended after {} steps, since the held-out data became no better{best}: {shown}",
            trained.steps
        )),
        End::Stopped => note(&format!(
            "stopped after {} of {} steps; go on with the same command and --resume",
            trained.steps, options.steps
        )),
    }
    tell_if_the_base_was_better(trained);
}

/// Training can make a model worse, which is no error, but must not go unnoticed.
fn tell_if_the_base_was_better(trained: &Trained) {
    if let (Some(base), Some((step, best))) = (trained.base, trained.best)
        && base >= best
    {
        warn(&format!(
            "no trained model ranks the held-out data better than the base does: nDCG@10 {base:.4} before, {best:.4} after step {step}, which was saved; more data, or a lower --rate, may help"
        ));
    }
}

fn read(files: &[PathBuf], preferred: ValueKind, bars: &Bars) -> Result<Examples> {
    let mut examples = Examples::default();
    let mut bad = 0;
    for file in files {
        read_examples(file, preferred, &mut examples, &mut |line| {
            bad += 1;
            show(&line, bad, bars);
        })?;
    }
    if bad > SHOWN {
        warn(&format!(
            "{bad} bad lines were left out; the first {SHOWN} are above"
        ));
    }
    Ok(examples)
}
