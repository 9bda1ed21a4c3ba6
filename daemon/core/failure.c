/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Failures with their text. Nothing here can fail itself: where memory is
 * short the errno stands alone.
 */
#include "daemon/core/failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/strings.h"

int
failure_set(struct failure *failure, int errnum, enum failure_reason reason,
	    const char *format, ...)
{
	char *message = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&message, format, args) < 0)
		message = NULL;
	va_end(args);

	failure_done(failure);
	failure->errnum = errnum;
	failure->reason = reason;
	failure->message = message;
	return -errnum;
}

static void
replace(char **field, const char *value)
{
	if (string_replace(field, value) < 0) {
		free(*field);
		*field = NULL;
	}
}

void
failure_set_hint(struct failure *failure, const char *hint)
{
	if (failure)
		replace(&failure->hint, hint);
}

void
failure_set_place(struct failure *failure, const char *volume,
		  const char *endpoint)
{
	if (!failure)
		return;
	replace(&failure->volume, volume);
	replace(&failure->endpoint, endpoint);
}

void
failure_copy(struct failure *to, const struct failure *from)
{
	failure_done(to);
	to->errnum = from->errnum;
	to->reason = from->reason;
	to->maybe_applied = from->maybe_applied;
	replace(&to->message, from->message);
	replace(&to->hint, from->hint);
	replace(&to->endpoint, from->endpoint);
	replace(&to->volume, from->volume);
}

const char *
failure_text(const struct failure *failure)
{
	const char *text = failure->message;

	return text ? text : strerrordesc_np(failure->errnum) ?: "failed";
}

void
failure_done(struct failure *failure)
{
	free(failure->message);
	free(failure->hint);
	free(failure->endpoint);
	free(failure->volume);
	*failure = (struct failure){ 0 };
}
