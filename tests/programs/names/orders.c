/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A shared library that forgets zlib streams, in a function that only its symbol table names. The
 * tests build it without frame pointers and strip it.
 */
#include <zlib.h>

#include "tests/programs/program.h"

KEEP_FRAME static void forget_order(void)
{
	z_stream *stream = calloc(1, sizeof(*stream));

	if (!stream || inflateInit2(stream, 15) != Z_OK)
		die("inflateInit2");
}

void orders_serve(void);

KEEP_FRAME void orders_serve(void)
{
	forget_order();
}
