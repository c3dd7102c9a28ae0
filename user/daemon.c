/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * daemon: watches every process of the host and rewrites the Prometheus textfile at an interval,
 * until SIGTERM or SIGINT. The file goes with the service: stale values would outlive it. What leaks
 * is also told in the journal, once, with its stack: a label has no room for that.
 */
#include "user/app.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/alert.h"
#include "user/base/cleanup.h"
#include "user/base/error.h"
#include "user/memory_file.h"
#include "user/pipeline.h"
#include "user/sink/prom.h"

#define STOP 1
#define TICK_NS 500000000ull
#define MEMORY_NS 2000000000ull
#define KEEP_NS 3600000000000ull	/* between writings of what was learnt */
#define MMAP_THRESHOLD (256 << 10)

struct daemon {
	const struct options *options;
	struct log *log;
	struct pipeline pipeline;
	struct prom *prom;
	struct alert alert;
	struct past *past;	/* NULL: there is no file to keep it in */
};

static int on_stop(void *ctx, int signal)
{
	return STOP;
}

static int on_tick(void *ctx)
{
	struct daemon *daemon = ctx;

	return alert__check(&daemon->alert, &daemon->pipeline);
}

static double self_cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static int write_textfile(void *ctx, uint64_t now)
{
	struct daemon *daemon = ctx;
	struct report *report = NULL;
	struct prom_facts facts = {
		.now = (double)clock_realtime_ns() / 1e9,
		.self_cpu_seconds = self_cpu_seconds(),
		.self_resident_bytes = live__self_resident(daemon->pipeline.live),
		.resyncs = world__trust(daemon->pipeline.world).healed,
		.evictions = live__n_evicted(daemon->pipeline.live) +
			     world__evicted(daemon->pipeline.world),
		.version = UNFREED_VERSION,
	};
	int r;

	r = pipeline__measure(&daemon->pipeline);
	if (!r)
		r = pipeline__report(&daemon->pipeline, &report);
	if (r)
		return r;
	r = prom__write(daemon->prom, report, &facts);
	if (r)	/* a full disk today must not end the watching: the next writing tries again */
		log_error(daemon->log, "daemon: the textfile in %s cannot be written: %s",
			  daemon->options->textfile_dir, strerror(-r));
	report__free(report);
	return 0;
}

static int open_textfile(struct daemon *daemon)
{
	const char *dir = daemon->options->textfile_dir;
	char path[4096];
	struct stat st;
	int r;

	if (stat(dir, &st) || !S_ISDIR(st.st_mode)) {
		log_error(daemon->log, "--textfile-dir: %s: %s", dir,
			  strerror(errno && !S_ISDIR(st.st_mode) ? errno : ENOTDIR));
		return EXIT_USAGE;
	}
	if (access(dir, W_OK)) {
		log_error(daemon->log, "--textfile-dir: %s: %s", dir, strerror(errno));
		return EXIT_USAGE;
	}
	snprintf(path, sizeof(path), "%s/unfreed.prom", dir);
	r = prom__new(&daemon->prom, &(struct prom_opts){ .path = path,
							  .top_k = daemon->options->top_k });
	return r ? EXIT_TOOL_FAILED : 0;
}

/* --- what earlier runs taught ------------------------------------------------------------------ */

static int open_memory(struct daemon *daemon)
{
	const char *path = daemon->options->memory_file;
	cleanup_free char *folder = path ? strdup(path) : NULL;
	char *slash = folder ? strrchr(folder, '/') : NULL;

	if (!path)
		return 0;
	if (!folder)
		return EXIT_TOOL_FAILED;
	if (slash)
		slash[slash == folder] = '\0';
	if (access(slash ? folder : ".", W_OK | X_OK)) {
		log_error(daemon->log, "--memory-file: %s: %s", slash ? folder : ".", strerror(errno));
		return EXIT_USAGE;
	}
	switch (memory_file__load(path, daemon->log, &daemon->past)) {
	case 0:
		return 0;
	case MEMORY_FILE_BAD:
		memory_file__save(path, daemon->log, daemon->past);
		return 0;
	default:
		return EXIT_TOOL_FAILED;
	}
}

/* A disk that is full today must not end the watching: the next hour tries again. */
static int keep_memory(void *ctx, uint64_t now)
{
	struct daemon *daemon = ctx;
	int r = detector__learn(daemon->pipeline.detector);

	if (r < 0)
		return r;
	if (past__is_changed(daemon->past))
		memory_file__save(daemon->options->memory_file, daemon->log, daemon->past);
	return 0;
}

/* With the pipeline's end its sites have taught what they had to. */
static void close_memory(struct daemon *daemon)
{
	if (daemon->past && past__is_changed(daemon->past))
		memory_file__save(daemon->options->memory_file, daemon->log, daemon->past);
	daemon->past = past__free(daemon->past);
}

static int start(struct daemon *daemon)
{
	struct live_opts live = {
		.all = true,
		.ring_sz = daemon->options->ring_sz,
		.tick_ns = TICK_NS,
		.memory_ns = MEMORY_NS,
	};
	struct loop *loop;
	int r;

	r = pipeline__init(&daemon->pipeline, &(struct pipeline_opts){ .log = daemon->log,
								       .question = DETECTOR_SERVICE,
								       .whole_system = true,
								       .past = daemon->past,
								       .command = "daemon",
								       .on_tick = on_tick,
								       .ctx = daemon });
	if (r)
		return EXIT_TOOL_FAILED;
	loop = daemon->pipeline.loop;
	r = loop__add_signal(loop, SIGTERM, on_stop, daemon);
	if (!r)
		r = loop__add_signal(loop, SIGINT, on_stop, daemon);
	if (!r)
		r = pipeline__start(&daemon->pipeline, &live);
	if (!r)
		r = live__add_all(daemon->pipeline.live);
	if (!r)
		r = loop__add_timer(loop, daemon->options->interval_ns, write_textfile, daemon);
	if (!r && daemon->past)
		r = loop__add_timer(loop, KEEP_NS, keep_memory, daemon);
	return r ? EXIT_TOOL_FAILED : 0;
}

int daemon__run(const struct options *options, struct log *log)
{
	struct daemon daemon = { .options = options, .log = log };
	int r;

	/* Large passing tables (the symbols of a file that is looked at) go back to the system when they
	 * are freed: by default malloc learns from the first one to keep the next in its heap. */
	mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD);
	alert__init(&daemon.alert);
	r = open_textfile(&daemon);
	if (!r)
		r = open_memory(&daemon);
	if (!r)
		r = start(&daemon);
	if (!r) {
		log_info(log, "watching every process; the textfile is %s/unfreed.prom",
			 options->textfile_dir);
		write_textfile(&daemon, 0);
		r = loop__run(daemon.pipeline.loop);
		if (r < 0)
			log_error(log, "daemon: %s", strerror(-r));
		r = r < 0 ? EXIT_TOOL_FAILED : 0;
		prom__remove(daemon.prom);
	}
	prom__free(daemon.prom);
	alert__fini(&daemon.alert);
	pipeline__fini(&daemon.pipeline);
	close_memory(&daemon);
	return r;
}
