/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Is a request one that the export can carry out? */
#pragma once

#include <stdbool.h>

#include "daemon/core/request.h"

struct export_info;

/* What a request is checked against. */
struct check_facts {
	const struct export_info *export;
	/* By configuration, whatever the server allows. */
	bool is_read_only;
	/* What is not a multiple of the server's blocks becomes one. */
	bool makes_whole_blocks;
};

/* 0, or a negative errno with request->failure filled. Before it, what can be
 * known without the export: command, flags and length. */
int check_form(struct request *request);
int check_against_export(struct request *request,
			 const struct check_facts *facts);

/* Does the command change data? */
bool request_command_writes(enum request_command command);
