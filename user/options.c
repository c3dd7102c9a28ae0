/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/*
 * One table of options, one of commands, and a strict parser over them.
 *
 * `--name VALUE` and `--name=VALUE` are the same; options may stand before or after the operands;
 * `--` ends them. What is not understood to the last character is an error, never guessed.
 */
#include "user/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/error.h"
#include "user/base/parse.h"

#define C(command) (1u << COMMAND_##command)
#define WATCHES (C(ATTACH) | C(RUN))
#define REPORTS (WATCHES | C(REPORT))

enum value_kind { VALUE_FLAG, VALUE_SIZE, VALUE_DURATION, VALUE_COUNT, VALUE_STRING };

struct option_row {
	const char *name;
	char letter;			/* 0: none */
	enum value_kind kind;
	size_t offset;			/* in struct options */
	unsigned int commands;		/* that take it */
	uint64_t min, max;		/* of sizes, durations (ns) and counts */
	const char *value;		/* as the help shows it */
	const char *help;
};

#define FIELD(field) offsetof(struct options, field)
#define SECOND 1000000000ull

static const struct option_row rows[] = {
	{ "duration", 'd', VALUE_DURATION, FIELD(duration_ns), WATCHES | C(RECORD) | C(VERIFY),
	  SECOND / 10, 365 * 86400 * SECOND, "TIME", "stop after TIME (90s, 10m)" },
	{ "lock-order", 0, VALUE_FLAG, FIELD(lock_order), WATCHES | C(VERIFY), 0, 0, NULL,
	  "take the kernel's own order of what threads do to one address; dearer" },
	{ "check-stacks", 0, VALUE_FLAG, FIELD(check_stacks), WATCHES, 0, 0, NULL,
	  "walk each stack twice, the second time without short cuts, and compare; dearer" },
	{ "until-verdict", 0, VALUE_FLAG, FIELD(until_verdict), WATCHES, 0, 0, NULL,
	  "stop once a leak is sure; the default for attach without --duration" },
	{ "no-until-verdict", 0, VALUE_FLAG, FIELD(no_until_verdict), WATCHES, 0, 0, NULL,
	  "go on until --duration, Ctrl-C or the process's end" },
	{ "format", 'f', VALUE_STRING, FIELD(format), REPORTS, 0, 0, "FORMAT",
	  "text or json; without it the ending of FILE decides, else text" },
	{ "output", 'o', VALUE_STRING, FIELD(output), REPORTS | C(RECORD), 0, 0, "FILE",
	  "write to FILE, not to standard output" },
	{ "record", 0, VALUE_STRING, FIELD(record), WATCHES, 0, 0, "FILE",
	  "write a capture of it all to FILE too, for `unfreed report`" },
	{ "max-size", 0, VALUE_SIZE, FIELD(max_sz), WATCHES | C(RECORD), 1 << 20, 1ull << 50, "SIZE",
	  "of the capture: the newest part is kept" },
	{ "all", 'a', VALUE_FLAG, FIELD(all), C(RECORD) | C(VERIFY), 0, 0, NULL,
	  "every process; it is what is done when no PID is given" },
	{ "dump-events", 0, VALUE_FLAG, FIELD(dump_events), C(REPORT), 0, 0, NULL,
	  "print every record as a line of text" },
	{ "explain", 0, VALUE_STRING, FIELD(explain), C(REPORT), 0, 0, "SITE",
	  "show of this site each test, what was measured, and the threshold it met or missed" },
	{ "salvage", 0, VALUE_FLAG, FIELD(salvage), C(REPORT), 0, 0, NULL,
	  "of a damaged capture report what can be read" },
	{ "no-progress", 0, VALUE_FLAG, FIELD(no_progress), WATCHES, 0, 0, NULL,
	  "no progress line (there is none when standard error is no terminal)" },
	{ "textfile-dir", 0, VALUE_STRING, FIELD(textfile_dir), C(DAEMON), 0, 0, "DIR",
	  "write the Prometheus textfile unfreed.prom into DIR" },
	{ "memory-file", 0, VALUE_STRING, FIELD(memory_file), C(DAEMON), 0, 0, "FILE",
	  "keep what is learnt of healthy programs in FILE, for later runs" },
	{ "interval", 'i', VALUE_DURATION, FIELD(interval_ns), C(DAEMON), SECOND, 86400 * SECOND,
	  "TIME", "between writings of the textfile (10s)" },
	{ "top-k", 0, VALUE_COUNT, FIELD(top_k), C(DAEMON), 1, 10000, "N",
	  "at most N processes and N sites in the textfile (50)" },
	{ "ring-size", 0, VALUE_SIZE, FIELD(ring_sz), WATCHES | C(RECORD) | C(DAEMON) | C(VERIFY),
	  64 << 10, 1 << 30, "SIZE",
	  "of the buffer between kernel and program, a power of two (16M)" },
	{ "verbose", 'v', VALUE_FLAG, FIELD(verbose), REPORTS | C(RECORD) | C(DAEMON) | C(VERIFY), 0, 0,
	  NULL,
	  "say what is being done" },
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

struct command_row {
	const char *name;
	enum command command;
	const char *operands;
	const char *help;
};

static const struct command_row commands[] = {
	{ "attach", COMMAND_ATTACH, "PID...",
	  "watch running processes and say what they take and do not give back" },
	{ "run", COMMAND_RUN, "-- CMD ARG...", "start CMD and watch it from its first instruction" },
	{ "daemon", COMMAND_DAEMON, "--textfile-dir DIR",
	  "watch every process of the host, for Prometheus" },
	{ "verify", COMMAND_VERIFY, "PID...",
	  "watch running processes, then compare what is known of their memory with the kernel's map" },
	{ "record", COMMAND_RECORD, "-o FILE [PID...|--all]",
	  "write a capture of running processes, or of all" },
	{ "report", COMMAND_REPORT, "FILE", "report from a capture, on any machine, as any user" },
	{ "doctor", COMMAND_DOCTOR, "[PID...]",
	  "what this kernel and user allow; what of a process is covered, and what is not" },
	{ "help", COMMAND_HELP, "[COMMAND]", "this text, or that of a command" },
	{ "version", COMMAND_VERSION, "", "the version" },
};
#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

const char *command_name(enum command command)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (commands[i].command == command)
			return commands[i].name;
	return "unfreed";
}

