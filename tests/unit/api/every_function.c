/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What holds for all functions alike, checked for each of them against what
 * is recorded: the permitted states, NULL arguments, flags, closures that are
 * released, and which functions take no lock. Argument: the table of records.
 */
#include <errno.h>
#include <libnbd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/strings.h"
#include "tests/support/outcome.h"
#include "tests/unit/api/every_call.h"
#include "tests/unit/api/situations.h"
#include "tests/unit/api/support.h"

enum {
	MAX_RECORDS = 400,
	WATCHDOG_SECONDS = 120,
};

struct record {
	char *line;
	const char *name; /* without "nbd_" */
	char *prototype;
	const char *states;
	bool locks;
	const char *flags; /* "-" if it takes none */
	const char *not_null;
};

static struct record records[MAX_RECORDS];
static size_t n_records;

static const struct every_call *
find_call(const char *name)
{
	for (size_t i = 0; i < n_every_call; i++)
		if (strcmp(every_call[i].name, name) == 0)
			return &every_call[i];
	return NULL;
}

static int64_t
make_call(const struct record *record, struct nbd_handle *h,
	  const struct input *input)
{
	const struct every_call *call = find_call(record->name);

	if (!call)
		test_broken("%s is in no table", record->name);
	return call->call(h, input);
}

static void
add_record(char *line)
{
	struct record *record = &records[n_records++];
	char *rest = line;
	const char *name = strsep(&rest, "\t");

	record->line = line;
	record->name = name + strlen("nbd_");
	strsep(&rest, "\t");
	record->prototype = strsep(&rest, "\t");
	record->states = strsep(&rest, "\t");
	record->locks = strcmp(strsep(&rest, "\t"), "yes") == 0;
	record->flags = strsep(&rest, "\t");
	record->not_null = strsep(&rest, "\t\n");
}

static void
read_records(const char *path)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	bool is_title = true;

	if (!file)
		test_broken("cannot read %s", path);
	while (getline(&line, &size, file) > 0 && n_records < MAX_RECORDS) {
		line[strcspn(line, "\n")] = '\0';
		if (!is_title)
			add_record(TAKE_PTR(line));
		is_title = false;
		free(TAKE_PTR(line));
		size = 0;
	}
	free(line);
	fclose(file);
}

static bool
is_permitted(const struct record *record, const struct situation *situation)
{
	return strcmp(record->states, "any") == 0 ||
	       strstr(record->states, situation->name);
}

/* The first of the situations that RECORD is permitted in. */
static struct nbd_handle *
make_permitted(const struct record *record)
{
	for (size_t i = 0; i < N_SITUATIONS; i++)
		if (is_permitted(record, &situations[i]))
			return situations[i].make();
	fail_msg("%s is never permitted", record->name);
	return NULL;
}

static uint8_t buffer[512];
static char command[] = "true";
static char *argv_of_command[] = { command, NULL };
static char context[] = "base:allocation";
static char *contexts[] = { context, NULL };
static const struct sockaddr_un nowhere = { .sun_family = AF_UNIX,
					    .sun_path = "/no/such/socket" };

static struct input
valid_input(void)
{
	return (struct input){
		.buffer = buffer,
		.argv = argv_of_command,
		.names = contexts,
		.address = (const struct sockaddr *)&nowhere,
		.address_length = sizeof(nowhere),
	};
}

/* Does the last error say PART, and which function it is of? */
static bool
says(const struct record *record, const char *part)
{
	CLEANUP_FREE char *begin = NULL;
	const char *error = nbd_get_error();

	if (asprintf(&begin, "nbd_%s: ", record->name) == -1)
		test_broken("out of memory");
	return error && strncmp(error, begin, strlen(begin)) == 0 &&
	       strstr(error, part);
}

static void
every_function_has_a_call(void **state)
{
	static const char *const without_handle[] = { "create", "close",
						      "get_error",
						      "get_errno" };
	size_t n = 0;

	(void)state;
	assert_int_equal(n_records, 165);
	for (size_t i = 0; i < n_records; i++)
		if (find_call(records[i].name))
			n++;
	assert_int_equal(n, n_every_call);
	assert_int_equal(n + sizeof(without_handle) / sizeof(char *), 165);
}

