# cmake -D PROJECT=DIR -D BINARY=DIR -D COMPILER=NVCC -D GENERATOR=NAME -P architectures.cmake: for which GPUs tests and programs are compiled, as cmake/cuda.cmake decides it:
# whoever configures may ask for some by CMAKE_CUDA_ARCHITECTURES, and asking for none stays asking for none when a build is configured again.
cmake_minimum_required(VERSION 3.25)

file(REMOVE_RECURSE ${BINARY})
file(WRITE ${BINARY}/source/CMakeLists.txt "
cmake_minimum_required(VERSION 3.25)
project(architectures LANGUAGES CXX)
include(${PROJECT}/cmake/cuda.cmake)
sdepth_cuda_code(code \${sdepth_cuda_own_architecture})
message(STATUS \"gpu=\${sdepth_has_gpu} all=\${sdepth_cuda_architectures} own=\${sdepth_cuda_own_architecture} code=\${code}|\")
")
unset(ENV{CUDAARCHS})
function(configure build expected)
  set(asked "")
  if(ARGC GREATER 2)
    string(REPLACE ";" "\\;" asked "-DCMAKE_CUDA_ARCHITECTURES=${ARGV2}")
  endif()
  execute_process(COMMAND ${CMAKE_COMMAND} -G ${GENERATOR} -S ${BINARY}/source -B ${BINARY}/${build} -DCMAKE_CUDA_COMPILER=${COMPILER} ${asked}
                  RESULT_VARIABLE failed OUTPUT_VARIABLE said ERROR_VARIABLE said)
  if(failed OR NOT said MATCHES "${expected}")
    message(FATAL_ERROR "architectures: expected `${expected}`, found:\n${said}")
  endif()
endfunction()

set(default "gpu=FALSE all=75-real;80-real;90-real;100-real;120-real own=80-virtual code=-gencode;arch=compute_80,code=compute_80|gpu=TRUE.* own=native code=-arch=native[|]")
configure(default "${default}")
configure(default "${default}")
configure(asked "all=90-real;86 own=90-real;86 code=-gencode;arch=compute_90,code=sm_90;-gencode;arch=compute_86,code=.compute_86,sm_86.[|]"
          "90-real;86")
configure(asked "own=90-real;86 code=")
set(ENV{CUDAARCHS} 80-real)
configure(environment "all=80-real own=80-real code=-gencode;arch=compute_80,code=sm_80[|]")
