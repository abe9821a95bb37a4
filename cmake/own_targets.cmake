# How tests, examples and benchmarks are compiled: for this machine's processor and with warnings. Users of the library choose for themselves.
include(CheckCXXCompilerFlag)

set(sdepth_warnings -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wno-unknown-pragmas)
if(SDEPTH_WERROR)
  list(APPEND sdepth_warnings -Werror)
endif()

set(sdepth_machine "")
if(SDEPTH_MARCH)
  check_cxx_compiler_flag(-march=${SDEPTH_MARCH} sdepth_has_march_${SDEPTH_MARCH})
  if(sdepth_has_march_${SDEPTH_MARCH})
    set(sdepth_machine -march=${SDEPTH_MARCH})
  else()
    message(STATUS "sdepth: ${CMAKE_CXX_COMPILER} does not know -march=${SDEPTH_MARCH}; compiling for its default processor")
  endif()
  # Compilers prefer 256 bits for the loops they vectorise themselves; the kernels' loops gain from 512.
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    check_cxx_compiler_flag(-mprefer-vector-width=512 sdepth_has_vector_width)
    if(sdepth_has_vector_width)
      list(APPEND sdepth_machine -mprefer-vector-width=512)
    endif()
  endif()
endif()

# sdepth_own_target(target): everything of the library, warnings, this machine's instructions.
function(sdepth_own_target target)
  target_link_libraries(${target} PRIVATE sdepth::io)
  target_compile_options(${target} PRIVATE ${sdepth_warnings} ${sdepth_machine})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(${target} PRIVATE -Wno-restrict)  # false alarms from std::string (GCC bug 105651)
  endif()
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
endfunction()
