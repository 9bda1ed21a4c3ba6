/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SIGINT and SIGTERM: at once, or when the command is ready for it. */
#include "cli/interrupt.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli/errors.h"

static volatile sig_atomic_t is_deferred;
static volatile sig_atomic_t n_signals;
static void (*volatile to_call)(void);

static void
on_signal(int signal_number)
{
	static const char message[] = "\nnbdctl: cancelled\n";
	ssize_t ignored;

	(void)signal_number;
	n_signals = n_signals + 1;
	if (is_deferred && n_signals == 1) {
		void (*function)(void) = to_call;

		if (function)
			function();
		return;
	}
	ignored = write(STDERR_FILENO, message, sizeof(message) - 1);
	(void)ignored;
	_exit(EXIT_CANCELLED);
}

void
interrupt_init(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

void
interrupt_defer(void)
{
	is_deferred = 1;
}

void
interrupt_call(void (*function)(void))
{
	to_call = function;
}

bool
interrupted(void)
{
	return n_signals > 0;
}

int
fail_interrupted(void)
{
	return fail(EXIT_CANCELLED, 0, NULL, "interrupted by a signal");
}
