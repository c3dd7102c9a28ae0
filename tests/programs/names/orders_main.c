/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* orders_main N: calls the library orders N times, 400 times a second; with 0 as a second argument, as
 * fast as it goes and out. */
#include "tests/programs/program.h"

void orders_serve(void);

int main(int argc, char **argv)
{
	static const char usage[] = "orders_main N [RATE]";
	unsigned long n, rate;
	struct pace pace;

	if (argc < 2)
		die_usage(usage);
	n = number_of(argv[1], usage);
	rate = argc > 2 ? number_of(argv[2], usage) : 400;
	pace__init(&pace, rate);
	for (unsigned long i = 0; i < n; i++) {
		orders_serve();
		pace__step(&pace);
	}
	return 0;
}
