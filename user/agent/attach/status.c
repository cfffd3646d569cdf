// SPDX-License-Identifier: Apache-2.0
/*
 * What `probity status` shows of probes. Flows in: the tables, and the kernel's counters by image.
 * Liveness: a file whose functions are probed and never fire while a process that maps it opens TLS
 * connections, or speaks TLS by another of its files, is `silent`: it exports the functions and does not call them (or we found the wrong
 * ones). Lists are cut at LIST_MAX, and how many there are is told.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "agent/attach/attach_int.h"
#include "base/cleanup.h"

#define LIST_MAX 64

static struct image_hits hits_of(const struct attach *a, uint32_t index)
{
	int cpus = libbpf_num_possible_cpus();
	struct image_hits v[cpus > 0 ? cpus : 1], sum = {};

	if (!index || bpf_map_lookup_elem(a->s.hits, &index, v))
		return sum;
	for (int c = 0; c < cpus; c++) {
		sum.entries += v[c].entries;
		sum.returns += v[c].returns;
		sum.bytes += v[c].bytes;
		if (v[c].last_ns > sum.last_ns)
			sum.last_ns = v[c].last_ns;
	}
	return sum;
}

static json_t *names(const struct facts *f)
{
	json_t *all = json_array();

	for (unsigned i = 0; i < f->functions_n; i++)
		json_array_append_new(all, json_string(f->functions[i].name));
	return all;
}

static json_t *found(const struct facts *f)
{
	json_t *all = json_array();

	for (unsigned i = 0; i < f->functions_n; i++) {
		const struct tls_function *fn = &f->functions[i];

		json_array_append_new(all,
				      json_pack("{s:s, s:s, s:s, s:i, s:i, s:s}", "name", fn->name,
						"stack", tls_stack_name(fn->stack), "method",
						fn->method, "confidence", fn->confidence, "sites",
						fn->n, "why", fn->why));
	}
	return all;
}

static json_t *versions(const struct facts *f)
{
	json_t *all = json_object();

	for (unsigned i = 1; i < TLS_STACK__MAX; i++)
		if (f->version[i][0])
			json_object_set_new(all, tls_stack_name(i), json_string(f->version[i]));
	return all;
}

static json_t *notes(const struct facts *f)
{
	json_t *all = json_array();

	for (unsigned i = 0; i < f->notes_n; i++)
		json_array_append_new(all, json_string(f->notes[i]));
	return all;
}

struct files {
	const struct attach *a;
	json_t *used, *refused;
	unsigned refused_n;
};

static const char *where(const struct image *im)
{
	return im->cached ? "remembered" : "resolved";
}

static json_t *file(const struct attach *a, const struct image *im)
{
	const struct facts *f = im->facts;
	struct image_hits h = hits_of(a, im->index);
	char dev[32], stacks[128];
	struct timespec now;
	int64_t ago = -1;

	clock_gettime(CLOCK_BOOTTIME, &now);
	if (h.last_ns)
		ago = (int64_t)(now.tv_sec * 1000ull + now.tv_nsec / 1000000 - h.last_ns / 1000000);
	snprintf(dev, sizeof(dev), "%u:%u", major(im->dev), minor(im->dev));
	facts_stacks(f, stacks, sizeof(stacks));
	return json_pack(
		"{s:s, s:s, s:I, s:s, s:o, s:s, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, "
		"s:b, s:b, s:s, s:I}",
		"path", im->path, "dev", dev, "inode", (json_int_t)im->ino, "stack", stacks,
		"versions", versions(f), "build_id", im->build_id, "functions", names(f), "found",
		found(f), "notes", notes(f), "sites", (json_int_t)f->sites_n, "processes",
		(json_int_t)im->users, "hellos", (json_int_t)im->hellos, "entries",
		(json_int_t)h.entries, "returns", (json_int_t)h.returns, "bytes",
		(json_int_t)h.bytes, "last_fired_ms_ago", (json_int_t)ago, "silent",
		(im->hellos || im->beside) && !h.entries && im->users, "late", im->late, "for_all",
		im->links != NULL, "known", where(im), "resolve_ms", (json_int_t)im->took_ms);
}

static void add_file(void *ctx, struct image *im)
{
	struct files *f = ctx;

	if (im->state == IMAGE_SITES && !im->failed && (im->users || im->links || im->refs))
		json_array_append_new(f->used, file(f->a, im));
	if (im->state == IMAGE_REFUSED || im->failed)
		if (f->refused_n++ < LIST_MAX)
			json_array_append_new(f->refused, json_pack("{s:s, s:s}", "path", im->path,
								    "reason", im->reason));
}

static void forget_hellos(void *ctx, struct image *im)
{
	im->hellos = 0;
	im->beside = false;
}

/* TLS of a process: flights that were told here, or functions of any of its files that fired. */
static void add_hellos(void *ctx, struct target *t)
{
	const struct attach *a = ctx;
	bool fired = false;

	for (unsigned i = 0; i < t->n; i++)
		fired |= t->uses[i].on && hits_of(a, t->uses[i].im->index).entries;
	for (unsigned i = 0; i < t->n; i++) {
		if (!t->uses[i].on)
			continue;
		t->uses[i].im->hellos += t->hellos;
		t->uses[i].im->beside |= fired;
	}
}

