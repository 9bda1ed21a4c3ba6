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
