/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Writes the seeds of fuzz_decode into the folder it is given: one good record of each type, and
 * all of them in a row but for the large one. `make fuzz-seeds` runs it when the contract changed.
 */
#include <stdio.h>
#include <string.h>

#include "tests/unit/records.h"

static int append(const char *folder, const char *name, const char *mode, const union record *r)
{
	char path[4096];
	FILE *f;
	int r1, r2;

	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
		return -1;
	f = fopen(path, mode);
	if (!f)
		return -1;
	r1 = fwrite(r, r->h.size, 1, f) == 1 ? 0 : -1;
	r2 = fclose(f);
	return r1 ? r1 : r2;
}

int main(int argc, char **argv)
{
	const char *mode = "w";
	union record r;
	size_t i;

	if (argc != 2) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	for (i = 0; i < N_RECORD_TYPES; i++) {
		make_good(&r, i);
		if (append(argv[1], record_types[i].name, "w", &r))
			goto failed;
		if (record_types[i].type == EV_MISS)
			continue;
		if (append(argv[1], "all", mode, &r))
			goto failed;
		mode = "a";
	}
	return 0;
failed:
	perror(argv[1]);
	return 1;
}
