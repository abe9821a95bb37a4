// A trained network that is used, whatever its type: all that infer asks of it. So the program is compiled
// once, and each network beside it.
#pragma once

#include <string>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/core/shape.hpp>
#include <sdepth/data/image_set.hpp>
#include <sdepth/data/normalize.hpp>
#include <sdepth/io/safetensors.hpp>
#include <sdepth/program/choices.hpp>
#include <sdepth/program/named_network.hpp>
#include <sdepth/schedule/scaling.hpp>
#include <sdepth/train/block_removal.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// Everything that decides the logits.
struct ClassifierTask {
  const SafeTensors& weights;
  std::string where;             // the weights' file, for messages
  std::vector<double> survival;  // [residual blocks]
  Scaling scaling = Scaling::test;
  const ImageSet& pictures;
  Normalization normalization;
  int threads = 1;
};

/// What a study of depth needs besides a task, whose pictures it is judged by.
struct DepthStudy {
  const ImageSet& chosen_by;  // blocks are removed in turn and judged by these
  const ImageSet& training;   // norms are estimated again on these
  int points = 0;             // budgets of the curve, evenly spaced from all blocks down; 0: none
};

/// One budget. Errors are fractions of the task's pictures.
struct DepthPoint {
  int blocks = 0;
  double operations = 0;    // as a fraction of the whole network's
  double milliseconds = 0;  // per picture, with the task's threads and batches of 128; blocks dropped by harm
  double by_survival = 0;
  double by_harm = 0;
  double by_harm_reestimated = 0;  // with BN's statistics estimated again for this depth
};

struct DepthResult {
  std::vector<BlockRemoval> removals;
  std::vector<DepthPoint> curve;
};

/// A network with weights in one precision, which are types: each of these is compiled for itself. Its
/// functions throw Error where the weights do not fit.
struct Classifier {
  std::string name;
  Shape input;
  int classes = 0;
  std::string precision;         ///< of folded weights in memory: float32, f16 or bf16
  std::vector<double> survival;  ///< [residual blocks], as the type says
  /// [N, classes] in the order of the pictures.
  std::vector<float> (*logits)(const ClassifierTask& task) = nullptr;
  /// null: not in this precision
  DepthResult (*study_depth)(const ClassifierTask& task, const DepthStudy& study) = nullptr;
};
using Classifiers = std::vector<Classifier>;

/// The first classifier of that name for such pictures, with weights in that precision. Throws Error where
/// there is none.
/// @param pictures  whose kind it is, for the message
[[nodiscard]] inline const Classifier& find_classifier(const Classifiers& classifiers,
                                                       const std::string& name, const std::string& pictures,
                                                       const PictureKind& kind,
                                                       const std::string& precision) {
  bool fits = false;
  for (const Classifier& classifier : classifiers) {
    if (classifier.name != name || (kind.shape.channels > 0 && classifier.input != kind.shape) ||
        (kind.classes > 0 && classifier.classes != kind.classes))
      continue;
    if (classifier.precision == precision) return classifier;
    fits = true;
  }
  if (fits)
    fail("--precision ", precision, ": this program was built without it for ", name,
         "; leave the option out, or list the network with such weights, too");
  fail(pictures, kind.shape.channels > 0 ? " has pictures of " + extents_text(kind.shape) + " in " : " has ",
       kind.classes, " classes, for which this program has no network named ", name, "; it has one for ",
       pictures_of(classifiers, name), ", so choose other data or another network");
}

}  // namespace sdepth::inline SDEPTH_ISA::program
