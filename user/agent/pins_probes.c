// SPDX-License-Identifier: Apache-2.0
/*
 * The uprobes of pins.c. Flows in: links of one file in one process, under a name that says what they
 * are (attach/pinned.c). Flows out: DIR/current/probes/NAME_k, one file per link, while rules refuse
 * something; and at the start what a former agent left, for whoever would attach the same again.
 *
 * Invariant: a file is there as long as its probe is, and no longer: whoever ends a probe ends its file
 * first. Of an adopted agent's probes each is taken at most once, whole, and stays pinned under the name
 * it has; what nobody took by pins_probes_done() goes. Those of another build are not touched: they go
 * with their folder.
 *
 * The names are read at the start, the links are opened when they are taken, so a start costs no
 * descriptors. What cannot be pinned is loose: counted, and said in `meta`, because then the maps'
 * connections are not watched while the agent is away.
 */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "pins_int.h"

struct pins_probe {
	struct pins_probe *next, *prev;
	bool pinned, loose;
	size_t n;
	char name[PINS_PROBE_NAME];
	int fd[]; /* the caller's */
};

/* --- ours -------------------------------------------------------------------------------------- */

static int path_of(const struct pins *p, const char *dir, const char *name, char *to, size_t n)
{
	char sub[PINS_PROBE_NAME + 64];

	snprintf(sub, sizeof(sub), "%s/probes/%s", dir, name);
	return pins_path(to, n, p, sub);
}

static void unpin(const struct pins *p, const char *name, size_t n)
{
	char at[512], one[PINS_PROBE_NAME + 32];

	for (size_t k = 0; k < n; k++) {
		snprintf(one, sizeof(one), "%s_%zx", name, k);
		if (!path_of(p, pins_ours_in(p), one, at, sizeof(at)))
			unlink(at);
	}
}

static int pin_at(const struct pins *p, const char *name, size_t k, int fd)
{
	char at[512], one[PINS_PROBE_NAME + 32];

	snprintf(one, sizeof(one), "%s_%zx", name, k);
	if (path_of(p, pins_ours_in(p), one, at, sizeof(at)))
		return -ENAMETOOLONG;
	if (!bpf_obj_pin(fd, at))
		return 0;
	if (errno != EEXIST) /* one that nobody took, of the same name */
		return -errno;
	unlink(at);
	return bpf_obj_pin(fd, at) ? -errno : 0;
}

static void set_loose(struct pins *p, struct pins_probe *q, int why)
{
	if (q->loose == !!why)
		return;
	q->loose = why;
	p->loose += why ? 1 : -1;
	if (why && why != p->loose_why)
		log_info("probes cannot be pinned here (%s): they end with the agent",
			 strerror(-why));
	p->loose_why = why ?: p->loose_why;
	pins_write_meta(p);
}

static void pin(struct pins *p, struct pins_probe *q)
{
	int r = 0;

	if (!p->on || q->pinned || p->leaving)
		return;
	for (size_t k = 0; k < q->n && !r; k++)
		r = pin_at(p, q->name, k, q->fd[k]);
	q->pinned = !r;
	if (r)
		unpin(p, q->name, q->n);
	set_loose(p, q, r);
}

static struct pins_probe *add(struct pins *p, const char *name, const int *fd, size_t n)
{
	struct pins_probe *q = calloc(1, sizeof(*q) + n * sizeof(*fd));

	if (!q)
		return NULL;
	q->n = n;
	memcpy(q->fd, fd, n * sizeof(*fd));
	snprintf(q->name, sizeof(q->name), "%s", name);
	q->next = p->probes;
	if (q->next)
		q->next->prev = q;
	p->probes = q;
	p->probes_n++;
	return q;
}

struct pins_probe *pins_probe(struct pins *p, const char *name, const int *fd, size_t n)
{
	struct pins_probe *q;

	if (!p)
		return NULL;
	pthread_mutex_lock(&p->lock);
	q = add(p, name, fd, n);
	if (q)
		pin(p, q);
	else
		p->loose++; /* for good: it is not known when it ends */
	pthread_mutex_unlock(&p->lock);
	return q;
}

static void take_out(struct pins *p, struct pins_probe *q)
{
	if (q->next)
		q->next->prev = q->prev;
	if (q->prev)
		q->prev->next = q->next;
	else
		p->probes = q->next;
	p->probes_n--;
}

void pins_probe_end(struct pins *p, struct pins_probe *q)
{
	if (!q)
		return;
	pthread_mutex_lock(&p->lock);
	if (q->pinned && !p->leaving)
		unpin(p, q->name, q->n);
	set_loose(p, q, 0);
	take_out(p, q);
	pthread_mutex_unlock(&p->lock);
	free(q);
}

void pins_put_probes(struct pins *p)
{
	for (struct pins_probe *q = p->probes; q; q = q->next) {
		q->pinned = false; /* the folder is new */
		pin(p, q);
	}
}

/* --- a former agent's ---------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool keep_name(struct former_probes *o, const char *name)
{
	if (!(o->n & (o->n + 1))) { /* full: twice as many */
		char **more = reallocarray(o->name, 2 * (o->n + 1), sizeof(*more));

		if (!more)
			return false;
		o->name = more;
	}
	o->name[o->n] = strdup(name);
	return o->name[o->n] && ++o->n;
}

