// Kernels of a transformer over packed sequences: rows of tokens without padding, in bf16.
//
// Everything between two matrix products is one kernel: embeddings with their norm, bias and
// activation, bias with residual sum and norm, attention with the bias of its products.
// Sums are f32; bf16 is rounded to the nearest, ties to even.
//
// nvcc compiles this file when the crate is built with CUDA, and a C++ compiler does with the
// threads, shuffles and tensor cores of shim.h, so that tests need no GPU.

#ifndef __CUDACC__
#include "shim.h"
#else

// Two values as bf16 in 32 bits, the first in the lower half.
static __device__ __forceinline__ unsigned to_bf16(float low, float high) {
    unsigned packed;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
    return packed;
}

static __device__ __forceinline__ float from_bits(unsigned bits) { return __uint_as_float(bits); }

static __device__ __forceinline__ float shuffle_xor(float value, int mask) {
    return __shfl_xor_sync(0xffffffffu, value, mask);
}

// c += a b for a of 16x16 and b of 16x8, spread over the threads of a warp as PTX says of
// mma.m16n8k16. With group = lane / 4 and quad = lane % 4, a thread holds two neighbors each:
// of a, rows group and group + 8, columns 2 quad and 2 quad + 8; of b, rows 2 quad and
// 2 quad + 8, column group; of c, rows group and group + 8, columns 2 quad.
static __device__ __forceinline__ void multiply(float c[4], const unsigned a[4], unsigned b0, unsigned b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

#endif

typedef unsigned short bf16;

// Pairs of values that a thread holds of a row: rows have at most 64 times as many values.
constexpr int PAIRS = 16;
constexpr int WARP = 32;

static __device__ __forceinline__ float low(unsigned pair) { return from_bits(pair << 16); }
static __device__ __forceinline__ float high(unsigned pair) { return from_bits(pair & 0xffff0000u); }

static __device__ __forceinline__ unsigned pair_at(const bf16* row, int pair) {
    return reinterpret_cast<const unsigned*>(row)[pair];
}

static __device__ __forceinline__ float sum_of_warp(float value) {
    for (int mask = WARP / 2; mask > 0; mask /= 2) {
        value += shuffle_xor(value, mask);
    }
    return value;
}

// Normalizes a row that the threads of a warp hold, in two passes over their registers.
static __device__ __forceinline__ void store_normed(
    const float (&row)[2 * PAIRS], int width, const float* weight, const float* bias, float eps, bf16* out) {
    const int lane = threadIdx.x % WARP;
    const int pairs = width / 2;
    float sum = 0.0f;
#pragma unroll
    for (int i = 0; i < PAIRS; i++) {
        sum += row[2 * i] + row[2 * i + 1];
    }
    const float mean = sum_of_warp(sum) / width;
    float squares = 0.0f;
#pragma unroll
    for (int i = 0; i < PAIRS; i++) {
        if (lane + i * WARP < pairs) {
            const float a = row[2 * i] - mean, b = row[2 * i + 1] - mean;
            squares += a * a + b * b;
        }
    }
    const float scale = 1.0f / sqrtf(sum_of_warp(squares) / width + eps);
#pragma unroll
    for (int i = 0; i < PAIRS; i++) {
        const int pair = lane + i * WARP;
        if (pair < pairs) {
            const float a = (row[2 * i] - mean) * scale * weight[2 * pair] + bias[2 * pair];
            const float b = (row[2 * i + 1] - mean) * scale * weight[2 * pair + 1] + bias[2 * pair + 1];
            reinterpret_cast<unsigned*>(out)[pair] = to_bf16(a, b);
        }
    }
}

// Sums of the rows of three tables, normalized: one warp for each token.
extern "C" __global__ void embed(
    const bf16* words, const bf16* segments, const bf16* positions,
    const unsigned* word_rows, const unsigned* segment_rows, const unsigned* position_rows,
    const float* weight, const float* bias, float eps, int width, int tokens, bf16* out) {
    const int token = blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
    if (token >= tokens) {
        return;
    }
    const int lane = threadIdx.x % WARP;
    const size_t stride = width;
    const bf16* word = words + word_rows[token] * stride;
    const bf16* segment = segments + segment_rows[token] * stride;
    const bf16* position = positions + position_rows[token] * stride;
    float row[2 * PAIRS];
#pragma unroll
    for (int i = 0; i < PAIRS; i++) {
        const int pair = lane + i * WARP;
        row[2 * i] = row[2 * i + 1] = 0.0f;
        if (pair < width / 2) {
            const unsigned a = pair_at(word, pair), b = pair_at(segment, pair), c = pair_at(position, pair);
            row[2 * i] = low(a) + low(b) + low(c);
            row[2 * i + 1] = high(a) + high(b) + high(c);
        }
    }
    store_normed(row, width, weight, bias, eps, out + token * stride);
}

// Norm of product + bias + residual: one warp for each row.
extern "C" __global__ void add_norm(
    const bf16* product, const float* product_bias, const bf16* residual,
    const float* weight, const float* bias, float eps, int width, int rows, bf16* out) {
    const int at = blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
    if (at >= rows) {
        return;
    }
    const int lane = threadIdx.x % WARP;
    const size_t begin = static_cast<size_t>(at) * width;
    float row[2 * PAIRS];
#pragma unroll
    for (int i = 0; i < PAIRS; i++) {
        const int pair = lane + i * WARP;
        row[2 * i] = row[2 * i + 1] = 0.0f;
        if (pair < width / 2) {
            const unsigned a = pair_at(product + begin, pair), b = pair_at(residual + begin, pair);
            row[2 * i] = low(a) + product_bias[2 * pair] + low(b);
            row[2 * i + 1] = high(a) + product_bias[2 * pair + 1] + high(b);
        }
    }
    store_normed(row, width, weight, bias, eps, out + begin);
}

// 0: GELU with the error function, 1: its approximation with tanh, 2: ReLU.
static __device__ __forceinline__ float activated(float x, int activation) {
    if (activation == 0) {
        return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f));
    }
    if (activation == 1) {
        return 0.5f * x * (1.0f + tanhf(0.79788456080286536f * (x + 0.044715f * x * x * x)));
    }
    return fmaxf(x, 0.0f);
}

