/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * attach and run: watch some processes, then report.
 *
 * Both end by --duration, by a sure verdict, by Ctrl-C, or when the last watched process has ended,
 * and always with a report of what was seen until then. attach without --duration ends by a sure
 * verdict; run goes on to its command's end, whose children may live on, unwatched from there.
 *
 * A command that `run` started and that still runs when the watching ends is ended: SIGTERM, and
 * after 5 s SIGKILL. Nothing else is ever signalled, but that signals to `run` are passed on to it.
 */
#include "user/app.h"

#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "user/base/error.h"
#include "user/base/text.h"
#include "user/child.h"
#include "user/output.h"
#include "user/pipeline.h"
#include "user/progress.h"

#define STOP 1		/* what ends the loop, without being an error */

struct watch {
	const struct options *options;
	struct log *log;
	struct pipeline pipeline;
	struct output output;
	struct child child;
	struct progress progress;
	bool until_verdict;
};

/* --- while it watches -------------------------------------------------------------------------- */

static int on_tick(void *ctx)
{
	struct watch *watch = ctx;

	progress__show(&watch->progress, watch->pipeline.world, watch->pipeline.detector);
	if (watch->until_verdict && detector__is_sure(watch->pipeline.detector))
		return STOP;
	if (watch->options->command == COMMAND_RUN)
		return child__reap(&watch->child) ? STOP : 0;
	return live__n_alive(watch->pipeline.live) ? 0 : STOP;
}

static int on_duration(void *ctx, uint64_t now)
{
	return STOP;
}

static int on_interrupt(void *ctx, int signal)
{
	return STOP;
}

/* Signals to `run` are the command's. It ends by them or not; we go on until it does. */
static int pass_signal(void *ctx, int signal)
{
	struct watch *watch = ctx;

	if (watch->child.pid)
		kill(watch->child.pid, signal);
	return 0;
}

/* Ctrl-C on a terminal reaches the command by itself: the terminal signals the whole group. */
static int on_run_interrupt(void *ctx, int signal)
{
	struct watch *watch = ctx;

	if (!isatty(STDIN_FILENO))
		return pass_signal(ctx, signal);
	log_info(watch->log, "waiting for the command to end");
	return 0;
}

static int on_child(void *ctx, int signal)
{
	struct watch *watch = ctx;

	return child__reap(&watch->child) ? STOP : 0;
}

/* --- setting up -------------------------------------------------------------------------------- */

static int add_signals(struct watch *watch)
{
	static const int passed[] = { SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH };
	struct loop *loop = watch->pipeline.loop;
	int r = 0;

	if (watch->options->command == COMMAND_ATTACH) {
		r = loop__add_signal(loop, SIGINT, on_interrupt, watch);
		if (!r)
			r = loop__add_signal(loop, SIGTERM, on_interrupt, watch);
		return r;
	}
	for (size_t i = 0; !r && i < sizeof(passed) / sizeof(passed[0]); i++)
		r = loop__add_signal(loop, passed[i], pass_signal, watch);
	if (!r)
		r = loop__add_signal(loop, SIGINT, on_run_interrupt, watch);
	if (!r)
		r = loop__add_signal(loop, SIGCHLD, on_child, watch);
	return r;
}

int watch__add_pids(struct live *live, const struct options *options, struct log *log)
{
	size_t n_added = 0;

	for (size_t i = 0; i < options->n_pids; i++) {
		int r = live__add(live, options->pids[i]);

		if (r)
			log_error(log, "%s: process %d: %s", command_name(options->command),
				  options->pids[i], live__why_not(r));
		else
			n_added++;
	}
	return n_added ? 0 : EXIT_TOOL_FAILED;
}

/* What a command calls at once is probed before it runs: its own file (node carries zlib inside) and a
 * JDK's zip library. What it maps later is found then. */
static void probe_beforehand(struct watch *watch, const char *program)
{
	static const char *const beside[] = { "/../lib/libzip.so", "/../lib/amd64/libzip.so",
					      "/../jre/lib/amd64/libzip.so" };
	char path[PATH_MAX + 64];
	const char *slash = strrchr(program, '/');

	live__probe_path(watch->pipeline.live, program);
	for (size_t i = 0; slash && i < sizeof(beside) / sizeof(beside[0]); i++) {
		snprintf(path, sizeof(path), "%.*s%s", (int)(slash - program), program, beside[i]);
		live__probe_path(watch->pipeline.live, path);
	}
}

/* On a busy machine who falls behind loses records. Asked for once `run` has forked its command, which
 * keeps its own priority; without CAP_SYS_NICE it stays as it is. */
static void hurry(void)
{
	setpriority(PRIO_PROCESS, 0, -10);
}