static void
check_state(const struct record *record, const struct situation *situation)
{
	struct nbd_handle *h = situation->make();
	struct input input = valid_input();
	int64_t result = make_call(record, h, &input);

	if (is_permitted(record, situation)) {
		if (result == -1 && says(record, "invalid state: "))
			fail_msg("%s in state %s: %s", record->name,
				 situation->name, nbd_get_error());
	} else {
		int errnum = situation->make == situation_created ? ENOTCONN
								  : EINVAL;

		if (result != -1 || nbd_get_errno() != errnum ||
		    !says(record, "invalid state: ") ||
		    !says(record, situation->state))
			fail_msg("%s in state %s: result %lld, errno %d: %s",
				 record->name, situation->name,
				 (long long)result, nbd_get_errno(),
				 nbd_get_error());
		/* The words for the states that would be right. */
		for (size_t i = 0; i < N_SITUATIONS; i++)
			if (strstr(record->states, situations[i].name) &&
			    !says(record, situations[i].words))
				fail_msg("%s does not say \"%s\": %s",
					 record->name, situations[i].words,
					 nbd_get_error());
	}
	situation_end(h);
}

static void
each_is_permitted_in_the_recorded_states(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_records; i++)
		for (size_t j = 0;
		     find_call(records[i].name) && j < N_SITUATIONS; j++)
			check_state(&records[i], &situations[j]);
}

/* The name of the parameter at POSITION, from 1. */
static char *
parameter_name(const struct record *record, unsigned position)
{
	const char *at = strchr(record->prototype, '(') + 1;
	const char *end;

	while (--position > 0)
		at = strchr(at, ',') + 1;
	end = at + strcspn(at, ",)");
	at = end;
	while (at[-1] != ' ' && at[-1] != '*')
		at--;
	return strndup(at, (size_t)(end - at));
}

static void
check_null(const struct record *record, unsigned position)
{
	CLEANUP_FREE char *name = parameter_name(record, position);
	CLEANUP_FREE char *expected = NULL;
	struct nbd_handle *h = make_permitted(record);
	struct input input = valid_input();

	input.null = position;
	if (asprintf(&expected, "%s cannot be NULL", name) == -1)
		test_broken("out of memory");
	if (make_call(record, h, &input) != -1 || nbd_get_errno() != EFAULT ||
	    !says(record, expected))
		fail_msg("%s with NULL for %s: errno %d: %s", record->name,
			 name, nbd_get_errno(), nbd_get_error());
	situation_end(h);
}

static void
no_pointer_may_be_null(void **state)
{
	unsigned n_checked = 0;

	(void)state;
	for (size_t i = 0; i < n_records; i++) {
		const char *at = records[i].not_null;

		while (at && *at && *at != '-') {
			unsigned position = (unsigned)strtoul(at, NULL, 10);

			/* The first one is the handle. */
			if (position > 1) {
				check_null(&records[i], position);
				n_checked++;
			}
			at = strchr(at, ',');
			at = at ? at + 1 : NULL;
		}
	}
	assert_int_equal(n_checked, 36);
}

static void
check_no_closures(const struct record *record, const char *kind)
{
	CLEANUP_FREE char *expected = NULL;
	struct nbd_handle *h = make_permitted(record);
	struct input input = valid_input();

	input.no_closures = true;
	if (asprintf(&expected, ": %s cannot be NULL", kind) == -1)
		test_broken("out of memory");
	if (make_call(record, h, &input) != -1 || nbd_get_errno() != EFAULT ||
	    !says(record, expected))
		fail_msg("%s without closure: errno %d: %s", record->name,
			 nbd_get_errno(), nbd_get_error());
	situation_end(h);
}

/* A completion may be left out, other callbacks may not. */
static void
required_callbacks_may_not_be_empty(void **state)
{
	static const char *const kinds[] = { "debug",    "chunk", "extent",
					     "extent64", "list",  "context" };
	unsigned n_checked = 0;

	(void)state;
	for (size_t i = 0; i < n_records; i++)
		for (size_t j = 0; j < sizeof(kinds) / sizeof(kinds[0]); j++) {
			char type[64];

			snprintf(type, sizeof(type), "nbd_%s_callback ",
				 kinds[j]);
			if (!strstr(records[i].prototype, type))
				continue;
			check_no_closures(&records[i], kinds[j]);
			n_checked++;
		}
	assert_int_equal(n_checked, 19);
}

