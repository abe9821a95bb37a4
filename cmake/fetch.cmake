# cmake -DDATA=fashion-mnist|mnist|cifar10|cifar100|svhn -P cmake/fetch.cmake: downloads a data set from its official address, compares its
# checksum, and puts it where `--data` looks: ${XDG_CACHE_HOME}/sdepth/DATA, or ~/.cache/sdepth/DATA. What is there already is kept.
#   -DDIR=FOLDER   puts it there instead (then give FOLDER to --data-dir)
#   -DEXTRA=ON     svhn only: the 531,131 extra training pictures too (1.3 GB), which the paper trains on
#   -DMIRROR=URL   takes the files from URL/FILE; the checksums stay the same
cmake_minimum_required(VERSION 3.25)

# Address, then files and their MD5 sums: the authors' for Fashion-MNIST and CIFAR, PyTorch's (torchvision) for MNIST and SVHN.
set(archive "")  # of these the archive's one folder is kept
if(DATA STREQUAL "fashion-mnist")  # https://github.com/zalandoresearch/fashion-mnist
  set(address http://fashion-mnist.s3-website.eu-central-1.amazonaws.com)
  set(files train-images-idx3-ubyte.gz train-labels-idx1-ubyte.gz t10k-images-idx3-ubyte.gz t10k-labels-idx1-ubyte.gz)
  set(sums 8d4fb7e6c68d591d4c3dfef9ec88bf0d 25c81989df183df01b3e8a0aad5dffbe
           bef4ecab320f06d8554ea6380940ec79 bb300cfdad3c16e7a12a480ee83cd310)
elseif(DATA STREQUAL "mnist")  # PyTorch's mirror: the authors' own address asks for a password
  set(address https://ossci-datasets.s3.amazonaws.com/mnist)
  set(files train-images-idx3-ubyte.gz train-labels-idx1-ubyte.gz t10k-images-idx3-ubyte.gz t10k-labels-idx1-ubyte.gz)
  set(sums f68b3c2dcbeaaa9fbdd348bbdeb94873 d53e105ee54ea40749a09fcbcd1e9432
           9fb629c4189551a2d022fa330f9573f3 ec29112dd5afa0611ce80d1b7f02629c)
elseif(DATA STREQUAL "cifar10")  # https://www.cs.toronto.edu/~kriz/cifar.html
  set(address https://www.cs.toronto.edu/~kriz)
  set(files cifar-10-binary.tar.gz)
  set(sums c32a1d4ab5d03f1284b67883e8d87530)
  set(archive cifar-10-batches-bin)
elseif(DATA STREQUAL "cifar100")
  set(address https://www.cs.toronto.edu/~kriz)
  set(files cifar-100-binary.tar.gz)
  set(sums 03b5dce01913d631647c71ecec9e9cb8)
  set(archive cifar-100-binary)
elseif(DATA STREQUAL "svhn")  # http://ufldl.stanford.edu/housenumbers
  set(address http://ufldl.stanford.edu/housenumbers)
  set(files train_32x32.mat test_32x32.mat)
  set(sums e26dedcc434d2e4c54c9b2d4a06d8373 eb5a983be6a315427106f1b164d9cef3)
  if(EXTRA)
    list(APPEND files extra_32x32.mat)
    list(APPEND sums a93ce644f1a588dc4d68dda5feec44a7)
  endif()
else()
  message(FATAL_ERROR "fetch: DATA is `${DATA}`, expected one of fashion-mnist, mnist, cifar10, cifar100, svhn; "
    "say cmake -DDATA=cifar10 -P cmake/fetch.cmake.")
endif()

if(MIRROR)
  set(address ${MIRROR})
endif()
if(DIR)
  get_filename_component(folder "${DIR}" ABSOLUTE)
elseif(NOT "$ENV{XDG_CACHE_HOME}" STREQUAL "")
  set(folder "$ENV{XDG_CACHE_HOME}/sdepth/${DATA}")
elseif(NOT "$ENV{HOME}" STREQUAL "")
  set(folder "$ENV{HOME}/.cache/sdepth/${DATA}")
else()
  message(FATAL_ERROR "fetch: neither XDG_CACHE_HOME nor HOME is set, so there is no cache folder; "
    "say where to put ${DATA} with -DDIR=FOLDER.")
endif()
if(archive AND IS_DIRECTORY "${folder}/${archive}")
  message("${DATA} is in ${folder} already.")
  return()
endif()

# A name of its own for each run: two at once do not write into each other's files, and a file under its final name is whole.
string(RANDOM LENGTH 8 run)
set(unfinished "${folder}/unfinished-${run}")
execute_process(COMMAND ${CMAKE_COMMAND} -E make_directory "${unfinished}" RESULT_VARIABLE failed OUTPUT_QUIET ERROR_QUIET)
if(failed)
  message(FATAL_ERROR "fetch: the folder ${folder} cannot be written to; say where else to put ${DATA} with -DDIR=FOLDER.")
endif()

foreach(file sum IN ZIP_LISTS files sums)
  if(EXISTS "${folder}/${file}")
    file(MD5 "${folder}/${file}" found)
    if(found STREQUAL sum)
      message("${file} is in ${folder} already.")
      continue()
    endif()
  endif()
  message("Downloading ${address}/${file}")
  # EXPECTED_HASH would do the comparison, but says what is wrong in CMake's words.
  file(DOWNLOAD "${address}/${file}" "${unfinished}/${file}" STATUS status TLS_VERIFY ON INACTIVITY_TIMEOUT 60)
  list(GET status 0 code)
  list(GET status 1 reason)
  if(NOT code EQUAL 0)
    file(REMOVE_RECURSE "${unfinished}")
    message(FATAL_ERROR "fetch: ${address}/${file} could not be downloaded (${reason}); check the network and try again, "
      "put ${file} into ${folder} yourself, or train with --data synthetic.")
  endif()
  file(MD5 "${unfinished}/${file}" found)
  if(NOT found STREQUAL sum)
    file(SIZE "${unfinished}/${file}" size)
    file(REMOVE_RECURSE "${unfinished}")
    message(FATAL_ERROR "fetch: ${address}/${file} came with ${size} bytes and the MD5 sum ${found}, "
      "expected ${sum}; it was cut off or altered on the way, try again.")
  endif()
  file(RENAME "${unfinished}/${file}" "${folder}/${file}")
endforeach()

if(archive)
  message("Unpacking ${files}")
  execute_process(COMMAND ${CMAKE_COMMAND} -E tar xf "${folder}/${files}" WORKING_DIRECTORY "${unfinished}" RESULT_VARIABLE failed
                  OUTPUT_QUIET ERROR_VARIABLE reason)
  if(failed OR NOT IS_DIRECTORY "${unfinished}/${archive}")
    file(REMOVE_RECURSE "${unfinished}")
    string(STRIP "${reason}" reason)
    message(FATAL_ERROR "fetch: ${folder}/${files} could not be unpacked (${reason}); check that the disk has room and try again.")
  endif()
  file(RENAME "${unfinished}/${archive}" "${folder}/${archive}")
  file(REMOVE "${folder}/${files}")
endif()
file(REMOVE_RECURSE "${unfinished}")
if(DIR)
  message("${DATA} is in ${folder}: use it with --data ${DATA} --data-dir ${folder}.")
else()
  message("${DATA} is in ${folder}: use it with --data ${DATA}.")
endif()
