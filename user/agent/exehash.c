// SPDX-License-Identifier: Apache-2.0
/*
 * A program may have hundreds of megabytes, and the keeper must not wait for a disk: a forked child
 * reads and hashes it and writes 32 bytes into a pipe. Flows in: pids whose program maps a TLS
 * library. Flows out: done(pid), then exehash_known.
 *
 * Bounds: CACHE files known (the slot's older one is forgotten), JOBS at a time, further wishes are
 * dropped and come again with the process's next mapping or the next sweep. A record made before
 * its program was hashed has no hash.
 */
#include "exehash.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define CACHE 1024
#define JOBS 2
#define DIGEST 32
#define PROGRAM_MAX (4ll << 30) /* bytes; a larger one has no hash */

struct id {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
};
struct known {
	struct id id;
	uint8_t digest[DIGEST];
};
struct job {
	struct exehash *h;
	struct event *ev; /* NULL: free */
	struct id id;
	uint32_t pid;
	int fd;
};
struct exehash {
	struct event_base *base;
	void (*done)(void *ctx, uint32_t pid);
	void *ctx;
	struct known cache[CACHE];
	struct job job[JOBS];
};

struct exehash *exehash_new(struct event_base *base, void (*done)(void *ctx, uint32_t pid),
			    void *ctx)
{
	struct exehash *h = calloc(1, sizeof(*h));

	if (h) {
		h->base = base;
		h->done = done;
		h->ctx = ctx;
	}
	return h;
}

static void job_end(struct job *j)
{
	event_free(j->ev);
	close(j->fd);
	j->ev = NULL;
}

void exehash_free(struct exehash *h)
{
	if (!h)
		return;
	for (size_t i = 0; i < JOBS; i++)
		if (h->job[i].ev)
			job_end(&h->job[i]);
	free(h);
}

static int open_exe(uint32_t pid, struct id *ret)
{
	char path[64];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/exe", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > PROGRAM_MAX) {
		close(fd);
		return -1;
	}
	*ret = (struct id){.dev = st.st_dev,
			   .ino = st.st_ino,
			   .size = st.st_size,
			   .mtime = st.st_mtim};
	return fd;
}

static bool same(const struct id *a, const struct id *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->mtime.tv_sec == b->mtime.tv_sec && a->mtime.tv_nsec == b->mtime.tv_nsec;
}

static struct known *slot(const struct exehash *h, const struct id *id)
{
	uint64_t k = (id->ino * 0x9e3779b97f4a7c15ull) ^ id->dev;

	return (struct known *)&h->cache[(k >> 32) % CACHE];
}

void exehash_known(const struct exehash *h, uint32_t pid, char ret[static 65])
{
	struct id id;
	_cleanup_close_ int fd = open_exe(pid, &id);
	const struct known *k;

	ret[0] = '\0';
	if (fd < 0)
		return;
	k = slot(h, &id);
	for (int i = 0; id.ino && same(&k->id, &id) && i < DIGEST; i++)
		snprintf(ret + 2 * i, 3, "%02x", k->digest[i]);
}

static void on_result(evutil_socket_t fd, short what, void *ctx)
{
	struct job *j = ctx;
	struct exehash *h = j->h;
	uint8_t digest[DIGEST];
	uint32_t pid = j->pid;
	bool whole = read(fd, digest, DIGEST) == DIGEST;
	struct known *k = slot(h, &j->id);

	if (whole) {
		k->id = j->id;
		memcpy(k->digest, digest, DIGEST);
	}
	job_end(j);
	if (whole)
		h->done(h->ctx, pid);
}

/* The child keeps nothing of the keeper's: its copies of links and sockets would hold probes in
 * place and ends open. */
static void let_go(int *in, int *out)
{
	int i = fcntl(*in, F_DUPFD, 16), o = fcntl(*out, F_DUPFD, 16);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	if (i < 0 || o < 0 || dup2(i, 3) < 0 || dup2(o, 4) < 0 || close_range(5, ~0u, 0) < 0)
		_exit(1);
	*in = 3;
	*out = 4;
}

static void hash(int in, int out)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	static uint8_t buf[1 << 18];
	uint8_t digest[DIGEST];
	ssize_t n;

	let_go(&in, &out);
	if (nice(10) < 0)
		errno = 0; /* only a courtesy */
	if (!c || !EVP_DigestInit_ex(c, EVP_sha256(), NULL))
		_exit(1);
	while ((n = read(in, buf, sizeof(buf))) > 0)
		EVP_DigestUpdate(c, buf, n);
	if (n < 0 || !EVP_DigestFinal_ex(c, digest, NULL) || write(out, digest, DIGEST) != DIGEST)
		_exit(1);
	_exit(0);
}

static void start(struct job *j, int in)
{
	int p[2];
	pid_t child;

	if (pipe2(p, O_CLOEXEC) < 0)
		return;
	child = fork();
	if (!child)
		hash(in, p[1]);
	close(p[1]);
	j->ev = child < 0 ? NULL : event_new(j->h->base, p[0], EV_READ, on_result, j);
	if (!j->ev || event_add(j->ev, NULL)) {
		close(p[0]);
		return;
	}
	j->fd = p[0];
}

void exehash_want(struct exehash *h, uint32_t pid)
{
	struct id id;
	_cleanup_close_ int fd = open_exe(pid, &id);
	struct job *free_job = NULL;

	if (fd < 0 || same(&slot(h, &id)->id, &id))
		return;
	for (size_t i = 0; i < JOBS; i++) {
		if (!h->job[i].ev)
			free_job = &h->job[i];
		else if (same(&h->job[i].id, &id))
			return;
	}
	if (!free_job)
		return;
	*free_job = (struct job){.h = h, .id = id, .pid = pid, .fd = -1};
	start(free_job, fd);
}
