/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One short-lived thread per connection that needs a name looked up. */
#include "daemon/core/connector.h"

#include <errno.h>
#include <libnbd.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

#define STACK_SIZE (512 * 1024)

/* Guards which of the two lets go of a job: the thread or the loop. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void
job_free(struct connect_job *job)
{
	nbd_close(job->nbd);
	endpoint_unref(job->endpoint);
	free(job->text);
	free(job);
}

static void
on_message(struct message *message)
{
	struct connect_job *job = container_of(message, struct connect_job,
					       message);

	loop_release(job->loop);
	if (!job->is_abandoned)
		job->on_done(job);
	job_free(job);
}

static void
hand_over(struct connect_job *job)
{
	bool is_abandoned;

	{
		SCOPED_LOCK(&lock);
		job->is_through = true;
		is_abandoned = job->is_abandoned;
		if (!is_abandoned)
			loop_send(job->loop, &job->message);
	}
	if (is_abandoned)
		job_free(job);
}

static void *
connect_main(void *argument)
{
	struct connect_job *job = argument;

	job->result = endpoint_connect(job->endpoint, job->nbd);
	if (job->result < 0) {
		const char *text = nbd_get_error();

		job->errnum = nbd_get_errno();
		job->text = strdup(text ? text : "cannot connect");
	}
	hand_over(job);
	return NULL;
}

void
connector_abandon(struct connect_job *job)
{
	SCOPED_LOCK(&lock);

	job->is_abandoned = true;
	/* Its message is on the way otherwise. */
	if (!job->is_through)
		loop_release(job->loop);
}

static int
start_thread(struct connect_job *job)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int r;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	r = pthread_create(&thread, &attributes, connect_main, job);
	pthread_attr_destroy(&attributes);
	return r;
}

struct connect_job *
connector_start(struct loop *loop, struct endpoint *endpoint,
		struct nbd_handle *nbd,
		void (*on_done)(struct connect_job *job), void *user)
{
	struct connect_job *job = calloc(1, sizeof(*job));
	int r;

	if (!job)
		return NULL;
	job->on_done = on_done;
	job->user = user;
	job->nbd = nbd;
	job->message.run = on_message;
	job->loop = loop;
	job->endpoint = endpoint_ref(endpoint);
	loop_hold(loop);
	r = start_thread(job);
	if (r != 0) {
		loop_release(loop);
		endpoint_unref(endpoint);
		free(job);
		errno = r;
		return NULL;
	}
	return job;
}
