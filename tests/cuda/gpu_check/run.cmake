# cmake -D PROJECT=DIR -D BINARY=DIR -P run.cmake: run.sh with shell scripts in the place of the programs. Whatever a step does, the others come, and a table is written.
cmake_minimum_required(VERSION 3.25)

set(folder ${BINARY}/stand_ins)
file(REMOVE_RECURSE ${BINARY})
file(MAKE_DIRECTORY ${folder})
file(COPY ${PROJECT}/cmake/gpu_check/run.sh DESTINATION ${folder})
function(stand_in name script)
  file(WRITE ${folder}/${name} "#!/bin/sh\n${script}")
  file(CHMOD ${folder}/${name} PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
endfunction()
stand_in(test_cuda_device [=[
case "$1" in
  *convolution*) echo '/a/tests/cuda/convolution_test.cpp(12): ERROR: CHECK( 1 == 2 ) is NOT correct!'; echo '[doctest] assertions:  9 | 8 passed | 1 failed |'; echo 'Status: FAILURE!'; exit 1 ;;
  */finish_*) echo first; head -c 2000000 /dev/zero | tr '\0' x; echo; echo last ;;
  */pool_*) echo waiting; trap '' TERM; while :; do sleep 0.1; done ;;
  */norm_*) echo "blocking $CUDA_LAUNCH_BLOCKING in $SDEPTH_TESTS_DIR" ;;
  *) echo 'skipped: no CUDA device was found'; exit 77 ;;
esac
]=])
stand_in(bench [=[
case "$1" in
  *conv*) echo "cuda/conv/forward  ERROR OCCURRED: 'skipped: no CUDA device was found'" ;;
  *) echo "bench $1"; echo ;;
esac
]=])
stand_in(08_cuda "echo '08_cuda: no CUDA device was found'\nexit 1\n")
stand_in(train "trap 'echo saved; exit 0' INT\necho begins\nwhile :; do sleep 0.1; done\n")
stand_in(cifar_layout "exit 0\n")
stand_in(no_python "exit 1\n")
stand_in(tools/compute-sanitizer [=[
echo '========= COMPUTE-SANITIZER'
echo '[doctest] assertions:  9 | 8 passed | 1 failed |'
echo '========= Invalid __global__ read of size 4 bytes'
echo "=========     at $2 of $8"
echo '========= ERROR SUMMARY: 1 error'
exit 9
]=])

