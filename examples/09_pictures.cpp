// A folder of pictures to a trained model to predictions.
//
//     09_pictures DIR        DIR/CLASS/*.png or .jpg, a folder for each of 4 classes
//
// Without DIR it draws 400 pictures of 4 classes into a folder of its own, so that there is something to look
// at.
#include <png.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include <sdepth/data/loader.hpp>
#include <sdepth/data/synthetic.hpp>
#include <sdepth/io/model.hpp>
#include <sdepth/io/predictions.hpp>
#include <sdepth/net.hpp>
#include <sdepth/pictures/list.hpp>
#include <sdepth/program/fit.hpp>

using namespace sdepth;

// The network is a type; its input is 3 x 32 x 32, whatever the pictures' sizes are, and its last layer has a
// number for each class.
using Net = CifarResNet<14, Input<3, 32, 32>, 4>;

/// Stripes in four directions, 40 x 48 pixels each. @return  the folder
std::filesystem::path draw_pictures() {
  const auto folder = std::filesystem::temp_directory_path() / "sdepth_09_pictures";
  const ImageSet set = synthetic({3, 40, 48}, 4, 400, 0, 1).train;
  for (int i = 0; i < set.size(); ++i) {
    const auto directory = folder / ("stripes " + std::to_string(set.labels[static_cast<std::size_t>(i)]));
    std::filesystem::create_directories(directory);
    png_image image{};
    image.version = PNG_IMAGE_VERSION, image.format = PNG_FORMAT_RGB, image.width = 48, image.height = 40;
    png_image_write_to_file(&image, (directory / (std::to_string(i) + ".png")).c_str(), 0,
                            set.image(i).data(), 0, nullptr);
  }
  return folder;
}

int main(int count, char** arguments) {
  const std::filesystem::path folder = count > 1 ? arguments[1] : draw_pictures();

  // The pictures' files, and their classes by the names of their folders; a fifth of them is for the test.
  const PictureData data = read_pictures(folder, {.test_split = 0.2});
  if (data.train.classes() != Net::output.channels)
    fail("this example's network has 4 classes, the pictures have ", data.train.classes());

  // Threads decode, crop, flip and normalise the next batches while the network computes.
  const Normalize normalize{Normalization::imagenet()};
  Loader training(data.train, Compose{RandomResizedCrop{32, 32, 0.6}, normalize}, Net::input,
                  {.batch = 16, .seed = 1, .threads = 2});
  const Transforms whole = Compose{FitInput{Net::input}, normalize};
  Loader test(data.test, whole, Net::input, {.batch = 16, .shuffle = false});

  Trainer<Net, Cpu<>> trainer({.batch = 16, .threads = 2, .seed = 1});
  program::fit(trainer, training, test,
               {.epochs = 12,
                .learning_rate = [](auto step, auto steps) { return step <= steps * 3 / 4 ? 0.05 : 0.005; },
                .after_epoch =
                    [](const program::EpochResult& result) {
                      std::printf("epoch %2d   test error %4.1f %%\n", result.epoch,
                                  100 * result.validation.error_rate());
                      return true;
                    }});
  const auto file = std::filesystem::temp_directory_path() / "sdepth_09_pictures.safetensors";
  save(file, trainer, {{"classes", class_names_text(data.train.class_names)}});

  // From the file alone: what is in pictures that the network has never seen.
  const auto model = load<Net, Cpu<>>(file);
  auto inference = model.inference();
  std::vector<Prediction> predictions;
  Picture picture;
  for (int i = 0; i < data.test.size(); i += 16) {
    RecordContext context;
    data.test.read(i, picture);
    whole.apply(picture, context);
    predictions.push_back({data.test.files[static_cast<std::size_t>(i)].path,
                           best_guesses(inference.predict(NHWC<float>{picture.numbers}), 2)});
  }
  std::fputs(
      predictions_as(PredictionFormat::text, predictions, class_names_from(model.metadata.at("classes")))
          .c_str(),
      stdout);
}
