//! A program that does the same work as the others and is asked for its times.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A running contestant: one line in, one line out.
pub(super) struct Contestant {
    pub(super) name: String,
    /// What it says of itself once it is ready.
    pub(super) ready: Ready,
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// The first line of every contestant.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Ready {
    /// The settings that it found to be its best.
    pub(super) settings: String,
    /// Of a peer, the versions of what it runs on, by name.
    #[serde(default)]
    pub(super) versions: BTreeMap<String, String>,
}

impl Contestant {
    /// Starts the program and waits until it is ready.
    ///
    /// # Errors
    /// If it cannot be started or ends before it is ready.
    pub(super) fn start(name: &str, command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("could not start {name}"))?;
        let requests = child.stdin.take();
        let answers = child.stdout.take().context("no output to read")?;
        let mut contestant = Contestant {
            name: name.to_owned(),
            ready: Ready::default(),
            child,
            requests,
            answers: BufReader::new(answers),
        };
        contestant.ready = contestant.answer("getting ready")?;
        Ok(contestant)
    }

    /// Milliseconds of one run of the work.
    pub(super) fn run(&mut self) -> Result<f64> {
        self.ask("run")
    }

    /// The results of the work, row by row.
    pub(super) fn scores(&mut self) -> Result<Vec<Vec<f64>>> {
        self.ask("scores")
    }

    fn ask<T: DeserializeOwned>(&mut self, request: &str) -> Result<T> {
        if let Some(requests) = &mut self.requests {
            // A contestant that has died says why below.
            let _ = writeln!(requests, "{request}");
        }
        self.answer(request)
    }

    fn answer<T: DeserializeOwned>(&mut self, request: &str) -> Result<T> {
        let name = &self.name;
        let mut line = String::new();
        self.answers
            .read_line(&mut line)
            .with_context(|| format!("could not read the answer of {name} to `{request}`"))?;
        if line.is_empty() {
            let status = self.child.wait().context("could not wait for it")?;
            bail!("{name} ended at `{request}`: {status}; what it said of it stands above");
        }
        serde_json::from_str(&line)
            .with_context(|| format!("could not understand the answer of {name} to `{request}`"))
    }
}

impl Drop for Contestant {
    /// The end of its input ends it; one that hangs is stopped.
    fn drop(&mut self) {
        self.requests = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Milliseconds of every contestant in as many rounds, each of which they run one after
/// the other, so that a slow minute of the machine hits all alike.
pub(super) fn in_turn(contestants: &mut [Contestant], rounds: u32) -> Result<Vec<Vec<f64>>> {
    let mut times = vec![Vec::new(); contestants.len()];
    for round in 1..=rounds {
        for (contestant, times) in contestants.iter_mut().zip(&mut times) {
            let milliseconds = contestant.run()?;
            eprintln!("  round {round}, {}: {milliseconds:.1} ms", contestant.name);
            times.push(milliseconds);
        }
    }
    Ok(times)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<Contestant> {
        Contestant::start("a shell", Command::new("sh").args(["-c", script]))
    }

    #[test]
    fn a_contestant_answers_line_by_line() {
        let mut shell = shell(
            r#"echo '{"settings": "none", "versions": {"a": "1.0"}}'; read a; echo "1.5"; read b; echo "[[1, 2], [3, 4]]"; cat"#,
        )
        .unwrap();
        assert_eq!(shell.ready.settings, "none");
        assert_eq!(shell.ready.versions["a"], "1.0");
        assert_eq!(shell.run().unwrap(), 1.5);
        assert_eq!(shell.scores().unwrap(), [[1.0, 2.0], [3.0, 4.0]]);
    }

    #[test]
    fn contestants_run_in_turn() {
        let answers = |a, b| format!(r#"echo '{{"settings": ""}}'; echo {a}; echo {b}; cat"#);
        let mut two = [
            shell(&answers(1, 2)).unwrap(),
            shell(&answers(3, 4)).unwrap(),
        ];
        assert_eq!(in_turn(&mut two, 2).unwrap(), [[1.0, 2.0], [3.0, 4.0]]);
    }

    #[test]
    fn a_contestant_that_ends_early_is_named() {
        let message = shell("exit 3").map(|_| ()).unwrap_err().to_string();
        assert!(
            message.contains("a shell ended") && message.contains('3'),
            "{message}"
        );
        let mut quits = shell(r#"echo '{"settings": ""}'"#).unwrap();
        assert!(quits.run().unwrap_err().to_string().contains("`run`"));
    }
}
