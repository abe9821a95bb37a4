# One program for several processors: its sources are compiled once for each, and the best that the machine can execute is chosen when the program starts.
#
#   sdepth_add_dispatched(app app.cpp SOURCES… [ARCHS x86-64-v2 x86-64-v3 x86-64-v4] [LIBRARIES sdepth::io …] [SAYS_WHICH])
#
# makes the program `app` of sources that are an ordinary program, main and all; CUDA sources may be among them. ARCHS are levels of x86-64, the least first; a level may
# have sets of instructions added, as in x86-64-v4+avx512bf16.
# SDEPTH_ARCH=x86-64-v2 in the environment chooses another one; a machine that has none of them is told so. With SAYS_WHICH the program begins by saying, on
# standard error, which one runs. The property SDEPTH_VARIANTS of `app` lists the targets that compile the sources, app_x86_64_v2 and so on, for more options.
#
# What the compiler makes of a template of the standard library is one function to a linker, whatever processor it was compiled for, and static objects are
# made before main. So each level is linked by itself to one object file, of which only its main is seen from outside, and whose static objects are made when it has been chosen.

# sdepth_can_dispatch(result): whether this machine and its tools can do that.
function(sdepth_can_dispatch result)
  set(${result} FALSE PARENT_SCOPE)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64" AND CMAKE_OBJCOPY AND CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang" AND NOT APPLE AND NOT WIN32)
    set(${result} TRUE PARENT_SCOPE)
  endif()
endfunction()

function(sdepth_add_dispatched target)
  cmake_parse_arguments(PARSE_ARGV 1 "" "SAYS_WHICH" "" "SOURCES;ARCHS;LIBRARIES")
  list(APPEND _SOURCES ${_UNPARSED_ARGUMENTS})
  if(NOT _ARCHS)
    set(_ARCHS x86-64-v2 x86-64-v3 x86-64-v4)
  endif()
  sdepth_can_dispatch(possible)
  if(NOT possible)
    message(FATAL_ERROR "sdepth_add_dispatched(${target}): expected g++ or clang with GNU's linker and objcopy on x86-64, found ${CMAKE_CXX_COMPILER_ID} on "
            "${CMAKE_SYSTEM_PROCESSOR}; add a usual program there, linked to sdepth::native")
  endif()

  set(objects "")
  set(declarations "")
  set(choices "")
  set(names "")
  set(variants "")
  set(cuda_sources ${_SOURCES})
  list(FILTER cuda_sources INCLUDE REGEX "[.]cu$")
  foreach(arch IN LISTS _ARCHS)
    string(MAKE_C_IDENTIFIER ${arch} name)
    set(variant ${target}_${name})
    set(object ${CMAKE_CURRENT_BINARY_DIR}/${variant}.o)
    string(REPLACE "+" ";" sets ${arch})
    list(POP_FRONT sets level)
    sdepth_processor_flags(flags ${level})
    set(executable "__builtin_cpu_supports(\"${level}\") != 0")
    foreach(set IN LISTS sets)
      list(APPEND flags -m${set})
      string(APPEND executable " && __builtin_cpu_supports(\"${set}\") != 0")
    endforeach()
    add_library(${variant} OBJECT ${_SOURCES})
    target_link_libraries(${variant} PRIVATE sdepth::sdepth ${_LIBRARIES})
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      list(APPEND flags -fno-gnu-unique)
    endif()
    list(APPEND flags -fno-lto)  # whatever the project asks for: names are changed in objects of machine code below
    target_compile_options(${variant} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${flags}>")
    if(cuda_sources)  # the library's names contain the instruction set, so their host's part is compiled for each, too
      sdepth_nvcc_host_flags(for_nvcc ${flags})
      target_compile_options(${variant} PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:${for_nvcc}>")
      target_link_libraries(${variant} PRIVATE sdepth::cuda)
    endif()
    list(APPEND variants ${variant})
    # Groups of functions that other objects may have, too, are dissolved, all names but one become this object's own, and what makes its static objects is put aside.
    add_custom_command(OUTPUT ${object}
      COMMAND ${CMAKE_CXX_COMPILER} -r -nostdlib -Wl,--force-group-allocation $<TARGET_OBJECTS:${variant}> -o ${object}
      COMMAND ${CMAKE_OBJCOPY} --redefine-sym main=sdepth_main_${name} --rename-section .init_array=sdepth_init_${name} ${object}
      COMMAND ${CMAKE_OBJCOPY} --keep-global-symbol=sdepth_main_${name} ${object}
      DEPENDS ${variant} $<TARGET_OBJECTS:${variant}> COMMAND_EXPAND_LISTS VERBATIM)
    list(APPEND objects ${object})
    string(APPEND declarations "extern Initialiser __start_sdepth_init_${name}[] __attribute__((weak));\nextern Initialiser __stop_sdepth_init_${name}[] __attribute__((weak));\n"
           "int sdepth_main_${name}(int, char**, char**);\n")
    # __builtin_cpu_supports asks for the system's support of the registers, too.
    string(APPEND choices "    {\"${arch}\", ${executable}, sdepth_main_${name}, __start_sdepth_init_${name}, __stop_sdepth_init_${name}},\n")
  endforeach()
  list(JOIN _ARCHS ", " names)

  set(says "")
  if(_SAYS_WHICH)
    set(says "  std::fprintf(stderr, \"${target}: runs the instructions of %s, of ${names} (SDEPTH_ARCH chooses)\\n\", chosen->arch);\n")
  endif()

  set(source ${CMAKE_CURRENT_BINARY_DIR}/${target}_dispatch.cpp)
  file(CONFIGURE OUTPUT ${source} @ONLY CONTENT [[
// Written by sdepth_add_dispatched: chooses a level of the processor. Compiled for the least processor.
#include <cstdio>
#include <cstdlib>
#include <cstring>

using Initialiser = void (*)(int, char**, char**);
extern "C" {
@declarations@}

int main(int argc, char** argv, char** environment) {
  struct Choice {
    const char* arch;
    bool executable;
    int (*main)(int, char**, char**);
    Initialiser* first;
    Initialiser* last;
  };
  __builtin_cpu_init();
  const Choice choices[] = {
@choices@  };
  const char* asked = std::getenv("SDEPTH_ARCH");
  const Choice* chosen = nullptr;
  for (const Choice& choice : choices)
    if (asked ? std::strcmp(asked, choice.arch) == 0 : choice.executable) chosen = &choice;  // the last that fits
  if (!chosen) {
    std::fprintf(stderr, "@target@: %s%s, expected one of @names@%s\n", asked ? "SDEPTH_ARCH is " : "this processor is older than all that the program was built for",
                 asked ? asked : "", asked ? "" : "; build it for this machine");
    return 1;
  }
  if (!chosen->executable) {
    std::fprintf(stderr, "@target@: SDEPTH_ARCH is %s, which this processor cannot execute; choose a lower one of @names@\n", asked);
    return 1;
  }
@says@  for (Initialiser* make = chosen->first; make != chosen->last; ++make) (*make)(argc, argv, environment);
  return chosen->main(argc, argv, environment);
}
]])
  add_executable(${target} ${source} ${objects})
  set_source_files_properties(${objects} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
  set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS -march=x86-64)
  target_link_libraries(${target} PRIVATE sdepth::sdepth ${_LIBRARIES})
  set_target_properties(${target} PROPERTIES SDEPTH_VARIANTS "${variants}")
  if(cuda_sources)
    set_target_properties(${target} PROPERTIES LINKER_LANGUAGE CUDA)  # which brings CUDA's runtime library
  endif()
endfunction()
