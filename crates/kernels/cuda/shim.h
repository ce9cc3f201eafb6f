// What packed.cu uses of CUDA, for a C++ compiler: the threads of a block are fibers that run in
// turn, each until it waits for others; blocks run one after the other.

#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include <ucontext.h>

#define __global__
#define __device__
#define __forceinline__ inline
// Blocks run one after the other, and all threads of one share it.
#define __shared__ static

struct Place {
    unsigned x, y;
};

static Place threadIdx, blockIdx, blockDim;

// What a thread hands to the others of its warp.
struct Fragments {
    float value;
    unsigned a[4], b[2];
};

struct Fiber {
    ucontext_t context;
    std::vector<char> stack;
    bool done = false;
};

// Threads that have come to a place where all of a group wait for each other.
struct Meeting {
    unsigned arrived = 0, round = 0;
};

static std::vector<Fiber> fibers;
static ucontext_t scheduler;
static unsigned current;
static Meeting block_meeting;
static std::vector<Meeting> warp_meetings;
static Fragments handed[1024];
static std::function<void()> kernel;

static void meet(Meeting& meeting, unsigned size) {
    const unsigned round = meeting.round;
    if (++meeting.arrived == size) {
        meeting.arrived = 0;
        meeting.round++;
        return;
    }
    while (meeting.round == round) {
        swapcontext(&fibers[current].context, &scheduler);
    }
}

static void __syncthreads() { meet(block_meeting, blockDim.x); }

static void meet_warp() { meet(warp_meetings[current / 32], 32); }

static float shuffle_xor(float value, int mask) {
    handed[current].value = value;
    meet_warp();
    const float other = handed[current ^ mask].value;
    meet_warp();
    return other;
}

static float from_bits(unsigned bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

static unsigned rounded(float value) {
    unsigned bits;
    std::memcpy(&bits, &value, sizeof bits);
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

static unsigned to_bf16(float low, float high) { return rounded(low) | rounded(high) << 16; }

static float half_of(unsigned pair, int which) { return from_bits(which ? pair & 0xffff0000u : pair << 16); }

// mma.m16n8k16 by its definition: where each element lies is written here once more, element by
// element.
static void multiply(float c[4], const unsigned a[4], unsigned b0, unsigned b1) {
    std::memcpy(handed[current].a, a, sizeof handed[current].a);
    handed[current].b[0] = b0;
    handed[current].b[1] = b1;
    meet_warp();
    const unsigned warp = current / 32 * 32, lane = current % 32;
    const auto element_of_a = [&](unsigned row, unsigned k) {
        const Fragments& holder = handed[warp + row % 8 * 4 + k % 8 / 2];
        return half_of(holder.a[(row >= 8 ? 1 : 0) + (k >= 8 ? 2 : 0)], k % 2);
    };
    const auto element_of_b = [&](unsigned k, unsigned column) {
        const Fragments& holder = handed[warp + column * 4 + k % 8 / 2];
        return half_of(holder.b[k >= 8 ? 1 : 0], k % 2);
    };
    for (unsigned i = 0; i < 4; i++) {
        const unsigned row = lane / 4 + (i >= 2 ? 8 : 0), column = lane % 4 * 2 + i % 2;
        for (unsigned k = 0; k < 16; k++) {
            c[i] += element_of_a(row, k) * element_of_b(k, column);
        }
    }
    meet_warp();
}

static void run_fiber() {
    kernel();
    fibers[current].done = true;
    swapcontext(&fibers[current].context, &scheduler);
}

static void run_block(unsigned threads) {
    fibers = std::vector<Fiber>(threads);
    warp_meetings.assign((threads + 31) / 32, Meeting());
    block_meeting = Meeting();
    for (Fiber& fiber : fibers) {
        fiber.stack.resize(64 << 10);
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack.data();
        fiber.context.uc_stack.ss_size = fiber.stack.size();
        fiber.context.uc_link = nullptr;
        makecontext(&fiber.context, run_fiber, 0);
    }
    for (bool any = true; any;) {
        any = false;
        for (current = 0; current < threads; current++) {
            if (!fibers[current].done) {
                any = true;
                threadIdx.x = current;
                swapcontext(&scheduler, &fibers[current].context);
            }
        }
    }
}

// Runs `what` in every thread of a grid.
static void launch(Place grid, unsigned threads, std::function<void()> what) {
    kernel = std::move(what);
    blockDim = {threads, 1};
    for (blockIdx.y = 0; blockIdx.y < grid.y; blockIdx.y++) {
        for (blockIdx.x = 0; blockIdx.x < grid.x; blockIdx.x++) {
            run_block(threads);
        }
    }
}
