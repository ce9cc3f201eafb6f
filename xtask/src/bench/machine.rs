//! What the processor is, how busy it is, and how contestants are held down to an
//! older instruction set.

use std::fmt;
use std::fs;

use anyhow::{Context, Result};

/// Features that decide the speed of matrix products, in order of their age.
const FEATURES: [&str; 7] = [
    "avx2",
    "fma",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "amx_tile",
    "amx_int8",
];

/// The processor as the kernel describes it.
#[derive(Debug, PartialEq)]
pub(super) struct Machine {
    pub(super) model: String,
    /// Those of [`FEATURES`] that it has.
    pub(super) features: Vec<&'static str>,
    /// Mean number of running threads over the last minute.
    pub(super) load: String,
    /// Threads that every contestant gets.
    pub(super) n_threads: usize,
}

impl Machine {
    /// Looks at this machine.
    ///
    /// # Errors
    /// If it is not Linux, or does not say how many threads it has.
    pub(super) fn look() -> Result<Self> {
        let read = |path: &str| {
            fs::read_to_string(path).with_context(|| {
                format!("could not read {path}, which tells the processor; run this on Linux")
            })
        };
        let load = read("/proc/loadavg")?;
        let n_threads = std::thread::available_parallelism()
            .context("could not count the processor's threads")?;
        Ok(Machine {
            load: load.split(' ').next().unwrap_or_default().to_owned(),
            n_threads: n_threads.get(),
            ..Machine::parse(&read("/proc/cpuinfo")?)
        })
    }

    fn parse(cpuinfo: &str) -> Self {
        let value = |key: &str| {
            cpuinfo
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.trim() == key)
                .map_or("", |(_, value)| value.trim())
        };
        let flags: Vec<&str> = value("flags").split(' ').collect();
        Machine {
            model: value("model name").to_owned(),
            features: FEATURES
                .into_iter()
                .filter(|feature| flags.contains(feature))
                .collect(),
            load: String::new(),
            n_threads: 0,
        }
    }

    fn has(&self, feature: &str) -> bool {
        self.features.contains(&feature)
    }
}

impl fmt::Display for Machine {
    /// What stands above a table.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {} threads; {}; load {} at the start",
            self.model,
            self.n_threads,
            self.features.join(" "),
            self.load
        )
    }
}

/// The most that a contestant may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Isa {
    /// All that the processor has
    Auto,
    /// AVX-512 with its extensions, but no AMX
    Avx512,
    /// AVX2 and FMA
    Avx2,
}

impl Isa {
    /// Our device that stays within it.
    pub(super) fn device(self) -> &'static str {
        match self {
            Isa::Auto => "cpu",
            Isa::Avx512 => "cpu:avx512",
            Isa::Avx2 => "cpu:avx2",
        }
    }

    /// What tells oneDNN, PyTorch's own kernels and MKL to stay within it.
    pub(super) fn environment(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Isa::Auto => &[],
            Isa::Avx512 => &[
                ("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_FP16"),
                ("ATEN_CPU_CAPABILITY", "avx512"),
                ("MKL_ENABLE_INSTRUCTIONS", "AVX512_E3"),
            ],
            Isa::Avx2 => &[
                ("ONEDNN_MAX_CPU_ISA", "AVX2"),
                ("ATEN_CPU_CAPABILITY", "avx2"),
                ("MKL_ENABLE_INSTRUCTIONS", "AVX2"),
            ],
        }
    }

    /// Whether `machine` offers more than this. ONNX Runtime would use it: nothing
    /// holds it down.
    pub(super) fn is_exceeded_by(self, machine: &Machine) -> bool {
        match self {
            Isa::Auto => false,
            Isa::Avx512 => machine.has("amx_tile"),
            Isa::Avx2 => machine.has("avx512f"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CPUINFO: &str = "processor\t: 0\nmodel name\t: Some CPU @ 2.0GHz\n\
                           flags\t\t: fpu fma avx2 avx512f avx512_vnni_not amx_tile\n\
                           \nprocessor\t: 1\nmodel name\t: Another\nflags\t\t: fpu amx_int8\n";

    #[test]
    fn the_first_processor_speaks_for_all() {
        let machine = Machine::parse(CPUINFO);
        assert_eq!(machine.model, "Some CPU @ 2.0GHz");
        assert_eq!(machine.features, ["avx2", "fma", "avx512f", "amx_tile"]);
    }

    #[test]
    fn a_description_without_flags_has_no_features() {
        let machine = Machine::parse("CPU implementer : 0x41\n");
        assert_eq!((machine.model.as_str(), machine.features.len()), ("", 0));
    }

    #[test]
    fn an_instruction_set_is_exceeded_only_by_a_newer_one() {
        let mut machine = Machine::parse(CPUINFO);
        let exceeded = |machine: &Machine| {
            [Isa::Auto, Isa::Avx512, Isa::Avx2].map(|isa| isa.is_exceeded_by(machine))
        };
        assert_eq!(exceeded(&machine), [false, true, true]);
        machine.features = vec!["avx2", "avx512f"];
        assert_eq!(exceeded(&machine), [false, false, true]);
        machine.features = vec!["avx2"];
        assert_eq!(exceeded(&machine), [false, false, false]);
    }
}
