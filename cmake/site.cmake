# The target `site`: the pages of docs/ and a reference of what is public, by Doxygen, where that is; without it there is no such target.
find_program(DOXYGEN_EXECUTABLE doxygen)
find_program(PERL_EXECUTABLE perl)
if(DOXYGEN_EXECUTABLE AND PERL_EXECUTABLE)
  configure_file(docs/Doxyfile.in Doxyfile @ONLY)
  file(MAKE_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/site)
  add_custom_target(site COMMAND ${DOXYGEN_EXECUTABLE} ${CMAKE_CURRENT_BINARY_DIR}/Doxyfile WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} VERBATIM)
endif()
