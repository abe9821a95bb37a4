# Headers and the CMake package: find_package(sdepth) gives sdepth::sdepth and sdepth::cuda, find_package(sdepth COMPONENTS io) sdepth::io as well.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_DATADIR}/cmake/sdepth)
install(DIRECTORY include/sdepth DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp")
install(TARGETS sdepth sdepth_cuda EXPORT sdepthTargets)
install(TARGETS sdepth_io EXPORT sdepthIoTargets)
install(EXPORT sdepthTargets NAMESPACE sdepth:: DESTINATION ${package_dir})
install(EXPORT sdepthIoTargets NAMESPACE sdepth:: DESTINATION ${package_dir})

configure_package_config_file(cmake/sdepthConfig.cmake.in sdepthConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(sdepthConfigVersion.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/sdepthConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/sdepthConfigVersion.cmake cmake/xsimd.cmake
        DESTINATION ${package_dir})
