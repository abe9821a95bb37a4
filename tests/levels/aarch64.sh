#!/usr/bin/env bash
# tests/levels/aarch64.sh BUILD FOLDER/NAME...: compiles these test sources for 64-bit ARM and runs them by qemu-user. BUILD is a build for tests, of which it takes where the
# headers of other libraries lie. Debian: g++-aarch64-linux-gnu, qemu-user.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$1
shift

# /usr/include itself holds this machine's own C library, so of what lies directly in it only the libraries' folders are shown to the compiler.
out=$build/aarch64
mkdir -p "$out/headers"
for library in xsimd doctest nlohmann; do
  if [[ -d /usr/include/$library ]]; then ln -sfn "/usr/include/$library" "$out/headers/$library"; fi
done
mapfile -t includes < <(sed -n 's/^-isystem "\(.*\)"$/\1/p' "$build/tests/g++.flags" | grep -vx /usr/include)
flags=(-std=c++20 -O1 -w -ffp-contract=off -DDOCTEST_CONFIG_VOID_CAST_EXPRESSIONS -DONLY_OF_THIS_LEVEL "-DSDEPTH_TESTS_DIR=\"$PWD/tests\"" -I include
       -isystem "$out/headers")
for folder in "${includes[@]}"; do flags+=(-isystem "$folder"); done

aarch64-linux-gnu-g++ "${flags[@]}" -c tests/main.cpp -o "$out/main.o"
for test in "$@"; do
  aarch64-linux-gnu-g++ "${flags[@]}" "$out/main.o" "tests/${test}_test.cpp" -lpthread -o "$out/test"
  said=$(qemu-aarch64 -L /usr/aarch64-linux-gnu "$out/test") || { echo "$said"; echo "$test fails on 64-bit ARM"; exit 1; }
  echo "$test: $(grep 'test cases' <<<"$said")"
done
