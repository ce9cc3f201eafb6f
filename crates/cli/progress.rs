//! Progress on a terminal, and signals that ask the program to end.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use treffer_corpus::Stop;
use treffer_types::Progress;

use crate::terminal;

/// A bar per step: how much, how fast, how long. Draws nothing unless
/// standard error is a terminal.
pub(crate) struct Bars {
    bar: Mutex<Option<ProgressBar>>,
    stop: Stop,
}

impl Bars {
    /// Bars that nothing cancels: Ctrl-C ends the program at once.
    pub(crate) fn new() -> Self {
        Bars {
            bar: Mutex::new(None),
            stop: Stop::default(),
        }
    }

    /// Bars that take Ctrl-C, and on Unix also SIGTERM and SIGHUP, as a request to stop at the
    /// next safe point; a second one ends the program at once.
    pub(crate) fn cancellable() -> anyhow::Result<Self> {
        let bars = Bars::new();
        let stop = bars.stop.clone();
        ctrlc::set_handler(move || {
            if stop.request() {
                std::process::exit(130);
            }
        })?;
        Ok(bars)
    }

    /// The request to stop, for readers.
    pub(crate) fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Prints a line on standard error above the bar.
    pub(crate) fn say(&self, line: &str) {
        match &*self.bar.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(bar) => bar.suspend(|| terminal::say(line)),
            None => terminal::say(line),
        }
    }
}

impl Progress for Bars {
    fn begin(&self, step: &str, total: Option<u64>, unit: &str) {
        if !std::io::stderr().is_terminal() {
            return;
        }
        let bar = match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::new_spinner(),
        };
        bar.set_style(style(total.is_some(), unit));
        bar.set_message(step.to_string());
        bar.enable_steady_tick(Duration::from_millis(200));
        *self.bar.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar);
    }

    fn advance(&self, done: u64) {
        if let Some(bar) = &*self.bar.lock().unwrap_or_else(PoisonError::into_inner) {
            bar.inc(done);
        }
    }

    fn end(&self) {
        if let Some(bar) = self
            .bar
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            bar.finish_and_clear();
        }
    }

    fn cancelled(&self) -> bool {
        self.stop.is_requested()
    }
}

fn style(is_bounded: bool, unit: &str) -> ProgressStyle {
    let template = match (is_bounded, unit) {
        (true, "bytes") => {
            "{msg:.bold} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left".to_string()
        }
        (false, "bytes") => "{msg:.bold} {spinner} {bytes} {bytes_per_sec}".to_string(),
        (true, unit) => {
            format!("{{msg:.bold}} {{bar:30}} {{pos}}/{{len}} {unit}, {{per_sec}}, {{eta}} left")
        }
        (false, unit) => format!("{{msg:.bold}} {{spinner}} {{pos}} {unit}, {{per_sec}}"),
    };
    ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
