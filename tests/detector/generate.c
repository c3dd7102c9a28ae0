/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * generate [--others] [--tick SECONDS] [--keep SHARE] [--only NAME] SEED...: writes labelled traces, one
 * process per scenario and seed, in the format that `evaluate` reads; --others: of the second set. The same arguments give the same
 * bytes.
 */
#include "tests/detector/make.h"

#include <stdlib.h>
#include <string.h>

struct options {
	double tick, keep;
	const char *only;
	bool others;
};

static void write_one(const struct scenario *scenario, uint32_t seed, const struct options *opts)
{
	struct made made;
	char id[32];

	if (opts->only && strcmp(opts->only, scenario->name))
		return;
	snprintf(id, sizeof(id), "%s-%u", scenario->name, seed);
	made__init(&made, scenario, seed);
	made__write(&made, stdout, id, opts->tick, opts->keep);
	made__fini(&made);
}

int main(int argc, char **argv)
{
	struct options opts = { .tick = 10, .keep = 1 };
	int i;

	if (argc > 1 && !strcmp(argv[1], "--others")) {
		opts.others = true;
		argv++;
		argc--;
	}
	for (i = 1; i + 1 < argc && argv[i][0] == '-'; i += 2) {
		if (!strcmp(argv[i], "--tick"))
			opts.tick = atof(argv[i + 1]);
		else if (!strcmp(argv[i], "--keep"))
			opts.keep = atof(argv[i + 1]);
		else if (!strcmp(argv[i], "--only"))
			opts.only = argv[i + 1];
		else
			break;
	}
	if (i >= argc || argv[i][0] == '-' || opts.tick <= 0) {
		fputs("usage: generate [--others] [--tick SECONDS] [--keep SHARE] [--only NAME] SEED...\n",
		      stderr);
		return 2;
	}
	for (; i < argc; i++) {
		uint32_t seed = (uint32_t)strtoul(argv[i], NULL, 10);

		for (size_t k = 0; opts.others && k < n_others; k++)
			write_one(&others[k], seed, &opts);
		for (size_t k = 0; !opts.others && k < n_leaking; k++)
			write_one(&leaking[k], seed, &opts);
		for (size_t k = 0; !opts.others && k < n_benign; k++)
			write_one(&benign[k], seed, &opts);
	}
	return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
