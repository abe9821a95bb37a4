# cmake -D SOURCE=DIR -D BUILD=DIR -D OUT=DIR -D GENERATOR=NAME -D ARCHITECTURES=LIST -D CXX=FILE -D NVCC=FILE [-D HOST_CXX=FILE] -D JOBS=N -P build.cmake
# Builds the programs of the folder that cmake/gpu_check.cmake is about, for GPUs and a processor that need not be this machine's, and puts it together.
cmake_minimum_required(VERSION 3.25)

# --compress-mode=size: an eighth of the kernels' bytes, which by default are not compressed. Drivers of CUDA 12.4 and later read it.
# SDEPTH_READ_TOGETHER: a compiler that makes kernels of several tests at once would take more memory than a job is reckoned with.
# -lineinfo: compute-sanitizer and ncu then name lines. The code is the same.

string(REPLACE ";" "\\;" architectures "${ARCHITECTURES}")
set(host "")
if(HOST_CXX)
  set(host -DCMAKE_CUDA_HOST_COMPILER=${HOST_CXX})
endif()
execute_process(
  COMMAND ${CMAKE_COMMAND} -G ${GENERATOR} -S ${SOURCE} -B ${BUILD} --log-level=NOTICE -DCMAKE_BUILD_TYPE=Release "-DCMAKE_CXX_FLAGS_RELEASE=-O3 -DNDEBUG"
          "-DCMAKE_CUDA_FLAGS_RELEASE=-O3 -DNDEBUG -lineinfo --compress-mode=size" -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_CUDA_COMPILER=${NVCC} ${host} "-DCMAKE_CUDA_ARCHITECTURES=${architectures}"
          -DSDEPTH_MARCH=x86-64-v3 -DSDEPTH_INSTALL=OFF -DSDEPTH_READ_TOGETHER=OFF -DCMAKE_CUDA_RUNTIME_LIBRARY=Static
          -DCMAKE_BUILD_WITH_INSTALL_RPATH=ON "-DCMAKE_INSTALL_RPATH=\$ORIGIN"
  COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${BUILD} --parallel ${JOBS} --target bench gpu_check_cifar_layout train 08_cuda test_cuda_device COMMAND_ERROR_IS_FATAL ANY)

include(${CMAKE_CURRENT_LIST_DIR}/assemble.cmake)
gpu_check_folder(${OUT} ${SOURCE} ${BUILD}/tests/cuda/test_cuda_device ${BUILD}/bench/bench ${BUILD}/examples/train ${BUILD}/examples/08_cuda
                 ${BUILD}/cifar_layout)
