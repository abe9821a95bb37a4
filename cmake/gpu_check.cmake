# cmake --build BUILD --target gpu_check: one folder, BUILD/gpu_check, that shows on any x86-64 Linux machine with a driver all that the library does on a GPU. Its
# run.sh says how. It is built for compute capability 9.0, or the architectures asked for, and for processors with AVX2, whatever this machine is.

set(sdepth_gpu_check_architectures 90-real)
if(sdepth_cuda_asked_for)
  set(sdepth_gpu_check_architectures ${sdepth_cuda_asked_for})
endif()
set(SDEPTH_GPU_CHECK_JOBS 1 CACHE STRING "Compilers at a time that the target gpu_check runs; each takes up to 3 GB")
mark_as_advanced(SDEPTH_GPU_CHECK_JOBS)
add_custom_target(gpu_check
  COMMAND ${CMAKE_COMMAND} -D SOURCE=${PROJECT_SOURCE_DIR} -D BUILD=${PROJECT_BINARY_DIR}/gpu_check_build -D OUT=${PROJECT_BINARY_DIR}/gpu_check
          -D GENERATOR=${CMAKE_GENERATOR} "-DARCHITECTURES=${sdepth_gpu_check_architectures}" -D CXX=${CMAKE_CXX_COMPILER} -D NVCC=${CMAKE_CUDA_COMPILER}
          -D HOST_CXX=${CMAKE_CUDA_HOST_COMPILER} -D JOBS=${SDEPTH_GPU_CHECK_JOBS} -P ${CMAKE_CURRENT_LIST_DIR}/gpu_check/build.cmake
  COMMENT "Building the folder that goes to a machine with a GPU" USES_TERMINAL VERBATIM)

# Makes the data set of the trainings there.
add_executable(gpu_check_cifar_layout EXCLUDE_FROM_ALL ${CMAKE_CURRENT_LIST_DIR}/gpu_check/cifar_layout.cpp)
sdepth_own_target(gpu_check_cifar_layout)
set_target_properties(gpu_check_cifar_layout PROPERTIES OUTPUT_NAME cifar_layout)
