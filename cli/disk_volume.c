/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A volume of the daemon as a disk, over the Channel stream. An NBD URI
 * becomes an ad-hoc volume for as long as the disk is open.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/daemon.h"
#include "cli/disk.h"
#include "cli/errors.h"
#include "cli/export_facts.h"
#include "cli/options.h"
#include "common/cleanup.h"
#include "nbdclientd/v1/volumes.pb-c.h"
#include "proto/channel.h"
#include "proto/rpc_limits.h"

struct volume_disk {
	struct disk disk;
	struct channel *channel;
	/* The name of the ad-hoc volume, NULL if it is a configured one. */
	char *ad_hoc;
	/* The daemon copies from one volume to another. */
	bool can_copy;
};

struct volume_request {
	struct channel_request channel;
	struct disk_request *request;
};

static struct volume_disk *
of_disk(struct disk *disk)
{
	return container_of(disk, struct volume_disk, disk);
}

static void
give_extents(struct disk_request *request,
	     const Nbdclientd__V1__ContextExtents *from)
{
	CLEANUP_FREE struct disk_extent *extents = calloc(from->n_extents + 1,
							  sizeof(*extents));

	if (!extents) {
		fail_errno(ENOMEM, "no memory for extents");
		return;
	}
	for (size_t i = 0; i < from->n_extents; i++)
		extents[i] = (struct disk_extent){
			.length = from->extents[i]->length,
			.flags = from->extents[i]->flags,
		};
	request->on_extents(request, from->context, from->offset, extents,
			    from->n_extents);
}

static int
take_reply(struct disk_request *request, struct io_reply *reply)
{
	if (reply->error)
		return daemon_fail_io(reply->error);
	for (size_t i = 0; i < reply->n_extents; i++)
		if (request->on_extents)
			give_extents(request, reply->extents[i]);
	if (request->command != DISK_READ)
		return EXIT_OK;
	if (reply->data.length != request->length)
		return fail(EXIT_GENERAL, EPROTO,
			    "nbdctl and daemon must be of one version",
			    "the daemon answered a read with the wrong number "
			    "of bytes");
	request->data = payload_take(&reply->data);
	return EXIT_OK;
}

static void
on_reply(struct channel_request *channel_request, struct io_reply *reply,
	 const struct client_error *error)
{
	struct volume_request *private = channel_request->user;
	struct disk_request *request = private->request;
	int status = error ? daemon_fail(error) : take_reply(request, reply);

	io_request_done(&private->channel.io);
	free(private);
	disk_complete(request, status);
}

static const char *
volume_name(const struct volume_disk *volume)
{
	return volume->ad_hoc ? volume->ad_hoc : volume->disk.name;
}

static char *
name_source(struct disk *source)
{
	char *name = strdup(volume_name(of_disk(source)));

	if (!name)
		abort();
	return name;
}

static void
volume_submit(struct disk *disk, struct disk_request *request)
{
	struct volume_request *private = calloc(1, sizeof(*private));

	/* As all of gRPC around it does. */
	if (!private)
		abort();
	private->request = request;
	private->channel.on_reply = on_reply;
	private->channel.user = private;
	private->channel.io = (struct io_request){
		.command = request->command,
		.flags = request->flags,
		.offset = request->offset,
		.length = request->command == DISK_WRITE && !request->source
				  ? 0
				  : request->length,
		.timeout_ms = disk->options->timeout_ms,
		.data = payload_take(&request->data),
		.source_offset = request->source_offset,
	};
	if (request->source)
	private->channel.io.source = name_source(request->source);
	channel_submit(of_disk(disk)->channel, &private->channel);
}

static void
volume_wait(struct disk *disk, int timeout_ms)
{
	channel_wait(of_disk(disk)->channel, timeout_ms);
}

static int
close_ad_hoc(struct volume_disk *volume)
{
	Nbdclientd__V1__CloseVolumeRequest request =
		NBDCLIENTD__V1__CLOSE_VOLUME_REQUEST__INIT;
	void *response;

	request.name = volume->ad_hoc;
	attempt("close the ad-hoc volume of %s", volume->disk.name);
	response = daemon_call(volume->disk.options, RPC_VOLUMES_CLOSE_VOLUME,
			       &request);
	codec_message_free(response);
	return response ? EXIT_OK : (int)failure_code();
}

