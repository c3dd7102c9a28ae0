/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The command line. One table (options.c) feeds the parser, its limits, --help and the test that
 * holds the man page to it.
 */
#ifndef UNFREED_OPTIONS_H
#define UNFREED_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "user/base/log.h"

enum command {
	COMMAND_NONE,
	COMMAND_ATTACH,
	COMMAND_RUN,
	COMMAND_DAEMON,
	COMMAND_VERIFY,
	COMMAND_RECORD,
	COMMAND_REPORT,
	COMMAND_DOCTOR,
	COMMAND_HELP,
	COMMAND_VERSION,
};

struct options {
	enum command command;
	const char *format;		/* NULL: by the ending of `output`, else text */
	const char *output;		/* NULL: standard output */
	const char *textfile_dir;
	const char *memory_file;
	const char *record;		/* attach, run: write a capture there too; NULL: none */
	const char *input;		/* report: the capture */
	const char *explain;		/* report: a site, as parse_site() takes it; NULL: none */
	uint64_t duration_ns;		/* 0: no end of its own */
	uint64_t interval_ns;		/* daemon: between writings of the textfile */
	uint64_t ring_sz;		/* bytes; a power of two */
	uint64_t max_sz;		/* of a capture, bytes; 0: no limit */
	uint64_t top_k;			/* processes and sites in a textfile, at most */
	bool until_verdict, no_until_verdict;
	bool no_progress;
	bool all;			/* verify, record: every process */
	bool salvage, dump_events;
	bool check_stacks;		/* walk each a second time, without the memo */
	bool lock_order;		/* the order of the kernel's locks, not of the calls */
	bool verbose;
	const char *help_topic;		/* of `help COMMAND`; NULL */
	pid_t *pids;			/* owned */
	size_t n_pids;
	char **argv;			/* run: CMD and its arguments; borrowed from main's argv */
};

/*
 * Parses the command line. Returns 0, or EXIT_USAGE after one line that says what is wrong and what
 * would be right. *out is the caller's to give to options__fini() in both cases.
 */
int options__parse(struct options *out, int argc, char **argv, struct log *log);
void options__fini(struct options *options);

/* Prints the help of a command, or with NULL of all; EXIT_USAGE when there is no such command. */
int options__print_help(FILE *out, const char *command, struct log *log);

const char *command_name(enum command command);

/* For the test of the man page: every long option, NULL past the last. */
const char *options__name(size_t i);

#endif /* UNFREED_OPTIONS_H */
