// Training by several processes over a network that is made up on one machine: how long a step takes, what it
// sends, and what it waits for.
//
//     mpirun -n 2 distributed --layers 56 --latency 1e-3 --rate 1e9 --survival 0.5      processes that train
//     mpirun -n 8 distributed --layers 56 --latency 1e-3 --rate 1e9 --pretend 0.05      that sleep, 50 ms a step
//     distributed --layers 56 --latency 1e-3 --rate 1e9 --pretend 0.05 --simulate 64    that are only counted
//
// Those that sleep can have all times longer, --slower 50, so that the machine they share is quick against
// them; they print what it would be without. Beside each stands what the model of docs/distributed.md expects.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "model.hpp"
#include "network.hpp"
#include "play.hpp"
#include "recorded_step.hpp"
#include "simulation.hpp"

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

struct Asked {
  int layers = 20, steps = 12, simulate = 0;
  double latency = 0, rate = 0, survival = 1, pretend = 0, slower = 1;
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

template <class Trainer>
[[nodiscard]] Step measure_together(Trainer& trainer, const Communicator& others, int batch,
                                    const Asked& asked) {
  const Communicator::Traffic before = others.traffic();
  Step step;
  step.seconds = time_steps(trainer, trainer.share().images_of(batch), asked.steps, asked.survival);
  const Communicator::Traffic after = others.traffic();
  const auto per_step = [&](auto a, auto b) { return static_cast<double>(b - a) / asked.steps; };
  step.gathers = per_step(before.gathers, after.gathers);
  step.gathered = per_step(before.gathered_bytes, after.gathered_bytes);
  step.summed = per_step(before.summed_bytes, after.summed_bytes);
  step.waited = per_step(before.waited, after.waited);
  step.waited_behind_work = per_step(before.waited_behind_work, after.waited_behind_work);
  step.waited_for_sums = per_step(before.waited_for_sums, after.waited_for_sums);
  return step;
}

[[nodiscard]] Circumstances circumstances(const Asked& asked, int ranks) {
  return {ranks, asked.pretend / (asked.layers - 1) / 3, asked.latency, asked.rate / 8, asked.slower};
}
/// As Mpi finds out for itself: whether gathers take more than half a millisecond.
[[nodiscard]] bool far_apart(const Circumstances& how, double bytes_of_gather) {
  return how.latency + 5e-5 + (how.bytes_per_second > 0 ? bytes_of_gather / how.bytes_per_second : 0) > 5e-4;
}
[[nodiscard]] bool far_apart(const Circumstances& how, const std::vector<RecordedStep>& steps) {
  std::size_t bytes = 0, gathers = 0;
  for (const RecordedStep& step : steps)
    for (const Stage& stage : step) bytes += stage.gathered, gathers += stage.gathered > 0;
  return far_apart(
      how, static_cast<double>(bytes) / static_cast<double>(gathers) * how.parts_of_rank() * (how.ranks - 1));
}

void print(const Asked& asked, int ranks, const Step& step) {
  const Circumstances how = circumstances(asked, ranks);
  const bool far = far_apart(how, step.gathered / std::max(1.0, step.gathers));
  std::printf("  together           %8.1f ms, the model says %.1f\n", 1e3 * step.seconds,
              1e3 * modelled_step(how, step, far, sizeof(float) * OrderedSums::bucket_size));
  std::printf(
      "  waits for norms    %8.1f ms, %.0f times a step, %.1f kB; on the way back %.1f ms (%.1f %% of the step)\n",
      1e3 * step.waited, step.gathers, 1e-3 * step.gathered, 1e3 * step.waited_behind_work,
      100 * step.waited_behind_work / step.seconds);
  std::printf(
      "  waits for sums     %8.1f ms at the end of the way back (%.1f %% of the step), %.2f MB sent\n",
      1e3 * step.waited_for_sums, 100 * step.waited_for_sums / step.seconds, 1e-6 * step.summed);
}

void begin_network(const Asked& asked) {
  network::latency = asked.latency * asked.slower;
  network::bytes_per_second = asked.rate / 8 / asked.slower;
}

template <int Layers>
using Net = CifarResNet<Layers, Input<3, 32, 32>, 10, LinearDecay<0.5>>;

template <int Layers>
void measure(const Asked& asked, Mpi& mpi) {
  constexpr int batch = 128;
  double alone = 0;
  if (mpi.rank() == 0) {  // while the others wait
    Trainer<Net<Layers>, Cpu<>> trainer({.batch = batch, .threads = 1, .seed = 1});
    alone = time_steps(trainer, {0, batch}, std::min(asked.steps, 8), asked.survival);
  }
  std::uint8_t ready[64] = {};
  const std::vector<std::size_t> one_each(static_cast<std::size_t>(mpi.ranks()), 1);
  mpi.gather(ready, one_each);
  begin_network(asked);
  Trainer<Net<Layers>, Cpu<>> trainer({.batch = batch, .threads = 1, .seed = 1}, mpi, asked.local_norms);
  Step step = measure_together(trainer, mpi, batch, asked);
  step.own = alone / mpi.ranks();
  if (mpi.rank() > 0) return;
  std::printf("ResNet-%d, batch %d, p_L %g, %d processes of one thread, %g ms and %g Gbit/s%s\n", Layers,
              batch, asked.survival, mpi.ranks(), 1e3 * asked.latency, asked.rate / 1e9,
              asked.local_norms ? ", local norms" : "");
  std::printf("  one process        %8.1f ms a step\n", 1e3 * alone);
  print(asked, mpi.ranks(), step);
}

/// Steps of a network, as they ask for messages.
template <int Layers>
[[nodiscard]] std::vector<RecordedStep> record(const Asked& asked) {
  Recording others;
  Trainer<Net<Layers>, Cpu<>> trainer({.batch = Recording::parts, .threads = 1, .seed = 1}, others);
  static_cast<void>(time_steps(trainer, {0, 1}, asked.steps, asked.survival));
  return others.steps();
}

/// Processes of this machine that compute nothing.
void play(const Asked& asked, const std::vector<RecordedStep>& steps, Mpi& mpi) {
  begin_network(asked);
  const Circumstances how = circumstances(asked, mpi.ranks());
  Player player(mpi, how, far_apart(how, steps));
  const Step step = player.play(steps);
  if (mpi.rank() > 0) return;
  std::printf(
      "ResNet-%d, p_L %g, %d processes that sleep, %g ms and %g Gbit/s\n  work               %8.1f ms a step of each\n",
      asked.layers, asked.survival, mpi.ranks(), 1e3 * asked.latency, 1e-9 * asked.rate, 1e3 * step.own);
  print(asked, mpi.ranks(), step);
}
/// Any number of processes, in time that is only counted.
void simulate(const Asked& asked, const std::vector<RecordedStep>& steps) {
  const Circumstances how = circumstances(asked, asked.simulate);
  const Step step = Simulation(how, steps, far_apart(how, steps), OrderedSums::bucket_size).run();
  std::printf(
      "ResNet-%d, p_L %g, %d simulated processes, %g ms and %g Gbit/s\n  work               %8.1f ms a step of each\n",
      asked.layers, asked.survival, asked.simulate, 1e3 * asked.latency, 1e-9 * asked.rate, 1e3 * step.own);
  print(asked, asked.simulate, step);
}

template <int Layers>
void run(const Asked& asked) {
  if (asked.simulate > 0) return simulate(asked, record<Layers>(asked));
  if (asked.pretend > 0) {
    const std::vector<RecordedStep> steps = record<Layers>(asked);
    set_timer_slack(asked.slower);
    Mpi mpi;
    return play(asked, steps, mpi);
  }
  Mpi mpi;
  measure<Layers>(asked, mpi);
}

int refuse(const char* word) {
  std::fprintf(
      stderr,
      "distributed: %s: expected --layers 20|56|110, --steps N, --latency SECONDS, --rate BITS_PER_SECOND, --survival P, --local-norms, --pretend SECONDS, --slower TIMES or --simulate PROCESSES\n",
      word);
  return 1;
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
    else if (word == "--pretend")
      asked.pretend = value;
    else if (word == "--simulate")
      asked.simulate = static_cast<int>(value);
    else if (word == "--slower")
      asked.slower = value;
    else
      return refuse(argv[i - 1]);
  }
  if (asked.layers == 110)
    run<110>(asked);
  else if (asked.layers == 56)
    run<56>(asked);
  else if (asked.layers == 20)
    run<20>(asked);
  else
    return refuse("--layers");
}
