# What a project gets of the Conan package besides its libraries: sdepth::native, for the processor that compiles it, and sdepth_add_dispatched.
include(${CMAKE_CURRENT_LIST_DIR}/native.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/dispatch.cmake)
if(NOT TARGET sdepth::native)
  add_library(sdepth::native INTERFACE IMPORTED)
  target_link_libraries(sdepth::native INTERFACE sdepth::sdepth)
  sdepth_native_flags(_sdepth_flags)
  target_compile_options(sdepth::native INTERFACE ${_sdepth_flags})
endif()
