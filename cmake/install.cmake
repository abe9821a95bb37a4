# Headers and the CMake package: find_package(sdepth) gives sdepth::sdepth, sdepth::native and sdepth::cuda, and sdepth::io where zlib and nlohmann-json are.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_DATADIR}/cmake/sdepth)
if(SDEPTH_INSTALL)
  # A set for each group of targets that needs libraries which the others can do without.
  install(TARGETS sdepth sdepth_native EXPORT sdepthTargets)
  install(TARGETS sdepth_io EXPORT sdepthIoTargets)
  install(TARGETS sdepth_cuda EXPORT sdepthCudaTargets)
  set(sets sdepthTargets sdepthIoTargets sdepthCudaTargets)
  if(TARGET sdepth_pictures)
    install(TARGETS sdepth_pictures EXPORT sdepthPicturesTargets)
    list(APPEND sets sdepthPicturesTargets)
  endif()
  set(when "")
else()
  # Part of a larger project, and not installed. CMake exports a library that links sdepth::sdepth only where that is in a set of its own, installed or not.
  install(TARGETS sdepth sdepth_native sdepth_io sdepth_cuda EXPORT sdepthTargets)
  if(TARGET sdepth_pictures)
    install(TARGETS sdepth_pictures EXPORT sdepthTargets)
  endif()
  set(sets sdepthTargets)
  set(when COMPONENT sdepth_not_installed EXCLUDE_FROM_ALL)
endif()
foreach(set IN LISTS sets)
  install(EXPORT ${set} NAMESPACE sdepth:: DESTINATION ${package_dir} ${when})
  export(EXPORT ${set} NAMESPACE sdepth:: FILE ${CMAKE_CURRENT_BINARY_DIR}/exported/${set}.cmake)  # for projects that export from their build folder
endforeach()
if(NOT SDEPTH_INSTALL)
  return()
endif()

install(DIRECTORY include/sdepth DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp")
configure_package_config_file(cmake/sdepthConfig.cmake.in sdepthConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(sdepthConfigVersion.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/sdepthConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/sdepthConfigVersion.cmake cmake/xsimd.cmake cmake/native.cmake
        DESTINATION ${package_dir})
