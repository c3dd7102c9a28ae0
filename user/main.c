/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Parses the command line, runs the command, leaves by one exit. */
#include <signal.h>
#include <stdio.h>

#include "user/app.h"
#include "user/base/error.h"
#include "user/base/log.h"
#include "user/options.h"

int main(int argc, char **argv)
{
	struct options options = {};
	struct log *log = NULL;
	int status;

	signal(SIGPIPE, SIG_IGN);	/* a reader that goes away is a failed write, and is told */
	if (log__new(&log, stderr, LOG_LEVEL_INFO))
		return EXIT_TOOL_FAILED;
	status = options__parse(&options, argc, argv, log);
	if (options.verbose)
		log__set_level(log, LOG_LEVEL_DEBUG);
	if (!status)
		status = app__run(&options, log);
	options__fini(&options);
	log__free(log);
	if (fflush(stdout) && !status)
		status = EXIT_TOOL_FAILED;
	return status;
}
