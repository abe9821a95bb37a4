# Toolchain of the preset `clang`: the newest clang from 18 on; earlier ones lack template parameters of type double.
set(sdepth_clangs "")
foreach(older RANGE 22)
  math(EXPR release "40 - ${older}")
  list(APPEND sdepth_clangs clang++-${release})
endforeach()
find_program(CMAKE_CXX_COMPILER NAMES ${sdepth_clangs} clang++ REQUIRED)
string(REPLACE "clang++" "clang" sdepth_clang_c ${CMAKE_CXX_COMPILER})
set(CMAKE_C_COMPILER ${sdepth_clang_c})
