// In the place of a program that needs a GPU: one with a shared library that a bare machine has not.
#include <cstdio>
#include <string>
#include <zlib.h>

int main(int count, char** words) {
  const std::string version = zlibVersion();
  std::printf("zlib %s, %d words: %s\n", version.c_str(), count, words[0]);
}
