/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* From the parsed command line to the command. */
#include "user/app.h"

#include <stdio.h>

#include "user/base/error.h"
#include "user/doctor.h"

int app__run(const struct options *options, struct log *log)
{
	switch (options->command) {
	case COMMAND_ATTACH:
	case COMMAND_RUN:
		return watch__run(options, log);
	case COMMAND_DAEMON:
		return daemon__run(options, log);
	case COMMAND_VERIFY:
		return verify__run(options, log);
	case COMMAND_RECORD:
		return record__run(options, log);
	case COMMAND_REPORT:
		return report__run(options, log);
	case COMMAND_DOCTOR:
		return doctor__run(log, stdout, (int)options->n_pids, options->pids);
	case COMMAND_HELP:
		return options__print_help(stdout, options->help_topic, log);
	case COMMAND_VERSION:
		printf("unfreed %s\n", UNFREED_VERSION);
		return 0;
	case COMMAND_NONE:
		break;
	}
	return EXIT_USAGE;
}
