// What a GPU can do and C++ has no words for: shared memory, copies in the background, products on tensor
// cores.
//
// A kernel uses these, the built-in names of CUDA C++ (threadIdx, __syncthreads, __shfl_xor_sync, atomicAdd,
// …), and nothing else of the device, so that it also compiles as plain C++ against an emulation of those
// names: then <cuda_runtime.h> and <cuda_pipeline_primitives.h> are the emulation's own.
#pragma once

#include <cuda_pipeline_primitives.h>
#include <cuda_runtime.h>

#include <cstdint>

#include <sdepth/core/config.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

/// Threads that run in step.
inline constexpr int warp_size = 32;
inline constexpr unsigned whole_warp = 0xFFFFFFFFU;

/// The block's dynamic shared memory, on a 16-byte boundary. Kernels use no other, and lay it out themselves.
[[nodiscard]] __device__ inline float* shared_memory() {
#if defined(__CUDACC__)
  extern __shared__ float4 numbers[];
  return reinterpret_cast<float*>(numbers);
#else
  return static_cast<float*>(emulation::shared_memory());
#endif
}

/// Begins to copy 4 numbers from global to shared memory, both on 16-byte boundaries, or 4 zeros where
/// `inside` is false (from must still be a valid address). In the background from compute capability 8.0 on,
/// at once before. Visible to this thread after copies_done, to the block after __syncthreads as well.
__device__ inline void copy_4(float* to, const float* from, bool inside = true) {
  __pipeline_memcpy_async(to, from, 16, inside ? 0 : 16);
}
/// The same with one number.
__device__ inline void copy_1(float* to, const float* from, bool inside = true) {
  __pipeline_memcpy_async(to, from, 4, inside ? 0 : 4);
}
/// The same with 8 bytes on such boundaries, always inside.
__device__ inline void copy_8_bytes(void* to, const void* from) { __pipeline_memcpy_async(to, from, 8); }
/// Ends a group of copies.
__device__ inline void end_group() { __pipeline_commit(); }
/// Waits until all but the last `later` groups of this thread have arrived.
///
/// NVIDIA's wait does not tell the compiler that memory has changed: without the empty instruction it may go
/// on with numbers that it read before, or read too early.
template <int later = 0>
__device__ inline void copies_done() {
  __pipeline_wait_prior(later);
#if defined(__CUDACC__)
  asm volatile("" ::: "memory");
#endif
}

/// The launch that depends on this one may begin as soon as all blocks of this one have: its blocks then take
/// the place of those that end, and wait. From compute capability 9.0 on; before, and for launches that are
/// not dependent ones (Replay), this and the next function do nothing.
__device__ inline void let_next_launch_begin() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;");
#endif
}
/// Waits until the launch before this one has ended and all that it wrote can be read.
///
/// Every thread of every kernel calls it, before it reads or writes any memory but what no kernel of a graph
/// writes: the weights. So a launch that has ended has waited for the one before it, that one for its own,
/// and with the one all are over. A graph begins when all that was handed over before it has ended, the
/// update of the weights too.
__device__ inline void wait_for_launch_before() {
#if defined(__CUDACC__)
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
#else
  emulation::wait_for_launch_before();
#endif
}
/// How a kernel begins that reads nothing ahead.
__device__ inline void begin_behind_launch_before() {
  let_next_launch_begin();
  wait_for_launch_before();
}

/// Adds 1 to a counter in global memory and returns what it was. What this thread wrote, and what it knows of
/// through a barrier that others wrote, is there for whoever finds a later count; and what they wrote who
/// counted earlier is there for it, and behind the next barrier for its block.
///
/// One atomic operation that releases and acquires, instead of one between two __threadfence(), each of which
/// waits for all of the thread's memory operations to be seen by everybody. Source: PTX ISA, memory
/// consistency model.
[[nodiscard]] __device__ inline unsigned count_arrival(unsigned* counter) {
#if defined(__CUDACC__)
  unsigned before = 0;
  asm volatile("atom.acq_rel.gpu.add.u32 %0, [%1], 1;" : "=r"(before) : "l"(counter) : "memory");
  return before;
#else
  __threadfence();
  return atomicAdd(counter, 1U);
#endif
}

/// Waits until a counter that only grows is `least` or beyond, which it may also be past 2^32. What others
/// wrote before they counted (count_arrival) is then there for this thread, and behind the next barrier for
/// its block. Only in cooperative launches: the blocks that count must be on the device, too.
__device__ inline void wait_for_count(const unsigned* counter, unsigned least) {
#if defined(__CUDACC__)
  unsigned now = 0;
  do asm volatile("ld.acquire.gpu.u32 %0, [%1];" : "=r"(now) : "l"(counter) : "memory");
  while (static_cast<int>(now - least) < 0);
#else
  emulation::wait_for_count(counter, least);
#endif
}

/// x, for what the compiler shall compute where it is wanted, and not before a loop or a branch, which would
/// take registers from everybody.
[[nodiscard]] __device__ inline std::uint64_t not_ahead(std::uint64_t x) {
#if defined(__CUDACC__)
  asm volatile("" : "+l"(x));
#endif
  return x;
}

/// Whether the code being compiled may use tensor cores on TF32 numbers: from compute capability 8.0 on.
/// Elsewhere a TF32 kernel takes the float32 path.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
inline constexpr bool has_tf32 = false;
#else
inline constexpr bool has_tf32 = true;
#endif

/// x with 10 bits of mantissa, rounded to nearest, ties away from zero: what tensor cores multiply.
[[nodiscard]] __device__ inline std::uint32_t to_tf32(float x) {
#if defined(__CUDACC__)
  std::uint32_t bits = 0;
#if __CUDA_ARCH__ >= 800
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
#endif
  return bits;
#else
  return emulation::to_tf32(x);
#endif
}

/// sum += a·b for a 16 × 8 matrix a and an 8 × 8 matrix b, by the 32 threads of a warp together, all of which
/// must call it. With group = lane / 4 and t = lane % 4 a thread holds
///
///     a     (group, t), (group + 8, t), (group, t + 4), (group + 8, t + 4)
///     b     (t, group), (t + 4, group)
///     sum   (group, 2t), (group, 2t + 1), (group + 8, 2t), (group + 8, 2t + 1)
///
/// Source: PTX ISA, mma.m16n8k8 with .tf32.
__device__ inline void multiply_add(float (&sum)[4], const std::uint32_t (&a)[4],
                                    const std::uint32_t (&b)[2]) {
#if defined(__CUDACC__)
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
#else
  emulation::multiply_add(sum, a, b);
#endif
}

}  // namespace sdepth::inline SDEPTH_ISA::cuda
