/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * The bundled program that leaks, for `make demo`: the case of the README in miniature.
 *
 * A server recovers its log after a restart. Each message set is compressed; open_message_set()
 * opens a zlib stream over it, reads the set, and forgets to close the stream. A stream with its
 * 32 KiB window holds about 40 KB, so 1,250 of them a second are 50 MB/s. `--close` is the twin
 * that closes every one. It ends by itself after 1 GiB or 60 s, whichever comes first.
 */
#include <zlib.h>

#include "tests/programs/program.h"

#define USAGE "leaky [--close] [--wait] [--hold] [--rate STREAMS_PER_SECOND] [--seconds N]"
#define STREAM_SZ (40u << 10)	/* state and window of one inflate stream, about */
#define LEAK_MAX_SZ (1u << 30)
#define MESSAGE_SZ 40000	/* more than a window, so that all of it is touched */
#define READ_SZ 10000		/* zlib makes a window only for who reads a stream piece by piece */

struct server {
	unsigned char packed[4096], plain[READ_SZ];
	size_t packed_sz;
	bool closes;
	unsigned long opened, closed;
};

int serve_request(struct server *server);
int recover_segment(struct server *server);
int open_message_set(struct server *server, z_stream *stream);

/* The bug: who calls it has to call inflateEnd() later, and nobody does. */
KEEP_FRAME int open_message_set(struct server *server, z_stream *stream)
{
	int r;

	if (inflateInit2(stream, 15 + 16) != Z_OK)
		return -1;
	server->opened++;
	stream->next_in = server->packed;
	stream->avail_in = (unsigned int)server->packed_sz;
	do {
		stream->next_out = server->plain;
		stream->avail_out = sizeof(server->plain);
		r = inflate(stream, Z_NO_FLUSH);
	} while (r == Z_OK);
	return r == Z_STREAM_END ? 0 : -1;
}

KEEP_FRAME int recover_segment(struct server *server)
{
	z_stream *stream = calloc(1, sizeof(*stream));
	int r;

	if (!stream)
		return -1;
	r = open_message_set(server, stream);
	if (server->closes) {
		inflateEnd(stream);
		free(stream);
		server->closed++;
	}
	return r;
}

KEEP_FRAME int serve_request(struct server *server)
{
	int r = recover_segment(server);

	if (r < 0)
		fprintf(stderr, "leaky: a message set could not be read\n");
	return r;
}

/* One message set, as a producer would have packed it. */
static void pack_message_set(struct server *server)
{
	static unsigned char message[MESSAGE_SZ];
	z_stream stream = { 0 };

	memset(message, 'm', sizeof(message));
	if (deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		die("deflateInit2");
	stream.next_in = message;
	stream.avail_in = sizeof(message);
	stream.next_out = server->packed;
	stream.avail_out = sizeof(server->packed);
	if (deflate(&stream, Z_FINISH) != Z_STREAM_END)
		die("deflate");
	server->packed_sz = stream.total_out;
	deflateEnd(&stream);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "close", no_argument, NULL, 'c' },	 { "wait", no_argument, NULL, 'w' },
		{ "hold", no_argument, NULL, 'h' },	 { "rate", required_argument, NULL, 'r' },
		{ "seconds", required_argument, NULL, 's' }, { 0 },
	};
	unsigned long rate = 1250, seconds = 60, n, i;
	bool waits = false, holds = false;
	static struct server server;
	char counts[128];
	struct pace pace;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'c': server.closes = true; break;
		case 'w': waits = true; break;
		case 'h': holds = true; break;
		case 'r': rate = number_of(optarg, USAGE); break;
		case 's': seconds = number_of(optarg, USAGE); break;
		default: die_usage(USAGE);
		}
	}
	if (optind != argc)
		die_usage(USAGE);

	pack_message_set(&server);
	say_ready(waits);
	n = rate * seconds;
	if (!server.closes && n > LEAK_MAX_SZ / STREAM_SZ)
		n = LEAK_MAX_SZ / STREAM_SZ;
	pace__init(&pace, rate);
	for (i = 0; i < n; i++) {
		if (serve_request(&server) < 0)
			return 1;
		pace__step(&pace);
	}
	snprintf(counts, sizeof(counts), "opened=%lu closed=%lu open=%lu", server.opened,
		 server.closed, server.opened - server.closed);
	say_done(counts, holds);
	return 0;
}
