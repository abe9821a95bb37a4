// Stages: everything that can be pending on their operands, in every combination; aliases; threads.
#include "stage_cases.hpp"

namespace sdepth::test::stages_test {
namespace {

constexpr ConvShape shape{{10, 6, 5}, 18, 3, 1, 1, true};

TEST_CASE_TEMPLATE_DEFINE("a forward stage applies all that is pending on its Source", B, forward_sources) {
  for (const Pending& pending : all_pending())
    check_close(run_conv_forward<B, shape>(3, 2, pending), run_conv_forward<Reference, shape>(3, 1, pending),
                5e-6);
}
TEST_CASE_TEMPLATE_APPLY(forward_sources, Backends);

TEST_CASE_TEMPLATE_DEFINE("a forward stage finishes rows that no tap reads, too", B, unread_rows) {
  constexpr ConvShape sparse{{10, 9, 9}, 4, 1, 4, 0};
  constexpr ConvShape cut{{10, 10, 10}, 4, 2, 3, 0};
  const Pending pending{.norm = true, .activated = true, .finished = true};
  check_close(run_conv_forward<B, sparse>(2, 1, pending), run_conv_forward<Reference, sparse>(2, 1, pending),
              5e-6);
  check_close(run_conv_forward<B, cut>(2, 1, pending), run_conv_forward<Reference, cut>(2, 1, pending), 5e-6);
}
TEST_CASE_TEMPLATE_APPLY(unread_rows, Backends);

TEST_CASE_TEMPLATE_DEFINE("a stage on the network's input applies what is pending there", B,
                          network_input_sources) {
  constexpr ConvShape stem{{3, 6, 5}, 18, 3, 1, 1, true, true};
  for (const Pending& pending : all_pending())
    check_close(run_conv_forward<B, stem>(2, 1, pending), run_conv_forward<Reference, stem>(2, 1, pending),
                5e-6);
}
TEST_CASE_TEMPLATE_APPLY(network_input_sources, Backends);

TEST_CASE_TEMPLATE_DEFINE("a backward stage masks by its Source and sums for its norms", B,
                          backward_sources) {
  for (const Pending& pending : all_pending())
    check_close(run_conv_backward<B, shape>(3, 2, pending, {.add = true}),
                run_conv_backward<Reference, shape>(3, 1, pending, {.add = true}), 2e-5);
}
TEST_CASE_TEMPLATE_APPLY(backward_sources, Backends);

TEST_CASE_TEMPLATE_DEFINE("a backward stage takes every kind of gradient, and may add in place", B,
                          backward_gradients) {
  const Pending pending{.norm = true, .shortcut = true, .activated = true};
  for (int bits = 0; bits < 16; ++bits) {
    const Backward backward{(bits & 1) != 0, (bits & 2) != 0, (bits & 6) == 6, (bits & 8) != 0};
    check_close(run_conv_backward<B, shape>(2, 2, pending, backward),
                run_conv_backward<Reference, shape>(2, 1, pending, backward), 2e-5);
  }
}
TEST_CASE_TEMPLATE_APPLY(backward_gradients, Backends);

TEST_CASE_TEMPLATE_DEFINE("convolution stages give the same bits for any number of threads", B,
                          threads_agree) {
  const Pending pending{
      .norm = true, .shortcut = true, .shortcut_norm = true, .activated = true, .finished = true};
  constexpr ConvShape winograd{{16, 8, 8}, 20, 3, 1, 1};
  static_assert(cpu::winograd_pays(winograd));
  for (const int batch : {1, 5, 10, 19}) {
    CHECK(run_conv_forward<B, winograd>(batch, 1, pending) ==
          run_conv_forward<B, winograd>(batch, 2, pending));
    CHECK(run_conv_backward<B, winograd>(batch, 1, pending, {.add = true}) ==
          run_conv_backward<B, winograd>(batch, 3, pending, {.add = true}));
    CHECK(run_conv_forward<B, shape>(batch, 1, pending) == run_conv_forward<B, shape>(batch, 2, pending));
    CHECK(run_conv_backward<B, shape>(batch, 1, pending, {.add = true}) ==
          run_conv_backward<B, shape>(batch, 3, pending, {.add = true}));
  }
}
TEST_CASE_TEMPLATE_APPLY(threads_agree, Backends);

TEST_CASE_TEMPLATE_DEFINE("variances keep their digits where the mean is large against the deviation", B,
                          large_means) {
  constexpr Shape image{3, 8, 8};
  constexpr int batch = 16;
  std::vector<float> x = random_numbers(batch * image.size(), 1);
  for (float& number : x) number += 1000.0F;  // E[x²] − E[x]² in float would leave no correct digit
  Packed<B> packed(x, image.channels), mean(1, image.channels), variance(1, image.channels);
  typename B::Context context(1);
  B::template finish<image>(context, batch, {.x = packed.data()}, {mean.data(), variance.data()});
  Packed<Reference> expected_mean(1, image.channels), expected(1, image.channels);
  Reference::Context reference_context(1);
  Reference::finish<image>(reference_context, batch, {.x = x.data()},
                           {expected_mean.data(), expected.data()});
  CHECK(relative_error(variance.dense(), expected.dense()) < 2e-4);
}
TEST_CASE_TEMPLATE_APPLY(large_means, Backends);

constexpr Shape image{21, 7, 5};

TEST_CASE_TEMPLATE_DEFINE("finish writes values and their statistics", B, finish_values) {
  for (const Pending& pending : all_pending())
    for (const int batch : {1, 10}) {
      check_close(run_finish<B, image>(batch, pending, {}, 2), run_finish<Reference, image>(batch, pending),
                  5e-6);
      CHECK(run_finish<B, image>(batch, pending, {}, 1) == run_finish<B, image>(batch, pending, {}, 2));
    }
}
TEST_CASE_TEMPLATE_APPLY(finish_values, Backends);

TEST_CASE_TEMPLATE_DEFINE("finish_backward masks, adds and sums, in place too", B, finish_gradients) {
  for (const Pending& pending : all_pending())
    for (const bool norm : {false, true})
      for (const int alias : {0, 1, 2}) {
        const Finish wanted{.alias = alias, .norm = norm, .add = alias != 1};
        check_close(run_finish_backward<B, image>(3, pending, wanted, 2),
                    run_finish_backward<Reference, image>(3, pending, wanted), 1e-5);
        CHECK(run_finish_backward<B, image>(10, pending, wanted, 1) ==
              run_finish_backward<B, image>(10, pending, wanted, 2));
      }
}
TEST_CASE_TEMPLATE_APPLY(finish_gradients, Backends);

}  // namespace
}  // namespace sdepth::test::stages_test
