# CUDA for our own tests, examples and benchmarks: sdepth_has_cuda says whether there is a toolkit that compiles for all of sdepth_cuda_architectures.
# Without one nothing is set, asked or built, and everything else is as if this file were not there.
#
# nvcc is looked for as CMake does, and where the toolkit installs itself; its host compiler is g++, whatever compiles the rest.
include(CheckLanguage)
include(${CMAKE_CURRENT_LIST_DIR}/native.cmake)

# Real code for each, so that the report on registers and memory is about what runs: Turing, Ampere, Hopper, and the two Blackwells.
set(sdepth_cuda_architectures 75-real 80-real 90-real 100-real 120-real)

# By whoever configures: then everything is compiled for these, tests too. Empty: nothing was asked for. (CMake itself also looks into the environment.)
set(sdepth_cuda_asked_for "${CMAKE_CUDA_ARCHITECTURES}")
if(NOT sdepth_cuda_asked_for)
  set(sdepth_cuda_asked_for "$ENV{CUDAARCHS}")
endif()
if(sdepth_cuda_asked_for)
  set(sdepth_cuda_architectures ${sdepth_cuda_asked_for})
endif()
set(sdepth_has_cuda FALSE)
set(sdepth_cuda_missing "")  # why not, for the one line below
if(CMAKE_TOOLCHAIN_FILE MATCHES "clang[.]cmake$")
  set(sdepth_cuda_missing "that is for the builds by g++")
elseif("${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_RELEASE}" MATCHES "-fsanitize|--coverage")
  set(sdepth_cuda_missing "this build has sanitizers, or counts lines")  # of the emulated kernels, but not of what nvcc compiles
else()
  if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
    find_program(SDEPTH_NVCC nvcc PATHS /usr/local/cuda/bin /opt/cuda/bin DOC "NVIDIA's compiler, for tests, examples and benchmarks on GPUs")
    mark_as_advanced(SDEPTH_NVCC)
    if(SDEPTH_NVCC)
      set(ENV{CUDACXX} ${SDEPTH_NVCC})
    endif()
  endif()
  # nvcc with clang as host compiler does not read template parameters of type double.
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT CMAKE_CUDA_HOST_COMPILER)
    find_program(SDEPTH_CUDA_HOST_COMPILER NAMES g++ g++-16 g++-15 g++-14 g++-13 g++-12 DOC "g++, the host compiler of nvcc")
    mark_as_advanced(SDEPTH_CUDA_HOST_COMPILER)
    if(SDEPTH_CUDA_HOST_COMPILER)
      set(CMAKE_CUDA_HOST_COMPILER ${SDEPTH_CUDA_HOST_COMPILER})
    endif()
  endif()
  # Old releases of CMake try an architecture that nvcc 13 no longer has.
  if(NOT CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES ${sdepth_cuda_architectures})
  endif()
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT CMAKE_CUDA_HOST_COMPILER)
    set(sdepth_cuda_missing "nvcc needs g++ beside it")
  else()
    check_language(CUDA)
    if(NOT CMAKE_CUDA_COMPILER)
      set(sdepth_cuda_missing "no CUDA Toolkit was found")
    else()
      enable_language(CUDA)
      if(NOT CMAKE_CUDA_COMPILER_ID STREQUAL "NVIDIA" OR CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 12.8)
        set(sdepth_cuda_missing "${CMAKE_CUDA_COMPILER} is not nvcc 12.8 or later")
      else()
        set(sdepth_has_cuda TRUE)
      endif()
    endif()
  endif()
endif()
if(sdepth_has_cuda)
  message(STATUS "sdepth: building for GPUs, too, by nvcc ${CMAKE_CUDA_COMPILER_VERSION}")
else()
  message(STATUS "sdepth: nothing for GPUs is built: ${sdepth_cuda_missing}")
endif()

