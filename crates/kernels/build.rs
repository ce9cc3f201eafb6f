//! With the feature `cuda`, compiles the kernels in cuda/packed.cu to PTX, which the driver
//! compiles for the GPU that it finds.

use std::path::PathBuf;
use std::process::Command;

/// The oldest architecture whose tensor cores multiply bf16; newer ones run its PTX.
const ARCHITECTURE: &str = "compute_80";

fn main() {
    println!("cargo::rerun-if-changed=cuda/packed.cu");
    for variable in ["NVCC", "CUDA_HOME", "CUDA_PATH"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    if std::env::var_os("CARGO_FEATURE_CUDA").is_none() {
        return;
    }
    if let Err(error) = compile() {
        println!("cargo::error={error}");
    }
}

fn compile() -> Result<(), String> {
    let out = std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set; this is run by cargo")?;
    let out = PathBuf::from(out).join("packed.ptx");
    let nvcc = nvcc();
    let status = Command::new(&nvcc)
        .args(["-ptx", "-O3", "-arch", ARCHITECTURE, "-o"])
        .arg(&out)
        .arg("cuda/packed.cu")
        .status()
        .map_err(|error| {
            let nvcc = nvcc.display();
            format!(
                "could not start {nvcc}: {error}; install the CUDA toolkit and set CUDA_HOME, or \
                 build without the feature `cuda`"
            )
        })?;
    if status.success() {
        return Ok(());
    }
    Err(format!(
        "{} could not compile cuda/packed.cu: {status}",
        nvcc.display()
    ))
}

/// The compiler that a variable names, else the one of the toolkit or on the path.
fn nvcc() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(nvcc) = variable("NVCC") {
        return PathBuf::from(nvcc);
    }
    ["CUDA_HOME", "CUDA_PATH"]
        .into_iter()
        .filter_map(variable)
        .map(|home| PathBuf::from(home).join("bin").join("nvcc"))
        .find(|nvcc| nvcc.exists())
        .unwrap_or_else(|| PathBuf::from("nvcc"))
}
