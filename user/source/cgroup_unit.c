/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * What people call the group a process is in. The innermost component of its path that names
 * something decides: a service or scope of systemd, or a container, which is told by the 64 digits
 * of its id whatever made it:
 *
 *   /system.slice/kafka.service                                          kafka.service
 *   /system.slice/docker-<id>.scope, /docker/<id>                        docker-<12 digits>
 *   /kubepods.slice/.../kubepods-pod<uid>.slice/cri-containerd-<id>.scope pod<uid>/<12 digits>
 *   /lxc.payload.web                                                     lxc-web
 *
 * Slices are no answer: they group units. Everything here is bytes somebody else chose.
 */
#include <stdio.h>
#include <string.h>

#include "user/source/cgroup.h"

#define CONTAINER_ID_SZ 64	/* hexadecimal digits */
#define SHORT_ID_SZ 12		/* of which people use that many */

static bool ends_with(const char *s, size_t n, const char *end)
{
	size_t end_sz = strlen(end);

	return n > end_sz && !memcmp(s + n - end_sz, end, end_sz);
}

/* Whether s (n bytes) ends with a container's id, perhaps before ".scope"; where it begins. */
static bool find_container_id(const char *s, size_t n, size_t *at)
{
	if (ends_with(s, n, ".scope"))
		n -= strlen(".scope");
	if (n < CONTAINER_ID_SZ)
		return false;
	*at = n - CONTAINER_ID_SZ;
	if (strspn(s + *at, "0123456789abcdef") < CONTAINER_ID_SZ)
		return false;
	return !*at || strchr("-:_", s[*at - 1]);
}

/* Finds pod<uid> in a path: .../pod1234-.../..., or systemd's ...-pod1234_....slice. */
static bool find_pod(const char *path, char *out, size_t out_sz)
{
	const char *s;

	if (!strstr(path, "kubepods"))
		return false;
	for (s = strstr(path, "pod"); s; s = strstr(s + 1, "pod")) {
		size_t n = strspn(s + 3, "0123456789abcdef-_"), i;

		if (s == path || !strchr("/-", s[-1]) || n < 32 || n + 4 > out_sz)
			continue;
		memcpy(out, s, n + 3);
		out[n + 3] = '\0';
		for (i = 3; i < n + 3; i++)
			if (out[i] == '_')
				out[i] = '-';
		return true;
	}
	return false;
}

/* The unit that the path component s (n bytes) of `path` stands for. False: none, look further up. */
static bool component_unit(const char *path, const char *s, size_t n, char *out, size_t out_sz)
{
	const char *folder = "container";
	size_t folder_sz = strlen(folder);
	char pod[64];
	size_t at, from;

	if (n > 12 && !memcmp(s, "lxc.payload.", 12)) {
		snprintf(out, out_sz, "lxc-%.*s", (int)(n - 12), s + 12);
		return true;
	}
	if (!find_container_id(s, n, &at)) {
		if (!ends_with(s, n, ".service") && !ends_with(s, n, ".scope"))
			return false;
		snprintf(out, out_sz, "%.*s", (int)n, s);
		return true;
	}
	if (find_pod(path, pod, sizeof(pod))) {
		snprintf(out, out_sz, "%s/%.*s", pod, SHORT_ID_SZ, s + at);
		return true;
	}
	/* Who made it: "docker-<id>.scope", or else the folder: "/docker/<id>". */
	from = 0;
	for (size_t i = 0; at && i < at - 1; i++)
		if (s[i] == ':')
			from = i + 1;
	if (at > 1 && at - 1 > from) {
		snprintf(out, out_sz, "%.*s-%.*s", (int)(at - 1 - from), s + from, SHORT_ID_SZ,
			 s + at);
		return true;
	}
	for (from = (size_t)(s - path); from > 1 && path[from - 2] != '/';)
		from--;
	if (from > 1) {
		folder = path + from - 1;
		folder_sz = (size_t)(s - folder - 1);
	}
	snprintf(out, out_sz, "%.*s-%.*s", (int)folder_sz, folder, SHORT_ID_SZ, s + at);
	return true;
}

static bool path_unit(const char *path, char *out, size_t out_sz)
{
	size_t end = strlen(path);

	while (end) {
		size_t start = end;

		while (start && path[start - 1] != '/')
			start--;
		if (component_unit(path, path + start, end - start, out, out_sz))
			return true;
		end = start ? start - 1 : 0;
	}
	return false;
}

void cgroup__unit(const char *cgroup_text, char *out, size_t out_sz)
{
	static const char *const controllers[] = { "name=systemd", "memory", "cpu", "pids" };
	char path[4097];

	out[0] = '\0';
	if (cgroup_find_path(cgroup_text, true, "", path, sizeof(path)) && path_unit(path, out, out_sz))
		return;
	for (size_t i = 0; i < sizeof(controllers) / sizeof(controllers[0]); i++)
		if (cgroup_find_path(cgroup_text, false, controllers[i], path, sizeof(path)) &&
		    path_unit(path, out, out_sz))
			return;
	out[0] = '\0';
}
