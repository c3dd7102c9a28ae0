/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * A server with sessions: each has a zlib stream, lives for --life milliseconds and closes it. At any
 * moment rate * life / 1000 of them are open, none older than that. --keep N forgets every Nth.
 */
#include <zlib.h>

#include "tests/programs/program.h"

#define USAGE "sessions [--rate PER_SECOND] [--life MS] [--seconds N] [--keep N] [--wait] [--hold]"

struct server {
	z_stream **open;	/* a ring */
	unsigned long n_open, at;
	unsigned long keep, opened, closed;
};

int begin_session(struct server *server);
void end_session(struct server *server);

KEEP_FRAME int begin_session(struct server *server)
{
	z_stream *stream = calloc(1, sizeof(*stream));

	if (!stream || inflateInit2(stream, 15) != Z_OK)
		return -1;
	server->opened++;
	server->open[server->at] = stream;
	if (server->keep && server->opened % server->keep == 0)
		server->open[server->at] = NULL;	/* the bug */
	return 0;
}

/* The oldest one, whose place the next will take. */
KEEP_FRAME void end_session(struct server *server)
{
	z_stream *stream;

	server->at = (server->at + 1) % server->n_open;
	stream = server->open[server->at];
	server->open[server->at] = NULL;
	if (!stream)
		return;
	inflateEnd(stream);
	free(stream);
	server->closed++;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "rate", required_argument, NULL, 'r' }, { "life", required_argument, NULL, 'l' },
		{ "seconds", required_argument, NULL, 's' }, { "keep", required_argument, NULL, 'k' },
		{ "wait", no_argument, NULL, 'w' }, { "hold", no_argument, NULL, 'h' }, { 0 },
	};
	unsigned long rate = 200, life = 300, seconds = 5, i;
	bool waits = false, holds = false;
	struct server server = { 0 };
	char counts[128];
	struct pace pace;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'r': rate = number_of(optarg, USAGE); break;
		case 'l': life = number_of(optarg, USAGE); break;
		case 's': seconds = number_of(optarg, USAGE); break;
		case 'k': server.keep = number_of(optarg, USAGE); break;
		case 'w': waits = true; break;
		case 'h': holds = true; break;
		default: die_usage(USAGE);
		}
	}
	if (optind != argc || !rate)
		die_usage(USAGE);
	server.n_open = rate * life / 1000 + 1;
	server.open = calloc(server.n_open, sizeof(z_stream *));
	if (!server.open)
		die("calloc");
	say_ready(waits);
	pace__init(&pace, rate);
	for (i = 0; i < rate * seconds; i++) {
		if (begin_session(&server) < 0)
			return 1;
		pace__step(&pace);
		end_session(&server);
	}
	for (i = 0; i < server.n_open; i++)
		end_session(&server);
	snprintf(counts, sizeof(counts), "opened=%lu closed=%lu open=%lu", server.opened,
		 server.closed, server.opened - server.closed);
	say_done(counts, holds);
	return 0;
}
