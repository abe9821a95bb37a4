# sdepth::onnx, what writes ONNX models: sdepth::io and protobuf, with the messages of sdepth_onnx.proto. Used by sdepth's own build and by its installed package.

# sdepth_define_onnx(io): the target, beside `io`, which is that of files; without protobuf there is none, and `sdepth_missing_for_onnx` says what is missing.
# Generated once for a project, and compiled where something links it. Imported, so that a project which exports its own targets need not export this one.
function(sdepth_define_onnx io)
  set(sdepth_missing_for_onnx "" PARENT_SCOPE)
  if(TARGET sdepth::onnx)
    return()
  endif()
  find_package(Protobuf 3.6 QUIET)
  if(NOT Protobuf_FOUND OR NOT TARGET protobuf::libprotobuf-lite OR NOT TARGET protobuf::protoc)
    set(sdepth_missing_for_onnx "protobuf (Debian: libprotobuf-dev and protobuf-compiler)" PARENT_SCOPE)
    return()
  endif()
  set(messages ${CMAKE_CURRENT_BINARY_DIR}/sdepth_onnx)
  set(proto ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/sdepth_onnx.proto)
  file(MAKE_DIRECTORY ${messages})
  add_custom_command(OUTPUT ${messages}/sdepth_onnx.pb.cc ${messages}/sdepth_onnx.pb.h
                     COMMAND protobuf::protoc --cpp_out=${messages} --proto_path=${CMAKE_CURRENT_FUNCTION_LIST_DIR} ${proto}
                     DEPENDS ${proto} VERBATIM)
  add_library(sdepth_onnx_messages STATIC EXCLUDE_FROM_ALL ${messages}/sdepth_onnx.pb.cc ${messages}/sdepth_onnx.pb.h)
  set_target_properties(sdepth_onnx_messages PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_compile_features(sdepth_onnx_messages PUBLIC cxx_std_17)
  target_link_libraries(sdepth_onnx_messages PUBLIC protobuf::libprotobuf-lite)
  target_include_directories(sdepth_onnx_messages SYSTEM PUBLIC ${messages})
  add_library(sdepth::onnx INTERFACE IMPORTED GLOBAL)
  target_link_libraries(sdepth::onnx INTERFACE ${io} sdepth_onnx_messages)
endfunction()
