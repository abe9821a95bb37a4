# A port for an overlay: vcpkg install sdepth --overlay-ports=cmake/packages/vcpkg. It takes the sources that it lies in.
cmake_path(SET SOURCE_PATH NORMALIZE "${CURRENT_PORT_DIR}/../../..")
set(VCPKG_BUILD_TYPE release)  # headers alone: a debug build has the same
# What is found beside vcpkg's own packages must not decide what is installed.
vcpkg_check_features(OUT_FEATURE_OPTIONS without INVERTED_FEATURES
  pictures CMAKE_DISABLE_FIND_PACKAGE_PNG
  pictures CMAKE_DISABLE_FIND_PACKAGE_JPEG
  program CMAKE_DISABLE_FIND_PACKAGE_CLI11)
vcpkg_cmake_configure(SOURCE_PATH "${SOURCE_PATH}" OPTIONS ${without} -DCMAKE_DISABLE_FIND_PACKAGE_MPI=ON
  -DSDEPTH_TESTS=OFF -DSDEPTH_EXAMPLES=OFF -DSDEPTH_BENCH=OFF)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(PACKAGE_NAME sdepth CONFIG_PATH share/cmake/sdepth)
vcpkg_fixup_pkgconfig()
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