static int start_run(struct watch *watch)
{
	char **argv = watch->options->argv, program[PATH_MAX];
	int r;

	if (!find_program(argv[0], program)) {
		log_error(watch->log, "run: %s: no such command", argv[0]);
		return EXIT_USAGE;
	}
	probe_beforehand(watch, program);
	r = child__start(&watch->child, argv, loop__original_mask(watch->pipeline.loop), watch->log);
	if (r)
		return EXIT_TOOL_FAILED;
	hurry();
	r = live__add_child(watch->pipeline.live, watch->child.pid);
	if (!r)
		r = child__go(&watch->child);
	if (r) {
		log_error(watch->log, "run: %s: %s", argv[0], strerror(-r));
		return r == -ENOMEM ? EXIT_TOOL_FAILED : EXIT_USAGE;
	}
	return 0;
}

static int start(struct watch *watch)
{
	const struct options *options = watch->options;
	struct live_opts live = { .stacks = true, .ring_sz = options->ring_sz,
				  .check_stacks = options->check_stacks,
				  .ordered = options->lock_order };
	int r;

	r = pipeline__init(&watch->pipeline, &(struct pipeline_opts){ .log = watch->log,
								      .question = DETECTOR_ONE_SHOT,
								      .keep_exited = true,
								      .waits = true,
								      .command = command_name(options->command),
								      .on_tick = on_tick,
								      .ctx = watch });
	if (!r && options->record) {
		r = pipeline__record(&watch->pipeline, options->record, options->max_sz);
		if (r)
			return EXIT_USAGE;
	}
	if (!r)
		r = add_signals(watch);
	if (!r)
		r = pipeline__start(&watch->pipeline, &live);
	if (r)
		return EXIT_TOOL_FAILED;
	if (options->command == COMMAND_ATTACH)
		hurry();
	r = options->command == COMMAND_RUN ? start_run(watch) :
		    watch__add_pids(watch->pipeline.live, options, watch->log);
	if (r)
		return r;
	if (options->duration_ns)
		r = loop__add_timeout(watch->pipeline.loop, options->duration_ns, on_duration, watch);
	return r ? EXIT_TOOL_FAILED : 0;
}

/* --- the end ----------------------------------------------------------------------------------- */

/* How the command's own end shows: a failed one is no success of ours. */
static int status_of_command(const struct watch *watch)
{
	int status = watch->child.status;

	if (watch->options->command != COMMAND_RUN || !watch->child.ended || !status)
		return 0;
	if (WIFSIGNALED(status))
		log_warning(watch->log, "%s was ended by signal %d", watch->options->argv[0],
			    WTERMSIG(status));
	else
		log_warning(watch->log, "%s exited with status %d", watch->options->argv[0],
			    WEXITSTATUS(status));
	return EXIT_TOOL_FAILED;
}

static void tell_check(const struct watch *watch)
{
	struct stack_check check = live__stack_check(watch->pipeline.live);

	if (watch->options->check_stacks)
		log_info(watch->log, "%llu stacks walked twice: %llu differ; the memo gave %llu of %llu frames",
			 (unsigned long long)check.walks, (unsigned long long)check.differ,
			 (unsigned long long)check.memo_frames, (unsigned long long)check.frames);
}

static int finish(struct watch *watch)
{
	struct report *report = NULL;
	int status, command_status, record_status;

	/* Its last records first: an exit that is not told yet would look like a process at work. */
	command_status = status_of_command(watch);
	watch->pipeline.on_tick = NULL;
	if (live__flush(watch->pipeline.live) < 0 || pipeline__measure(&watch->pipeline))
		return EXIT_TOOL_FAILED;
	record_status = pipeline__end_recording(&watch->pipeline) ? EXIT_TOOL_FAILED : 0;
	if (pipeline__report(&watch->pipeline, &report))
		return EXIT_TOOL_FAILED;
	progress__end(&watch->progress);
	tell_check(watch);
	status = output__write(&watch->output, report, watch->log);
	if (!status)
		status = report__exit_status(report);
	report__free(report);
	return status ? status : record_status ? record_status : command_status;
}

int watch__run(const struct options *options, struct log *log)
{
	struct watch watch = { .options = options, .log = log };
	int r;

	watch.until_verdict = options->until_verdict ||
			      (options->command == COMMAND_ATTACH && !options->duration_ns &&
			       !options->no_until_verdict);
	r = output__open(&watch.output, options, log);
	if (!r)
		r = start(&watch);
	if (!r) {
		progress__init(&watch.progress, log, !options->no_progress);
		r = loop__run(watch.pipeline.loop);
		if (r < 0) {
			log_error(log, "%s: %s", command_name(options->command), strerror(-r));
			r = EXIT_TOOL_FAILED;
		} else {
			r = finish(&watch);
		}
	}
	child__end(&watch.child);
	output__fini(&watch.output);
	pipeline__fini(&watch.pipeline);
	return r;
}
