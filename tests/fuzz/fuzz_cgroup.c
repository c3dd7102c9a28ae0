/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * libFuzzer against the parsers of cgroup.h: the input is taken as /proc/PID/cgroup, as mountinfo,
 * as a path, and as a file of fields. Names are always terminated and never climb out of a mount.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "user/source/cgroup.h"
#include "user/source/procfs_dir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t data_sz);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_below(const char *root, const char *path)
{
	char below[256];

	if (!cgroup_path_below(root, path, below, sizeof(below)))
		return;
	must(*below && *below != '/' && strlen(below) < sizeof(below));
	must(strcmp(below, "..") && strncmp(below, "../", 3) && !strstr(below, "/../"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t data_sz)
{
	char *text = malloc(data_sz + 1), unit[32], path[64];
	struct cgroup_mounts mounts;
	uint64_t value;

	must(text);
	memcpy(text, data, data_sz);
	text[data_sz] = '\0';

	cgroup__unit(text, unit, sizeof(unit));
	must(strlen(unit) < sizeof(unit));
	if (cgroup_find_path(text, true, "", path, sizeof(path)))
		must(strlen(path) < sizeof(path));
	/* Nothing lies below that folder, so nothing is opened. */
	if (!cgroup_mounts__init(&mounts, text, "/dev/null/")) {
		must(mounts.n <= CGROUP_MAX_MOUNTS);
		for (size_t i = 0; i < mounts.n; i++) {
			must(mounts.mount[i].fd < 0);
			check_below(mounts.mount[i].root, text);
		}
		cgroup_mounts__fini(&mounts);
	}
	check_below("/", text);
	check_below("/..", text);
	procfs_field(text, "max ", &value);
	free(text);
	return 0;
}
