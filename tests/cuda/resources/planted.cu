// Kernels that break each rule once, for the test of the test; none of them is ever run.
#include <sdepth/kernels/cuda/instructions.hpp>

namespace planted {

struct Operands {
  const float* in;
  float* out;
  int n;
};

/// Keeps every rule: copies in the background, a product on tensor cores.
__global__ void __launch_bounds__(128, 4) good(const Operands o) {
  namespace cuda = sdepth::cuda;
  float* const shared = cuda::shared_memory();
  const unsigned i = threadIdx.x;
  cuda::copy_4(shared + 4 * i, o.in + 4 * i);
  cuda::end_group();
  cuda::copies_done();
  __syncthreads();
  float sum[4] = {};
  if constexpr (cuda::has_tf32) {
    const std::uint32_t a[4] = {cuda::to_tf32(shared[i]), cuda::to_tf32(shared[i + 128]), cuda::to_tf32(shared[i + 256]),
                                cuda::to_tf32(shared[i + 384])};
    const std::uint32_t b[2] = {a[0], a[1]};
    cuda::multiply_add(sum, a, b);
  }
  o.out[i] = sum[0] + shared[i];
}

/// An array that is indexed at run time does not fit into registers.
__global__ void __launch_bounds__(128, 4) local_memory(const Operands o) {
  float numbers[32];
  for (int i = 0; i < 32; ++i) numbers[i] = o.in[i * 128 + static_cast<int>(threadIdx.x)];
  for (int i = 0; i < o.n; ++i) numbers[(i * 7 + o.n) % 32] += numbers[(i + o.n) % 32];
  for (int i = 0; i < 32; ++i) o.out[i * 128 + static_cast<int>(threadIdx.x)] = numbers[i];
}

/// 96 numbers at once, in a kernel whose blocks of 1024 threads leave 64 registers to each.
__global__ void __launch_bounds__(1024, 1) spills(const Operands o) {
  float numbers[96];
#pragma unroll
  for (int i = 0; i < 96; ++i) numbers[i] = o.in[i * 1024 + static_cast<int>(threadIdx.x)];
  for (int k = 0; k < o.n; ++k) {
#pragma unroll
    for (int i = 0; i < 96; ++i) numbers[i] = fmaf(numbers[i], numbers[(i + 1) % 96], numbers[(i + 5) % 96]);
  }
#pragma unroll
  for (int i = 0; i < 96; ++i) o.out[i * 1024 + static_cast<int>(threadIdx.x)] = numbers[i];
}

/// Reads a number before its copy is waited for, and again afterwards, when it is another one.
__global__ void __launch_bounds__(128, 4) reads_again(const Operands o) {
  namespace cuda = sdepth::cuda;
  float* const own = cuda::shared_memory() + threadIdx.x;
  cuda::copy_1(own, o.in + threadIdx.x);
  const float before = *own;
  cuda::end_group();
  cuda::copies_done();
  o.out[threadIdx.x] = before + *own;
}

/// States nothing.
__global__ void unbounded(const Operands o) { o.out[threadIdx.x] = o.in[threadIdx.x]; }

}  // namespace planted
