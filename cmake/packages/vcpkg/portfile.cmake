# A port for an overlay: vcpkg install sdepth --overlay-ports=cmake/packages/vcpkg. It takes the sources that it lies in.
cmake_path(SET SOURCE_PATH NORMALIZE "${CURRENT_PORT_DIR}/../../..")
vcpkg_cmake_configure(SOURCE_PATH "${SOURCE_PATH}" OPTIONS -DSDEPTH_TESTS=OFF -DSDEPTH_EXAMPLES=OFF -DSDEPTH_BENCH=OFF)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(PACKAGE_NAME sdepth CONFIG_PATH share/cmake/sdepth)
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/debug")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