static unsigned
count_closures(const struct record *record)
{
	const char *at = strchr(record->prototype, '(');
	unsigned n = 0;

	while ((at = strstr(at, "_callback "))) {
		n++;
		at++;
	}
	return n;
}

static void
check_released(const struct record *record, const struct situation *situation)
{
	struct nbd_handle *h = situation->make();
	struct input input = valid_input();
	unsigned n_freed = 0;

	input.n_freed = &n_freed;
	(void)make_call(record, h, &input);
	if (!is_permitted(record, situation) &&
	    n_freed != count_closures(record))
		fail_msg("%s in state %s: %u closures released at once",
			 record->name, situation->name, n_freed);
	situation_end(h);
	if (n_freed != count_closures(record))
		fail_msg("%s in state %s: %u closures released, not %u",
			 record->name, situation->name, n_freed,
			 count_closures(record));
}

static void
closures_are_released_once_in_every_state(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_records; i++)
		for (size_t j = 0;
		     count_closures(&records[i]) > 0 && j < N_SITUATIONS; j++)
			check_released(&records[i], &situations[j]);
}

static void
check_flag(const struct record *record, unsigned bit, bool is_strict)
{
	struct nbd_handle *h = situation_connected();
	struct input input = valid_input();
	unsigned long accepted = strtoul(record->flags, NULL, 16);
	bool is_shutdown = strcmp(record->name, "shutdown") == 0;
	bool is_refused;

	input.flags = 1U << bit;
	if (!is_strict)
		nbd_set_strict_mode(h,
				    LIBNBD_STRICT_MASK & ~LIBNBD_STRICT_FLAGS);
	is_refused = make_call(record, h, &input) == -1 &&
		     nbd_get_errno() == EINVAL &&
		     says(record, "flags: invalid value for flag: 0x");
	if (!is_strict && !is_shutdown)
		accepted = 0xffff;
	if (is_refused != !(accepted & input.flags))
		fail_msg("%s with flag 0x%x, strict %d: %s", record->name,
			 input.flags, is_strict, nbd_get_error());
	situation_end(h);
}

static void
flags_are_those_recorded(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_records; i++) {
		if (records[i].flags[0] == '-' || !find_call(records[i].name))
			continue;
		for (unsigned bit = 0; bit < 32; bit++)
			check_flag(&records[i], bit, true);
		/* Those that the server never sees. */
		for (unsigned bit = 16; bit < 32; bit++)
			check_flag(&records[i], bit, false);
	}
}

static int
call_all_that_do_not_lock(void *user_data, int *error)
{
	struct nbd_handle *h = *(struct nbd_handle **)user_data;
	struct input input = valid_input();

	(void)error;
	for (size_t i = 0; i < n_records; i++)
		if (!records[i].locks && find_call(records[i].name))
			(void)make_call(&records[i], h, &input);
	*(struct nbd_handle **)user_data = NULL;
	return 1;
}

/* With the lock held, as it is in a callback, the others would wait for
 * ever; the watchdog would tell. */
static void
lock_free_functions_work_in_callbacks(void **state)
{
	struct nbd_handle *h = situation_connected();
	struct nbd_handle *seen = h;
	nbd_completion_callback completion = {
		.callback = call_all_that_do_not_lock,
		.user_data = &seen,
	};

	(void)state;
	assert_true(nbd_aio_flush(h, completion, 0) > 0);
	while (nbd_aio_in_flight(h) > 0)
		assert_int_not_equal(nbd_poll(h, -1), -1);
	assert_null(seen);
	situation_end(h);
}

static int
start(void **state)
{
	(void)state;
	situations_start();
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	situations_stop();
	for (size_t i = 0; i < n_records; i++)
		free(records[i].line);
	return 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_function_has_a_call),
		cmocka_unit_test(each_is_permitted_in_the_recorded_states),
		cmocka_unit_test(no_pointer_may_be_null),
		cmocka_unit_test(required_callbacks_may_not_be_empty),
		cmocka_unit_test(closures_are_released_once_in_every_state),
		cmocka_unit_test(flags_are_those_recorded),
		cmocka_unit_test(lock_free_functions_work_in_callbacks),
	};

	if (argc != 2)
		test_broken("usage: every-function FUNCTIONS.TSV");
	alarm(WATCHDOG_SECONDS);
	unsetenv("LIBNBD_DEBUG");
	read_records(argv[1]);
	return cmocka_run_group_tests(tests, start, stop);
}
