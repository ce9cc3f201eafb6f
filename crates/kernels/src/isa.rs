//! Which instructions may be used: found at run time, never assumed.

use std::fmt;

/// An instruction set that this processor was seen to have.
///
/// A value can only be had from [`Isa::detect`], [`Isa::get`] or [`Isa::SCALAR`], so
/// that holding one proves that its instructions may be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Isa(Level);

/// The instruction sets there are kernels for, from the slowest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Plain Rust: the oracle of all others, and too slow to be chosen.
    Scalar,
    /// AVX2 and FMA: 16-bit products.
    Avx2,
    /// AVX-512 with VNNI: 8-bit products in linear layers, 16-bit in attention.
    Avx512,
    /// The same, with linear layers in AMX tiles.
    Amx,
}

impl Level {
    /// All, slowest first.
    pub const ALL: [Level; 4] = [Level::Scalar, Level::Avx2, Level::Avx512, Level::Amx];

    /// As in a device name: `scalar`, `avx2`, `avx512` or `amx`.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Scalar => "scalar",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
            Level::Amx => "amx",
        }
    }

    /// What the processor must report, as in `/proc/cpuinfo`.
    pub fn needs(self) -> &'static str {
        match self {
            Level::Scalar => "nothing",
            Level::Avx2 => "avx2 and fma",
            Level::Avx512 => "avx512f, avx512bw, avx512dq, avx512vl and avx512_vnni",
            Level::Amx => "what avx512 needs, amx_tile, amx_int8, and a kernel that lends tiles",
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
            Level::Amx => Level::Avx512.is_available() && crate::amx::is_available(),
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
    /// Plain Rust, which every processor runs.
    pub const SCALAR: Isa = Isa(Level::Scalar);

    /// The fastest that this processor has; `None` if that is only the oracle.
    pub fn detect() -> Option<Isa> {
        [Level::Amx, Level::Avx512, Level::Avx2]
            .into_iter()
            .find_map(Isa::get)
    }

    /// A given one, if this processor has it.
    pub fn get(level: Level) -> Option<Isa> {
        level.is_available().then_some(Isa(level))
    }

    /// Which it is.
    pub fn level(self) -> Level {
        self.0
    }
}

/// Compiles a function once per instruction set and chooses between the copies by an
/// `Isa`, which becomes its first argument. The body's first argument is the [`Float`]
/// to work with.
///
/// [`Float`]: crate::simd::Float
macro_rules! compile_for_each {
    ($(#[$doc:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) = $body:ident;) => {
        $(#[$doc])*
        $vis fn $name(isa: Isa, $($arg: $type),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($arg: $type),*) {
                // SAFETY: this function enables what the vectors need.
                $body(unsafe { $crate::simd::avx2::Floats::new() }, $($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
            fn avx512($($arg: $type),*) {
                // SAFETY: as above.
                $body(unsafe { $crate::simd::avx512::Floats::new() }, $($arg),*)
            }
            match isa.level() {
                // SAFETY: an `Isa` of this level exists only where its instructions do.
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
