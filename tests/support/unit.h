/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmocka with what its header needs but does not include. */
#pragma once

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

/* fail() is ours, in client-lib/base/error.h, so cmocka's macro of that name
 * goes, and fail_msg() is written without it. */
#undef fail
#undef fail_msg
#define fail_msg(...)                      \
	do {                               \
		print_error(__VA_ARGS__);  \
		print_error("\n");         \
		_fail(__FILE__, __LINE__); \
	} while (0)
