/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Tracepoints by their numeric id.
 *
 * libbpf looks the ids up under the two usual mount points of tracefs; here it may be mounted by
 * ourselves in no directory at all (tracefs.h). So the perf event is opened here and libbpf only
 * links the program to it. Raw tracepoints need neither.
 */
#include "user/source/tracepoints.h"

#include <linux/perf_event.h>
#include <string.h>
#include <sys/syscall.h>

#include "user/base/cleanup.h"
#include "user/base/error.h"
#include "user/source/bpf.h"
#include "user/source/tracefs.h"

/* Without these the rest still tells the truth: they were added after Linux 5.8, or a kernel may
 * be built without them (System V shared memory, memory protection keys, asynchronous I/O). */
static const char *const optional[] = { "pkey_mprotect", "shmat", "shmdt", "remap_file_pages",
					"io_setup", "io_destroy" };

static bool is_optional(const char *tracepoint)
{
	for (size_t i = 0; i < sizeof(optional) / sizeof(optional[0]); i++)
		if (strstr(tracepoint, optional[i]))
			return true;
	return false;
}

/* Links one program to tracepoint `id`. On one CPU's event only: the program hangs on the
 * tracepoint itself and runs on every CPU. */
static int attach_by_id(struct bpf_program *program, int id, struct bpf_link **out)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.config = id,
		.sample_period = 1,
		.wakeup_events = 1,
	};
	int fd = syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		return negative_errno();
	*out = bpf_program__attach_perf_event(program, fd);	/* owns fd on success */
	if (!*out) {
		int r = negative_errno();

		close(fd);
		return r;
	}
	return 0;
}

static int attach_syscall(struct tracepoints *t, struct bpf_program *program, int tracefs,
			  const char *name, struct log *log)
{
	int id = tracefs__tracepoint_id(tracefs, "syscalls", name), r;

	if (id == -ENOENT && is_optional(name)) {
		size_t n = strlen(t->missing);

		snprintf(t->missing + n, sizeof(t->missing) - n, "%s%s", n ? ", " : "", name);
		return 0;
	}
	r = id < 0 ? id : attach_by_id(program, id, &t->links[t->n]);
	if (r) {
		log_error(log, "tracepoint syscalls:%s: %s; `unfreed doctor` tells what this kernel allows",
			  name, strerror(-r));
		return r;
	}
	t->n++;
	return 0;
}

static int attach_raw(struct tracepoints *t, struct bpf_program *program, struct log *log)
{
	struct bpf_link *link = bpf_program__attach(program);
	int r;

	if (!link) {
		r = negative_errno();
		log_error(log, "%s: %s", bpf_program__section_name(program), strerror(-r));
		return r;
	}
	t->links[t->n++] = link;
	return 0;
}

int tracepoints__attach(struct tracepoints *t, struct unfreed_bpf *bpf, struct log *log)
{
	static const char prefix[] = "tp/syscalls/";
	cleanup_fd int tracefs = -1;
	struct bpf_program *program;
	int r;

	memset(t, 0, sizeof(*t));
	r = tracefs__open(&tracefs, NULL);
	if (r) {
		log_error(log, "tracefs is not mounted and cannot be: %s; run as root or mount it at "
			  "/sys/kernel/tracing", strerror(-r));
		return r;
	}
	bpf_object__for_each_program(program, bpf->obj) {
		const char *section = bpf_program__section_name(program);

		if (!bpf_program__autoload(program))
			continue;
		if (t->n == TRACEPOINTS_MAX)
			return -E2BIG;
		if (!strncmp(section, prefix, sizeof(prefix) - 1))
			r = attach_syscall(t, program, tracefs, section + sizeof(prefix) - 1, log);
		else if (!strncmp(section, "raw_tp/", 7))
			r = attach_raw(t, program, log);
		if (r)
			return r;
	}
	return 0;
}

void tracepoints__fini(struct tracepoints *t)
{
	while (t->n)
		bpf_link__destroy(t->links[--t->n]);
}
