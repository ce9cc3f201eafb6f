//! The operations on an NVIDIA GPU in bf16: kernels of `cuda/packed.cu`, products by cuBLAS.

use std::sync::Arc;

use cudarc::cublas::sys::cublasOperation_t::{CUBLAS_OP_N, CUBLAS_OP_T};
use cudarc::cublas::{CudaBlas, Gemm, GemmConfig, result::CublasError};
use cudarc::driver::sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
use cudarc::driver::{
    CudaContext, CudaFunction, CudaSlice, CudaStream, DriverError, LaunchConfig, PushKernelArg,
    result,
};
use half::bf16;

use super::{FeedForward, HEAD_WIDTHS, MAX_WIDTH, Norm, Operations, Packing, Queries};

/// The kernels, compiled by nvcc when this crate was.
const PTX: &str = include_str!(concat!(env!("OUT_DIR"), "/packed.ptx"));
/// Threads of a block of every kernel: four warps.
const THREADS: u32 = 128;
/// Rows that a block with a warp for each of them works on.
const ROWS_OF_A_BLOCK: u32 = THREADS / 32;
/// The oldest GPUs whose tensor cores multiply bf16.
const NEEDED: (i32, i32) = (8, 0);
/// Bytes of freed memory that are kept for the next matrices. Without them, all of it would go
/// back to the system whenever a result is waited for, and be asked for again.
const KEPT: u64 = 1 << 30;

/// What the driver or cuBLAS says, or what the GPU lacks.
#[derive(Debug)]
#[non_exhaustive]
pub enum GpuError {
    /// The driver could not do what was asked of it.
    Driver(DriverError),
    /// A product failed.
    Blas(CublasError),
    /// The GPU has no bf16; its compute capability, and the one that is needed.
    TooOld((i32, i32), (i32, i32)),
}

impl std::fmt::Display for GpuError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            GpuError::Driver(error) => write!(f, "the CUDA driver failed: {error}"),
            GpuError::Blas(error) => write!(f, "cuBLAS failed: {error}"),
            GpuError::TooOld((major, minor), (wanted, _)) => write!(
                f,
                "the GPU has compute capability {major}.{minor}, but bf16 needs {wanted}.0; \
                 use its device without :bf16"
            ),
        }
    }
}

impl std::error::Error for GpuError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            GpuError::Driver(error) => Some(error),
            GpuError::Blas(error) => Some(error),
            GpuError::TooOld(..) => None,
        }
    }
}

impl From<DriverError> for GpuError {
    fn from(error: DriverError) -> Self {
        GpuError::Driver(error)
    }
}

impl From<CublasError> for GpuError {
    fn from(error: CublasError) -> Self {
        GpuError::Blas(error)
    }
}

/// A GPU with the kernels loaded.
///
/// All threads share the default stream of its context, so that everything runs in the order in
/// which it was asked for, and cuBLAS never has two products in its workspace.
pub struct Gpu {
    stream: Arc<CudaStream>,
    blas: CudaBlas,
    embed: CudaFunction,
    add_norm: CudaFunction,
    activate: CudaFunction,
    first_rows: CudaFunction,
    /// For each of [`HEAD_WIDTHS`].
    attend: [CudaFunction; 2],
}

/// Rows of bf16 in the GPU's memory.
pub struct Rows {
    values: CudaSlice<bf16>,
    rows: usize,
    width: usize,
}

/// Where sequences lie, in the GPU's memory. Made of a [`Packing`], so that every row that the
/// kernels compute from it exists if a matrix has as many rows.
pub struct Packed {
    starts: CudaSlice<u32>,
    tiles: CudaSlice<u32>,
    first_tiles: CudaSlice<u32>,
    sequences: usize,
    rows: usize,
}

impl Gpu {
    /// Loads the kernels into `context`.
    ///
    /// # Errors
    /// If the GPU is older than the kernels need, or the driver or cuBLAS fails.
    pub fn new(context: &Arc<CudaContext>) -> Result<Self, GpuError> {
        let found = context.compute_capability()?;
        if found < NEEDED {
            return Err(GpuError::TooOld(found, NEEDED));
        }
        keep_memory(context)?;
        let module = context.load_module(PTX.into())?;
        let stream = context.default_stream();
        let function = |name| module.load_function(name);
        Ok(Gpu {
            embed: function("embed")?,
            add_norm: function("add_norm")?,
            activate: function("activate")?,
            first_rows: function("first_rows")?,
            attend: [function("attend_32")?, function("attend_64")?],
            blas: CudaBlas::new(stream.clone())?,
            stream,
        })
    }

    /// Memory for a matrix that a kernel is about to write completely.
    fn room(&self, rows: usize, width: usize) -> Result<Rows, GpuError> {
        // SAFETY: it is read only after the kernel that writes every value of it, since all
        // runs in order on one stream.
        let values = unsafe { self.stream.alloc::<bf16>(rows * width)? };
        Ok(Rows {
            values,
            rows,
            width,
        })
    }
}

