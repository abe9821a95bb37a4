// report.html, and the page that infer writes, as a browser sees them: Chromium without a window finds
// nothing to complain of.
#include <doctest/doctest.h>

#include <cstddef>
#include <string>

#include "process.hpp"
#include "run_folders.hpp"

namespace sdepth::test::report_page_test {

namespace {

namespace fs = std::filesystem;

/// The program's path; empty: it is not installed.
std::string chromium() {
  for (const char* name : {"chromium", "chromium-browser", "google-chrome"})
    for (const char* folder : {"/usr/bin/", "/usr/local/bin/", "/snap/bin/"})
      if (fs::exists(std::string(folder) + name)) return std::string(folder) + name;
  return "";
}

}  // namespace

TEST_CASE("the report of a run has all its parts, and a browser opens it without an error on its console") {
  ScratchFolder folder;
  const Outcome run =
      run_program("train_own", {"--data", "synthetic", "--limit-train", "40", "--limit-test", "40", "--batch",
                                "20", "--epochs", "2", "--ema", "0.5", "--out", (folder / "run").string()});
  REQUIRE_MESSAGE(run.status == 0, run.output);
  const std::string page = bytes_of(folder / "run" / "report.html");
  for (const char* part : {"Confusion of the test pictures", "top-5 test error",
                           "Network, with survival probabilities", "test, average"})
    CHECK_MESSAGE(contains(page, part), part);
  // 10 classes on untrained weights: there are mistakes, with pictures.
  CHECK(contains(page, "src='data:image/bmp;base64,Qk"));

  // And a page of what the trained network says of single pictures.
  const Outcome named = run_program(
      "train_own", {"infer", "--weights", (folder / "run" / "model.safetensors").string(), "--limit", "40",
                    "--page", (folder / "page.html").string(), "--page-pictures", "30", "--top", "2"});
  REQUIRE_MESSAGE(named.status == 0, named.output);
  const std::string pictures = bytes_of(folder / "page.html");
  const auto count = [&](const std::string& words) {
    int times = 0;
    for (auto at = pictures.find(words); at != std::string::npos; at = pictures.find(words, at + 1)) ++times;
    return times;
  };
  CHECK(count("src='data:image/bmp;base64,Qk") == 30);
  CHECK(count("<br>") == 30);  // behind the second class of each
  CHECK(count("<span class='wrong'") == count("is: "));
  CHECK(count("<b>" + std::to_string(count("is: ")) + "</b><span>of these taken for another class") == 1);

  const std::string browser = chromium();
  if (browser.empty()) {
    MESSAGE("skipped: there is no Chromium to open report.html with (Debian: chromium)");
    return;
  }
  const auto open = [&](const fs::path& file) {
    return run_program(
        browser,
        {"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--enable-logging=stderr",
         "--user-data-dir=" + (folder / "browser").string(), "--dump-dom", "file://" + file.string()});
  };
  put(folder / "bad.html", "<script>console.error('seen')</script><p>body");
  const Outcome bad = open(folder / "bad.html");
  if (bad.status != 0 || !contains(bad.output, "body")) {
    MESSAGE("skipped: Chromium does not start here");
    return;
  }
  CHECK_MESSAGE(contains(bad.errors, "CONSOLE"), bad.errors);  // so that its silence means something
  const Outcome good = open(folder / "run" / "report.html");
  CHECK_MESSAGE(good.status == 0, good.output);
  CHECK_MESSAGE(!contains(good.errors, "CONSOLE"), good.errors);
  CHECK(contains(good.output, "Most wrong of the test pictures"));
  const Outcome shown = open(folder / "page.html");
  CHECK_MESSAGE(shown.status == 0, shown.output);
  CHECK_MESSAGE(!contains(shown.errors, "CONSOLE"), shown.errors);
}

}  // namespace sdepth::test::report_page_test
