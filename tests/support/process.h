/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Child processes that never outlive the test that started them. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/*
 * Starts a program found on PATH in a process group of its own. It is killed
 * when the calling thread dies. LISTENER, if not -1, becomes its descriptor 3
 * with the LISTEN_* variables of socket activation. Never fails quietly: a
 * program that cannot be executed exits with 127 and says why.
 */
pid_t process_start(const char *const argv[], int listener);

/* Sends SIGNUM to the process group of PID. */
void process_signal(pid_t pid, int signum);

/* Stops PID, a child, with SIGSTOP and returns when all of it stands still. */
void process_stop(pid_t pid);

/* Waits for PID and returns its wait status. */
int process_wait(pid_t pid);

/* Has PID ended? Does not reap it. */
bool process_has_ended(pid_t pid);

/* Kills the process group and reaps PID. 0 is allowed and does nothing. */
void process_kill(pid_t pid);

/* Runs a program to its end; true if it exits with 0. */
bool process_run(const char *const argv[]);

/* The standard output of a program that must succeed; the caller frees it. */
char *process_output(const char *const argv[]);
