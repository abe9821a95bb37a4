# Toolchain of the preset `clang`: the newest clang from 18 on; earlier ones lack template parameters of type double.
include(${CMAKE_CURRENT_LIST_DIR}/releases.cmake)
releases(sdepth_clangs clang++ 18)
find_program(CMAKE_CXX_COMPILER NAMES ${sdepth_clangs} clang++ REQUIRED)
string(REPLACE "clang++" "clang" sdepth_clang_c ${CMAKE_CXX_COMPILER})
set(CMAKE_C_COMPILER ${sdepth_clang_c})
