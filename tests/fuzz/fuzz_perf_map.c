/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * libFuzzer against perf maps: each line is parsed and its name taken apart in memory that ends where
 * the line does; then the input is a file that grows in two steps, and what is found in it must be
 * one of its lines about that address.
 */
#include "user/symbol/perf_map.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t data_sz);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static bool inside(const char *s, size_t n, const char *whole, size_t whole_sz)
{
	return s >= whole && s + n <= whole + whole_sz;
}

static void check_line(const char *text, size_t n)
{
	char *line = malloc(n ? n : 1);
	struct perf_map_line parsed;
	struct perf_map_name name;

	must(line);
	memcpy(line, text, n);
	if (!perf_map_line__parse(line, n, &parsed)) {
		must(parsed.size && parsed.start + parsed.size > parsed.start);
		must(parsed.name_sz && inside(parsed.name, parsed.name_sz, line, n));
		perf_map_name__split(parsed.name, parsed.name_sz, &name);
		must(name.function_sz);
		must(inside(name.function, name.function_sz, line, n) ||
		     !memcmp(name.function, "(anonymous)", name.function_sz));
		must(!name.file_sz || inside(name.file, name.file_sz, line, n));
	}
	free(line);
}

static void look_around(struct perf_map *map, int fd, const struct perf_map_line *parsed)
{
	const uint64_t addrs[] = { parsed->start, parsed->start + parsed->size - 1,
				   parsed->start + parsed->size, parsed->start - 1 };
	char buf[PERF_MAP_LINE_MAX];
	struct perf_map_line found;

	for (size_t i = 0; i < sizeof(addrs) / sizeof(addrs[0]); i++) {
		int r = perf_map__find(map, fd, addrs[i], buf, &found);

		must(r == 0 || r == 1);
		must(r || addrs[i] - found.start < found.size);
		must(r || inside(found.name, found.name_sz, buf, sizeof(buf)));
	}
}

static void check_file(const char *text, size_t n)
{
	int fd = memfd_create("perf-map", MFD_CLOEXEC);
	const char *s = text, *end = text + n, *newline;
	struct perf_map_line parsed;
	struct perf_map *map = NULL;

	must(fd >= 0 && !perf_map__new(&map));
	must(write(fd, text, n / 2) == (ssize_t)(n / 2));
	must(!perf_map__update(map, fd));
	must(write(fd, text + n / 2, n - n / 2) == (ssize_t)(n - n / 2));
	must(!perf_map__update(map, fd));
	for (; (newline = memchr(s, '\n', (size_t)(end - s))); s = newline + 1)
		if (!perf_map_line__parse(s, (size_t)(newline - s), &parsed))
			look_around(map, fd, &parsed);
	perf_map__free(map);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t data_sz)
{
	const char *s = (const char *)data, *end = s + data_sz;

	check_file(s, data_sz);
	while (s < end) {
		const char *newline = memchr(s, '\n', (size_t)(end - s));
		size_t n = (size_t)((newline ? newline : end) - s);

		check_line(s, n);
		s += n + 1;
	}
	return 0;
}
