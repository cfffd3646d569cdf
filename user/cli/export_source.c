// SPDX-License-Identifier: Apache-2.0
/*
 * In: a folder of segments, or the collector's SQLite file, which is opened for reading only and while
 * the collector writes to it. Out: frames in order, one in memory at a time. It does not judge: damage is
 * counted and what comes after it is given, `probity verify` is the tool for that. Of a spool all is read
 * from its beginning, because a START record says what later ones do not repeat.
 */
#include "export_source.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/signalfd.h>

#include "follow.h"

#define STORE_SQL                                                                          \
	"SELECT record, signature FROM record WHERE ?1 = '' OR hex(chain) LIKE ?1 || '%' " \
	"ORDER BY chain, seq"

/* 1: a signal said stop; 0: the folder changed. */
static int wait_more(struct follow *f, int signals)
{
	struct pollfd p[2] = {{follow_fd(f), POLLIN, 0}, {signals, POLLIN, 0}};
	int n = poll(p, 2, 1000);

	if (n < 0 && errno != EINTR)
		return -errno;
	if (p[1].revents)
		return 1;
	return follow_wake(f);
}

static int signal_file(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int run_dir(struct export_source *s)
{
	_cleanup_(follow_freep) struct follow *f = NULL;
	_cleanup_close_ int signals = -1;
	struct spool_pos at;
	const char *why = "";
	struct frame frame;
	int r = follow_open(s->dir, NULL, &f);

	if (!r && s->follow && (signals = signal_file()) < 0)
		r = -errno;
	while (!r) {
		int k = follow_next(f, &frame, &at, &why);

		if (k == 1) {
			r = s->record(s->ctx, &frame);
		} else if (k == -EBADMSG) {
			s->damaged++;
		} else if (k < 0) {
			r = k;
		} else {
			r = s->idle ? s->idle(s->ctx) : 0;
			if (!s->follow || r)
				return r;
			r = wait_more(f, signals);
			if (r == 1)
				return 0;
		}
	}
	return r;
}

static int step(struct export_source *s, sqlite3_stmt *q)
{
	int r = 0, k;

	while (!r && (k = sqlite3_step(q)) == SQLITE_ROW) {
		struct frame f = {.record = sqlite3_column_blob(q, 0),
				  .record_len = sqlite3_column_bytes(q, 0)};

		if (sqlite3_column_bytes(q, 1) == RECORD_SIG_LEN)
			f.sig = sqlite3_column_blob(q, 1);
		if (f.record)
			r = s->record(s->ctx, &f);
		else
			s->damaged++;
	}
	if (!r && k != SQLITE_DONE)
		return -EIO;
	return r ?: s->idle ? s->idle(s->ctx) : 0;
}

static int run_db(struct export_source *s, char *err, size_t err_len)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *q = NULL;
	int r;

	if (access(s->db, R_OK))
		return -errno;
	if (sqlite3_open_v2(s->db, &db, SQLITE_OPEN_READONLY, NULL) ||
	    sqlite3_prepare_v2(db, STORE_SQL, -1, &q, NULL) ||
	    sqlite3_bind_text(q, 1, s->chain ?: "", -1, SQLITE_STATIC)) {
		snprintf(err, err_len, "%s: not a collector's store: %s", s->db,
			 sqlite3_errmsg(db));
		r = -EBADMSG;
	} else {
		r = step(s, q);
		if (r == -EIO)
			snprintf(err, err_len, "%s: %s", s->db, sqlite3_errmsg(db));
	}
	sqlite3_finalize(q);
	sqlite3_close(db);
	return r;
}

int export_source_run(struct export_source *s, char *err, size_t err_len)
{
	int r;

	err[0] = '\0';
	r = s->db ? run_db(s, err, err_len) : run_dir(s);
	if (r < 0 && !err[0])
		snprintf(err, err_len, "%s: %s", s->db ?: s->dir, strerror(-r));
	return r;
}
