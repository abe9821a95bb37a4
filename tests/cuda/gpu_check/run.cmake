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
  *convolution*) echo 'one is not two'; exit 1 ;;
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

# run(status variable...): run.sh with these settings; what it says is in `said`, and its table in `table`.
function(run expected)
  file(REMOVE_RECURSE ${BINARY}/out)
  execute_process(COMMAND ${CMAKE_COMMAND} -E env OUT=${BINARY}/out PYTHON=${folder}/no_python ${ARGN} ${folder}/run.sh RESULT_VARIABLE status OUTPUT_VARIABLE said
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

run(1 GPU_CHECK_LIMIT=2 "GPU_CHECK_ONLY=^(tests|08_cuda|ceilings|train|pytorch|convolutions)")
must_say("tests/convolution +[0-9]+ s  FAILED \\(1\\): one is not two\n" "tests/pool +[0-9]+ s  STOPPED after 2 s: waiting\n"
         "tests/norm +[0-9]+ s  ok: blocking 1 in ${folder}/tests\n" "tests/head +[0-9]+ s  skipped: no CUDA device was found\n" "08_cuda +[0-9]+ s  FAILED \\(1\\): 08_cuda: no CUDA device"
         "convolutions +[0-9]+ s  'skipped: no CUDA device was found'\n" "ceilings +[0-9]+ s  ok: bench --benchmark_filter=.cuda/ceilings\n" "pytorch/float32 +[0-9]+ s  skipped: .*no_python has no PyTorch\n" "training/survival:1.0 +[2-4] s  ended at its limit: saved\n"
         "training/survival:0.5 +[2-4] s  ended at its limit: saved\n" "\n[0-9]+ steps, 3 of them failed, in [0-9]+ s\n$")
file(READ ${BINARY}/out/tests.txt tests)
if(NOT tests MATCHES "===== tests/convolution: ./test_cuda_device --source-file=[*]/cuda/convolution_test.cpp\none is not two\n")
  message(FATAL_ERROR "run.sh: what a step said is not in its file:\n${tests}")
endif()

# When the time is over, what is left says so.
run(0 GPU_CHECK_SECONDS=0 "GPU_CHECK_ONLY=^(tests|08_cuda)")
must_say("tests/convolution +[0-9]+ s  left out: the 0 seconds are over\n" "08_cuda +[0-9]+ s  left out" " 0 of them failed")
