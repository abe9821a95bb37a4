// A program that reads data sets and weights: it links zlib and includes nlohmann/json through sdepth::io.
#include <cstdio>

#include <sdepth/data/idx.hpp>
#include <sdepth/io/safetensors.hpp>

int main() { std::printf("linked\n"); }
