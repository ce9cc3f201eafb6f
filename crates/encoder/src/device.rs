//! Where a model runs. Chosen by the caller, never guessed, never replaced.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Error;

/// The processor that runs a model, written `cpu`, `cuda` or `cuda:1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Device {
    /// The processor, on the threads of the current rayon pool.
    #[default]
    Cpu,
    /// An NVIDIA card by its ordinal. Needs the `cuda` feature.
    Cuda(usize),
}

impl Device {
    /// Opens the device for candle.
    pub(crate) fn open(self) -> Result<candle_core::Device, Error> {
        match self {
            Device::Cpu => Ok(candle_core::Device::Cpu),
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
            Device::Cpu => f.pad("cpu"),
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
            "cpu" => Ok(Device::Cpu),
            "cuda" => Ok(Device::Cuda(0)),
            _ => {
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
        for device in [Device::Cpu, Device::Cuda(0), Device::Cuda(3)] {
            assert_eq!(device.to_string().parse::<Device>().unwrap(), device);
            let json = serde_json::to_string(&device).unwrap();
            assert_eq!(serde_json::from_str::<Device>(&json).unwrap(), device);
        }
        for name in ["", "CPU", "gpu", "cuda:", "cuda:-1", "cuda:+1", "cuda:x"] {
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
