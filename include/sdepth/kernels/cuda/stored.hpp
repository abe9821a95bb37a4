// Between numbers as activations lie in memory and the floats that losses read and write, where these differ.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include <sdepth/kernels/cuda/context.hpp>
#include <sdepth/kernels/cuda/instructions.hpp>
#include <sdepth/kernels/cuda/rounding.hpp>
#include <sdepth/kernels/cuda/vector.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

template <class From, class To>
struct ConvertOperands {
  const From* from = nullptr;
  To* to = nullptr;
  std::size_t quads = 0;
  int channels = quad;  // of a pixel of `to`
  TensorRounding<To> rounding;

  friend bool operator==(const ConvertOperands&, const ConvertOperands&) = default;
};

/// A thread converts four numbers. The logits of a batch are a few thousand: what the kernel costs is its
/// launch.
inline constexpr unsigned convert_threads = 128;
template <class From, class To>
__global__ void __launch_bounds__(convert_threads) convert_kernel(const ConvertOperands<From, To> o) {
  begin_behind_launch_before();
  const std::size_t i = static_cast<std::size_t>(blockIdx.x) * convert_threads + threadIdx.x;
  if (i >= o.quads) return;
  const auto in_pixel = static_cast<unsigned>(o.channels / quad);
  store_4(o.to + i * quad,
          o.rounding.round_4(load_4(o.from + i * quad), o.channels, static_cast<std::uint32_t>(i / in_pixel),
                             static_cast<int>(i % in_pixel) * quad));
}

/// to[i] = from[i], rounded where To has fewer bits.
/// @pre  count and channels, the numbers of a pixel, are multiples of 4
template <class From, class To>
void convert(Context& context, std::size_t count, const From* from, To* to, int channels = quad,
             const TensorRounding<To>& rounding = {}) {
  const std::size_t quads = count / quad;
  if (quads == 0) return;
  context.launch(StageName{"convert"}, convert_kernel<From, To>,
                 Grid{.x = static_cast<unsigned>((quads + convert_threads - 1) / convert_threads),
                      .threads = convert_threads},
                 ConvertOperands<From, To>{from, to, quads, channels, rounding});
}

}  // namespace sdepth::inline SDEPTH_ISA::cuda