// x = activation(x + bias), four values for each thread.
extern "C" __global__ void activate(bf16* x, const float* bias, int activation, int width, int rows) {
    const size_t quads = static_cast<size_t>(rows) * width / 4;
    const size_t at = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (at >= quads) {
        return;
    }
    const int column = static_cast<int>(at % (width / 4)) * 4;
    unsigned* place = reinterpret_cast<unsigned*>(x) + 2 * at;
    const unsigned first = place[0], second = place[1];
    place[0] = to_bf16(activated(low(first) + bias[column], activation),
                       activated(high(first) + bias[column + 1], activation));
    place[1] = to_bf16(activated(low(second) + bias[column + 2], activation),
                       activated(high(second) + bias[column + 3], activation));
}

// The first row of each sequence: one block for each.
extern "C" __global__ void first_rows(const bf16* x, const unsigned* starts, int width, bf16* out) {
    const size_t from = static_cast<size_t>(starts[blockIdx.x]) * width;
    const size_t to = static_cast<size_t>(blockIdx.x) * width;
    for (int i = threadIdx.x; i < width / 2; i += blockDim.x) {
        reinterpret_cast<unsigned*>(out + to)[i] = pair_at(x + from, i);
    }
}

// Keys that a block holds at a time. It computes 16 queries in each of its warps.
constexpr int KEYS = 64;
// Values between rows in shared memory beside those of a row, so that the threads of a warp
// read from different banks.
constexpr int GAP = 8;

// A pair of the biased product; zero beyond the sequence.
static __device__ __forceinline__ unsigned biased(
    const bf16* product, const float* bias, size_t row, int stride, int column, bool inside) {
    if (!inside) {
        return 0;
    }
    const unsigned pair = *reinterpret_cast<const unsigned*>(product + row * stride + column);
    return to_bf16(low(pair) + bias[column], high(pair) + bias[column + 1]);
}

