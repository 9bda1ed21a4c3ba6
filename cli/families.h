/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The commands' functions, family by family; each returns EXIT_OK or the code
 * of a failure that it recorded (see cli/errors.h).
 */
#pragma once

struct options;

/* status.c */
int run_status(const struct options *options);
int run_version(const struct options *options);
int run_ping(const struct options *options);
int run_health(const struct options *options);
int run_daemon_info(const struct options *options);
int run_daemon_reload(const struct options *options);
int run_daemon_drain(const struct options *options);
int run_daemon_log_level(const struct options *options);

/* events.c */
int run_daemon_events(const struct options *options);

/* stats.c */
int run_stats(const struct options *options);
int run_metrics(const struct options *options);

/* top.c */
int run_top(const struct options *options);

/* completion.c */
int run_completion(const struct options *options);

/* volume.c */
int run_volume_ls(const struct options *options);
int run_volume_show(const struct options *options);
int run_volume_open(const struct options *options);
int run_volume_close(const struct options *options);

/* links.c */
int run_conn_ls(const struct options *options);
int run_conn_show(const struct options *options);
int run_conn_kill(const struct options *options);
int run_client_ls(const struct options *options);
int run_client_show(const struct options *options);
int run_client_kill(const struct options *options);

/* volume_orders.c */
int run_volume_wait(const struct options *options);
int run_volume_pause(const struct options *options);
int run_volume_resume(const struct options *options);
int run_volume_reconnect(const struct options *options);
int run_volume_accept(const struct options *options);

/* export.c */
int run_list(const struct options *options);
int run_info(const struct options *options);
int run_size(const struct options *options);
int run_can(const struct options *options);
int run_contexts(const struct options *options);

/* uri.c */
int run_uri(const struct options *options);

/* negotiate.c */
int run_negotiate(const struct options *options);

/* map.c */
int run_map(const struct options *options);

/* data.c */
int run_read(const struct options *options);
int run_write(const struct options *options);
int run_dump(const struct options *options);
int run_trim(const struct options *options);
int run_zero(const struct options *options);
int run_flush(const struct options *options);
int run_cache(const struct options *options);

/* copy.c */
int run_copy(const struct options *options);

/* compare.c */
int run_compare(const struct options *options);

/* checksum.c */
int run_checksum(const struct options *options);

/* config.c */
int run_config_check(const struct options *options);
int run_config_show(const struct options *options);
int run_config_diff(const struct options *options);
int run_config_default(const struct options *options);

/* bench.c */
int run_bench(const struct options *options);
