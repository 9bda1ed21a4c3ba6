/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A stop and the first half of a restart look the same to a service: SIGTERM.
 * The job that systemd has for its unit tells them apart.
 */
#include "daemon/unit_job.h"

#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "daemon/core/log.h"

#define MANAGER "org.freedesktop.systemd1"
/* For each of the questions. */
#define PATIENCE_US 500000

struct question {
	sd_bus *bus;
	sd_bus_message *unit;
	sd_bus_message *job;
	char *type;
};

static void
question_done(struct question *question)
{
	sd_bus_message_unref(question->unit);
	sd_bus_message_unref(question->job);
	sd_bus_flush_close_unref(question->bus);
	free(question->type);
}

/* 0 or a negative errno: *TYPE is that of the job for our unit, which is none
 * if there is no job. */
static int
ask(struct question *question)
{
	const char *unit, *job;
	uint32_t number;
	int r = sd_bus_open_system(&question->bus);

	if (r >= 0)
		r = sd_bus_set_method_call_timeout(question->bus, PATIENCE_US);
	if (r >= 0)
		r = sd_bus_call_method(
			question->bus, MANAGER, "/org/freedesktop/systemd1",
			MANAGER ".Manager", "GetUnitByPID", NULL,
			&question->unit, "u", (uint32_t)getpid());
	if (r >= 0)
		r = sd_bus_message_read(question->unit, "o", &unit);
	if (r >= 0)
		r = sd_bus_get_property(question->bus, MANAGER, unit,
					MANAGER ".Unit", "Job", NULL,
					&question->job, "(uo)");
	if (r >= 0)
		r = sd_bus_message_read(question->job, "(uo)", &number, &job);
	if (r < 0 || number == 0)
		return r;
	return sd_bus_get_property_string(question->bus, MANAGER, job,
					  MANAGER ".Job", "JobType", NULL,
					  &question->type);
}

bool
unit_is_being_stopped(void)
{
	CLEANUP(question_done) struct question question = { 0 };
	int r = ask(&question);

	if (r < 0)
		log_debug("systemd does not say whether this is a stop or a "
			  "restart: %s",
			  strerror(-r));
	return r >= 0 && question.type && strcmp(question.type, "stop") == 0;
}
