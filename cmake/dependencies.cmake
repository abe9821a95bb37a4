# The libraries that sdepth stands on: found on the machine, otherwise downloaded from their official repositories at a pinned tag.
# A downloaded header-only library becomes an imported target of the name that its own package would give it.
include(FetchContent)
include(${CMAKE_CURRENT_LIST_DIR}/xsimd.cmake)

# A library found here is also looked up from the project that adds sdepth by add_subdirectory.
set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)
set(sdepth_fetched "")  # names of the libraries downloaded

# sdepth_download(name repository tag): the sources of `tag` lie in ${name}_SOURCE_DIR afterwards.
macro(sdepth_download name repository tag)
  message(STATUS "sdepth: ${name} was not found on this machine; downloading ${tag} of ${repository}")
  # No such subdirectory: the library's own CMake project is not added.
  FetchContent_Declare(${name} GIT_REPOSITORY ${repository} GIT_TAG ${tag} GIT_SHALLOW ON SOURCE_SUBDIR none)
  FetchContent_MakeAvailable(${name})
  list(APPEND sdepth_fetched ${name})
endmacro()

# sdepth_headers(target directory): an imported target for headers below `directory`.
function(sdepth_headers target directory)
  add_library(${target} INTERFACE IMPORTED GLOBAL)
  target_include_directories(${target} INTERFACE ${directory})
endfunction()

# xsimd: 8.1 (Debian 12) and later.
if(NOT TARGET sdepth::xsimd)
  sdepth_find_xsimd()
  if(NOT TARGET sdepth::xsimd)
    sdepth_download(xsimd https://github.com/xtensor-stack/xsimd.git 14.0.0)
    sdepth_headers(sdepth::xsimd ${xsimd_SOURCE_DIR}/include)
  endif()
endif()

if(NOT TARGET Eigen3::Eigen)
  find_package(Eigen3 3.4 QUIET NO_MODULE)
  if(NOT TARGET Eigen3::Eigen)
    find_package(Eigen3 5 QUIET NO_MODULE)  # its version file accepts a request for its own major version only
  endif()
  if(NOT TARGET Eigen3::Eigen)
    sdepth_download(eigen https://gitlab.com/libeigen/eigen.git 3.4.0)
    sdepth_headers(Eigen3::Eigen ${eigen_SOURCE_DIR})
  endif()
endif()

find_package(Threads REQUIRED)

if(SDEPTH_IO AND NOT TARGET nlohmann_json::nlohmann_json)
  find_package(nlohmann_json 3.10 QUIET)
  if(NOT TARGET nlohmann_json::nlohmann_json)
    sdepth_download(json https://github.com/nlohmann/json.git v3.11.3)
    sdepth_headers(nlohmann_json::nlohmann_json ${json_SOURCE_DIR}/single_include)
  endif()
endif()

if(SDEPTH_IO AND NOT TARGET ZLIB::ZLIB)
  find_package(ZLIB QUIET)
  if(NOT TARGET ZLIB::ZLIB)
    sdepth_download(zlib https://github.com/madler/zlib.git v1.3.1)
    enable_language(C)
    file(GLOB zlib_sources ${zlib_SOURCE_DIR}/*.c)
    add_library(sdepth_zlib STATIC EXCLUDE_FROM_ALL ${zlib_sources})
    target_compile_definitions(sdepth_zlib PRIVATE HAVE_UNISTD_H HAVE_STDARG_H)
    sdepth_headers(ZLIB::ZLIB ${zlib_SOURCE_DIR})
    target_link_libraries(ZLIB::ZLIB INTERFACE sdepth_zlib)
  endif()
endif()

# Optional: files of pictures. Without both libraries there is no target sdepth::pictures, and what needs it is left out.
find_package(PNG 1.6 QUIET)
find_package(JPEG QUIET)
set(sdepth_missing_for_pictures "")
if(NOT TARGET PNG::PNG)
  list(APPEND sdepth_missing_for_pictures "libpng (Debian: libpng-dev)")
endif()
if(NOT TARGET JPEG::JPEG)
  list(APPEND sdepth_missing_for_pictures "libjpeg-turbo (Debian: libjpeg-dev)")
endif()
if(sdepth_missing_for_pictures)
  list(JOIN sdepth_missing_for_pictures " and " words)
  message(STATUS "sdepth: ${words} not found: PNG and JPEG files cannot be read, and what reads them is left out")
endif()

# Optional: several processes. Without MPI there is no target sdepth::mpi.
set(MPI_CXX_SKIP_MPICXX ON)  # C++ bindings that MPI itself has given up
find_package(MPI QUIET COMPONENTS CXX)
if(NOT TARGET MPI::MPI_CXX)
  message(STATUS "sdepth: MPI (Debian: libopenmpi-dev and openmpi-bin) not found: train runs as one process")
endif()

# Optional: the command line of programs. Without it there is no target sdepth::program; our own examples need it.
if(NOT TARGET CLI11::CLI11)
  find_package(CLI11 QUIET)
  if(NOT TARGET CLI11::CLI11 AND SDEPTH_EXAMPLES)
    sdepth_download(cli11 https://github.com/CLIUtils/CLI11.git v2.5.0)
    sdepth_headers(CLI11::CLI11 ${cli11_SOURCE_DIR}/include)
  endif()
endif()

# Only for our own programs.
if(SDEPTH_TESTS AND NOT TARGET doctest::doctest)
  find_package(doctest QUIET)
  if(NOT TARGET doctest::doctest)
    sdepth_download(doctest https://github.com/doctest/doctest.git v2.4.12)
    sdepth_headers(doctest::doctest ${doctest_SOURCE_DIR})
  endif()
endif()


if(SDEPTH_BENCH AND NOT TARGET benchmark::benchmark)
  find_package(benchmark QUIET)
  if(NOT TARGET benchmark::benchmark)
    sdepth_download(benchmark https://github.com/google/benchmark.git v1.9.4)
    set(BENCHMARK_ENABLE_TESTING OFF)
    set(BENCHMARK_ENABLE_INSTALL OFF)
    set(BENCHMARK_ENABLE_WERROR OFF)
    add_subdirectory(${benchmark_SOURCE_DIR} ${benchmark_BINARY_DIR} EXCLUDE_FROM_ALL SYSTEM)
  endif()
endif()
