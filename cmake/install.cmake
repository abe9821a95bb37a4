# Headers and the CMake package: find_package(sdepth) gives sdepth::sdepth, sdepth::native and sdepth::cuda, and sdepth::io where zlib and nlohmann-json are.
#
# With SDEPTH_INSTALL=OFF, which is the default inside a larger project, these rules run only for `cmake --install BUILD --component sdepth`. They are there all
# the same, because CMake exports a library that links sdepth::sdepth only where that is exported, too.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_DATADIR}/cmake/sdepth)
set(when COMPONENT sdepth)
if(NOT SDEPTH_INSTALL)
  list(APPEND when EXCLUDE_FROM_ALL)
endif()
install(DIRECTORY include/sdepth DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} ${when} FILES_MATCHING PATTERN "*.hpp")
# A set for each group of targets that needs libraries which the others can do without.
install(TARGETS sdepth sdepth_native EXPORT sdepthTargets)
install(TARGETS sdepth_io EXPORT sdepthIoTargets)
install(TARGETS sdepth_cuda EXPORT sdepthCudaTargets)
foreach(set IN ITEMS sdepthTargets sdepthIoTargets sdepthCudaTargets)
  install(EXPORT ${set} NAMESPACE sdepth:: DESTINATION ${package_dir} ${when})
endforeach()

configure_package_config_file(cmake/sdepthConfig.cmake.in sdepthConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(sdepthConfigVersion.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/sdepthConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/sdepthConfigVersion.cmake cmake/xsimd.cmake cmake/native.cmake
        DESTINATION ${package_dir} ${when})