// softmax(Q K^T / sqrt width) V of one head for the queries of one tile, with the running
// maximum and sum of Milakov and Gimelshein 2018 (https://arxiv.org/abs/1805.02867), as in
// FlashAttention (Dao et al. 2022, https://arxiv.org/abs/2205.14135).
//
// A row of `product` holds queries, keys and values of all heads, without their bias. A tile is
// a sequence and its first query there. With `first_only`, only the first query of each sequence
// is computed, and `out` has a row for each sequence in place of each token.
template <int WIDTH>
static __device__ __forceinline__ void attend(
    const bf16* product, const float* bias, const unsigned* starts, const unsigned* tiles,
    int hidden, int first_only, bf16* out) {
    constexpr int STEPS = WIDTH / 16, PARTS = WIDTH / 8, TILES = KEYS / 8;
    alignas(16) __shared__ bf16 keys[KEYS][WIDTH + GAP];
    alignas(16) __shared__ bf16 values[WIDTH][KEYS + GAP];
    const int lane = threadIdx.x % WARP, group = lane / 4, quad = lane % 4;
    const unsigned sequence = tiles[2 * blockIdx.x];
    const int row = tiles[2 * blockIdx.x + 1] + threadIdx.x / WARP * 16 + group;
    const size_t begin = starts[sequence];
    const int length = static_cast<int>(starts[sequence + 1] - begin);
    const int queries = first_only ? 1 : length;
    const int column = blockIdx.y * WIDTH, stride = 3 * hidden;

    unsigned query[STEPS][4];
#pragma unroll
    for (int step = 0; step < STEPS; step++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const int at = row + i % 2 * 8;
            query[step][i] = biased(product, bias, begin + at, stride,
                                    column + step * 16 + quad * 2 + i / 2 * 8, at < queries);
        }
    }
    // To the base of 2, which is what the exponential of the hardware has.
    const float scale = 1.4426950408889634f / sqrtf(static_cast<float>(WIDTH));
    float highest[2] = {-INFINITY, -INFINITY}, sum[2] = {0.0f, 0.0f};
    float result[PARTS][4] = {};

    for (int first = 0; first < length; first += KEYS) {
        __syncthreads();
        for (int i = threadIdx.x; i < KEYS * WIDTH / 2; i += blockDim.x) {
            const int key = i / (WIDTH / 2), at = i % (WIDTH / 2) * 2;
            const bool inside = first + key < length;
            const size_t from = begin + first + key;
            *reinterpret_cast<unsigned*>(&keys[key][at]) =
                biased(product, bias, from, stride, hidden + column + at, inside);
            const unsigned pair = biased(product, bias, from, stride, 2 * hidden + column + at, inside);
            values[at][key] = static_cast<bf16>(pair);
            values[at + 1][key] = static_cast<bf16>(pair >> 16);
        }
        __syncthreads();

        float scores[TILES][4] = {};
        float largest[2] = {highest[0], highest[1]};
#pragma unroll
        for (int tile = 0; tile < TILES; tile++) {
#pragma unroll
            for (int step = 0; step < STEPS; step++) {
                const unsigned* key = reinterpret_cast<const unsigned*>(&keys[tile * 8 + group][step * 16 + quad * 2]);
                multiply(scores[tile], query[step], key[0], key[4]);
            }
#pragma unroll
            for (int i = 0; i < 4; i++) {
                const bool inside = first + tile * 8 + quad * 2 + i % 2 < length;
                scores[tile][i] = inside ? scores[tile][i] * scale : -INFINITY;
                largest[i / 2] = fmaxf(largest[i / 2], scores[tile][i]);
            }
        }
#pragma unroll
        for (int half = 0; half < 2; half++) {
            // The four threads of a group hold the same rows.
            largest[half] = fmaxf(largest[half], shuffle_xor(largest[half], 1));
            largest[half] = fmaxf(largest[half], shuffle_xor(largest[half], 2));
            const float before = exp2f(highest[half] - largest[half]);
            highest[half] = largest[half];
            sum[half] *= before;
#pragma unroll
            for (int part = 0; part < PARTS; part++) {
                result[part][2 * half] *= before;
                result[part][2 * half + 1] *= before;
            }
        }
#pragma unroll
        for (int step = 0; step < KEYS / 16; step++) {
            unsigned weight[4];
#pragma unroll
            for (int i = 0; i < 4; i++) {
                // Scores lie as c, weights as a: two tiles of eight columns are one of sixteen.
                const float* pair = &scores[2 * step + i / 2][i % 2 * 2];
                const float a = exp2f(pair[0] - highest[i % 2]), b = exp2f(pair[1] - highest[i % 2]);
                sum[i % 2] += a + b;
                weight[i] = to_bf16(a, b);
            }
#pragma unroll
            for (int part = 0; part < PARTS; part++) {
                const unsigned* value = reinterpret_cast<const unsigned*>(&values[part * 8 + group][step * 16 + quad * 2]);
                multiply(result[part], weight, value[0], value[4]);
            }
        }
    }

#pragma unroll
    for (int half = 0; half < 2; half++) {
        sum[half] += shuffle_xor(sum[half], 1);
        sum[half] += shuffle_xor(sum[half], 2);
        const int at = row + half * 8;
        if (at < queries) {
            const size_t to = first_only ? sequence : begin + at;
#pragma unroll
            for (int part = 0; part < PARTS; part++) {
                bf16* place = out + to * hidden + column + part * 8 + quad * 2;
                *reinterpret_cast<unsigned*>(place) =
                    to_bf16(result[part][2 * half] / sum[half], result[part][2 * half + 1] / sum[half]);
            }
        }
    }
}

extern "C" __global__ void attend_32(
    const bf16* product, const float* bias, const unsigned* starts, const unsigned* tiles,
    int hidden, int first_only, bf16* out) {
    attend<32>(product, bias, starts, tiles, hidden, first_only, out);
}

extern "C" __global__ void attend_64(
    const bf16* product, const float* bias, const unsigned* starts, const unsigned* tiles,
    int hidden, int first_only, bf16* out) {
    attend<64>(product, bias, starts, tiles, hidden, first_only, out);
}
