/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * Opens zlib streams and closes some of them, by every way in that zlib has. Prints for each
 * process how many it opened, closed and left open: the count that unfreed must reach exactly.
 *
 *   --opened N --closed M    of N streams (per thread and process) M are closed again, one step
 *                            after they were opened; those left open are spread evenly
 *   --kind inflate           inflateInit2, the common way
 *          init              inflateInit, which calls inflateInit2 inside: one stream all the same
 *          back              inflateBackInit
 *          deflate           deflateInit2
 *          copy              inflateCopy of one stream that stays open and is counted
 *          deflate-copy      deflateCopy, likewise
 *          reinit            inflateInit2 on a stream that is still open: the old one is lost
 *   --threads T              T threads, each opening its own N
 *   --fork                   the work is done by parent and child, each printing its own line
 *   --dlopen S               (zstreams_dlopen) libz is loaded S seconds after the start
 *   --rate R                 streams opened per second and thread (0: as fast as it goes)
 */
#include <pthread.h>
#include <sys/wait.h>
#include <zlib.h>

#include "tests/programs/program.h"

#define USAGE                                                                            \
	"zstreams [--opened N] [--closed M] [--kind KIND] [--threads T] [--fork] [--dlopen S]" \
	" [--rate R] [--wait] [--hold]"

#ifdef USE_DLOPEN
#include <dlfcn.h>
#define ZLIB(name) zlib.name
static struct {
	__typeof__(&inflateInit2_) inflateInit2_;
	__typeof__(&inflateInit_) inflateInit_;
	__typeof__(&inflateBackInit_) inflateBackInit_;
	__typeof__(&inflateBackEnd) inflateBackEnd;
	__typeof__(&inflateCopy) inflateCopy;
	__typeof__(&inflateEnd) inflateEnd;
	__typeof__(&deflateInit2_) deflateInit2_;
	__typeof__(&deflateCopy) deflateCopy;
	__typeof__(&deflateEnd) deflateEnd;
} zlib;
#else
#define ZLIB(name) name
#endif

struct work {
	unsigned long n_open, n_close, rate;
	const char *kind;
	unsigned long opened, closed;	/* done so far */
	z_stream *source;		/* of the copies */
	unsigned char *window;		/* of inflateBackInit */
};

struct kind {
	const char *name;
	int (*open)(struct work *work, z_stream *stream);
	int (*close)(z_stream *stream);
};

int open_inflate(struct work *work, z_stream *stream);
int open_stream(const struct kind *kind, struct work *work, z_stream *stream);
void *do_work(void *arg);

static void load_zlib(unsigned long after_seconds)
{
#ifdef USE_DLOPEN
	void *library;

	sleep((unsigned int)after_seconds);
	library = dlopen("libz.so.1", RTLD_NOW);
	if (!library) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
#define LOAD(name) *(void **)&zlib.name = dlsym(library, #name)
	LOAD(inflateInit2_);
	LOAD(inflateInit_);
	LOAD(inflateBackInit_);
	LOAD(inflateBackEnd);
	LOAD(inflateCopy);
	LOAD(inflateEnd);
	LOAD(deflateInit2_);
	LOAD(deflateCopy);
	LOAD(deflateEnd);
#undef LOAD
#else
	(void)after_seconds;
#endif
}

KEEP_FRAME int open_inflate(struct work *work, z_stream *stream)
{
	(void)work;
	return ZLIB(inflateInit2_)(stream, 15, ZLIB_VERSION, (int)sizeof(*stream));
}

static int open_init(struct work *work, z_stream *stream)
{
	(void)work;
	return ZLIB(inflateInit_)(stream, ZLIB_VERSION, (int)sizeof(*stream));
}

static int open_back(struct work *work, z_stream *stream)
{
	return ZLIB(inflateBackInit_)(stream, 15, work->window, ZLIB_VERSION,
				      (int)sizeof(*stream));
}

static int open_deflate(struct work *work, z_stream *stream)
{
	(void)work;
	return ZLIB(deflateInit2_)(stream, 6, Z_DEFLATED, 15, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
				   (int)sizeof(*stream));
}

static int open_copy(struct work *work, z_stream *stream)
{
	return ZLIB(inflateCopy)(stream, work->source);
}

static int open_deflate_copy(struct work *work, z_stream *stream)
{
	return ZLIB(deflateCopy)(stream, work->source);
}

/* Always the same stream: every open but the last is on one that is open. */
static int open_again(struct work *work, z_stream *stream)
{
	(void)stream;
	return open_inflate(work, work->source);
}

static int close_inflate(z_stream *stream)
{
	return ZLIB(inflateEnd)(stream);
}

static int close_back(z_stream *stream)
{
	return ZLIB(inflateBackEnd)(stream);
}

static int close_deflate(z_stream *stream)
{
	return ZLIB(deflateEnd)(stream);
}

