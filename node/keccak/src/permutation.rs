//! Keccak-f[1600] over vectors (FIPS 202, section 3): the same steps in each lane. It must not know messages.

use pulp::{
    NullaryFnOnce,
    x86::{V3, V4},
};
use std::arch::x86_64::{__m256i, __m512i};

/// Words of a state.
pub(crate) const WORDS: usize = 25;

/// Constants of the 24 rounds (FIPS 202, section 3.2.5).
const ROUNDS: [u64; 24] = [
    0x0000_0000_0000_0001,
    0x0000_0000_0000_8082,
    0x8000_0000_0000_808a,
    0x8000_0000_8000_8000,
    0x0000_0000_0000_808b,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8009,
    0x0000_0000_0000_008a,
    0x0000_0000_0000_0088,
    0x0000_0000_8000_8009,
    0x0000_0000_8000_000a,
    0x0000_0000_8000_808b,
    0x8000_0000_0000_008b,
    0x8000_0000_0000_8089,
    0x8000_0000_0000_8003,
    0x8000_0000_0000_8002,
    0x8000_0000_0000_0080,
    0x0000_0000_0000_800a,
    0x8000_0000_8000_000a,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8080,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8008,
];

/// What a processor does with vectors of 64-bit words.
pub(crate) trait Vectors: Copy {
    type Vector: Copy;

    fn xor(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn xor3(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// `a ^ (!b & c)`.
    fn chi(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// Rotates left by `LEFT` bits; `RIGHT` is what is missing to 64.
    fn rotate<const LEFT: i32, const RIGHT: i32>(self, a: Self::Vector) -> Self::Vector;
    fn splat(self, word: u64) -> Self::Vector;
    /// Permutes, compiled for these vectors.
    fn permute(self, state: &mut [Self::Vector; WORDS]);
}

/// AVX-512.
impl Vectors for V4 {
    type Vector = __m512i;

    #[inline(always)]
    fn xor(self, a: __m512i, b: __m512i) -> __m512i {
        self.avx512f._mm512_xor_si512(a, b)
    }

    #[inline(always)]
    fn xor3(self, a: __m512i, b: __m512i, c: __m512i) -> __m512i {
        self.avx512f._mm512_ternarylogic_epi64::<0x96>(a, b, c)
    }

    #[inline(always)]
    fn chi(self, a: __m512i, b: __m512i, c: __m512i) -> __m512i {
        self.avx512f._mm512_ternarylogic_epi64::<0xd2>(a, b, c)
    }

    #[inline(always)]
    fn rotate<const LEFT: i32, const RIGHT: i32>(self, a: __m512i) -> __m512i {
        self.avx512f._mm512_rol_epi64::<LEFT>(a)
    }

    #[inline(always)]
    fn splat(self, word: u64) -> __m512i {
        self.avx512f._mm512_set1_epi64(word.cast_signed())
    }

    fn permute(self, state: &mut [__m512i; WORDS]) {
        self.vectorize(Permute(self, state));
    }
}

/// AVX2.
impl Vectors for V3 {
    type Vector = __m256i;

    #[inline(always)]
    fn xor(self, a: __m256i, b: __m256i) -> __m256i {
        self.avx2._mm256_xor_si256(a, b)
    }

    #[inline(always)]
    fn xor3(self, a: __m256i, b: __m256i, c: __m256i) -> __m256i {
        self.xor(self.xor(a, b), c)
    }

    #[inline(always)]
    fn chi(self, a: __m256i, b: __m256i, c: __m256i) -> __m256i {
        self.xor(a, self.avx2._mm256_andnot_si256(b, c))
    }

    #[inline(always)]
    fn rotate<const LEFT: i32, const RIGHT: i32>(self, a: __m256i) -> __m256i {
        self.avx2._mm256_or_si256(self.avx2._mm256_slli_epi64::<LEFT>(a), self.avx2._mm256_srli_epi64::<RIGHT>(a))
    }

    #[inline(always)]
    fn splat(self, word: u64) -> __m256i {
        self.avx._mm256_set1_epi64x(word.cast_signed())
    }

    fn permute(self, state: &mut [__m256i; WORDS]) {
        self.vectorize(Permute(self, state));
    }
}

struct Permute<'s, S: Vectors>(S, &'s mut [S::Vector; WORDS]);

impl<S: Vectors> NullaryFnOnce for Permute<'_, S> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self(s, state) = self;
        let mut a = *state;
        for constant in ROUNDS {
            a = round(s, a, constant);
        }
        *state = a;
    }
}

/// One round: theta, rho and pi, chi, iota.
#[inline(always)]
fn round<S: Vectors>(s: S, a: [S::Vector; WORDS], constant: u64) -> [S::Vector; WORDS] {
    // Written out: a loop that is not unrolled would keep the state in memory.
    macro_rules! column {
        ($x:expr) => {
            s.xor3(s.xor3(a[$x], a[$x + 5], a[$x + 10]), a[$x + 15], a[$x + 20])
        };
    }
    let c = [column!(0), column!(1), column!(2), column!(3), column!(4)];
    let d = [
        s.rotate::<1, 63>(c[1]),
        s.rotate::<1, 63>(c[2]),
        s.rotate::<1, 63>(c[3]),
        s.rotate::<1, 63>(c[4]),
        s.rotate::<1, 63>(c[0]),
    ];
    macro_rules! theta {
        ($i:expr) => {
            s.xor3(a[$i], c[($i + 4) % 5], d[$i % 5])
        };
        ($i:expr, $left:expr) => {
            s.rotate::<$left, { 64 - $left }>(theta!($i))
        };
    }
    let b = [
        [theta!(0), theta!(6, 44), theta!(12, 43), theta!(18, 21), theta!(24, 14)],
        [theta!(3, 28), theta!(9, 20), theta!(10, 3), theta!(16, 45), theta!(22, 61)],
        [theta!(1, 1), theta!(7, 6), theta!(13, 25), theta!(19, 8), theta!(20, 18)],
        [theta!(4, 27), theta!(5, 36), theta!(11, 10), theta!(17, 15), theta!(23, 56)],
        [theta!(2, 62), theta!(8, 55), theta!(14, 39), theta!(15, 41), theta!(21, 2)],
    ];
    macro_rules! chi {
        ($y:expr, $x:expr) => {
            s.chi(b[$y][$x], b[$y][($x + 1) % 5], b[$y][($x + 2) % 5])
        };
    }
    [
        s.xor(chi!(0, 0), s.splat(constant)),
        chi!(0, 1),
        chi!(0, 2),
        chi!(0, 3),
        chi!(0, 4),
        chi!(1, 0),
        chi!(1, 1),
        chi!(1, 2),
        chi!(1, 3),
        chi!(1, 4),
        chi!(2, 0),
        chi!(2, 1),
        chi!(2, 2),
        chi!(2, 3),
        chi!(2, 4),
        chi!(3, 0),
        chi!(3, 1),
        chi!(3, 2),
        chi!(3, 3),
        chi!(3, 4),
        chi!(4, 0),
        chi!(4, 1),
        chi!(4, 2),
        chi!(4, 3),
        chi!(4, 4),
    ]
}
