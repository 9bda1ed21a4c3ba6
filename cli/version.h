/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The version of nbdctl, which the build defines. */
#pragma once

#ifndef NBDCTL_VERSION
#error "the build defines NBDCTL_VERSION"
#endif