# The host compiler sees the sources after nvcc has re-spelled them, with line marks and conversions that nobody wrote: without the warnings about those. The same
# headers are compiled with all warnings by g++ and clang, against tests/cuda/emulation.
set(sdepth_cuda_flags -Xcudafe=--display_error_number)
set(sdepth_cuda_host_warnings ${sdepth_warnings} -Wno-missing-field-initializers)
list(REMOVE_ITEM sdepth_cuda_host_warnings -Wpedantic -Wconversion -Wsign-conversion)
list(JOIN sdepth_cuda_host_warnings "," sdepth_cuda_host_warnings)
list(APPEND sdepth_cuda_flags -Xcompiler=${sdepth_cuda_host_warnings})
if(SDEPTH_WERROR)
  list(APPEND sdepth_cuda_flags "SHELL:-Werror all-warnings")
endif()

# The host's part is compiled for the same processor as everything else: the library's names contain the instruction set.
sdepth_nvcc_host_flags(sdepth_cuda_machine ${sdepth_machine})

# sdepth_own_cuda_target(target): a target with CUDA sources; data sets and files as well.
function(sdepth_own_cuda_target target)
  target_link_libraries(${target} PRIVATE sdepth::cuda sdepth::io)
  target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:${sdepth_cuda_flags};${sdepth_cuda_machine}>"
                         "$<$<COMPILE_LANGUAGE:CXX>:${sdepth_warnings};${sdepth_machine}>")
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF CUDA_EXTENSIONS OFF CUDA_ARCHITECTURES "${sdepth_cuda_architectures}")
endfunction()

# Programs and tests are compiled for the machine's own GPU, or where there is none to PTX of 8.0, which the driver of that GPU or a later one translates: nvcc takes
# a minute for each architecture of `train`. Kernels are compiled for all of sdepth_cuda_architectures in tests/cuda/resources.
set(sdepth_has_gpu FALSE)
set(sdepth_cuda_own_architecture 80-virtual)
find_program(SDEPTH_NVIDIA_SMI nvidia-smi DOC "Tells whether this machine has a GPU")
mark_as_advanced(SDEPTH_NVIDIA_SMI)
if(sdepth_has_cuda AND SDEPTH_NVIDIA_SMI)
  execute_process(COMMAND ${SDEPTH_NVIDIA_SMI} -L OUTPUT_VARIABLE gpus ERROR_QUIET)
  if(gpus MATCHES "GPU 0")
    set(sdepth_has_gpu TRUE)
    set(sdepth_cuda_own_architecture native)
  endif()
endif()
if(sdepth_cuda_asked_for)
  set(sdepth_cuda_own_architecture ${sdepth_cuda_asked_for})
endif()

# In a build for tests alone, where there is no GPU they are compiled and do not run: nothing is optimised.
if(SDEPTH_TEST_BUILD AND NOT sdepth_has_gpu)
  set(CMAKE_CUDA_FLAGS_RELEASE "-O0 -Xcicc -O0 -Xptxas -O0 -DSDEPTH_WITHOUT_OPTIMISATION")
endif()

# sdepth_cuda_code(VARIABLE architectures...): nvcc's options for architectures as CMake calls them, for a command of our own: N, N-real, N-virtual, native, all, all-major.
function(sdepth_cuda_code variable)
  set(options "")
  foreach(architecture IN LISTS ARGN)
    string(REGEX REPLACE "-(real|virtual)$" "" number ${architecture})
    if(architecture MATCHES "^(native|all|all-major)$")
      list(APPEND options -arch=${architecture})
    elseif(architecture MATCHES "-real$")
      list(APPEND options -gencode arch=compute_${number},code=sm_${number})
    elseif(architecture MATCHES "-virtual$")
      list(APPEND options -gencode arch=compute_${number},code=compute_${number})
    else()
      list(APPEND options -gencode arch=compute_${number},code=[compute_${number},sm_${number}])
    endif()
  endforeach()
  set(${variable} ${options} PARENT_SCOPE)
endfunction()
