/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The commands, wired from the rooms. */
#ifndef UNFREED_APP_H
#define UNFREED_APP_H

#include "user/base/log.h"
#include "user/options.h"

/* Runs the command that was asked for. Returns the program's exit status; what failed is logged. */
int app__run(const struct options *options, struct log *log);

/* Each command; the same contract. */
int watch__run(const struct options *options, struct log *log);		/* attach and run */
int daemon__run(const struct options *options, struct log *log);
int verify__run(const struct options *options, struct log *log);
int record__run(const struct options *options, struct log *log);
int report__run(const struct options *options, struct log *log);

struct live;
/* Watches the processes of the command line. 0, or EXIT_TOOL_FAILED when none can be; logged. */
int watch__add_pids(struct live *live, const struct options *options, struct log *log);

#endif /* UNFREED_APP_H */
