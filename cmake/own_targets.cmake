# How tests, examples and benchmarks are compiled: for this machine's processor and with warnings. Users of the library choose for themselves.
include(CheckCXXSourceRuns)

set(sdepth_warnings -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wno-unknown-pragmas)
if(SDEPTH_WERROR)
  list(APPEND sdepth_warnings -Werror)
endif()

# False alarms of g++ 12 and 13, which come and go with the processor that is compiled for and the level of optimisation.
set(sdepth_false_alarms "")
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
  set(sdepth_false_alarms -Wno-restrict  # of std::string: GCC bug 105651
      -Wno-maybe-uninitialized -Wno-uninitialized  # of AVX-512 intrinsics, where xsimd comes from a precompiled header: GCC bug 105593
      -Wno-array-bounds -Wno-stringop-overread -Wno-stringop-overflow)  # of std::vector and std::string as bytes: GCC bugs 105562, 107852
endif()

set(sdepth_machine "")
if(SDEPTH_MARCH)
  sdepth_processor_flags(sdepth_machine ${SDEPTH_MARCH})
endif()

# The levels of x86-64 that tests are compiled for, whatever this machine is: `sdepth_levels`; those of them that it can execute: `sdepth_executable_levels`.
set(sdepth_levels "")
set(sdepth_executable_levels "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(sdepth_levels x86-64 x86-64-v2 x86-64-v3 x86-64-v4)
  foreach(level IN LISTS sdepth_levels)
    string(MAKE_C_IDENTIFIER ${level} name)
    # Compiled for the lowest level, whose code runs everywhere.
    check_cxx_source_runs("int main() { __builtin_cpu_init(); return __builtin_cpu_supports(\"${level}\") ? 0 : 1; }" sdepth_executes_${name})
    if(sdepth_executes_${name} OR level STREQUAL "x86-64")
      list(APPEND sdepth_executable_levels ${level})
    endif()
  endforeach()
endif()

# sdepth_own_target_for(target flags...): everything of the library, warnings, and these flags for the processor.
function(sdepth_own_target_for target)
  target_link_libraries(${target} PRIVATE sdepth::io)
  target_compile_options(${target} PRIVATE ${sdepth_warnings} ${sdepth_false_alarms} ${ARGN})
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  if(SDEPTH_TEST_BUILD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # What -Og leaves out and kernels cannot do without: vectors in registers. Three times as fast to run, and as fast to compile.
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-ftree-sra>)
  endif()
endfunction()

# sdepth_not_optimised(target): in a build for tests alone the target's C++ sources are not optimised. For programs whose own work is short: optimising takes longer.
function(sdepth_not_optimised target)
  if(SDEPTH_TEST_BUILD)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-O0>)
    target_compile_definitions(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:SDEPTH_WITHOUT_OPTIMISATION>)
  endif()
endfunction()

# sdepth_own_target(target): the same with this machine's instructions, or those of SDEPTH_MARCH.
function(sdepth_own_target target)
  sdepth_own_target_for(${target} ${sdepth_machine})
endfunction()
