/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The last error lives in thread-local storage. Its text is allocated; a
 * pthread key exists only so that the text is freed when the thread ends,
 * which is why the library must never be unloaded (-z nodelete).
 */
#include "client-lib/base/error.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/strings.h"

struct last_error {
	const char *context;
	const char *text; /* ALLOCATED, or a literal when memory is short */
	char *allocated;
	int errnum;
	bool is_registered; /* for the end of the thread */
};

/* Every public call looks here. The library is never unloaded and needs few
 * bytes of what the loader keeps for such variables, so that they can be found
 * without a call, also when the library is loaded late. */
#ifdef __GLIBC__
__attribute__((tls_model("initial-exec")))
#endif
static _Thread_local struct last_error last_error;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool key_is_valid;

static void
on_thread_end(void *data)
{
	struct last_error *error = data;

	error->text = NULL;
	free(TAKE_PTR(error->allocated));
	/* Another destructor may record an error yet and register again. */
	error->is_registered = false;
}

static void
create_key(void)
{
	key_is_valid = pthread_key_create(&key, on_thread_end) == 0;
}

static void
register_thread(void)
{
	if (last_error.is_registered)
		return;
	pthread_once(&key_once, create_key);
	/* Failing here only leaks one text per thread. */
	last_error.is_registered = key_is_valid &&
				   pthread_setspecific(key, &last_error) == 0;
}

/* ALLOCATED is the thread's now; FALLBACK stands in if it is NULL. */
static void
keep(int errnum, char *allocated, const char *fallback)
{
	register_thread();
	free(last_error.allocated);
	last_error.allocated = allocated;
	last_error.text = allocated ? allocated : fallback;
	last_error.errnum = errnum;
}

__attribute__((format(printf, 2, 0))) static void
record(int errnum, const char *format, va_list args)
{
	CLEANUP(string_builder_done)
	struct string_builder builder = STRING_BUILDER_INIT;
	int saved = errno;
	char buffer[128];
	char *text;

	string_builder_printf(&builder, "%s: ", error_context());
	string_builder_vprintf(&builder, format, args);
	if (errnum)
		string_builder_printf(
			&builder, ": %s",
			strerror_r(errnum, buffer, sizeof(buffer)));
	text = string_builder_take(&builder);
	keep(errnum, text, format);
	errno = saved;
}

int
fail(int errnum, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	record(errnum, format, args);
	va_end(args);
	return -1;
}

void *
fail_null(int errnum, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	record(errnum, format, args);
	va_end(args);
	return NULL;
}

void
error_set_context(const char *name)
{
	last_error.context = name;
}

const char *
error_enter_context(const char *name)
{
	const char *outer = last_error.context;

	last_error.context = name;
	return outer;
}

const char *
error_context(void)
{
	return last_error.context ? last_error.context : "unknown";
}

const char *
error_last_text(void)
{
	return last_error.text;
}

int
error_last_errno(void)
{
	return last_error.errnum;
}

void
error_restore(int errnum, const char *text)
{
	int saved = errno;

	keep(errnum, text ? strdup(text) : NULL, "an error");
	errno = saved;
}
