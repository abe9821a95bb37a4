// A network being trained, whatever its type: all that the run asks of it. So the run is compiled once, and
// each network beside it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sdepth/io/checkpoint.hpp>
#include <sdepth/io/safetensors.hpp>
#include <sdepth/io/summary.hpp>
#include <sdepth/losses/class_targets.hpp>
#include <sdepth/network/depth_plan.hpp>
#include <sdepth/network/training_memory.hpp>
#include <sdepth/optimizers/adamw.hpp>
#include <sdepth/train/options.hpp>
#include <sdepth/train/trainer.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// What is known of a network without its numbers. Operations are floating-point operations of one image's
/// forward pass.
struct NetworkFacts {
  int residual_blocks = 0;
  std::size_t parameters = 0;
  double operations = 0;                  // every block open
  std::vector<double> branch_operations;  // [residual blocks], what skipping each saves
  ActivationTable activations;            // in numbers
  std::size_t stored_numbers = 0;         // parameters and running statistics, padding included
  std::vector<double> survival;           // [residual blocks], as the type says
  std::size_t stored_bytes = 4;           // of a number of an activation
  int batch_parts = 1;                    // that processes can share a batch by
  std::vector<SummaryRow> layers;         // of the network, as its summary has them
};

/// What a learner is made with.
struct LearnerOptions {
  TrainingOptions training = {};             // with those of SGD
  std::optional<AdamW::Options> adamw = {};  // in place of SGD
  double clip_norm = 0;                      // of a step's gradients, at most; 0: any
  double average_decay = 0;                  // of the running average of the weights; 0: there is none
  std::vector<std::string> frozen = {};      // what the names begin with of parameters that stay as they are
  Communicator* others = nullptr;            // processes that have shares in each batch
  bool local_norms = false;                  // each normalises by its own share's statistics
};

/// A Trainer behind an interface: two virtual calls per step, nothing virtual below it.
class Learner {
 public:
  Learner() = default;
  Learner(const Learner&) = delete;
  Learner& operator=(const Learner&) = delete;
  virtual ~Learner() = default;

  using Targets = ClassTargets;
  /// Begins a step on [N, H, W, C]: see Trainer::start. On the host it does everything, on a device it hands
  /// the work over.
  /// @param gates  [residual blocks]; empty: drawn from the seed
  virtual void start(std::span<const float> images, const Targets& targets,
                     std::span<const std::uint8_t> gates) = 0;
  /// The oldest step that was started and not finished: waits for it. Throws Error where its loss is not
  /// finite.
  virtual Score finish() = 0;
  /// Steps that may be under way while the next one is started.
  [[nodiscard]] virtual std::size_t ahead() const = 0;
  /// Begins an evaluation; what is returned waits for its score. Two may be under way.
  /// @param plan  the blocks that run
  [[nodiscard]] virtual std::function<Score()> start_evaluation(std::span<const float> images,
                                                                std::span<const int> labels,
                                                                const DepthPlan& plan) = 0;

  /// Logits [N, classes], whatever they are.
  [[nodiscard]] virtual std::vector<float> predict(std::span<const float> images) = 0;

  /// Mean |∂loss/∂w| of the first residual block's first convolution in the last step that was started,
  /// padding left out; not-a-number where there is none, where the block was skipped, and on a GPU in all but
  /// every 16th step.
  [[nodiscard]] virtual double first_gradient() = 0;

  virtual void set_learning_rate(double rate) = 0;
  virtual void set_survival(std::span<const double> survival) = 0;
  [[nodiscard]] virtual std::span<const std::uint8_t> gates() const = 0;
  [[nodiscard]] virtual std::uint64_t steps() const = 0;
  /// The name of its type, as the compiler spells it, with the instructions that this is compiled for.
  [[nodiscard]] virtual std::string_view type() const = 0;

  /// Exchanges the weights and their running average; a second time puts them back. @pre there is one
  virtual void swap_average() = 0;

  /// Weights to start from. Where they tell another number of classes apart, the last layer stays as it is.
  /// @return  a sentence that says so; empty: everything was taken
  [[nodiscard]] virtual std::string load_weights(SafeTensors file, const std::string& where) = 0;
  virtual void save_model(const std::filesystem::path& path,
                          const std::map<std::string, std::string>& metadata) = 0;
  virtual void save_checkpoint(const std::filesystem::path& path, int epoch, const std::string& program) = 0;
  virtual void restore(const Checkpoint& checkpoint) = 0;
};

}  // namespace sdepth::inline SDEPTH_ISA::program
