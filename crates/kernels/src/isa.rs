//! Instruction sets, detected at run time.

use std::fmt;

/// An instruction set that this processor was found to support.
///
/// Values come only from [`Isa::detect`], [`Isa::get`] and [`Isa::SCALAR`], so that having
/// one proves that its instructions can be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Isa(Level);

/// The instruction sets with kernels, slowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Plain Rust: the reference for all others in tests, too slow for use.
    Scalar,
    /// AVX2 and FMA: 16-bit products.
    Avx2,
    /// AVX-512 with VNNI: 8-bit products in linear layers, 16-bit in attention.
    Avx512,
    /// As `Avx512`, but linear layers use AMX tiles.
    Amx,
}

impl Level {
    /// All levels, slowest first.
    pub const ALL: [Level; 4] = [Level::Scalar, Level::Avx2, Level::Avx512, Level::Amx];

    /// The name as used in device names: `scalar`, `avx2`, `avx512` or `amx`.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Scalar => "scalar",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
            Level::Amx => "amx",
        }
    }

    /// The required processor features, named as in `/proc/cpuinfo`, for messages.
    pub fn needs(self) -> &'static str {
        match self {
            Level::Scalar => "nothing",
            Level::Avx2 => "avx2 and fma",
            Level::Avx512 => "avx512f, avx512bw, avx512dq, avx512vl and avx512_vnni",
            Level::Amx => {
                "the features of avx512, amx_tile, amx_int8, and an operating system that enables AMX"
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn is_available(self) -> bool {
        match self {
            Level::Scalar => true,
            Level::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            Level::Avx512 => {
                Level::Avx2.is_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512vnni")
            }
            Level::Amx => Level::Avx512.is_available() && crate::cpu::has_amx(),
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn is_available(self) -> bool {
        self == Level::Scalar
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Isa {
    /// Plain Rust, which every processor supports.
    pub const SCALAR: Isa = Isa(Level::Scalar);

    /// The fastest one that this processor supports; `None` if there is only plain Rust.
    pub fn detect() -> Option<Isa> {
        [Level::Amx, Level::Avx512, Level::Avx2]
            .into_iter()
            .find_map(Isa::get)
    }

    /// The instruction set `level`, if this processor supports it.
    pub fn get(level: Level) -> Option<Isa> {
        level.is_available().then_some(Isa(level))
    }

    /// Its level.
    pub fn level(self) -> Level {
        self.0
    }
}

/// Compiles a function once per instruction set and dispatches on an `Isa`, which becomes
/// the function's first argument. The first argument of the body is the [`Float`] to use.
///
/// [`Float`]: crate::simd::Float
macro_rules! compile_for_each {
    ($(#[$doc:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) = $body:ident;) => {
        $(#[$doc])*
        $vis fn $name(isa: Isa, $($arg: $type),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($arg: $type),*) {
                // SAFETY: this function enables the features that the vectors need.
                $body(unsafe { $crate::simd::avx2::Floats::new() }, $($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
            fn avx512($($arg: $type),*) {
                // SAFETY: as above.
                $body(unsafe { $crate::simd::avx512::Floats::new() }, $($arg),*)
            }
            match isa.level() {
                // SAFETY: an `Isa` of this level proves that the processor has its features.
                #[cfg(target_arch = "x86_64")]
                $crate::isa::Level::Avx2 => unsafe { avx2($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::isa::Level::Avx512 | $crate::isa::Level::Amx => unsafe { avx512($($arg),*) },
                _ => $body($crate::simd::scalar::Floats, $($arg),*),
            }
        }
    };
}
pub(crate) use compile_for_each;
