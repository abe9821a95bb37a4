// A network being trained, whatever its type: all that the run asks of it. So the run is compiled once, and each network beside it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <sdepth/core/shape.hpp>
#include <sdepth/data/image_set.hpp>
#include <sdepth/io/checkpoint.hpp>
#include <sdepth/io/safetensors.hpp>
#include <sdepth/network/depth_plan.hpp>
#include <sdepth/network/training_memory.hpp>
#include <sdepth/train/options.hpp>
#include <sdepth/train/trainer.hpp>

namespace programs {

/// What is known of a network without its numbers. Operations are floating-point operations of one image's forward pass.
struct NetworkFacts {
  int residual_blocks = 0;
  std::size_t parameters = 0;
  double operations = 0;                  // every block open
  std::vector<double> branch_operations;  // [residual blocks], what skipping each saves
  sdepth::ActivationTable activations;    // in numbers
  std::size_t stored_numbers = 0;         // parameters and running statistics, padding included
};

/// A Trainer behind an interface: one virtual call per step, nothing virtual below it.
class Learner {
 public:
  Learner() = default;
  Learner(const Learner&) = delete;
  Learner& operator=(const Learner&) = delete;
  virtual ~Learner() = default;

  /// One step on [N, H, W, C]. @param gates  [residual blocks]; empty: drawn from the seed
  virtual sdepth::Score step(std::span<const float> images, std::span<const int> labels, std::span<const std::uint8_t> gates) = 0;
  /// @param plan  the blocks that run
  [[nodiscard]] virtual sdepth::Score evaluate(std::span<const float> images, std::span<const int> labels,
                                               const sdepth::DepthPlan& plan) = 0;

  /// Mean |∂loss/∂w| of the first residual block's first convolution in the last step, padding left out; not-a-number where the block was skipped, and on a GPU in
  /// all but every 16th step.
  [[nodiscard]] virtual double first_gradient() = 0;

  virtual void set_learning_rate(double rate) = 0;
  virtual void set_survival(std::span<const double> survival) = 0;
  [[nodiscard]] virtual std::span<const std::uint8_t> gates() const = 0;
  [[nodiscard]] virtual std::uint64_t steps() const = 0;

  virtual void load_weights(const sdepth::SafeTensors& file, const std::string& where) = 0;
  virtual void save_model(const std::filesystem::path& path, const std::map<std::string, std::string>& metadata) = 0;
  virtual void save_checkpoint(const std::filesystem::path& path, int epoch, const std::string& program) = 0;
  virtual void restore(const sdepth::Checkpoint& checkpoint) = 0;
};

/// A learner for a network by name, made for pictures of one shape and number of classes.
using MakeLearner = std::unique_ptr<Learner>(const std::string& model, const sdepth::TrainingOptions& options);
MakeLearner make_gray_learner;        // 1 x 28 x 28, 10 classes
MakeLearner make_colour_learner;      // 3 x 32 x 32, 10 classes
MakeLearner make_colour_100_learner;  // 3 x 32 x 32, 100 classes

/// The same with activations in bfloat16, for any of these pictures.
[[nodiscard]] std::unique_ptr<Learner> make_bfloat16_learner(const sdepth::ImageSet& pictures, const std::string& model,
                                                             const sdepth::TrainingOptions& options);

/// The same on a GPU, for any of these pictures. Throws Error where this program was built without the CUDA Toolkit, or the machine has no GPU.
/// @param tf32  whether convolutions may use tensor cores on rounded factors
[[nodiscard]] std::unique_ptr<Learner> make_cuda_learner(const sdepth::ImageSet& pictures, const std::string& model,
                                                         const sdepth::TrainingOptions& options, bool tf32);

/// The facts of a network by name, without making it. Throws Error where there is none of that name.
using FindFacts = NetworkFacts(const std::string& model);
FindFacts gray_network_facts;
FindFacts colour_network_facts;
FindFacts colour_100_network_facts;

}  // namespace programs
