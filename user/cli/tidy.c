// SPDX-License-Identifier: Apache-2.0
/*
 * In: a folder's name. Out: nothing of it left. While there is one, the signals that end a program are blocked
 * in all threads and waited for by one of our own, which may therefore do anything: it removes the folder,
 * again while the others still write into it, and then lets the signal have its usual effect. What SIGKILL
 * leaves stays.
 */
#include "tidy.h"

#include <errno.h>
#include <fts.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"

#define TRIES 200

DEFINE_CLEANUP(FTS, fts_close)

static const char *folder;				 /* the caller's text */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* kept for good by who was interrupted */

void tidy_remove(const char *dir)
{
	char *const roots[] = {(char *)dir, NULL};
	_cleanup_(fts_closep) FTS *f = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);

	for (FTSENT *e; f && (e = fts_read(f));)
		if (e->fts_info == FTS_DP)
			rmdir(e->fts_path);
		else if (e->fts_info != FTS_D)
			unlink(e->fts_path);
}

/* Those that would end us: not what whoever started us had ignored. */
static void ending(sigset_t *ret)
{
	static const int all[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction is;

	sigemptyset(ret);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (!sigaction(all[i], NULL, &is) && is.sa_handler != SIG_IGN)
			sigaddset(ret, all[i]);
}

static void *wait_for_end(void *arg)
{
	sigset_t set;
	int sig;

	ending(&set);
	if (sigwait(&set, &sig))
		return NULL;
	pthread_mutex_lock(&lock);
	for (int i = 0; folder && i < TRIES; i++) {
		tidy_remove(folder);
		if (access(folder, F_OK))
			break;
		usleep(5000);
	}
	signal(sig, SIG_DFL);
	kill(getpid(), sig);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	return NULL;
}

int tidy_folder(char *template)
{
	static bool waiting;
	sigset_t set;
	pthread_t t;

	if (!mkdtemp(template))
		return -errno;
	folder = template;
	ending(&set);
	if (waiting || pthread_sigmask(SIG_BLOCK, &set, NULL))
		return 0;
	waiting = !pthread_create(&t, NULL, wait_for_end, NULL);
	if (waiting)
		pthread_detach(t);
	else
		pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	return 0;
}

void tidy_done(void)
{
	pthread_mutex_lock(&lock); /* whoever is interrupted gets no farther, and says nothing */
	if (folder)
		tidy_remove(folder);
	folder = NULL;
	pthread_mutex_unlock(&lock);
}
