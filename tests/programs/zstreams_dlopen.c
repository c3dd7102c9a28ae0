/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* zstreams without libz among its libraries: it is loaded later, by dlopen(). */
#define USE_DLOPEN
#include "tests/programs/zstreams.c"
