// Learning-rate schedules: the paper's counts as the authors' program does, the others give PyTorch's
// numbers.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <sdepth/train/learning_rate.hpp>
#include <sdepth/train/options.hpp>

namespace sdepth::test::learning_rate_test {

namespace {

/// A schedule of one's own.
struct InverseSquareRoot {
  double base = 1;
  [[nodiscard]] double at(std::int64_t n, std::int64_t) const {
    return base / std::sqrt(static_cast<double>(n));
  }
};
struct NoSchedule {
  [[nodiscard]] static double at(double progress) { return progress; }
};
static_assert(LearningRateSchedule<StepDecay> && LearningRateSchedule<CosineAnnealing> &&
              LearningRateSchedule<OneCycle>);
static_assert(LearningRateSchedule<ConstantRate> && LearningRateSchedule<LinearWarmUp<OneCycle>>);
static_assert(LearningRateSchedule<InverseSquareRoot> &&
              LearningRateSchedule<LinearWarmUp<InverseSquareRoot>>);
static_assert(!LearningRateSchedule<NoSchedule> && !LearningRateSchedule<double>);

/// The rates of a whole run against those that PyTorch 2.15 gives in float64.
void check_run(const LearningRateSchedule auto& schedule, const std::vector<double>& expected) {
  const auto count = static_cast<std::int64_t>(expected.size());
  for (std::int64_t n = 1; n <= count; ++n) {
    CAPTURE(n);
    CHECK(schedule.at(n, count) == doctest::Approx(expected[static_cast<std::size_t>(n - 1)]).epsilon(1e-13));
  }
}

}  // namespace

TEST_CASE(
    "a fraction of a run with up to six decimals is what it looks like, whatever the double nearest to it is") {
  CHECK(0.28 * 25 > 7);  // in doubles, so a drop there would be an epoch late
  CHECK(reached(7, 0.28, 25));
  CHECK_FALSE(reached(6, 0.28, 25));
  // The rule done ≥ fraction · length, in whole numbers.
  for (std::int64_t millionths = 1; millionths <= 1'000'000; millionths += millionths < 1000 ? 1 : 997)
    for (const std::int64_t length : {1, 3, 7, 25, 300, 500, 999, 1'000'000, 2'147'483'647}) {
      const double fraction = static_cast<double>(millionths) / 1e6;
      const std::int64_t first = (millionths * length + 999'999) / 1'000'000;
      const bool right = reached(static_cast<double>(first), fraction, static_cast<double>(length)) &&
                         !reached(static_cast<double>(first - 1), fraction, static_cast<double>(length));
      CHECK_MESSAGE(right, millionths, " millionths of ", length);
    }
  CHECK_FALSE(reached(1, 1.0 / 3 + 1e-9, 3));  // of more decimals: the double itself
  CHECK(reached(1, 1.0 / 3 - 1e-9, 3));
  for (const double none :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()})
    CHECK_FALSE(reached(9, none, 9));
}

TEST_CASE("the learning rate falls in the first epoch of a drop") {
  const StepDecay rate{.base = 1, .drops = {0.28, 0.57}, .factor = 0.5};
  for (int epoch = 1; epoch <= 100; ++epoch)
    CHECK(rate.at(epoch, 100) == (epoch < 28 ? 1 : epoch < 57 ? 0.5 : 0.25));
  CHECK(rate.at(6, 25) == 1);
  CHECK(rate.at(7, 25) == 0.5);
}

TEST_CASE("the learning rate falls where the authors' program lets it fall") {
  const StepDecay rate;
  CHECK(rate.at(249, 500) == 0.1);
  CHECK(rate.at(250, 500) == doctest::Approx(0.01));
  CHECK(rate.at(375, 500) == doctest::Approx(0.001));
  const StepDecay deep = paper_cifar_1202().learning_rate;
  CHECK(deep.at(10, 300) == 0.01);
  CHECK(deep.at(11, 300) == 0.1);
}

// The numbers below are those of
//
//     def rates(make, count):
//         optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
//         scheduler, found = make(optimizer), []
//         for _ in range(count):
//             found.append(optimizer.param_groups[0]["lr"])
//             optimizer.step(); scheduler.step()
//         return found
//
// with `make` as it stands beside them, printed by "%.16g".
TEST_CASE(
    "SVHN is trained as the paper does: 50 epochs, divided by 10 at 30 and at 35, without augmentation") {
  const Recipe recipe = paper_svhn();
  const auto rate = [&](int epoch) { return recipe.learning_rate.at(epoch, recipe.epochs); };
  CHECK(rate(29) == 0.1);
  CHECK(rate(30) == doctest::Approx(0.01));
  CHECK(rate(34) == doctest::Approx(0.01));
  CHECK(rate(35) == doctest::Approx(0.001));
  CHECK(recipe.epochs == 50);
  CHECK(recipe.validation == 6000);
  CHECK_FALSE(recipe.augment);
}

TEST_CASE("cosine annealing and the one-cycle schedule give PyTorch's rates") {
  // lambda o: CosineAnnealingLR(o, T_max=8, eta_min=0.01)
  check_run(CosineAnnealing{.base = 0.1, .eta_min = 0.01},
            {0.1, 0.0965745789630079, 0.08681980515339463, 0.07222075445642905, 0.055, 0.03777924554357096,
             0.02318019484660536, 0.0134254210369921});
  // lambda o: OneCycleLR(o, max_lr=0.1, total_steps=10); 7: whose top lies between two steps; and with other
  // arguments
  check_run(OneCycle{.max_lr = 0.1},
            {0.004000000000000004, 0.052, 0.1, 0.09504846320134738, 0.08117456539497631, 0.06112620219362893,
             0.03887419780637107, 0.0188258346050237, 0.004951936798652629, 4e-07});
  check_run(OneCycle{.max_lr = 0.1}, {0.004000000000000004, 0.09805566273349588, 0.09190443762697106,
                                      0.06726838364805451, 0.0357738775739657, 0.00992967918932656, 4e-07});
  // OneCycleLR(o, max_lr=0.4, total_steps=8, pct_start=0.5, div_factor=10, final_div_factor=100)
  check_run(OneCycle{.max_lr = 0.4, .pct_start = 0.5, .div_factor = 10, .final_div_factor = 100},
            {0.03999999999999998, 0.13, 0.3099999999999999, 0.4, 0.3414799348810722, 0.2002,
             0.05892006511892782, 0.0004});
}

TEST_CASE("a linear warm-up multiplies any schedule as PyTorch's LinearLR does") {
  // lambda o: ChainedScheduler([CosineAnnealingLR(o, T_max=8), LinearLR(o, start_factor=0.25,
  // total_iters=4)], optimizer=o)
  check_run(LinearWarmUp<CosineAnnealing>{{.base = 0.1}, 4, 0.25},
            {0.025, 0.04208486477368439, 0.05334708691207961, 0.05617151443983177, 0.05, 0.03086582838174551,
             0.01464466094067263, 0.003806023374435663});
  // the same with MultiStepLR(o, [3, 5]), which counts from 0
  check_run(LinearWarmUp<StepDecay>{{.base = 0.1}, 4, 0.25},
            {0.025, 0.04375, 0.0625, 0.008125, 0.01, 0.001, 0.001, 0.001});
  // LinearLR(o, start_factor=0.25, total_iters=4) alone
  check_run(LinearWarmUp<ConstantRate>{{0.1}, 4, 0.25}, {0.025, 0.04375, 0.0625, 0.08125, 0.1, 0.1});

  const LinearWarmUp<InverseSquareRoot> own{{.base = 2}, 0};  // over no epoch: the schedule itself
  for (int n = 1; n <= 9; ++n) CHECK(own.at(n, 9) == InverseSquareRoot{2}.at(n, 9));
}

TEST_CASE("a run of one step, or of few, has a finite rate that is not negative with every schedule") {
  for (int count = 1; count <= 12; ++count)
    for (int n = 1; n <= count; ++n)
      for (const double share : {0.0, 0.25, 0.3, 0.5, 1.0}) {
        const double one_cycle = OneCycle{.pct_start = share}.at(n, count),
                     cosine = CosineAnnealing{}.at(n, count);
        CHECK((one_cycle > 0 && one_cycle <= 0.1));
        CHECK((cosine > 0 && cosine <= 0.1));
      }
}

}  // namespace sdepth::test::learning_rate_test
