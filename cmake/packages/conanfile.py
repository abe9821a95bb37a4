"""Conan 2: `conan create cmake/packages`. Headers and the CMake package; nothing is compiled."""

import os
import re

from conan import ConanFile
from conan.tools.files import copy, load


class Sdepth(ConanFile):
    name = "sdepth"
    license = "MIT"
    description = "Very deep residual networks with stochastic depth, header-only C++20"
    package_type = "header-library"
    settings = "os", "compiler", "build_type", "arch"
    options = {"with_files": [True, False]}  # data sets, weights and checkpoints
    default_options = {"with_files": True}
    no_copy_source = True

    def set_version(self):
        header = load(self, os.path.join(self.recipe_folder, "../../include/sdepth/core/version.hpp"))
        self.version = re.search(r'version_text = "([0-9.]+)"', header).group(1)

    def export_sources(self):
        root = os.path.join(self.recipe_folder, "../..")
        for pattern in ("include/*", "cmake/*", "CMakeLists.txt", "LICENSE"):
            copy(self, pattern, root, self.export_sources_folder)

    def requirements(self):
        self.requires("eigen/[>=3.4]")
        self.requires("xsimd/[>=8.1]")
        if self.options.with_files:
            self.requires("zlib/[>=1.2]")
            self.requires("nlohmann_json/[>=3.10]")

    def package_id(self):
        self.info.clear()

    def package(self):
        copy(self, "*.hpp", os.path.join(self.source_folder, "include"), os.path.join(self.package_folder, "include"))
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))

    def package_info(self):
        self.cpp_info.bindirs = []
        self.cpp_info.libdirs = []
        self.cpp_info.set_property("cmake_file_name", "sdepth")
        door = self.cpp_info.components["sdepth"]
        door.set_property("cmake_target_name", "sdepth::sdepth")
        door.requires = ["eigen::eigen", "xsimd::xsimd"]
        if self.settings.os in ("Linux", "FreeBSD"):
            door.system_libs = ["pthread"]
        if self.options.with_files:
            files = self.cpp_info.components["io"]
            files.set_property("cmake_target_name", "sdepth::io")
            files.requires = ["sdepth", "zlib::zlib", "nlohmann_json::nlohmann_json"]