# run(status variable...): run.sh with these settings; what it says is in `said`, and its table in `table`.
function(run expected)
  file(REMOVE_RECURSE ${BINARY}/out)
  execute_process(COMMAND ${CMAKE_COMMAND} -E env OUT=${BINARY}/out PYTHON=${folder}/no_python "PATH=${folder}/tools:$ENV{PATH}" ${ARGN} ${folder}/run.sh RESULT_VARIABLE status OUTPUT_VARIABLE said
                  ERROR_VARIABLE said TIMEOUT 120)
  if(NOT status EQUAL expected)
    message(FATAL_ERROR "run.sh: expected status ${expected}, found ${status}:\n${said}")
  endif()
  file(GLOB files ${BINARY}/out/*)
  list(LENGTH files count)
  if(count GREATER 8)
    message(FATAL_ERROR "run.sh left ${count} files, expected at most 8: ${files}")
  endif()
  file(READ ${BINARY}/out/table.txt table)
  set(table "${table}" PARENT_SCOPE)
  message("${said}")
endfunction()
function(must_say)
  foreach(expression IN LISTS ARGN)
    if(NOT table MATCHES "${expression}")
      message(FATAL_ERROR "run.sh: expected `${expression}` in the table, found:\n${table}")
    endif()
  endforeach()
endfunction()

run(1 GPU_CHECK_LIMIT=2 "GPU_CHECK_ONLY=^(tests|memcheck/|08_cuda|ceilings|train|pytorch|convolutions)")
must_say("tests/convolution +[0-9]+ s  FAILED \\(1\\): assertions: 9 . 8 passed . 1 failed . cuda/convolution_test.cpp\\(12\\): ERROR: CHECK\\( 1 == 2"
         "tests/pool +[0-9]+ s  STOPPED after 2 s: waiting\n" "tests/finish +[0-9]+ s  ok: last\n" "tests/norm +[0-9]+ s  ok: blocking 1 in ${folder}/tests\n"
         "tests/head +[0-9]+ s  skipped: no CUDA device was found\n" "08_cuda +[0-9]+ s  FAILED \\(1\\): 08_cuda: no CUDA device"
         "memcheck/convolution +[0-9]+ s  FAILED \\(9\\): ERROR SUMMARY: 1 error Invalid __global__ read of size 4 bytes\n"
         "convolutions +[0-9]+ s  'skipped: no CUDA device was found'\n" "ceilings +[0-9]+ s  ok: bench --benchmark_filter=.cuda/ceilings\n" "pytorch/float32 +[0-9]+ s  skipped: .*no_python has no PyTorch\n" "training/survival:1.0 +[2-4] s  ended at its limit: saved\n"
         "training/survival:0.5 +[2-4] s  ended at its limit: saved\n" "\n[0-9]+ steps, 5 of them failed, in [0-9]+ s\n$")
file(READ ${BINARY}/out/tests.txt tests)
if(NOT tests MATCHES "===== tests/convolution: ./test_cuda_device --source-file=[*]/cuda/convolution_test.cpp\n/a/tests/cuda/convolution_test.cpp.12.: ERROR")
  message(FATAL_ERROR "run.sh: what a step said is not in its file:\n${tests}")
endif()
file(READ ${BINARY}/out/sanitizers.txt sanitizers)
if(NOT sanitizers MATCHES "at memcheck of --source-file=[*]/cuda/convolution_test.cpp\n")
  message(FATAL_ERROR "run.sh: what failed is not looked at again by memcheck:\n${sanitizers}")
endif()
# Of a step that says very much the beginning and the end.
string(LENGTH "${tests}" length)
if(NOT tests MATCHES "finish_test.cpp\nfirst\nx+\n.*\nx+\nlast\n" OR length GREATER 350000)
  message(FATAL_ERROR "run.sh: tests.txt has ${length} bytes, expected the first and the last of what tests/finish says")
endif()
# Every file of tests that runs on a device has its step.
file(GLOB sources RELATIVE ${PROJECT}/tests/cuda ${PROJECT}/tests/cuda/*_test.cpp)
list(FILTER sources EXCLUDE REGEX "^emulation")
list(TRANSFORM sources REPLACE "(.*)_test.cpp" "tests/\\1 +[0-9]+ s ")
must_say(${sources})

# The cases that sanitizers are given are cases of these files.
set(texts "")
file(GLOB sources ${PROJECT}/tests/cuda/*_test.cpp)
foreach(source IN LISTS sources)
  file(READ ${source} text)
  string(APPEND texts "${text}")
endforeach()
file(READ ${PROJECT}/cmake/gpu_check/run.sh script)
string(REGEX MATCHALL "cases?='[^']+'" patterns "${script}")
list(JOIN patterns "," patterns)
string(REGEX REPLACE "cases?=|['*]" "" patterns "${patterns}")
string(REPLACE "," ";" patterns "${patterns}")
list(LENGTH patterns count)
foreach(pattern IN LISTS patterns)
  string(FIND "${texts}" "${pattern}" at)
  if(at LESS 0 OR count LESS 8)
    message(FATAL_ERROR "run.sh: no test case of tests/cuda is called `${pattern}`")
  endif()
endforeach()

# When the time is over, what is left says so.
run(0 GPU_CHECK_SECONDS=0 "GPU_CHECK_ONLY=^(tests|08_cuda)")
must_say("tests/convolution +[0-9]+ s  left out: the 0 seconds are over\n" "08_cuda +[0-9]+ s  left out" " 0 of them failed")

# Whoever ends the script in the middle of a step has what came before, and what that step has said so far.
execute_process(COMMAND ${CMAKE_COMMAND} -E env OUT=${BINARY}/ended TMPDIR=${BINARY} PYTHON=${folder}/no_python GPU_CHECK_LIMIT=6 "GPU_CHECK_ONLY=^tests/(norm|pool)" timeout --foreground --signal=KILL 3 ${folder}/run.sh
                OUTPUT_QUIET ERROR_QUIET TIMEOUT 60)
file(READ ${BINARY}/ended/tests.txt tests)
file(READ ${BINARY}/ended/table.txt table)
if(NOT tests MATCHES "pool_test.cpp\nwaiting\n")
  message(FATAL_ERROR "run.sh: what a step has said before all was ended is not in its file:\n${tests}")
endif()
must_say("^tests/norm +[0-9]+ s  ok: blocking 1")
