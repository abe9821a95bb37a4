// What the emulated tests get from operator new is managed memory, which a kernel may be given as the pinned
// memory of device/main.cpp, so that kernels may be given what lies in vectors. All other memory of the host,
// the stack above all, the emulation then refuses. Not under sanitizers, which have an operator new of their
// own.
#include <cuda_runtime.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <new>

#include "device/slab.hpp"

namespace {

/// Never destroyed: the last memory is given back after main.
sdepth::test::Slab& slab() {
  static sdepth::test::Slab& all = [&]() -> sdepth::test::Slab& {
    constexpr std::size_t bytes = std::size_t{4} << 30;  // of addresses
    void* const memory =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) std::abort();
    emulation::Memory::the().adopt(memory, bytes);
    alignas(sdepth::test::Slab) static std::byte place[sizeof(sdepth::test::Slab)];
    return *new (place) sdepth::test::Slab(memory, bytes);
  }();
  return all;
}

}  // namespace

void* operator new(std::size_t bytes) {
  void* const p = slab().take(bytes);
  if (!p) throw std::bad_alloc();
  return p;
}
void operator delete(void* p) noexcept {
  if (p) slab().give(p);
}
void operator delete(void* p, std::size_t) noexcept { operator delete(p); }