void pins_probes_read(struct pins *p)
{
	struct former_probes *o = &p->old;
	struct dirent *e;
	char at[512];
	DIR *d;

	if (pins_path(at, sizeof(at), p, "current/probes") || !(d = opendir(at)))
		return;
	while ((e = readdir(d)))
		if (e->d_name[0] != '.' && !keep_name(o, e->d_name))
			break;
	closedir(d);
	qsort(o->name, o->n, sizeof(*o->name), by_name);
	o->taken = calloc(o->n + 1, sizeof(*o->taken));
}

static size_t first_of(const struct former_probes *o, const char *begins)
{
	size_t from = 0, to = o->n;

	while (from < to) {
		size_t mid = (from + to) / 2;

		if (strcmp(o->name[mid], begins) < 0)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

/* name: "…_k" of which "…" is the probe's. */
static size_t stem_of(const char *name, unsigned long *ret_k)
{
	const char *last = strrchr(name, '_');

	if (!last || (size_t)(last - name) >= PINS_PROBE_NAME)
		return 0;
	*ret_k = strtoul(last + 1, NULL, 16);
	return last - name;
}

static void close_all(int *fd, size_t n)
{
	for (size_t k = 0; k < n; k++)
		if (fd[k] >= 0)
			close(fd[k]);
}

/* All n links of the probe whose files begin at `at`; they lie together, in any order. */
static int open_all(const struct pins *p, size_t at, size_t n, int *fd)
{
	const struct former_probes *o = &p->old;
	unsigned long k;
	size_t stem = stem_of(o->name[at], &k), have = 0;
	char path[512];

	for (size_t i = 0; i < n; i++)
		fd[i] = -1;
	for (size_t i = at; stem && i < o->n && have < n; i++) {
		if (stem_of(o->name[i], &k) != stem || strncmp(o->name[i], o->name[at], stem))
			break;
		if (o->taken[i] || k >= n || fd[k] >= 0 ||
		    path_of(p, "current", o->name[i], path, sizeof(path)) ||
		    (fd[k] = bpf_obj_get(path)) < 0)
			break;
		have++;
	}
	if (stem && have == n)
		return 0;
	close_all(fd, n);
	return -ENOENT;
}

static int take(struct pins *p, const char *begins, size_t n, int *fd, struct pins_probe **ret)
{
	struct former_probes *o = &p->old;
	size_t at = first_of(o, begins);
	char name[PINS_PROBE_NAME];
	unsigned long k;

	if (!p->adopted || !o->taken || at == o->n || strncmp(o->name[at], begins, strlen(begins)))
		return -ENOENT;
	if (open_all(p, at, n, fd))
		return -ENOENT;
	snprintf(name, sizeof(name), "%.*s", (int)stem_of(o->name[at], &k), o->name[at]);
	*ret = add(p, name, fd, n);
	if (!*ret) {
		close_all(fd, n);
		return -ENOMEM;
	}
	(*ret)->pinned = true;
	memset(o->taken + at, true, n * sizeof(*o->taken));
	o->taken_n += n;
	return 0;
}

int pins_probe_take(struct pins *p, const char *begins, size_t n, int *ret_fd,
		    char ret_name[static PINS_PROBE_NAME], struct pins_probe **ret)
{
	struct pins_probe *q;
	int r;

	if (!p)
		return -ENOENT;
	pthread_mutex_lock(&p->lock);
	r = take(p, begins, n, ret_fd, &q);
	if (!r) {
		memcpy(ret_name, q->name, sizeof(q->name));
		*ret = q;
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

void pins_each_probe(const struct pins *p, void (*each)(void *ctx, const char *name), void *ctx)
{
	for (size_t i = 0; p && i < p->old.n; i++)
		each(ctx, p->old.name[i]);
}

static void forget_names(struct pins *p)
{
	while (p->old.n)
		free(p->old.name[--p->old.n]);
	free(p->old.name);
	free(p->old.taken);
	p->old = (struct former_probes){.taken_n = p->old.taken_n};
}

/* The kernel lets go of them by itself, in a thread of its own. */
void pins_probes_done(struct pins *p)
{
	struct former_probes *o = &p->old;
	size_t gone = 0;
	char at[512];

	for (size_t i = 0; o->taken && i < o->n; i++)
		if (!o->taken[i] && !path_of(p, "current", o->name[i], at, sizeof(at)))
			gone += !unlink(at);
	if (o->n)
		log_info("of the probes of the agent before %zu go on, %zu had no use any more",
			 o->taken_n, gone);
	forget_names(p);
}

void pins_probes_free(struct pins *p)
{
	forget_names(p);
}

json_t *pins_probes_status(const struct pins *p)
{
	unsigned pinned = 0;

	for (const struct pins_probe *q = p ? p->probes : NULL; q; q = q->next)
		pinned += q->pinned;
	return json_pack("{s:i, s:i, s:i}", "pinned", (int)pinned, "unpinnable",
			 p ? (int)p->loose : 0, "adopted", p ? (int)p->old.taken_n : 0);
}
