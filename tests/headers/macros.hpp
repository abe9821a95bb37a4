// Macros that other libraries' headers leave behind, included before everything of ours: complex.h's, X11's,
// Qt's, curses', those of sys/sysmacros.h and math.h, Windows', game engines', and GNU's own.
#pragma once

#include <string.h>  // declares index, which X11/Xos.h makes a macro

#define I (__extension__ 1.0iF)

#define None 0L
#define Always 2
#define Above 0
#define Below 1
#define Bool int
#define Status int
#define True 1
#define False 0
#define Success 0
#define Complex 0
#define Convex 2
#define Unsorted 0
#define CurrentTime 0L
#define index(s, c) (strchr((s), (c)))
#define rindex(s, c) (strrchr((s), (c)))

#define slots
#define signals public
#define emit
#define foreach(what, in) for (what : in)
#define forever for (;;)

#define major(device) gnu_dev_major(device)
#define minor(device) gnu_dev_minor(device)
#define makedev(one, two) gnu_dev_makedev(one, two)

#define linux 1
#define unix 1
#define border(a, b, c, d, e, f, g, h) wborder(stdscr, a, b, c, d, e, f, g, h)
#define DOMAIN 1
#define SING 2
#define OVERFLOW 3
#define UNDERFLOW 4

#define near
#define far
#define small char
#define interface struct
#define IN
#define OUT
#define OPTIONAL
#define CONST const
#define VOID void
#define TRUE 1
#define FALSE 0
#define ERROR 0
#define DELETE 0x00010000L
#define INFINITE 0xFFFFFFFF
#define min(a, b) (((a) < (b)) ? (a) : (b))  // these two the standard library takes away again
#define max(a, b) (((a) > (b)) ? (a) : (b))

#define verify(condition) static_cast<void>(condition)
#define ensure(condition) (!!(condition))
#define require(condition, label) \
  if (!(condition)) goto label
#define likely(condition) __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)
#define bit(n) (1U << (n))
#define restrict __restrict
#define PI (3.1415926535897932F)
#define CHECK(condition) static_cast<void>(condition)
#define LOG(severity) severity
#define DEBUG 1
