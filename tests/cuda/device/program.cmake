# cmake -D PROGRAM=FILE [-D ARGUMENTS=...] -D WITH=REGEX -D WITHOUT=REGEX -D STATUS=N -P program.cmake
# Runs a program that needs a GPU. Where it finds one it must succeed and say WITH; where it does not, it must say so: WITHOUT, all that it says, and exit status N.
cmake_minimum_required(VERSION 3.25)

execute_process(COMMAND ${PROGRAM} ${ARGUMENTS} RESULT_VARIABLE status OUTPUT_VARIABLE said ERROR_VARIABLE errors)
set(no_device "no CUDA device was found \\([^)]+\\); run on a machine with an NVIDIA GPU of compute capability 7[.]5 or later and its driver, or on the CPU")
string(REPLACE "NO_DEVICE" "${no_device}" WITHOUT "${WITHOUT}")
if("${said}${errors}" MATCHES "no CUDA device was found")
  if(NOT "${said}${errors}" MATCHES "${WITHOUT}" OR NOT status EQUAL STATUS)
    message(FATAL_ERROR "without a device: expected `${WITHOUT}` and exit status ${STATUS}, found status ${status} with:\n${said}${errors}")
  endif()
  message("There is no device, and the program says so.")
elseif(NOT status EQUAL 0 OR NOT "${said}" MATCHES "${WITH}")
  message(FATAL_ERROR "with a device: expected `${WITH}` and success, found status ${status} with:\n${said}${errors}")
endif()