static const struct kind kinds[] = {
	{ "inflate", open_inflate, close_inflate },
	{ "init", open_init, close_inflate },
	{ "back", open_back, close_back },
	{ "deflate", open_deflate, close_deflate },
	{ "copy", open_copy, close_inflate },
	{ "deflate-copy", open_deflate_copy, close_deflate },
	{ "reinit", open_again, NULL },
};

static const struct kind *find_kind(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	die_usage(USAGE);
}

KEEP_FRAME int open_stream(const struct kind *kind, struct work *work, z_stream *stream)
{
	int r = kind->open(work, stream);

	if (r != Z_OK) {
		fprintf(stderr, "zlib says %d\n", r);
		exit(1);
	}
	work->opened++;
	return r;
}

/* Spreads the streams that stay open evenly over all. */
static bool stays_open(const struct work *work, unsigned long i)
{
	unsigned long n_kept = work->n_open - work->n_close;

	return i * n_kept / work->n_open != (i + 1) * n_kept / work->n_open;
}

static void close_stream(const struct kind *kind, struct work *work, z_stream *streams,
			 unsigned long i)
{
	if (!kind->close || stays_open(work, i))
		return;
	kind->close(&streams[i]);
	work->closed++;
}

/* The stream that the copies are made of; it counts as one opened and never closed. */
static void open_source(struct work *work)
{
	bool inflates = !strcmp(work->kind, "copy");

	if (!inflates && strcmp(work->kind, "deflate-copy") != 0)
		return;
	open_stream(find_kind(inflates ? "inflate" : "deflate"), work, work->source);
}

KEEP_FRAME void *do_work(void *arg)
{
	struct work *work = arg;
	const struct kind *kind = find_kind(work->kind);
	z_stream *streams = calloc(work->n_open, sizeof(*streams));
	struct pace pace;
	unsigned long i;

	work->source = calloc(1, sizeof(*work->source));
	work->window = calloc(1, 32768);
	if (!streams || !work->source || !work->window)
		die("calloc");
	open_source(work);
	pace__init(&pace, work->rate);
	for (i = 0; i < work->n_open; i++) {
		open_stream(kind, work, &streams[i]);
		/* One step later, so that streams of both sorts are open at once. */
		if (i > 0)
			close_stream(kind, work, streams, i - 1);
		pace__step(&pace);
	}
	close_stream(kind, work, streams, work->n_open - 1);
	return NULL;
}

static void run_threads(const struct work *plan, unsigned long n_threads, struct work *total)
{
	pthread_t *threads = calloc(n_threads, sizeof(*threads));
	struct work *works = calloc(n_threads, sizeof(*works));
	unsigned long i;

	if (!threads || !works)
		die("calloc");
	for (i = 0; i < n_threads; i++) {
		works[i] = *plan;
		errno = pthread_create(&threads[i], NULL, do_work, &works[i]);
		if (errno)
			die("pthread_create");
	}
	for (i = 0; i < n_threads; i++) {
		pthread_join(threads[i], NULL);
		total->opened += works[i].opened;
		total->closed += works[i].closed;
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "opened", required_argument, NULL, 'o' }, { "closed", required_argument, NULL, 'c' },
		{ "kind", required_argument, NULL, 'k' },   { "threads", required_argument, NULL, 't' },
		{ "fork", no_argument, NULL, 'f' },	    { "dlopen", required_argument, NULL, 'd' },
		{ "rate", required_argument, NULL, 'r' },   { "wait", no_argument, NULL, 'w' },
		{ "hold", no_argument, NULL, 'h' },	    { 0 },
	};
	struct work plan = { .n_open = 1000, .n_close = 990, .rate = 500, .kind = "inflate" };
	unsigned long n_threads = 1, dlopen_after = 0;
	bool waits = false, holds = false, forks = false;
	struct work total = { 0 };
	char counts[128];
	pid_t child = -1;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'o': plan.n_open = number_of(optarg, USAGE); break;
		case 'c': plan.n_close = number_of(optarg, USAGE); break;
		case 'k': plan.kind = optarg; break;
		case 't': n_threads = number_of(optarg, USAGE); break;
		case 'f': forks = true; break;
		case 'd': dlopen_after = number_of(optarg, USAGE); break;
		case 'r': plan.rate = number_of(optarg, USAGE); break;
		case 'w': waits = true; break;
		case 'h': holds = true; break;
		default: die_usage(USAGE);
		}
	}
	if (optind != argc || !plan.n_open || plan.n_close > plan.n_open || !n_threads)
		die_usage(USAGE);
	find_kind(plan.kind);

	say_ready(waits);
	load_zlib(dlopen_after);
	if (forks && (child = fork()) < 0)
		die("fork");
	if (n_threads == 1) {
		do_work(&plan);
		total = plan;
	} else {
		run_threads(&plan, n_threads, &total);
	}
	snprintf(counts, sizeof(counts), "opened=%lu closed=%lu open=%lu", total.opened,
		 total.closed, total.opened - total.closed);
	say_done(counts, holds);
	if (child > 0)
		waitpid(child, NULL, 0);
	return 0;
}
