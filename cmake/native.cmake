# Flags for a processor: what sdepth::native adds to sdepth::sdepth, and how tests, examples and benchmarks are compiled. Used by the installed package, too.

# sdepth_processor_flags(result march): what makes the compiler use all of a processor, called as in -march=; nothing where it does not know it.
function(sdepth_processor_flags result march)
  include(CheckCXXCompilerFlag)
  set(CMAKE_REQUIRED_QUIET ON)
  set(flags "")
  string(MAKE_C_IDENTIFIER ${march} name)
  check_cxx_compiler_flag(-march=${march} sdepth_has_march_${name})
  if(sdepth_has_march_${name})
    set(flags -march=${march})
    # Compilers prefer 256 bits for the loops they vectorise themselves; the kernels' loops gain from 512, where the processor has them.
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
      check_cxx_compiler_flag(-mprefer-vector-width=512 sdepth_has_vector_width)
      if(sdepth_has_vector_width)
        list(APPEND flags -mprefer-vector-width=512)
      endif()
    endif()
  else()
    message(STATUS "sdepth: ${CMAKE_CXX_COMPILER} does not know -march=${march}; compiling for its default processor")
  endif()
  set(${result} ${flags} PARENT_SCOPE)
endfunction()

# sdepth_nvcc_host_flags(result flags...): the same flags for nvcc, which hands them to its host compiler; nothing where there are none.
function(sdepth_nvcc_host_flags result)
  set(flags "")
  if(ARGN)
    list(JOIN ARGN "," flags)
    set(flags "-Xcompiler=${flags}")
  endif()
  set(${result} "${flags}" PARENT_SCOPE)
endfunction()

# sdepth_native_flags(result): the same for this machine, for C++ sources and for the host's part of CUDA sources, which otherwise would not fit together.
function(sdepth_native_flags result)
  set(flags "")
  get_property(languages GLOBAL PROPERTY ENABLED_LANGUAGES)
  if(CXX IN_LIST languages AND NOT CMAKE_CROSSCOMPILING)
    sdepth_processor_flags(flags native)
  endif()
  sdepth_nvcc_host_flags(for_nvcc ${flags})
  set(${result} "$<$<COMPILE_LANGUAGE:CXX>:${flags}>" "$<$<COMPILE_LANG_AND_ID:CUDA,NVIDIA>:${for_nvcc}>" PARENT_SCOPE)
endfunction()
