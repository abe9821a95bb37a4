# cmake -P cmake/test.cmake: sets up, builds everything into build/test and runs all tests.
cmake_minimum_required(VERSION 3.25)
include(${CMAKE_CURRENT_LIST_DIR}/setup.cmake)

setup(FOR_TESTS)
step("Configuring build/test")
run("Configuring" ${CMAKE_COMMAND} --preset test --log-level=NOTICE)
step("Building with ${jobs} compilers at a time")
run("Building" ${CMAKE_COMMAND} --build --preset test --parallel ${jobs})
step("Testing")
run("Testing" ${CMAKE_CTEST_COMMAND} --preset test --parallel 2)
