/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* orders N [RATE [wait]]: calls the library orders N times, RATE times a second; with a third argument
 * it says that it is ready and waits for a line before that, and for another one after. */
#include "tests/programs/program.h"

void orders_serve(void);

int main(int argc, char **argv)
{
	static const char usage[] = "orders N [RATE [wait]]";
	unsigned long n, rate;
	struct pace pace;

	if (argc < 2)
		die_usage(usage);
	n = number_of(argv[1], usage);
	rate = argc > 2 ? number_of(argv[2], usage) : 400;
	if (argc > 3)
		say_ready(true);
	pace__init(&pace, rate);
	for (unsigned long i = 0; i < n; i++) {
		orders_serve();
		pace__step(&pace);
	}
	if (argc > 3)
		wait_for_line();
	return 0;
}
