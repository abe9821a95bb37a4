# cmake [-D WERROR=ON] -P cmake/test.cmake: sets up, builds everything into build/test and runs all tests.
# Warnings are errors only where they are asked to be: compilers of other releases warn of other things.
cmake_minimum_required(VERSION 3.25)
include(${CMAKE_CURRENT_LIST_DIR}/setup.cmake)

if(NOT WERROR)
  set(WERROR OFF)
endif()
setup(FOR_TESTS)
step("Configuring build/test")
run("Configuring" ${CMAKE_COMMAND} --preset test -D SDEPTH_WERROR=${WERROR} --log-level=NOTICE)
step("Building with ${jobs} compilers at a time")
run("Building" ${CMAKE_COMMAND} --build --preset test --parallel ${jobs})
step("Testing")
run("Testing" ${CMAKE_CTEST_COMMAND} --preset test --parallel 2)
