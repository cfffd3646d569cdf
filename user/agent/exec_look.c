// SPDX-License-Identifier: Apache-2.0
/*
 * Programs are foreign bytes, and may be hundreds of megabytes: a forked child reads them, as nobody,
 * with read and write for its only system calls of use. Flows in: open files, BATCH to a child, since
 * a fork costs more than a small file. Flows out: one exec_seen a file, in order, through a pipe;
 * each fits PIPE_BUF, so it comes whole.
 *
 * A child that dies leaves the file it had in hand and those behind it unread; they are told as such,
 * and are no better known than before. CHILDREN run at a time, EXEC_LOOK_QUEUE files wait.
 */
#include "exec_look.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/confine.h"
#include "base/cleanup.h"
#include "classify/package.h"

#define BATCH 32
#define CHILDREN 2
#define HEAD 4096
#define JSON_MAX (256 << 10)
#define FILE_MAX (4ll << 30) /* a larger one has no digest */
#define NOBODY 65534

struct job {
	uint64_t tag;
	int fd, json;
	bool digest;
};
struct batch {
	struct exec_look *look;
	struct event *ev; /* NULL: free */
	int fd;
	unsigned n, at;
	uint64_t tag[BATCH];
};
struct exec_look {
	struct event_base *base;
	void (*done)(void *ctx, uint64_t tag, const struct exec_seen *seen);
	void *ctx;
	struct event *begin;
	struct job job[EXEC_LOOK_QUEUE];
	unsigned first, n;
	struct batch batch[CHILDREN];
};

/* --- the child ------------------------------------------------------------------------------------- */

static const char *const syscalls[] = {"read",	"pread64",    "write",	      "close",
				       "exit",	"fstat",      "lseek",	      "brk",
				       "mmap",	"munmap",     "mremap",	      "madvise",
				       "futex", "exit_group", "rt_sigreturn", NULL};

/* Our files to 3, 4, …; whatever else the keeper has open would keep probes and sockets alive. */
static void let_go(struct job *j, unsigned n, int *out)
{
	struct confine c = {.name = "looker", .uid = NOBODY, .gid = NOBODY, .syscalls = syscalls};
	int high[2 * BATCH + 1], next = 3;
	const char *what;

	for (unsigned i = 0; i < n; i++) {
		high[2 * i] = fcntl(j[i].fd, F_DUPFD, 256);
		high[2 * i + 1] = j[i].json < 0 ? -1 : fcntl(j[i].json, F_DUPFD, 256);
	}
	high[2 * n] = fcntl(*out, F_DUPFD, 256);
	for (unsigned i = 0; i <= 2 * n; i++) {
		int *to = i == 2 * n ? out : i % 2 ? &j[i / 2].json : &j[i / 2].fd;

		*to = high[i] < 0 ? -1 : dup2(high[i], next++);
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int s = 1; s < 32; s++)
		signal(s, SIG_DFL);
	if (*out < 0 || close_range(next, ~0u, 0) < 0 || confine(&c, &what))
		_exit(1);
}

static bool digest(int fd, uint8_t ret[static 32])
{
	static uint8_t buf[1 << 18];
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	off_t at = 0;
	ssize_t n;
	bool ok = c && EVP_DigestInit_ex(c, EVP_sha256(), NULL);

	while (ok && (n = pread(fd, buf, sizeof(buf), at)) != 0) {
		ok = n > 0 && EVP_DigestUpdate(c, buf, n) && at < FILE_MAX;
		at += n;
	}
	ok = ok && EVP_DigestFinal_ex(c, ret, NULL);
	EVP_MD_CTX_free(c);
	return ok;
}

static void look(const struct job *j, struct exec_seen *s)
{
	static char text[JSON_MAX];
	ssize_t n = pread(j->fd, text, HEAD, 0);

	memset(s, 0, sizeof(*s));
	if (n < 0)
		return;
	s->script = n > 2 && text[0] == '#' && text[1] == '!';
	if (s->script && script_interpreter(text, n, s->interpreter, sizeof(s->interpreter)) &&
	    !strncmp(s->interpreter, "py", 2))
		script_module(text, n, s->module, sizeof(s->module));
	if (j->json >= 0) {
		n = pread(j->json, text, sizeof(text), 0);
		if (n > 0)
			package_json_name(text, n, s->package);
	}
	s->has_digest = j->digest && digest(j->fd, s->sha256);
}

static void look_at_all(struct job *j, unsigned n, int out)
{
	struct exec_seen s;

	let_go(j, n, &out);
	for (unsigned i = 0; i < n; i++) {
		look(&j[i], &s);
		if (write(out, &s, sizeof(s)) != sizeof(s))
			_exit(1);
	}
	_exit(0);
}

/* --- the keeper's side ----------------------------------------------------------------------------- */