static struct files files_of(const struct attach *a)
{
	struct files f = {a, json_array(), json_array(), 0};

	images_each(a->images, false, forget_hellos, NULL);
	targets_each(a->targets, add_hellos, (void *)a);
	images_each(a->images, false, add_file, &f);
	return f;
}

json_t *attach_status(const struct attach *a)
{
	struct files f = files_of(a);

	json_decref(f.refused);
	return f.used;
}

/* --- processes ---------------------------------------------------------------------------------- */

struct list {
	json_t *all;
	unsigned with, probation, ai, removed;
};

static void comm(pid_t pid, char *ret, size_t cap)
{
	_cleanup_fclose_ FILE *f = NULL;
	char p[64];

	snprintf(p, sizeof(p), "/proc/%d/comm", pid);
	f = fopen(p, "re");
	if (!f || !fgets(ret, cap, f))
		ret[0] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
}

static void add_process(void *ctx, struct target *t)
{
	struct list *l = ctx;
	json_t *files;
	char name[32];

	l->with += t->state == PROBES_IN_PLACE;
	l->probation += t->state == PROBES_IN_PLACE && t->keep == KEEP_PROBATION;
	l->ai += t->keep == KEEP_AI;
	l->removed += t->state == PROBES_REMOVED;
	if (t->state == PROBES_NONE || json_array_size(l->all) >= LIST_MAX)
		return;
	files = json_array();
	for (unsigned i = 0; i < t->n; i++)
		if (t->uses[i].on)
			json_array_append_new(files, json_string(t->uses[i].im->path));
	comm(t->pid, name, sizeof(name));
	json_array_append_new(l->all,
			      json_pack("{s:i, s:s, s:s, s:s, s:s, s:o, s:i, s:b}", "pid",
					(int)t->pid, "name", name, "probes",
					probe_state_name(t->state), "why", keep_name(t->keep),
					"reason", t->reason, "files", files, "hellos",
					(int)t->hellos, "ai_tree", (int)(t->marks & MARK_AI_TREE)));
}

static json_t *resolver(const struct attach *a)
{
	struct ask_counts c;

	ask_counts(a->ask, &c);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "asked",
			 (json_int_t)c.asked, "with_tls", (json_int_t)c.found, "without",
			 (json_int_t)c.none, "refused", (json_int_t)c.refused, "moved",
			 (json_int_t)c.moved, "total_ms", (json_int_t)c.total_ms, "longest_ms",
			 (json_int_t)c.longest_ms, "waited_for", (json_int_t)c.waited_for, "idle",
			 (json_int_t)c.idle, "remembered", (json_int_t)images_count(a->images),
			 "in_hand", c.in_hand);
}

json_t *attach_processes(const struct attach *a)
{
	struct list l = {.all = json_array()};
	struct files f = files_of(a);

	json_decref(f.used);
	targets_each(a->targets, add_process, &l);
	return json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:o, s:o, s:i, s:o, s:I, s:I, s:I, s:I, "
			 "s:f, s:I, s:f, s:f}",
			 "attach", a->s.all ? "all" : "adaptive", "probation_s",
			 (int)a->s.probation_s, "with_probes", (int)l.with, "on_probation",
			 (int)l.probation, "ai", (int)l.ai, "removed", (int)l.removed, "processes",
			 l.all, "refused_files", f.refused, "refused_n", (int)f.refused_n,
			 "resolver", resolver(a), "links", (json_int_t)a->links, "links_closing",
			 (json_int_t)closer_waiting(a->closer), "links_made",
			 (json_int_t)a->links_made, "put_off", (json_int_t)a->put_off,
			 "longest_attach_ms", a->attach_ms, "placed", (json_int_t)a->placed,
			 "mean_wait_ms", a->placed ? a->wait_us / 1e3 / a->placed : 0.0,
			 "longest_wait_ms", a->longest_wait_us / 1e3);
}