const char *options__name(size_t i)
{
	return i < N_ROWS ? rows[i].name : NULL;
}

static const struct command_row *find_command(const char *name)
{
	if (!strcmp(name, "--help") || !strcmp(name, "-h"))
		name = "help";
	if (!strcmp(name, "--version") || !strcmp(name, "-V"))
		name = "version";
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

/* --- help -------------------------------------------------------------------------------------- */

static void print_options(FILE *out, unsigned int mask)
{
	for (size_t i = 0; i < N_ROWS; i++) {
		char left[40], letter[8] = "    ";

		if (!(rows[i].commands & mask))
			continue;
		if (rows[i].letter)
			snprintf(letter, sizeof(letter), "-%c, ", rows[i].letter);
		snprintf(left, sizeof(left), "%s--%s%s%s", letter, rows[i].name,
			 rows[i].value ? " " : "", rows[i].value ? rows[i].value : "");
		fprintf(out, "  %-25s %s\n", left, rows[i].help);
	}
}

int options__print_help(FILE *out, const char *topic, struct log *log)
{
	const struct command_row *command = topic ? find_command(topic) : NULL;

	if (topic && !command) {
		log_error(log, "help: no command is called %s; `unfreed help` lists them", topic);
		return EXIT_USAGE;
	}
	if (command) {
		fprintf(out, "unfreed %s %s\n  %s\n", command->name, command->operands, command->help);
		print_options(out, 1u << command->command);
		return 0;
	}
	fputs("unfreed finds native memory that a process took and never gave back, and says who "
	      "took it.\n\n", out);
	for (size_t i = 0; i < N_COMMANDS; i++) {
		char left[40];

		snprintf(left, sizeof(left), "%s %s", commands[i].name, commands[i].operands);
		fprintf(out, "  unfreed %-26s %s\n", left, commands[i].help);
	}
	fputs("\nExit status: 0 no leak, 1 unfreed failed, 2 wrong usage, 3 a leak was found.\n"
	      "`unfreed help COMMAND` lists its options; unfreed(8) explains them.\n", out);
	return 0;
}

/* --- parsing ----------------------------------------------------------------------------------- */

static const struct option_row *find_option(const char *name, size_t n, char letter)
{
	for (size_t i = 0; i < N_ROWS; i++)
		if (letter ? rows[i].letter == letter :
			     strlen(rows[i].name) == n && !strncmp(rows[i].name, name, n))
			return &rows[i];
	return NULL;
}

static int set_value(struct options *options, const struct option_row *row, const char *value,
		     struct log *log)
{
	void *field = (char *)options + row->offset;
	uint64_t number = 0;
	int r = 0;

	switch (row->kind) {
	case VALUE_FLAG:
		*(bool *)field = true;
		return 0;
	case VALUE_STRING:
		if (!*value) {
			log_error(log, "--%s: the value is empty", row->name);
			return EXIT_USAGE;
		}
		*(const char **)field = value;
		return 0;
	case VALUE_SIZE:
		r = parse_size(value, &number);
		break;
	case VALUE_DURATION:
		r = parse_duration(value, &number);
		break;
	case VALUE_COUNT:
		r = parse_u64(value, &number);
		break;
	}
	if (r == -EINVAL) {
		log_error(log, "--%s: %s is not %s", row->name, value,
			  row->kind == VALUE_SIZE	? "a size such as 64M" :
			  row->kind == VALUE_DURATION	? "a time such as 90s or 10m" :
							  "a number");
		return EXIT_USAGE;
	}
	if (r || number < row->min || number > row->max) {
		log_error(log, "--%s: %s is out of range", row->name, value);
		return EXIT_USAGE;
	}
	*(uint64_t *)field = number;
	return 0;
}

/* Takes the option at argv[*i], and its value, which may be the next word. */
static int parse_option(struct options *options, int argc, char **argv, int *i, struct log *log)
{
	const char *word = argv[*i], *equals = NULL, *value = NULL;
	const struct option_row *row;

	if (word[1] == '-') {
		equals = strchr(word, '=');
		row = find_option(word + 2, equals ? (size_t)(equals - word - 2) : strlen(word + 2), 0);
	} else {
		row = find_option(NULL, 0, word[1]);
	}
	if (!row || !(row->commands & (1u << options->command))) {
		log_error(log, "%s: %s is no option of it; `unfreed help %s` lists them",
			  command_name(options->command), word, command_name(options->command));
		return EXIT_USAGE;
	}
	if (row->kind == VALUE_FLAG) {
		if (equals || (word[1] != '-' && word[2])) {
			log_error(log, "--%s takes no value: %s", row->name, word);
			return EXIT_USAGE;
		}
		return set_value(options, row, "", log);
	}
	if (equals)
		value = equals + 1;
	else if (word[1] != '-' && word[2])
		value = word + 2;
	else if (*i + 1 < argc)
		value = argv[++*i];
	if (!value) {
		log_error(log, "--%s wants a value: %s", row->name, row->value);
		return EXIT_USAGE;
	}
	return set_value(options, row, value, log);
}

static int add_pid(struct options *options, const char *word, struct log *log)
{
	pid_t pid;

	if (parse_pid(word, &pid)) {
		log_error(log, "%s: %s is not a process id", command_name(options->command), word);
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < options->n_pids; i++)
		if (options->pids[i] == pid)
			return 0;
	options->pids[options->n_pids++] = pid;
	return 0;
}

static int add_operand(struct options *options, char **argv, int i, struct log *log)
{
	switch (options->command) {
	case COMMAND_ATTACH:
	case COMMAND_VERIFY:
	case COMMAND_RECORD:
	case COMMAND_DOCTOR:
		return add_pid(options, argv[i], log);
	case COMMAND_REPORT:
		if (!options->input) {
			options->input = argv[i];
			return 0;
		}
		break;
	case COMMAND_HELP:
		if (!options->help_topic) {
			options->help_topic = argv[i];
			return 0;
		}
		break;
	default:
		break;
	}
	log_error(log, "%s: %s is one word too many", command_name(options->command), argv[i]);
	return EXIT_USAGE;
}

static bool known_format(const char *format)
{
	return !strcmp(format, "text") || !strcmp(format, "json");
}

static int check_explained(const struct options *options, struct log *log)
{
	unsigned int n_digits;
	uint64_t digits;

	if (parse_site(options->explain, &digits, &n_digits)) {
		log_error(log, "--explain: %s is not a site: 16 hex digits, or the first 4 or more of "
			  "them", options->explain);
		return EXIT_USAGE;
	}
	if (options->dump_events) {
		log_error(log, "report: --dump-events and --explain exclude each other");
		return EXIT_USAGE;
	}
	return 0;
}

static int check_captures(const struct options *options, struct log *log)
{
	if (options->command == COMMAND_RECORD && !options->output) {
		log_error(log, "record wants a file: unfreed record -o FILE [PID...|--all]");
		return EXIT_USAGE;
	}
	if (options->command == COMMAND_RECORD && options->all && options->n_pids) {
		log_error(log, "record: --all and process ids exclude each other");
		return EXIT_USAGE;
	}
	if (options->command == COMMAND_REPORT && !options->input) {
		log_error(log, "report wants a capture: unfreed report FILE");
		return EXIT_USAGE;
	}
	if (options->dump_events && options->format) {
		log_error(log, "report: --dump-events and --format exclude each other");
		return EXIT_USAGE;
	}
	if (options->explain && check_explained(options, log))
		return EXIT_USAGE;
	if (options->format && !strcmp(options->format, "capture") && !options->output) {
		log_error(log, "report: a capture is written to a file: -o FILE");
		return EXIT_USAGE;
	}
	if (options->max_sz && options->command != COMMAND_RECORD && !options->record) {
		log_error(log, "--max-size is that of --record FILE, which is not given");
		return EXIT_USAGE;
	}
	return 0;
}

/* What only the whole line can tell. */
static int check(struct options *options, struct log *log)
{
	const char *command = command_name(options->command);

	if (options->command == COMMAND_ATTACH && !options->n_pids) {
		log_error(log, "attach wants one or more process ids: unfreed attach PID...");
		return EXIT_USAGE;
	}
	if (options->command == COMMAND_VERIFY && options->all == !!options->n_pids) {
		log_error(log, "verify wants either process ids or --all: unfreed verify PID...");
		return EXIT_USAGE;
	}
	if (options->command == COMMAND_RUN && !options->argv) {
		log_error(log, "run wants a command: unfreed run -- CMD ARG...");
		return EXIT_USAGE;
	}
	if (options->command == COMMAND_DAEMON && !options->textfile_dir) {
		log_error(log, "daemon wants a folder for its output: unfreed daemon --textfile-dir DIR");
		return EXIT_USAGE;
	}
	if (options->until_verdict && options->no_until_verdict) {
		log_error(log, "%s: --until-verdict and --no-until-verdict exclude each other", command);
		return EXIT_USAGE;
	}
	if (options->format && !known_format(options->format) &&
	    (options->command != COMMAND_REPORT || strcmp(options->format, "capture"))) {
		log_error(log, "--format: %s is none of text, json", options->format);
		return EXIT_USAGE;
	}
	if (options->ring_sz & (options->ring_sz - 1)) {
		log_error(log, "--ring-size: %llu is not a power of two",
			  (unsigned long long)options->ring_sz);
		return EXIT_USAGE;
	}
	return check_captures(options, log);
}

int options__parse(struct options *out, int argc, char **argv, struct log *log)
{
	const struct command_row *command;
	int r;

	*out = (struct options){ .interval_ns = 10 * SECOND, .top_k = 50 };
	if (argc < 2) {
		log_error(log, "no command given; `unfreed help` lists them");
		return EXIT_USAGE;
	}
	command = find_command(argv[1]);
	if (!command) {
		log_error(log, "%s is no command; `unfreed help` lists them", argv[1]);
		return EXIT_USAGE;
	}
	out->command = command->command;
	out->pids = calloc((size_t)argc, sizeof(*out->pids));
	if (!out->pids)
		return EXIT_TOOL_FAILED;
	for (int i = 2; i < argc; i++) {
		bool is_option = argv[i][0] == '-' && argv[i][1];

		if (!strcmp(argv[i], "--help")) {
			out->help_topic = command_name(out->command);
			out->command = COMMAND_HELP;
			return 0;
		}
		if (out->command == COMMAND_RUN && (!strcmp(argv[i], "--") || !is_option)) {
			i += !strcmp(argv[i], "--");
			out->argv = i < argc ? argv + i : NULL;
			break;
		}
		r = is_option ? parse_option(out, argc, argv, &i, log) : add_operand(out, argv, i, log);
		if (r)
			return r;
	}
	return check(out, log);
}

void options__fini(struct options *options)
{
	free(options->pids);
	options->pids = NULL;
}
