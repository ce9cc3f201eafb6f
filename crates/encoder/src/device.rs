//! From a device's name to what runs a model there: candle, or kernels with the
//! instructions that this processor has.

use treffer_kernels::{Isa, Level};
use treffer_types::{CpuBackend, CudaBackend, Device, InstructionSet};

use crate::error::Error;

/// How a model runs on a device of this machine, for people: "8-bit integers, avx512".
///
/// # Errors
/// [`Error::NoInstructions`] if the CPU lacks what the device asks for.
pub fn arithmetic(device: Device) -> Result<String, Error> {
    Ok(match isa(device)? {
        None if matches!(device, Device::Cuda(_, CudaBackend::Bf16)) => {
            "bf16 without padding".to_owned()
        }
        Some(isa) => format!("8-bit integers, {}", isa.level()),
        None => "f32 through candle".to_owned(),
    })
}

/// The instructions to run a model with; `None` for candle.
pub(crate) fn isa(device: Device) -> Result<Option<Isa>, Error> {
    match device {
        Device::Cpu(CpuBackend::Fastest) => Ok(Isa::detect()),
        Device::Cpu(CpuBackend::Quantized(set)) => match Isa::get(level(set)) {
            Some(isa) => Ok(Some(isa)),
            None => Err(Error::NoInstructions {
                set,
                needs: level(set).needs(),
            }),
        },
        Device::Cpu(CpuBackend::Candle) | Device::Cuda(..) => Ok(None),
    }
}

/// What the kernels call an instruction set.
fn level(set: InstructionSet) -> Level {
    match set {
        InstructionSet::Avx2 => Level::Avx2,
        InstructionSet::Avx512 => Level::Avx512,
        InstructionSet::Amx => Level::Amx,
    }
}

/// Opens the device for candle.
pub(crate) fn open(device: Device) -> Result<candle_core::Device, Error> {
    match device {
        Device::Cpu(_) => Ok(candle_core::Device::Cpu),
        Device::Cuda(..) if !cfg!(feature = "cuda") => Err(Error::NoCuda { device }),
        Device::Cuda(ordinal, _) => {
            candle_core::Device::new_cuda(ordinal).map_err(|source| Error::OpenDevice {
                device,
                source: source.into(),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instruction_set_has_the_same_name_in_a_device_and_in_the_kernels() {
        for set in InstructionSet::ALL {
            assert_eq!(level(set).as_str(), set.as_str());
        }
    }

    #[test]
    fn a_backend_runs_as_its_name_says_or_not_at_all() {
        let candle = arithmetic(Device::Cpu(CpuBackend::Candle)).unwrap();
        assert_eq!(candle, "f32 through candle");
        for set in InstructionSet::ALL {
            let found = arithmetic(Device::Cpu(CpuBackend::Quantized(set)));
            match Isa::get(level(set)) {
                Some(_) => assert_eq!(found.unwrap(), format!("8-bit integers, {set}")),
                None => {
                    let error = found.unwrap_err().to_string();
                    assert!(error.contains(&format!("cpu:{set} needs")), "{error}");
                }
            }
        }
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn cuda_without_the_feature_is_an_error_that_names_the_feature() {
        for backend in [CudaBackend::F32, CudaBackend::Bf16] {
            let device = Device::Cuda(0, backend);
            let message = open(device).unwrap_err().to_string();
            assert!(message.contains("`cuda` feature"), "{message}");
            assert!(message.contains(&format!("device {device}:")), "{message}");
        }
    }
}
