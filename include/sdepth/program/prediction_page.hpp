// Pictures with what a network says of them, as a page for people.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <sdepth/core/utf8.hpp>
#include <sdepth/data/image_set.hpp>
#include <sdepth/data/picture.hpp>
#include <sdepth/io/predictions.hpp>
#include <sdepth/io/text.hpp>
#include <sdepth/program/chart.hpp>
#include <sdepth/program/page.hpp>
#include <sdepth/program/thumbnail.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

class PredictionPage {
 public:
  /// @param names  of the classes; numbers where there are fewer
  PredictionPage(std::string title, std::vector<std::string> names)
      : title_(std::move(title)), names_(std::move(names)) {}

  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Another picture, record i of a set as the network reads it. @param label  its class; negative: not known
  void add(const ImageSet& set, int i, int label, const Prediction& prediction) {
    const int predicted = prediction.guesses[0].label;
    const bool wrong = label >= 0 && predicted != label;
    ++size_;
    labelled_ += label >= 0;
    wrong_ += wrong;
    pictures_ += std::string("<span") + (wrong ? " class='wrong'" : "") + " title='" +
                 escaped(shown_as_utf8(prediction.path)) + "'>";
    if (set.shape.channels == 1 || set.shape.channels == 3) {
      Picture picture{.shape = set.shape, .bytes = {set.image(i).begin(), set.image(i).end()}};
      pictures_ += "<img alt='' src='" + thumbnail(std::move(picture), 96) + "'>";
    }
    bool first = true;
    for (const Guess& guess : prediction.guesses) {
      const std::string text =
          escaped(name(guess.label)) + " " + fixed_point(100 * guess.probability, 1) + " %";
      pictures_ += std::exchange(first, false) ? "<b>" + text + "</b>" : text + "<br>";
    }
    if (wrong) pictures_ += "is: " + escaped(name(label));
    pictures_ += "</span>\n";
  }

  [[nodiscard]] std::string html() const {
    std::string all = page_head(title_) + "<div class='figures'>\n<div><b>" + with_commas(size_) +
                      "</b><span>pictures</span></div>\n";
    if (labelled_ > 0)
      all += "<div><b>" + with_commas(wrong_) +
             "</b><span>of these taken for another class, in orange</span></div>\n";
    return all +
           "</div>\n<figure class='mistakes'>\n<h2>The likeliest classes of each, with their probabilities</h2>\n<div>\n" +
           pictures_ + "</div></figure>\n</body>\n</html>\n";
  }

 private:
  [[nodiscard]] std::string name(int label) const {
    const auto at = static_cast<std::size_t>(label);
    return at < names_.size() ? names_[at] : std::to_string(label);
  }

  std::string title_;
  std::vector<std::string> names_;
  std::string pictures_;
  std::size_t size_ = 0, labelled_ = 0, wrong_ = 0;
};

}  // namespace sdepth::inline SDEPTH_ISA::program
