// Training by several processes over a network that is made up on one machine: how long a step takes, what it
// sends, and what it waits for.
//
//     mpirun -n 2 build/release/bench/distributed --layers 56 --latency 1e-3 --rate 1e9 --survival 0.5
//
// Beside it stands what the model of docs/distributed.md expects, from the step of one process with all of
// the batch, measured in the same run.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "network.hpp"

extern "C" {
int MPI_Irecv(void* to, int count, MPI_Datatype type, int from, int tag, MPI_Comm all, MPI_Request* request) {
  return delayed_irecv(to, count, type, from, tag, all, request);
}
int MPI_Iallgatherv(const void* from, int count, MPI_Datatype type, void* to, const int* counts,
                    const int* places, MPI_Datatype to_type, MPI_Comm all, MPI_Request* request) {
  return delayed_iallgatherv(from, count, type, to, counts, places, to_type, all, request);
}
int MPI_Test(MPI_Request* request, int* done, MPI_Status* status) {
  return delayed_test(request, done, status);
}
}

#include <sdepth/distributed/mpi.hpp>
#include <sdepth/net.hpp>

using namespace sdepth;

namespace {

constexpr int batch = 128;

struct Asked {
  int layers = 20, steps = 12;
  double latency = 0, rate = 0, survival = 1;
  bool local_norms = false;
};

[[nodiscard]] double median(std::vector<double> times) {
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
  return times[times.size() / 2];
}

/// Seconds of a step, medians.
template <class Trainer>
[[nodiscard]] double time_steps(Trainer& trainer, const Range& mine, int steps, double survival) {
  constexpr std::size_t size = 3 * 32 * 32;
  std::vector<float> images(static_cast<std::size_t>(mine.size()) * size);
  for (std::size_t i = 0; i < images.size(); ++i)
    images[i] = static_cast<float>((i * 2654435761U >> 7) % 1000) / 1000.0F - 0.5F;
  std::vector<int> labels(static_cast<std::size_t>(mine.size()));
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<int>(i % 10);
  std::vector<double> table(trainer.survival().size());
  for (std::size_t l = 0; l < table.size(); ++l)
    table[l] = 1 - static_cast<double>(l + 1) / static_cast<double>(table.size()) * (1 - survival);
  trainer.set_survival(table);
  trainer.set_learning_rate(1e-3);
  std::vector<double> times;
  for (int i = 0; i < steps; ++i) {
    const std::int64_t begin = nanoseconds();
    trainer.step(NHWC<float>{images}, labels);
    times.push_back(1e-9 * static_cast<double>(nanoseconds() - begin));
  }
  return median(times);
}

template <int Layers>
void measure(const Asked& asked, Mpi& mpi) {
  using Net = CifarResNet<Layers, Input<3, 32, 32>, 10, LinearDecay<0.5>>;
  double alone = 0;
  if (mpi.rank() == 0) {  // while the others wait
    Trainer<Net, Cpu<>> trainer({.batch = batch, .threads = 1, .seed = 1});
    alone = time_steps(trainer, {0, batch}, std::min(asked.steps, 8), asked.survival);
  }
  std::uint8_t ready[64] = {};
  const std::vector<std::size_t> one_each(static_cast<std::size_t>(mpi.ranks()), 1);
  mpi.gather(ready, one_each);
  network::latency = asked.latency;
  network::bytes_per_second = asked.rate / 8;
  Trainer<Net, Cpu<>> trainer({.batch = batch, .threads = 1, .seed = 1}, mpi, asked.local_norms);
  const Mpi::Traffic before = mpi.traffic();
  const double step = time_steps(trainer, trainer.share().images_of(batch), asked.steps, asked.survival);
  const Mpi::Traffic after = mpi.traffic();
  const auto per_step = [&](auto a, auto b) { return static_cast<double>(b - a) / asked.steps; };
  if (mpi.rank() > 0) return;
  const double gathers = per_step(before.gathers, after.gathers),
               gathered = per_step(before.gathered_bytes, after.gathered_bytes),
               summed = per_step(before.summed_bytes, after.summed_bytes),
               waited = per_step(before.waited, after.waited),
               for_sums = per_step(before.waited_for_sums, after.waited_for_sums),
               behind_work = per_step(before.waited_behind_work, after.waited_behind_work);
  const double wire = asked.rate > 0 ? 8 / asked.rate : 0,
               travels = gathers * asked.latency + gathered * wire;
  // Half of the gathers are on the way back, where the weights' gradients, some three tenths of a step, are
  // computed meanwhile.
  const double own = alone / mpi.ranks(),
               expected = own + travels / 2 + std::max(0.0, travels / 2 - 0.3 * own);
  std::printf("ResNet-%d, batch %d, p_L %g, %d processes of one thread, %g ms and %g Gbit/s%s\n", Layers,
              batch, asked.survival, mpi.ranks(), 1e3 * asked.latency, asked.rate / 1e9,
              asked.local_norms ? ", local norms" : "");
  std::printf("  one process        %8.1f ms a step\n  together           %8.1f ms, the model says %.1f\n",
              1e3 * alone, 1e3 * step, 1e3 * expected);
  std::printf(
      "  waits for norms    %8.1f ms, %.0f times a step, %.1f kB; on the way back %.1f ms (%.1f %% of the step)\n",
      1e3 * waited, gathers, 1e-3 * gathered, 1e3 * behind_work, 100 * behind_work / step);
  std::printf(
      "  waits for sums     %8.1f ms at the end of the way back (%.1f %% of the step), %.2f MB sent\n",
      1e3 * for_sums, 100 * for_sums / step, 1e-6 * summed);
}

}  // namespace

int main(int argc, char** argv) {
  Asked asked;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const double value = i + 1 < argc ? std::atof(argv[i + 1]) : 0;
    if (word == "--local-norms") {
      asked.local_norms = true;
      continue;
    }
    ++i;
    if (word == "--layers")
      asked.layers = static_cast<int>(value);
    else if (word == "--steps")
      asked.steps = static_cast<int>(value);
    else if (word == "--latency")
      asked.latency = value;
    else if (word == "--rate")
      asked.rate = value;
    else if (word == "--survival")
      asked.survival = value;
    else {
      std::fprintf(
          stderr,
          "distributed: %s: expected --layers 20|56|110, --steps N, --latency SECONDS, --rate BITS_PER_SECOND, --survival P or --local-norms\n",
          argv[i - 1]);
      return 1;
    }
  }
  Mpi mpi;
  if (asked.layers == 110)
    measure<110>(asked, mpi);
  else if (asked.layers == 56)
    measure<56>(asked, mpi);
  else
    measure<20>(asked, mpi);
}
