//! `cargo xtask cuda`: the binary with the CUDA device, built on a machine that has
//! neither a GPU nor the CUDA toolkit.
//!
//! The compiler and the libraries come from Python wheels in an environment below
//! target/. The driver's library, which no wheel holds, is replaced while linking by
//! a stub with the same names; the binary finds the real one where it runs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::python;
use crate::workspace::{Workspace, executable, output, run as run_command};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only type-check the CUDA code, with a stand-in for the compiler
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    build: Build,
}

/// How a CUDA binary is built.
#[derive(clap::Args)]
pub(crate) struct Build {
    /// GPU generation to build for: 80 is A100, 89 L4 and RTX 40, 90 H100 [default: $CUDA_COMPUTE_CAP or 90]
    #[arg(long)]
    compute_cap: Option<String>,
    /// Toolkit to build with; no newer than the driver where the binary will run
    #[arg(long, default_value = "13.0.2")]
    toolkit: String,
    /// Build jobs, and kernels compiled at a time
    #[arg(long, short, default_value_t = 1)]
    jobs: usize,
}

/// What the wheel of the toolkit is asked to bring.
const TOOLKIT_PARTS: &str = "nvcc,nvvm,crt,cudart,cccl,cublas,curand,nvrtc";

/// Builds the binary, or only checks the types.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    if arguments.check {
        return check(workspace);
    }
    let binary = build(workspace, &arguments.build, "treffer")?;
    println!("{}", binary.display());
    eprintln!(
        "it needs libcuda, libcublas, libcudart and libcurand where it runs: the driver, and a \
         toolkit or its Python wheels named in LD_LIBRARY_PATH"
    );
    Ok(())
}

/// Builds the program of this name with the CUDA device and returns where it lies.
///
/// # Errors
/// If this is not Linux, the toolkit cannot be had, or the build fails.
pub(crate) fn build(workspace: &Workspace, build: &Build, program: &str) -> Result<PathBuf> {
    ensure!(
        cfg!(target_os = "linux"),
        "the CUDA build from Python wheels is for Linux; elsewhere install the toolkit and run \
         `cargo build --release --features cuda`"
    );
    let folder = workspace.target.join("cuda");
    let toolkit = Toolkit::install(&folder.join("toolkit"), &build.toolkit)?;
    toolkit.name_libraries_for_the_linker()?;
    toolkit.make_driver_stub()?;
    let jobs = build.jobs.max(1).to_string();
    let compute_cap = build.compute_cap.clone();
    let compute_cap = compute_cap
        .or_else(|| std::env::var("CUDA_COMPUTE_CAP").ok())
        .unwrap_or_else(|| "90".to_owned());
    let mut command = workspace.cargo();
    command
        .args(["build", "--release", "--bin", program, "--jobs", &jobs])
        // Together, whichever of the two is built, so that what they share is built once.
        .args(["--package", "treffer-cli", "--package", "treffer-gpu"])
        .args(["--features", "treffer-cli/cuda,treffer-gpu/cuda"])
        .arg("--message-format=json-render-diagnostics")
        .arg("--target-dir")
        .arg(&folder)
        .env("CUDA_COMPUTE_CAP", compute_cap)
        .env("CUDAFORGE_THREADS", &jobs);
    executable(&output(toolkit.enter(&mut command)?)?, program)
}

/// Type-checks the CUDA code with a stand-in for the compiler: no kernel is compiled.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    // A folder of its own: the empty kernels must never get into a real build.
    let folder = workspace.target.join("cuda-check");
    fs::create_dir_all(&folder).context("could not make the folder of the CUDA check")?;
    let stand_in = folder.join("nvcc");
    fs::write(&stand_in, include_str!("cuda/stand-in-nvcc.sh"))
        .context("could not write the stand-in for nvcc")?;
    make_executable(&stand_in)?;
    let mut command = workspace.cargo();
    command
        .args([
            "check",
            "--package",
            "treffer-encoder",
            "--package",
            "treffer-gpu",
            "--features",
            "treffer-encoder/cuda",
        ])
        .arg("--target-dir")
        .arg(&folder)
        .env("NVCC", &stand_in)
        .env("PATH", path_with(&folder)?)
        .env("CUDARC_CUDA_VERSION", "13000")
        .env("CUDA_COMPUTE_CAP", "90");
    run_command(&mut command)
}

/// An installed toolkit: a folder with bin/, include/ and lib/.
struct Toolkit(PathBuf);

