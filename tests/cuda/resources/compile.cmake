# cmake -D SOURCE=FILE.cu -D OUT=DIR/NAME -P compile.cmake -- COMMAND...: compiles SOURCE by COMMAND into OUT.o and keeps what the compiler tells of its kernels:
# OUT.report, registers and memory as ptxas counts them, and in the folder OUT.kept the PTX of each architecture.
cmake_minimum_required(VERSION 3.25)

set(command "")
set(found FALSE)
math(EXPR last "${CMAKE_ARGC} - 1")
foreach(i RANGE ${last})
  if(found)
    list(APPEND command "${CMAKE_ARGV${i}}")
  elseif(CMAKE_ARGV${i} STREQUAL "--")
    set(found TRUE)
  endif()
endforeach()

file(REMOVE_RECURSE ${OUT}.kept)
file(MAKE_DIRECTORY ${OUT}.kept)
execute_process(COMMAND ${command} -Xptxas -v --keep --keep-dir ${OUT}.kept -MD -MF ${OUT}.d -MT ${OUT}.o -c ${SOURCE} -o ${OUT}.o
                RESULT_VARIABLE failed OUTPUT_VARIABLE said ERROR_VARIABLE said)
file(WRITE ${OUT}.report "${said}")
if(failed)
  file(REMOVE ${OUT}.o)
  message(FATAL_ERROR "${said}")
endif()
# Of what nvcc keeps only the PTX is read.
file(GLOB kept ${OUT}.kept/*)
list(FILTER kept EXCLUDE REGEX "[.]ptx$")
file(REMOVE ${kept})
