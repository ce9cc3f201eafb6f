//! Where a model runs. Chosen by the caller, never guessed, never replaced.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use treffer_kernels::{Isa, Level};

use crate::error::Error;

/// The processor that runs a model, written `cpu`, `cuda` or `cuda:1`; or a certain way
/// of running it on the CPU, as in `cpu:candle` or `cpu:avx2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Device {
    /// The processor, on the threads of the current rayon pool.
    Cpu(Forward),
    /// An NVIDIA card by its ordinal. Needs the `cuda` feature.
    Cuda(usize),
}

/// How the CPU runs a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Forward {
    /// In 8-bit integers with the best instructions that this processor has, or through
    /// candle where it has none that are known or the model's shape asks for it.
    Fastest,
    /// In f32 through candle: the reference.
    Candle,
    /// In 8-bit integers with these instructions and no others.
    Quantized(Level),
}

impl Device {
    /// The CPU, as fast as it can.
    pub const CPU: Device = Device::Cpu(Forward::Fastest);
}

impl Default for Device {
    fn default() -> Self {
        Device::CPU
    }
}

impl Device {
    /// How a model runs there on this machine, for people: "8-bit integers, avx512".
    ///
    /// # Errors
    /// If the CPU lacks the instructions that the device asks for.
    pub fn arithmetic(self) -> Result<String, Error> {
        Ok(match self.isa()? {
            Some(isa) => format!("8-bit integers, {}", isa.level()),
            None => "f32 through candle".to_owned(),
        })
    }

    /// The instructions to run a model with; `None` for candle.
    pub(crate) fn isa(self) -> Result<Option<Isa>, Error> {
        match self {
            Device::Cpu(Forward::Fastest) => Ok(Isa::detect()),
            Device::Cpu(Forward::Quantized(level)) => match Isa::get(level) {
                Some(isa) => Ok(Some(isa)),
                None => Err(Error::NoInstructions { level }),
            },
            Device::Cpu(Forward::Candle) | Device::Cuda(_) => Ok(None),
        }
    }

    /// Opens the device for candle.
    pub(crate) fn open(self) -> Result<candle_core::Device, Error> {
        match self {
            Device::Cpu(_) => Ok(candle_core::Device::Cpu),
            Device::Cuda(_) if !cfg!(feature = "cuda") => Err(Error::NoCuda { device: self }),
            Device::Cuda(ordinal) => {
                candle_core::Device::new_cuda(ordinal).map_err(|source| Error::OpenDevice {
                    device: self,
                    source: source.into(),
                })
            }
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu(Forward::Fastest) => f.pad("cpu"),
            Device::Cpu(Forward::Candle) => f.pad("cpu:candle"),
            Device::Cpu(Forward::Quantized(level)) => f.pad(&format!("cpu:{level}")),
            Device::Cuda(0) => f.pad("cuda"),
            Device::Cuda(ordinal) => f.pad(&format!("cuda:{ordinal}")),
        }
    }
}

impl FromStr for Device {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let unknown = || Error::UnknownDevice {
            name: name.to_owned(),
        };
        match name {
            "cpu" => Ok(Device::CPU),
            "cpu:candle" => Ok(Device::Cpu(Forward::Candle)),
            "cuda" => Ok(Device::Cuda(0)),
            _ => {
                if let Some(level) = name.strip_prefix("cpu:") {
                    let known = [Level::Avx2, Level::Avx512, Level::Amx];
                    let level = known.into_iter().find(|known| known.as_str() == level);
                    let level = level.ok_or_else(unknown)?;
                    return Ok(Device::Cpu(Forward::Quantized(level)));
                }
                let ordinal = name.strip_prefix("cuda:").ok_or_else(unknown)?;
                // `parse` alone would also take "+1".
                if !ordinal.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(unknown());
                }
                ordinal.parse().map(Device::Cuda).map_err(|_| unknown())
            }
        }
    }
}

impl Serialize for Device {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Device {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_parses_as_it_prints() {
        let quantized = |level| Device::Cpu(Forward::Quantized(level));
        for device in [
            Device::CPU,
            Device::Cpu(Forward::Candle),
            quantized(Level::Avx2),
            quantized(Level::Amx),
            Device::Cuda(0),
            Device::Cuda(3),
        ] {
            assert_eq!(device.to_string().parse::<Device>().unwrap(), device);
            let json = serde_json::to_string(&device).unwrap();
            assert_eq!(serde_json::from_str::<Device>(&json).unwrap(), device);
        }
        for name in [
            "",
            "CPU",
            "gpu",
            "cuda:",
            "cuda:-1",
            "cuda:+1",
            "cuda:x",
            "cpu:",
            "cpu:scalar",
        ] {
            assert!(name.parse::<Device>().is_err(), "{name:?}");
        }
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn cuda_without_the_feature_is_an_error_that_names_the_feature() {
        let message = Device::Cuda(0).open().unwrap_err().to_string();
        assert!(message.contains("`cuda` feature"), "{message}");
    }
}
