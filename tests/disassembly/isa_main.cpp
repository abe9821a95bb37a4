// With isa.cpp, compiled for an old processor and for a newer one: `program` takes the old one's way,
// `program new` the newer one's.
#include <cstdio>
#include <vector>

float loss_by_v2(const std::vector<float>& images, const std::vector<int>& labels);
float loss_by_v3(const std::vector<float>& images, const std::vector<int>& labels);

int main(int count, char**) {
  const std::vector<float> images(8 * 3 * 8 * 8, 0.5F);
  const std::vector<int> labels{0, 1, 2, 3, 0, 1, 2, 3};
  std::printf("%g\n", static_cast<double>((count > 1 ? loss_by_v3 : loss_by_v2)(images, labels)));
}
