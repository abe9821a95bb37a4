# releases(result name first): names of a compiler's releases from `first` on, the newest first: clang++-40;clang++-39;…;clang++-18.
function(releases result name first)
  set(names "")
  foreach(release RANGE ${first} 40)
    list(PREPEND names ${name}-${release})
  endforeach()
  set(${result} ${names} PARENT_SCOPE)
endfunction()
