#!/bin/sh
# bare_root.sh FOLDER PROGRAM [ARGUMENTS...]: runs FOLDER/PROGRAM where there is nothing but FOLDER and the C library, as on a bare machine. Status 77 where this user
# may not change the root.
set -eu
folder=$1 program=$2
shift 2
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/lib64" "$root/lib/x86_64-linux-gnu" "$root/check" "$root/proc" "$root/tmp"
cp -r "$folder/." "$root/check"
# What belongs to the C library, from where the loader finds it.
for name in libc libm libpthread libdl librt; do
  found=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null | sed -n "s|^[[:space:]]*$name\.so\.[0-9]* .*x86-64.* => ||p" | head -n 1)
  [ -n "$found" ] && cp -L "$found" "$root/lib64" && cp -L "$found" "$root/lib/x86_64-linux-gnu"
done
cp -L /lib64/ld-linux-x86-64.so.2 "$root/lib64"
change="chroot"
[ "$(id -u)" = 0 ] || change="unshare --user --map-root-user chroot"
if ! $change "$root" /lib64/ld-linux-x86-64.so.2 --help >/dev/null 2>&1; then
  echo "skipped: this user may not change the root"
  exit 77
fi
missing=$($change "$root" /lib64/ld-linux-x86-64.so.2 --list "/check/$program" 2>&1 | grep 'not found\|error' || true)
if [ -n "$missing" ]; then
  echo "$program needs more than its folder: $missing"
  exit 1
fi
# By the loader's name: without /proc it would not know where the program lies.
status=0
$change "$root" /lib64/ld-linux-x86-64.so.2 "/check/$program" "$@" || status=$?
echo "in a bare root: status $status"