impl Toolkit {
    /// Installs the wheels into `folder`, unless that has been done.
    fn install(folder: &Path, version: &str) -> Result<Self> {
        let venv = folder.join(version);
        let done = venv.join("installed");
        if !done.exists() {
            eprintln!("installing CUDA {version} from Python wheels (1.2 GB)");
            let interpreter = python::make_environment(&venv)?;
            run_command(
                python::install(&interpreter)
                    .arg(format!("cuda-toolkit[{TOOLKIT_PARTS}]=={version}")),
            )?;
            fs::write(&done, "").context("could not mark the toolkit as installed")?;
        }
        let major = version.split('.').next().unwrap_or(version);
        let root = entries(&venv.join("lib"))?
            .into_iter()
            .map(|python| python.join(format!("site-packages/nvidia/cu{major}")))
            .find(|root| root.join("bin/nvcc").exists());
        match root {
            Some(root) => Ok(Toolkit(root)),
            None => bail!(
                "the wheels of CUDA {version} brought no nvcc; remove {} and try again",
                venv.display()
            ),
        }
    }

    /// The wheels hold libX.so.13, the linker looks for libX.so, and some build
    /// scripts look into lib64.
    fn name_libraries_for_the_linker(&self) -> Result<()> {
        let lib64 = self.0.join("lib64");
        fs::create_dir_all(&lib64).context("could not make lib64")?;
        for library in entries(&self.0.join("lib"))? {
            let Some(name) = library.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            let Some((bare, _)) = name.split_once(".so.") else {
                continue;
            };
            for link in [
                library.with_file_name(format!("{bare}.so")),
                lib64.join(format!("{bare}.so")),
            ] {
                if !link.exists() {
                    fs::hard_link(&library, &link)
                        .with_context(|| format!("could not link {name} as {bare}.so"))?;
                }
            }
        }
        Ok(())
    }

    /// Makes a libcuda whose functions all answer that they are a stub.
    fn make_driver_stub(&self) -> Result<()> {
        let folder = self.0.join("lib/stubs");
        fs::create_dir_all(&folder).context("could not make the folder of the driver stub")?;
        let header = self.0.join("include/cuda.h");
        let header =
            fs::read(&header).with_context(|| format!("could not read {}", header.display()))?;
        let source = folder.join("stub.c");
        fs::write(&source, stub_source(&String::from_utf8_lossy(&header)))
            .context("could not write the driver stub")?;
        for name in ["libcuda.so", "libcuda.so.1"] {
            run_command(
                Command::new("cc")
                    .args([
                        "-shared",
                        "-fPIC",
                        "-w",
                        "-fno-builtin",
                        "-Wl,-soname,libcuda.so.1",
                    ])
                    .arg("-o")
                    .arg(folder.join(name))
                    .arg(&source),
            )?;
        }
        Ok(())
    }

    /// Lets `command` find the toolkit: candle's build scripts read these variables
    /// and run nvcc from the path.
    fn enter<'a>(&self, command: &'a mut Command) -> Result<&'a mut Command> {
        let bin = self.0.join("bin");
        Ok(command
            .env("CUDA_HOME", &self.0)
            .env("CUDA_PATH", &self.0)
            .env("NVCC", bin.join("nvcc"))
            .env("PATH", path_with(&bin)?))
    }
}

/// A C function for each name of the driver's interface in cuda.h, with the answer
/// 34: CUDA_ERROR_STUB_LIBRARY.
fn stub_source(header: &str) -> String {
    // Declared in a header of its own.
    let profiler = ["cuProfilerStart", "cuProfilerStop"];
    let names: BTreeSet<&str> = header
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| {
            word.strip_prefix("cu")
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
        })
        .chain(profiler)
        .collect();
    names
        .into_iter()
        .map(|name| format!("int {name}(void) {{ return 34; }}\n"))
        .collect()
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in
        fs::read_dir(folder).with_context(|| format!("could not list {}", folder.display()))?
    {
        paths.push(entry?.path());
    }
    paths.sort();
    Ok(paths)
}

fn path_with(first: &Path) -> Result<std::ffi::OsString> {
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let parts = std::iter::once(first.to_path_buf()).chain(std::env::split_paths(&rest));
    std::env::join_paths(parts).context("could not put the compiler on the PATH")
}

#[cfg(unix)]
fn make_executable(file: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(file, fs::Permissions::from_mode(0o755))
        .context("could not make the stand-in for nvcc executable")
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> Result<()> {
    bail!("the stand-in for nvcc is a shell script: check the CUDA code on Linux or macOS")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stub_has_every_function_of_the_header_once() {
        let header = "CUresult CUDAAPI cuInit(unsigned int Flags);\n#define cuMemAlloc cuMemAlloc_v2\n\
                      /* cuInit again; custom and cudaMalloc are not the driver's */\n";
        assert_eq!(
            stub_source(header),
            "int cuInit(void) { return 34; }\n\
             int cuMemAlloc(void) { return 34; }\n\
             int cuMemAlloc_v2(void) { return 34; }\n\
             int cuProfilerStart(void) { return 34; }\n\
             int cuProfilerStop(void) { return 34; }\n"
        );
    }
}
