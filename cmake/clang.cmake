# Toolchain of the preset `clang`: the newest clang from 18 on; earlier ones lack template parameters of type double.
find_program(CMAKE_CXX_COMPILER NAMES clang++-22 clang++-21 clang++-20 clang++-19 clang++-18 clang++ REQUIRED)
string(REPLACE "clang++" "clang" sdepth_clang_c ${CMAKE_CXX_COMPILER})
set(CMAKE_C_COMPILER ${sdepth_clang_c})
