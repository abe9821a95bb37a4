# The compilers for tests that only look at what a compiler says: the build's own, and of g++ and clang the other one where it is installed.
#   syntax_compilers         names, as they appear in the names of tests
#   syntax_command_<name>    the command with all flags; a source file is all that is missing
#   syntax_compile_<name>    the same without -fsyntax-only

function(add_syntax_compiler name compiler)
  set(flags -std=c++20 ${sdepth_warnings} ${sdepth_machine} -DSDEPTH_WITHOUT_OPTIMISATION)
  # Other libraries' directories, without two: our own is no system directory, or its warnings would be lost; and /usr/include, searched anyway,
  # would as a system directory come before the standard library's and break <cstdlib>.
  string(REGEX REPLACE "([][+.*()^|?])" "\\\\\\1" own ${PROJECT_SOURCE_DIR}/include)
  set(directories "$<FILTER:$<TARGET_PROPERTY:test_main,INCLUDE_DIRECTORIES>,EXCLUDE,^(/usr/include|${own})$>")
  file(GENERATE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${name}.flags
       CONTENT "$<JOIN:${flags},\n>\n-I \"${PROJECT_SOURCE_DIR}/include\"\n$<$<BOOL:${directories}>:-isystem \"$<JOIN:${directories},\"\n-isystem \">\">\n")
  set(syntax_compilers ${syntax_compilers} ${name} PARENT_SCOPE)
  set(compile ${CMAKE_COMMAND} -E env LC_ALL=C ${compiler} @${CMAKE_CURRENT_BINARY_DIR}/${name}.flags)
  set(syntax_compile_${name} ${compile} PARENT_SCOPE)
  set(syntax_command_${name} ${compile} -fsyntax-only PARENT_SCOPE)
endfunction()

# Whether what has no release in its name is new enough.
function(is_clang_18 result compiler)
  execute_process(COMMAND ${compiler} -dumpversion OUTPUT_VARIABLE version ERROR_QUIET)
  if(version VERSION_LESS 18)
    set(${result} FALSE PARENT_SCOPE)
  endif()
endfunction()
function(is_gcc_12 result compiler)
  execute_process(COMMAND ${compiler} -dumpversion OUTPUT_VARIABLE version ERROR_QUIET)
  if(version VERSION_LESS 12)
    set(${result} FALSE PARENT_SCOPE)
  endif()
endfunction()

include(${PROJECT_SOURCE_DIR}/cmake/releases.cmake)
releases(clangs clang++ 18)
releases(gccs g++ 12)
set(syntax_compilers "")
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_syntax_compiler(g++ ${CMAKE_CXX_COMPILER})
  find_program(SDEPTH_OTHER_COMPILER NAMES ${clangs} clang++ VALIDATOR is_clang_18 DOC "clang, 18 or later, for checks beside g++")
  if(SDEPTH_OTHER_COMPILER)
    add_syntax_compiler(clang ${SDEPTH_OTHER_COMPILER})
  endif()
else()
  add_syntax_compiler(clang ${CMAKE_CXX_COMPILER})
  find_program(SDEPTH_OTHER_COMPILER NAMES ${gccs} g++ VALIDATOR is_gcc_12 DOC "g++, 12 or later, for checks beside clang")
  if(SDEPTH_OTHER_COMPILER)
    add_syntax_compiler(g++ ${SDEPTH_OTHER_COMPILER})
  endif()
endif()
if(NOT SDEPTH_OTHER_COMPILER)
  message(STATUS "sdepth: no second compiler (g++ 12 or clang 18, or later) was found; headers are checked by ${CMAKE_CXX_COMPILER} alone")
endif()
