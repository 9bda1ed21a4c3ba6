/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The HTTP that Prometheus speaks: GET and HEAD of one page. Few connections,
 * little memory and short patience, so that nobody on this machine can make
 * much of it.
 */
#include "daemon/metrics_listener.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "daemon/config/loopback.h"
#include "daemon/core/log.h"
#include "daemon/core/prometheus.h"

#define CONNECTIONS_MAX 16u
/* Of a connection, in seconds and bytes. */
#define PATIENCE   10u
#define MEMORY_MAX ((size_t)16 * 1024)

struct metrics_listener {
	struct daemon *daemon;
	struct MHD_Daemon *http;
};

/* TEXT is taken, if it is OWNED. */
static enum MHD_Result
answer(struct MHD_Connection *connection, unsigned status, char *text,
       enum MHD_ResponseMemoryMode mode, const char *header, const char *value)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		strlen(text), text, mode);
	enum MHD_Result result = MHD_NO;

	if (!response)
		return MHD_NO;
	if (MHD_add_response_header(response, header, value) == MHD_YES)
		result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result
answer_shortly(struct MHD_Connection *connection, unsigned status,
	       const char *header, const char *value)
{
	static char nothing[] = "See /metrics.\n";

	return answer(connection, status, nothing, MHD_RESPMEM_PERSISTENT,
		      header, value);
}

static enum MHD_Result
on_request(void *user, struct MHD_Connection *connection, const char *url,
	   const char *method, const char *version, const char *upload,
	   size_t *upload_size, void **state)
{
	static char has_headers;
	struct metrics_listener *listener = user;
	char *text;

	(void)version;
	(void)upload;
	/* Called once with the headers, then when the body has come. */
	if (!*state) {
		*state = &has_headers;
		return MHD_YES;
	}
	if (*upload_size > 0) {
		*upload_size = 0;
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 &&
	    strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return answer_shortly(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
				      MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	if (strcmp(url, "/metrics") != 0)
		return answer_shortly(connection, MHD_HTTP_NOT_FOUND,
				      MHD_HTTP_HEADER_CONTENT_TYPE,
				      "text/plain");
	text = prometheus_text(listener->daemon, NBD_CLIENTD_VERSION);
	return text ? answer(connection, MHD_HTTP_OK, text,
			     MHD_RESPMEM_MUST_FREE,
			     MHD_HTTP_HEADER_CONTENT_TYPE,
			     PROMETHEUS_CONTENT_TYPE)
		    : MHD_NO;
}

static void __attribute__((format(printf, 2, 0)))
on_log(void *user, const char *format, va_list args)
{
	CLEANUP_FREE char *text = NULL;

	(void)user;
	if (vasprintf(&text, format, args) < 0) {
		text = NULL;
		return;
	}
	text[strcspn(text, "\n")] = '\0';
	log_debug("HTTP: %s", text);
}

static struct MHD_Daemon *
start_http(struct metrics_listener *listener,
	   const struct sockaddr_storage *address)
{
	unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ERROR_LOG;

	if (address->ss_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	/* The logger comes first: it is also told of what follows. */
	return MHD_start_daemon(
		flags, 0, NULL, NULL, on_request, listener,
		MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_SOCK_ADDR,
		address, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, PATIENCE,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, MEMORY_MAX, MHD_OPTION_END);
}

static void
tell_where(const struct metrics_listener *listener, const char *address)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(
		listener->http, MHD_DAEMON_INFO_BIND_PORT);
	int length = (int)(strrchr(address, ':') - address);

	log_info("metrics at http://%.*s:%u/metrics", length, address,
		 info ? info->port : 0u);
}

struct metrics_listener *
metrics_listener_new(struct daemon *daemon, const char *address, char **why)
{
	struct metrics_listener *listener = calloc(1, sizeof(*listener));
	struct sockaddr_storage where;
	socklen_t size;

	*why = NULL;
	if (!listener)
		return NULL;
	listener->daemon = daemon;
	if (loopback_read(address, &where, &size) == 0) {
		errno = 0;
		listener->http = start_http(listener, &where);
	} else {
		errno = EADDRNOTAVAIL;
	}
	if (listener->http) {
		tell_where(listener, address);
		return listener;
	}
	if (asprintf(why, "cannot listen at MetricsListen=%s: %s", address,
		     errno ? strerror(errno) : "libmicrohttpd does not start") <
	    0)
		*why = NULL;
	free(listener);
	return NULL;
}

void
metrics_listener_free(struct metrics_listener *listener)
{
	if (!listener)
		return;
	MHD_stop_daemon(listener->http);
	free(listener);
}