static int
volume_close(struct disk *disk)
{
	struct volume_disk *volume = of_disk(disk);
	bool is_failed = failure_code() != EXIT_OK;
	struct client_error error;
	int status = EXIT_OK;

	/* After a failure the channel may be broken: no more questions. The
	 * daemon closes what is ad hoc when we go. */
	if (volume->channel && !is_failed) {
		attempt("finish with %s", disk->name);
		if (channel_close(volume->channel,
				  daemon_timeout(disk->options), &error) < 0)
			status = daemon_fail(&error);
	}
	channel_free(volume->channel);
	if (volume->ad_hoc && !is_failed && status == EXIT_OK)
		status = close_ad_hoc(volume);
	free(volume->ad_hoc);
	export_free(disk->export);
	free(volume);
	return status;
}

static const struct disk_ops volume_ops;

/* There is but one daemon, so it knows both. */
static bool
volume_can_copy(struct disk *disk, struct disk *source)
{
	return source->ops == &volume_ops && of_disk(disk)->can_copy;
}

static const struct disk_ops volume_ops = {
	.can_copy = volume_can_copy,
	.submit = volume_submit,
	.wait = volume_wait,
	.close = volume_close,
};

/* Has the daemon open URI; the name of the new volume in *NAME. */
static int
open_ad_hoc(const struct options *options, const char *uri, enum disk_mode mode,
	    char **name)
{
	Nbdclientd__V1__OpenVolumeRequest request =
		NBDCLIENTD__V1__OPEN_VOLUME_REQUEST__INIT;
	CLEANUP_MESSAGE Nbdclientd__V1__Volume *volume = NULL;
	CLEANUP_FREE char *copy = strdup(uri);

	if (!copy)
		return fail_errno(ENOMEM, "no memory");
	request.uri = copy;
	request.connections = options->connections;
	request.read_only = mode == DISK_FOR_READING;
	request.timeout_ms = options->timeout_ms;
	volume = daemon_call(options, RPC_VOLUMES_OPEN_VOLUME, &request);
	if (!volume)
		return (int)failure_code();
	*name = strdup(volume->name);
	return *name ? EXIT_OK : fail_errno(ENOMEM, "no memory");
}

/* What the daemon said when it opened the channel. */
static int
adopt_opened(struct volume_disk *volume)
{
	const Nbdclientd__V1__ChannelOpened *opened = channel_opened(
		volume->channel);
	const Nbdclientd__V1__Export *export = opened->export;
	struct disk *disk = &volume->disk;

	if (!export)
		return fail(EXIT_GENERAL, EPROTO,
			    "nbdctl and daemon must be of one version",
			    "the daemon did not describe the volume");
	disk->export = export_copy(export);
	if (!disk->export)
		return fail_errno(ENOMEM, "no memory");
	volume->can_copy = opened->can_copy;
	disk->size = export->size;
	disk->max_in_flight = opened->max_in_flight ? opened->max_in_flight : 1;
	disk->max_payload = opened->max_payload;
	if (disk->max_payload == 0 || disk->max_payload > RPC_WRITE_MAX)
		disk->max_payload = RPC_WRITE_MAX;
	if (export->block_sizes && export->block_sizes->minimum)
		disk->alignment = export->block_sizes->minimum;
	return EXIT_OK;
}

static int
open_channel(struct volume_disk *volume, const char *name)
{
	struct client_error error;
	struct client *client;
	int status = daemon_connect(volume->disk.options, &client);

	if (status != EXIT_OK)
		return status;
	volume->channel = channel_open(
		client, name, daemon_timeout(volume->disk.options), &error);
	if (!volume->channel)
		return daemon_fail(&error);
	return adopt_opened(volume);
}

int
disk_open_volume(const struct options *options, const char *target,
		 enum disk_mode mode, struct disk **disk)
{
	struct volume_disk *volume = calloc(1, sizeof(*volume));
	int status = EXIT_OK;

	if (!volume)
		return fail_errno(ENOMEM, "no memory");
	volume->disk = (struct disk){
		.ops = &volume_ops,
		.options = options,
		.name = target,
		.alignment = 1,
	};
	if (target_is_uri(target))
		status = open_ad_hoc(options, target, mode, &volume->ad_hoc);
	if (status == EXIT_OK)
		status = open_channel(volume, volume_name(volume));
	if (status != EXIT_OK) {
		volume_close(&volume->disk);
		return status;
	}
	*disk = &volume->disk;
	return EXIT_OK;
}
