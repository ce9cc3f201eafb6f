//! Where a model runs, as a name. The caller chooses it; it is never guessed or replaced.
//!
//! This is only the name: whether such a device is available, and how a model runs there, is
//! up to the program that loads the model.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The processor that runs a model: `cpu`, `cuda` or `cuda:1`; or a certain way of
/// running it there: `cpu:candle`, `cpu:avx2`, `cpu:avx512` or `cpu:amx`, `cuda:bf16` or
/// `cuda:1:bf16`.
///
/// ```
/// use treffer_types::{CpuBackend, CudaBackend, Device, InstructionSet};
///
/// let device: Device = "cpu:avx2".parse()?;
/// assert_eq!(device, Device::Cpu(CpuBackend::Quantized(InstructionSet::Avx2)));
/// assert_eq!(Device::Cuda(1, CudaBackend::F32).to_string(), "cuda:1");
/// assert_eq!(Device::default(), Device::CPU);
/// # Ok::<(), treffer_types::InvalidDevice>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Device {
    /// The CPU, on the threads of the current rayon pool.
    Cpu(CpuBackend),
    /// An NVIDIA GPU by its ordinal, from 0.
    Cuda(usize, CudaBackend),
}

/// How a GPU runs a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CudaBackend {
    /// In f32 through candle.
    #[default]
    F32,
    /// In bf16 without padding, through kernels of this project: for models whose heads have 32
    /// or 64 values, on GPUs of compute capability 8.0 or newer.
    Bf16,
}

/// How the CPU runs a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CpuBackend {
    /// In 8-bit integers with the best instructions that this processor has, or in f32 if it
    /// has none of them or the model's shape requires it.
    #[default]
    Fastest,
    /// In f32 through candle: the reference.
    Candle,
    /// In 8-bit integers with these instructions and no others.
    Quantized(InstructionSet),
}

/// Extensions of x86-64 that multiply 8-bit integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InstructionSet {
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 with VNNI.
    Avx512,
    /// AVX-512 with VNNI, and AMX tiles of 8-bit integers.
    Amx,
}

/// Text that names no device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidDevice(String);

impl Device {
    /// The CPU, as fast as it can.
    pub const CPU: Device = Device::Cpu(CpuBackend::Fastest);
}

impl Default for Device {
    fn default() -> Self {
        Device::CPU
    }
}

impl InstructionSet {
    /// All, slowest first.
    pub const ALL: [InstructionSet; 3] = [
        InstructionSet::Avx2,
        InstructionSet::Avx512,
        InstructionSet::Amx,
    ];

    /// As in a device's name: `avx2`, `avx512` or `amx`.
    pub fn as_str(self) -> &'static str {
        match self {
            InstructionSet::Avx2 => "avx2",
            InstructionSet::Avx512 => "avx512",
            InstructionSet::Amx => "amx",
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu(CpuBackend::Fastest) => f.pad("cpu"),
            Device::Cpu(CpuBackend::Candle) => f.pad("cpu:candle"),
            Device::Cpu(CpuBackend::Quantized(set)) => f.pad(&format!("cpu:{set}")),
            Device::Cuda(0, CudaBackend::F32) => f.pad("cuda"),
            Device::Cuda(ordinal, CudaBackend::F32) => f.pad(&format!("cuda:{ordinal}")),
            Device::Cuda(0, CudaBackend::Bf16) => f.pad("cuda:bf16"),
            Device::Cuda(ordinal, CudaBackend::Bf16) => f.pad(&format!("cuda:{ordinal}:bf16")),
        }
    }
}

impl fmt::Display for InstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for InvalidDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "unknown device `{}`; devices are cpu, cuda and cuda:N, such as cuda:1",
            self.0
        )
    }
}

impl std::error::Error for InvalidDevice {}

impl FromStr for Device {
    type Err = InvalidDevice;

    fn from_str(name: &str) -> Result<Self, InvalidDevice> {
        let device = match name.split_once(':') {
            None if name == "cpu" => Some(Device::CPU),
            None if name == "cuda" => Some(Device::Cuda(0, CudaBackend::F32)),
            Some(("cpu", backend)) => parse_backend(backend).map(Device::Cpu),
            Some(("cuda", rest)) => parse_cuda(rest),
            _ => None,
        };
        device.ok_or_else(|| InvalidDevice(name.to_owned()))
    }
}

fn parse_backend(name: &str) -> Option<CpuBackend> {
    if name == "candle" {
        return Some(CpuBackend::Candle);
    }
    let set = InstructionSet::ALL
        .into_iter()
        .find(|set| set.as_str() == name);
    set.map(CpuBackend::Quantized)
}

/// What follows `cuda:`: an ordinal, a backend, or both.
fn parse_cuda(rest: &str) -> Option<Device> {
    let (ordinal, backend) = match rest.split_once(':') {
        Some((ordinal, "bf16")) => (ordinal, CudaBackend::Bf16),
        None if rest == "bf16" => ("0", CudaBackend::Bf16),
        None => (rest, CudaBackend::F32),
        Some(_) => return None,
    };
    Some(Device::Cuda(parse_ordinal(ordinal)?, backend))
}

fn parse_ordinal(digits: &str) -> Option<usize> {
    // `parse` alone would also take "+1".
    let only_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    only_digits.then(|| digits.parse().ok())?
}

impl Serialize for Device {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Device {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<'de, str>::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_parses_as_it_prints() {
        for (name, device) in [
            ("cpu", Device::CPU),
            ("cpu:candle", Device::Cpu(CpuBackend::Candle)),
            ("cpu:avx2", quantized(InstructionSet::Avx2)),
            ("cpu:avx512", quantized(InstructionSet::Avx512)),
            ("cpu:amx", quantized(InstructionSet::Amx)),
            ("cuda", Device::Cuda(0, CudaBackend::F32)),
            ("cuda:3", Device::Cuda(3, CudaBackend::F32)),
            ("cuda:bf16", Device::Cuda(0, CudaBackend::Bf16)),
            ("cuda:3:bf16", Device::Cuda(3, CudaBackend::Bf16)),
        ] {
            assert_eq!(device.to_string(), name);
            assert_eq!(name.parse(), Ok(device));
            let json = serde_json::to_string(&device).unwrap();
            assert_eq!(json, format!("\"{name}\""));
            assert_eq!(serde_json::from_str::<Device>(&json).unwrap(), device);
        }
        let first = Device::Cuda(0, CudaBackend::F32);
        assert_eq!("cuda:0".parse(), Ok(first));
    }

    fn quantized(set: InstructionSet) -> Device {
        Device::Cpu(CpuBackend::Quantized(set))
    }

    #[test]
    fn what_names_no_device_is_refused_by_its_name() {
        for name in [
            "",
            "CPU",
            "gpu",
            "cuda:",
            "cuda:-1",
            "cuda:+1",
            "cuda:x",
            "cuda:99999999999999999999999",
            "cuda:bf16:1",
            "cuda:1:f32",
            "cuda:1:",
            "cuda::bf16",
            "cpu:",
            "cpu:scalar",
            "cpu:candle:",
            "avx2",
        ] {
            let error = name.parse::<Device>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{name}`")), "{error}");
        }
        let error = serde_json::from_str::<Device>("\"gpu\"").unwrap_err();
        assert!(
            error.to_string().contains("unknown device `gpu`"),
            "{error}"
        );
    }
}