static void begin_soon(struct exec_look *l)
{
	struct timeval now = {};

	if (!event_pending(l->begin, EV_TIMEOUT, NULL))
		event_add(l->begin, &now);
}

static void batch_end(struct batch *b)
{
	event_free(TAKE_PTR(b->ev));
	close(b->fd);
	while (b->at < b->n)
		b->look->done(b->look->ctx, b->tag[b->at++], NULL);
}

static void on_seen(evutil_socket_t fd, short what, void *ctx)
{
	struct batch *b = ctx;
	struct exec_look *l = b->look;
	struct exec_seen s;
	ssize_t n;

	while ((n = read(fd, &s, sizeof(s))) == sizeof(s) && b->at < b->n) {
		s.interpreter[sizeof(s.interpreter) - 1] = '\0';
		s.package[sizeof(s.package) - 1] = '\0';
		s.module[sizeof(s.module) - 1] = '\0';
		l->done(l->ctx, b->tag[b->at++], &s);
	}
	if (n < 0 && errno == EAGAIN)
		return;
	batch_end(b);
	if (l->n)
		begin_soon(l);
}

static unsigned take(struct exec_look *l, struct job j[static BATCH])
{
	unsigned n = 0;

	while (n < BATCH && l->n) {
		j[n++] = l->job[l->first];
		l->first = (l->first + 1) % EXEC_LOOK_QUEUE;
		l->n--;
	}
	return n;
}

static void start(struct exec_look *l, struct batch *b)
{
	struct job j[BATCH];
	int p[2] = {-1, -1};
	pid_t child = -1;

	*b = (struct batch){.look = l, .fd = -1};
	b->n = take(l, j);
	for (unsigned i = 0; i < b->n; i++)
		b->tag[i] = j[i].tag;
	if (!pipe2(p, O_CLOEXEC | O_NONBLOCK) && !fcntl(p[1], F_SETFL, 0))
		child = fork();
	if (!child)
		look_at_all(j, b->n, p[1]);
	if (p[1] >= 0)
		close(p[1]);
	for (unsigned i = 0; i < b->n; i++) {
		close(j[i].fd);
		if (j[i].json >= 0)
			close(j[i].json);
	}
	b->fd = p[0];
	b->ev = event_new(l->base, p[0], EV_READ | EV_PERSIST, on_seen, b);
	if (b->ev && child > 0 && !event_add(b->ev, NULL))
		return;
	if (b->ev)
		event_free(TAKE_PTR(b->ev));
	if (p[0] >= 0)
		close(p[0]);
	while (b->at < b->n)
		l->done(l->ctx, b->tag[b->at++], NULL);
}

static void on_begin(evutil_socket_t fd, short what, void *ctx)
{
	struct exec_look *l = ctx;

	for (unsigned i = 0; i < CHILDREN && l->n; i++)
		if (!l->batch[i].ev)
			start(l, &l->batch[i]);
}

int exec_look_add(struct exec_look *l, int fd, int json, uint64_t tag, bool want_digest)
{
	if (l->n == EXEC_LOOK_QUEUE) {
		close(fd);
		if (json >= 0)
			close(json);
		return -ENOBUFS;
	}
	l->job[(l->first + l->n++) % EXEC_LOOK_QUEUE] = (struct job){tag, fd, json, want_digest};
	begin_soon(l);
	return 0;
}

unsigned exec_look_waiting(const struct exec_look *l)
{
	return l->n;
}

struct exec_look *exec_look_new(struct event_base *base,
				void (*done)(void *ctx, uint64_t tag, const struct exec_seen *seen),
				void *ctx)
{
	struct exec_look *l = calloc(1, sizeof(*l));
	uint8_t none[32];

	if (!l)
		return NULL;
	l->base = base;
	l->done = done;
	l->ctx = ctx;
	l->begin = event_new(base, -1, 0, on_begin, l);
	/* OpenSSL reads files at its first digest, Jansson a seed at its first object; a child could not. */
	json_object_seed(0);
	if (!l->begin || !EVP_Digest("", 0, none, NULL, EVP_sha256(), NULL)) {
		exec_look_free(l);
		return NULL;
	}
	return l;
}

void exec_look_free(struct exec_look *l)
{
	struct job j[BATCH];

	if (!l)
		return;
	for (unsigned i = 0; i < CHILDREN; i++)
		if (l->batch[i].ev) {
			event_free(l->batch[i].ev);
			close(l->batch[i].fd);
		}
	for (unsigned n; (n = take(l, j)) > 0;)
		for (unsigned i = 0; i < n; i++) {
			close(j[i].fd);
			if (j[i].json >= 0)
				close(j[i].json);
		}
	if (l->begin)
		event_free(l->begin);
	free(l);
}