/// Lets the GPU's pool of memory keep what is freed.
fn keep_memory(context: &Arc<CudaContext>) -> Result<(), DriverError> {
    context.bind_to_thread()?;
    let mut kept = KEPT;
    // SAFETY: the device is that of a context, so it exists, and its pool lives as long as it
    // does. The attribute is a number of 64 bits, which the driver reads before it returns.
    unsafe {
        let pool = result::device::get_default_mem_pool(context.cu_device())?;
        let value = std::ptr::from_mut(&mut kept).cast();
        result::mem_pool::set_attribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, value)
    }
}

/// As kernels take numbers.
fn number(value: usize) -> i32 {
    i32::try_from(value).unwrap_or_else(|_| panic!("{value} is more than kernels count"))
}

fn blocks(blocks: usize, heads: usize) -> LaunchConfig {
    LaunchConfig {
        grid_dim: (number(blocks) as u32, number(heads) as u32, 1),
        block_dim: (THREADS, 1, 1),
        shared_mem_bytes: 0,
    }
}

fn check_width(width: usize) {
    assert!(
        width.is_multiple_of(4) && width <= MAX_WIDTH,
        "rows of {width} values, which the kernels are not made for"
    );
}

fn check_norm(norm: &Norm<CudaSlice<f32>>, width: usize) {
    check_width(width);
    assert_eq!(
        (norm.weight.len(), norm.bias.len()),
        (width, width),
        "a norm's width"
    );
}

impl Operations for Gpu {
    type Matrix = Rows;
    type Vector = CudaSlice<f32>;
    type Packed = Packed;
    type Error = GpuError;

    fn supports(&self, hidden: usize, heads: usize, inner: usize) -> bool {
        // cuBLAS is fast where rows begin at multiples of 16 bytes.
        HEAD_WIDTHS.iter().any(|width| width * heads == hidden)
            && hidden <= MAX_WIDTH
            && inner.is_multiple_of(8)
    }

    fn matrix(&self, values: &[f32], width: usize) -> Result<Rows, GpuError> {
        assert!(
            width > 0 && values.len().is_multiple_of(width),
            "rows of {width} values"
        );
        let rounded: Vec<bf16> = values.iter().map(|&value| bf16::from_f32(value)).collect();
        Ok(Rows {
            values: self.stream.clone_htod(&rounded)?,
            rows: values.len() / width,
            width,
        })
    }

    fn vector(&self, values: &[f32]) -> Result<CudaSlice<f32>, GpuError> {
        Ok(self.stream.clone_htod(values)?)
    }

    fn pack(&self, packing: &Packing) -> Result<Packed, GpuError> {
        Ok(Packed {
            starts: self.stream.clone_htod(packing.starts())?,
            tiles: self.stream.clone_htod(packing.tiles())?,
            first_tiles: self.stream.clone_htod(&packing.first_tiles())?,
            sequences: packing.sequences(),
            rows: packing.rows(),
        })
    }

    fn embed(
        &self,
        tables: [&Rows; 3],
        rows: [&[u32]; 3],
        norm: &Norm<CudaSlice<f32>>,
    ) -> Result<Rows, GpuError> {
        let (width, tokens) = (tables[0].width, rows[0].len());
        check_norm(norm, width);
        for (table, rows) in tables.iter().zip(rows) {
            assert_eq!(
                (table.width, rows.len()),
                (width, tokens),
                "tables and their rows"
            );
            let last = rows.iter().copied().max().unwrap_or(0) as usize;
            assert!(last < table.rows, "row {last} of a table of {}", table.rows);
        }
        let mut out = self.room(tokens, width)?;
        let lists = [
            self.stream.clone_htod(rows[0])?,
            self.stream.clone_htod(rows[1])?,
            self.stream.clone_htod(rows[2])?,
        ];
        let (n_width, n_tokens) = (number(width), number(tokens));
        let mut launch = self.stream.launch_builder(&self.embed);
        for table in &tables {
            launch.arg(&table.values);
        }
        for list in &lists {
            launch.arg(list);
        }
        launch.arg(&norm.weight).arg(&norm.bias).arg(&norm.eps);
        launch.arg(&n_width).arg(&n_tokens).arg(&mut out.values);
        // SAFETY: the arguments are those of the kernel, in its order; every row that it reads
        // is in its table and every token in the lists and in `out`, as was checked above.
        unsafe { launch.launch(blocks(tokens.div_ceil(ROWS_OF_A_BLOCK as usize), 1))? };
        Ok(out)
    }

    fn product(&self, x: &Rows, weight: &Rows) -> Result<Rows, GpuError> {
        assert_eq!(x.width, weight.width, "inputs of a product");
        let mut out = self.room(x.rows, weight.rows)?;
        // cuBLAS has columns where we have rows: out^T = W x^T, of matrices that it sees
        // transposed.
        let config = GemmConfig {
            transa: CUBLAS_OP_T,
            transb: CUBLAS_OP_N,
            m: number(weight.rows),
            n: number(x.rows),
            k: number(x.width),
            alpha: bf16::ONE,
            lda: number(weight.width),
            ldb: number(x.width),
            beta: bf16::ZERO,
            ldc: number(weight.rows),
        };
        // SAFETY: the sizes are those of the three matrices, all of which are contiguous.
        unsafe {
            self.blas
                .gemm(config, &weight.values, &x.values, &mut out.values)?
        };
        Ok(out)
    }

