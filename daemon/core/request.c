/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What callers may do to a request. */
#include "daemon/core/request.h"

const char *
request_command_name(enum request_command command)
{
	switch (command) {
	case REQUEST_READ:
		return "read";
	case REQUEST_WRITE:
		return "write";
	case REQUEST_FLUSH:
		return "flush";
	case REQUEST_TRIM:
		return "trim";
	case REQUEST_CACHE:
		return "cache";
	case REQUEST_ZERO:
		return "zero";
	case REQUEST_BLOCK_STATUS:
		return "block status";
	}
	return "unknown command";
}

const char *
request_command_label(enum request_command command)
{
	return command == REQUEST_BLOCK_STATUS ? "block_status"
					       : request_command_name(command);
}

uint64_t
request_time_in_queue(const struct request *request)
{
	const struct request_times *times = &request->times;

	return (times->sent ? times->sent : times->ended) - times->arrived;
}

void
request_done(struct request *request)
{
	buffer_release(&request->payload);
	string_list_done(&request->contexts);
	failure_done(&request->failure);
}
