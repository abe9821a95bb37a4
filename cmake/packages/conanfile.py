"""Conan 2: `conan create cmake/packages`. Headers and the CMake package; nothing is compiled."""

import os
import re

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.files import copy, load


class Sdepth(ConanFile):
    name = "sdepth"
    license = "MIT"
    description = "Very deep residual networks with stochastic depth, header-only C++20"
    package_type = "header-library"
    settings = "os", "compiler", "build_type", "arch"
    options = {
        "with_files": [True, False],  # data sets, weights and checkpoints
        "with_pictures": [True, False],  # and files of pictures
        "with_program": [True, False],  # and the training program of any network
    }
    default_options = {"with_files": True, "with_pictures": False, "with_program": False}
    no_copy_source = True

    def set_version(self):
        header = load(self, os.path.join(self.recipe_folder, "../../include/sdepth/core/version.hpp"))
        self.version = re.search(r'version_text = "([0-9.]+)"', header).group(1)

    def validate(self):
        if not self.options.with_files and (self.options.with_pictures or self.options.with_program):
            raise ConanInvalidConfiguration("sdepth's with_pictures and with_program need with_files, found with_files=False; set it to True")

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
        if self.options.with_pictures:
            self.requires("libpng/[>=1.6 <2]")
            self.requires("libjpeg-turbo/[>=2]")
        if self.options.with_program:
            self.requires("cli11/[>=2.3]")

    def package_id(self):
        self.info.clear()

    def package(self):
        copy(self, "*.hpp", os.path.join(self.source_folder, "include"), os.path.join(self.package_folder, "include"))
        for name in ("native.cmake", "dispatch.cmake", "packages/conan_targets.cmake"):
            copy(self, os.path.basename(name), os.path.join(self.source_folder, "cmake", os.path.dirname(name)), os.path.join(self.package_folder, "cmake"))
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))

    def package_info(self):
        self.cpp_info.bindirs = []
        self.cpp_info.libdirs = []
        self.cpp_info.set_property("cmake_file_name", "sdepth")
        self.cpp_info.set_property("cmake_build_modules", ["cmake/conan_targets.cmake"])
        door = self.cpp_info.components["sdepth"]
        door.set_property("cmake_target_name", "sdepth::sdepth")
        door.requires = ["eigen::eigen", "xsimd::xsimd"]
        if self.settings.os in ("Linux", "FreeBSD"):
            door.system_libs = ["pthread"]
        if self.options.with_files:
            files = self.cpp_info.components["io"]
            files.set_property("cmake_target_name", "sdepth::io")
            files.requires = ["sdepth", "zlib::zlib", "nlohmann_json::nlohmann_json"]
        if self.options.with_pictures:
            pictures = self.cpp_info.components["pictures"]
            pictures.set_property("cmake_target_name", "sdepth::pictures")
            pictures.requires = ["io", "libpng::libpng", "libjpeg-turbo::libjpeg-turbo"]
        if self.options.with_program:
            program = self.cpp_info.components["program"]
            program.set_property("cmake_target_name", "sdepth::program")
            program.requires = ["io", "cli11::cli11"]
