// The devices there are, all of one kind: one, as long as a test does not ask for more or for none.
#pragma once

#include <cstddef>
#include <cstring>

#include "errors.hpp"
#include "settings.hpp"

struct cudaDeviceProp {
  char name[256];
  std::size_t totalGlobalMem;
  std::size_t sharedMemPerBlock;
  std::size_t sharedMemPerBlockOptin;
  int warpSize;
  int maxThreadsPerBlock;
  int major;
  int minor;
  int multiProcessorCount;
  int memoryBusWidth;
  int l2CacheSize;
};

enum cudaDeviceAttr {
  cudaDevAttrMaxThreadsPerBlock = 1,
  cudaDevAttrMaxSharedMemoryPerBlock = 8,
  cudaDevAttrWarpSize = 10,
  cudaDevAttrClockRate = 13,
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrMemoryClockRate = 36,
  cudaDevAttrGlobalMemoryBusWidth = 37,
  cudaDevAttrL2CacheSize = 38,
  cudaDevAttrComputeCapabilityMajor = 75,
  cudaDevAttrComputeCapabilityMinor = 76,
  cudaDevAttrCooperativeLaunch = 95,
  cudaDevAttrMaxSharedMemoryPerBlockOptin = 97,
};

inline cudaError_t cudaGetDeviceCount(int* count) {
  *count = emulation::settings().devices;
  return emulation::returned(*count > 0 ? cudaSuccess : cudaErrorNoDevice);
}
inline cudaError_t cudaGetDevice(int* device) {
  *device = emulation::current_device;
  return emulation::returned(emulation::settings().devices > 0 ? cudaSuccess : cudaErrorNoDevice);
}
namespace emulation {
[[nodiscard]] inline cudaError_t known_device(int device) {
  if (settings().devices == 0) return cudaErrorNoDevice;
  return 0 <= device && device < settings().devices ? cudaSuccess : cudaErrorInvalidDevice;
}
}  // namespace emulation

inline cudaError_t cudaSetDevice(int device) {
  const cudaError_t error = emulation::known_device(device);
  if (error == cudaSuccess) emulation::current_device = device;
  return emulation::returned(error);
}
inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (const cudaError_t error = emulation::known_device(device); error != cudaSuccess)
    return emulation::returned(error);
  *properties = {};
  std::strcpy(properties->name, "emulated device");
  properties->totalGlobalMem = emulation::settings().memory_bytes;
  properties->sharedMemPerBlock = std::size_t{48} << 10U;
  properties->sharedMemPerBlockOptin = emulation::settings().largest_shared_bytes;
  properties->warpSize = 32;
  properties->maxThreadsPerBlock = 1024;
  properties->major = 8;  // it has TF32 and asynchronous copies
  properties->multiProcessorCount = emulation::multiprocessors;
  properties->memoryBusWidth = 256;
  properties->l2CacheSize = 1 << 20;
  return cudaSuccess;
}
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  cudaDeviceProp properties{};
  if (const cudaError_t error = cudaGetDeviceProperties(&properties, device); error != cudaSuccess)
    return error;
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      *value = properties.maxThreadsPerBlock;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = static_cast<int>(properties.sharedMemPerBlock);
      break;
    case cudaDevAttrWarpSize:
      *value = properties.warpSize;
      break;
    case cudaDevAttrClockRate:
      *value = 1000000;
      break;
    case cudaDevAttrMultiProcessorCount:
      *value = properties.multiProcessorCount;
      break;
    case cudaDevAttrMemoryClockRate:
      *value = 1000000;
      break;
    case cudaDevAttrGlobalMemoryBusWidth:
      *value = properties.memoryBusWidth;
      break;
    case cudaDevAttrL2CacheSize:
      *value = properties.l2CacheSize;
      break;
    case cudaDevAttrComputeCapabilityMajor:
      *value = properties.major;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = properties.minor;
      break;
    case cudaDevAttrCooperativeLaunch:
      *value = 1;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = static_cast<int>(properties.sharedMemPerBlockOptin);
      break;
  }
  return cudaSuccess;
}
inline cudaError_t cudaRuntimeGetVersion(int* version) { return *version = 13000, cudaSuccess; }
inline cudaError_t cudaDriverGetVersion(int* version) {
  return *version = emulation::settings().devices > 0 ? 13000 : 0, cudaSuccess;
}
inline cudaError_t cudaDeviceReset() { return cudaSuccess; }