    fn activate(
        &self,
        mut x: Rows,
        bias: &CudaSlice<f32>,
        activation: FeedForward,
    ) -> Result<Rows, GpuError> {
        assert!(x.width.is_multiple_of(4), "rows of {} values", x.width);
        assert_eq!(bias.len(), x.width, "a bias");
        let kind: i32 = match activation {
            FeedForward::Gelu => 0,
            FeedForward::GeluTanh => 1,
            FeedForward::Relu => 2,
        };
        let (width, rows) = (number(x.width), number(x.rows));
        let quads = (x.rows * x.width / 4).div_ceil(THREADS as usize);
        let mut launch = self.stream.launch_builder(&self.activate);
        launch
            .arg(&mut x.values)
            .arg(bias)
            .arg(&kind)
            .arg(&width)
            .arg(&rows);
        // SAFETY: the arguments are those of the kernel; it touches `rows * width` values, which
        // are all of `x`, and `width` of the bias.
        unsafe { launch.launch(blocks(quads, 1))? };
        Ok(x)
    }

    fn add_norm(
        &self,
        x: &Rows,
        bias: &CudaSlice<f32>,
        residual: &Rows,
        norm: &Norm<CudaSlice<f32>>,
    ) -> Result<Rows, GpuError> {
        check_norm(norm, x.width);
        assert_eq!(bias.len(), x.width, "a bias");
        assert_eq!(
            (residual.rows, residual.width),
            (x.rows, x.width),
            "a residual sum"
        );
        let mut out = self.room(x.rows, x.width)?;
        let (width, rows) = (number(x.width), number(x.rows));
        let mut launch = self.stream.launch_builder(&self.add_norm);
        launch.arg(&x.values).arg(bias).arg(&residual.values);
        launch.arg(&norm.weight).arg(&norm.bias).arg(&norm.eps);
        launch.arg(&width).arg(&rows).arg(&mut out.values);
        // SAFETY: the arguments are those of the kernel; all matrices have `rows` rows of
        // `width` values, and all vectors `width`.
        unsafe { launch.launch(blocks(x.rows.div_ceil(ROWS_OF_A_BLOCK as usize), 1))? };
        Ok(out)
    }

    fn attend(
        &self,
        product: &Rows,
        bias: &CudaSlice<f32>,
        heads: usize,
        packed: &Packed,
        queries: Queries,
    ) -> Result<Rows, GpuError> {
        let hidden = product.width / 3;
        let kernel = HEAD_WIDTHS.iter().position(|width| width * heads == hidden);
        let Some(kernel) = kernel else {
            panic!("{heads} heads of {hidden} values, which the kernels are not made for");
        };
        assert_eq!(
            (3 * hidden, bias.len()),
            (product.width, product.width),
            "attention"
        );
        assert_eq!(product.rows, packed.rows, "rows of the sequences");
        let (tiles, rows, first_only) = match queries {
            Queries::All => (&packed.tiles, packed.rows, 0i32),
            Queries::First => (&packed.first_tiles, packed.sequences, 1i32),
        };
        let mut out = self.room(rows, hidden)?;
        let width = number(hidden);
        let mut launch = self.stream.launch_builder(&self.attend[kernel]);
        launch
            .arg(&product.values)
            .arg(bias)
            .arg(&packed.starts)
            .arg(tiles);
        launch.arg(&width).arg(&first_only).arg(&mut out.values);
        // SAFETY: the arguments are those of the kernel; a packing names only rows below
        // `packed.rows`, which `product` and `out` have, or sequences below `packed.sequences`.
        unsafe { launch.launch(blocks(tiles.len() / 2, heads))? };
        Ok(out)
    }

    fn first_rows(&self, x: &Rows, packed: &Packed) -> Result<Rows, GpuError> {
        assert_eq!(x.rows, packed.rows, "rows of the sequences");
        assert!(x.width.is_multiple_of(2), "rows of {} values", x.width);
        let mut out = self.room(packed.sequences, x.width)?;
        let width = number(x.width);
        let mut launch = self.stream.launch_builder(&self.first_rows);
        launch
            .arg(&x.values)
            .arg(&packed.starts)
            .arg(&width)
            .arg(&mut out.values);
        // SAFETY: the arguments are those of the kernel; a packing names only rows that `x`
        // has, and `out` has one for each sequence.
        unsafe { launch.launch(blocks(packed.sequences, 1))? };
        Ok(out)
    }

    fn values(&self, x: &Rows) -> Result<Vec<f32>, GpuError> {
        // Into memory that is not pinned, which the driver has filled when it returns.
        let values = self.stream.clone_dtoh(&x.values)?;
        Ok(values.into_iter().map(bf16::to_f32).collect())
    }

    fn synchronize(&self) -> Result<(), GpuError> {
        Ok(self.stream.synchronize()?)
    }
}
