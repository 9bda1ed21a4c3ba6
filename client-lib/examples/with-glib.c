/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A handle as a source of GLib's main loop: with-glib URI FILE. The source asks
 * the handle before each wait what to wait for.
 */
#include <glib.h>

#include "client-lib/examples/reader.h"

struct nbd_source {
	GSource source;
	struct reader *reader;
	GMainLoop *loop;
	gpointer tag;           /* of what is watched now, or NULL */
	int fd;                 /* the descriptor */
	GIOCondition condition; /* and what for */
	int result;             /* of reader_continue() */
};

static GIOCondition
what_to_wait_for(struct nbd_handle *h)
{
	unsigned direction = nbd_aio_get_direction(h);
	GIOCondition condition = 0;

	if (direction & LIBNBD_AIO_DIRECTION_READ)
		condition |= G_IO_IN;
	if (direction & LIBNBD_AIO_DIRECTION_WRITE)
		condition |= G_IO_OUT;
	return condition;
}

static void
stop_watching(struct nbd_source *source)
{
	if (source->tag)
		g_source_remove_unix_fd(&source->source, source->tag);
	source->tag = NULL;
}

/* Only changes are told to GLib, which wakes up for each of them. The
 * descriptor is another one when a host has several addresses and the first
 * does not answer. */
static void
watch(struct nbd_source *source, int fd, GIOCondition condition)
{
	if (source->tag && fd == source->fd && condition == source->condition)
		return;
	stop_watching(source);
	source->tag = g_source_add_unix_fd(&source->source, fd, condition);
	source->fd = fd;
	source->condition = condition;
}

/* Before each wait: TRUE if there is no need to. */
static gboolean
prepare(GSource *base, gint *timeout)
{
	struct nbd_source *source = (struct nbd_source *)base;
	struct nbd_handle *h = source->reader->h;
	GIOCondition condition = what_to_wait_for(h);

	*timeout = -1;
	if (condition == 0) {
		stop_watching(source);
		return TRUE;
	}
	watch(source, nbd_aio_get_fd(h), condition);
	return FALSE;
}

static gboolean
check(GSource *base)
{
	struct nbd_source *source = (struct nbd_source *)base;

	return source->tag && g_source_query_unix_fd(base, source->tag) != 0;
}

static gboolean
dispatch(GSource *base, GSourceFunc unused, gpointer data)
{
	struct nbd_source *source = (struct nbd_source *)base;
	GIOCondition ready = 0;

	(void)unused;
	(void)data;
	if (source->tag)
		ready = g_source_query_unix_fd(base, source->tag);
	/* GLib reports hang-ups and errors unasked. */
	if (ready & (G_IO_HUP | G_IO_ERR))
		ready |= G_IO_IN | G_IO_OUT;
	reader_event(source->reader, ready & G_IO_IN, ready & G_IO_OUT);
	source->result = reader_continue(source->reader);
	if (source->result == 1)
		return G_SOURCE_CONTINUE;
	g_main_loop_quit(source->loop);
	return G_SOURCE_REMOVE;
}

static int
run(struct reader *reader)
{
	static GSourceFuncs functions = {
		.prepare = prepare,
		.check = check,
		.dispatch = dispatch,
	};
	GSource *base = g_source_new(&functions, sizeof(struct nbd_source));
	struct nbd_source *source = (struct nbd_source *)base;
	int result;

	source->reader = reader;
	source->loop = g_main_loop_new(NULL, FALSE);
	g_source_attach(base, NULL);
	/* The connection may be there already, and nothing else to wait for. */
	source->result = reader_continue(reader);
	if (source->result == 1)
		g_main_loop_run(source->loop);
	g_source_destroy(base);

	result = source->result;
	g_main_loop_unref(source->loop);
	g_source_unref(base);
	return result;
}

int
main(int argc, char **argv)
{
	return reader_main(argc, argv, run);
}
