// SPDX-License-Identifier: Apache-2.0
/*
 * In: pids. Out: what is known of that very process. Invariant: an entry is of one process instance
 * (pid and start time); when /proc shows another start the entry is of a dead one and is not found.
 * When the table is full nobody new is taken: such a process stays unknown to the kernel, its first
 * TLS flight is held for its bound and told, and the refusal is counted.
 */
#include "targets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#define BUCKETS 4096

struct targets {
	struct target *bucket[BUCKETS];
	unsigned count;
	uint64_t refused;
};

struct targets *targets_new(void)
{
	return calloc(1, sizeof(struct targets));
}

void targets_free(struct targets *t)
{
	if (!t)
		return;
	for (unsigned b = 0; b < BUCKETS; b++)
		while (t->bucket[b])
			targets_remove(t, t->bucket[b]);
	free(t);
}

unsigned targets_count(const struct targets *t)
{
	return t->count;
}

uint64_t targets_refused(const struct targets *t)
{
	return t->refused;
}

bool same_start(uint64_t a, uint64_t b)
{
	return a / KRULE_TICK_NS == b / KRULE_TICK_NS;
}

uint64_t process_start(pid_t pid, pid_t *ret_parent)
{
	_cleanup_fclose_ FILE *f = NULL;
	char p[64], b[1024], *end;
	unsigned long long ticks;
	size_t n;
	int parent;

	snprintf(p, sizeof(p), "/proc/%d/stat", pid);
	f = fopen(p, "re");
	n = f ? fread(b, 1, sizeof(b) - 1, f) : 0;
	b[n] = '\0';
	end = strrchr(b, ')'); /* the name may hold anything but ends at the last one */
	if (!end ||
	    sscanf(end + 1,
		   " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
		   &parent, &ticks) != 2)
		return 0;
	if (ret_parent)
		*ret_parent = parent;
	return ticks * (1000000000ull / sysconf(_SC_CLK_TCK)) ?: 1;
}

struct target *targets_find(const struct targets *t, pid_t pid, uint64_t start_ns)
{
	struct target *p = t->bucket[(unsigned)pid % BUCKETS];

	while (p && (p->pid != pid || (start_ns && !same_start(p->start_ns, start_ns))))
		p = p->next;
	return p;
}

struct target *targets_get(struct targets *t, pid_t pid)
{
	struct target **b = &t->bucket[(unsigned)pid % BUCKETS], *p;
	uint64_t start = process_start(pid, NULL);

	if (!start)
		return NULL;
	p = targets_find(t, pid, start);
	if (p)
		return p;
	p = t->count < TARGETS_MAX ? calloc(1, sizeof(*p)) : NULL;
	if (!p) {
		t->refused++;
		return NULL;
	}
	*p = (struct target){.next = *b, .pid = pid, .start_ns = start};
	*b = p;
	t->count++;
	return p;
}

void targets_remove(struct targets *t, struct target *p)
{
	struct target **at = &t->bucket[(unsigned)p->pid % BUCKETS];

	while (*at && *at != p)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = p->next;
	t->count--;
	free(p->uses);
	free(p);
}

void targets_each(struct targets *t, void (*fn)(void *ctx, struct target *p), void *ctx)
{
	for (unsigned b = 0; b < BUCKETS; b++)
		for (struct target *p = t->bucket[b], *next; p; p = next) {
			next = p->next;
			fn(ctx, p);
		}
}

const char *keep_name(enum keep k)
{
	static const char *const names[] = {
		[KEEP_PROBATION] = "probation", [KEEP_CLIENT] = "client", [KEEP_AI] = "ai",
		[KEEP_BUSY] = "busy client",	[KEEP_NOT] = "not ai",
	};

	return names[k];
}

const char *probe_state_name(uint32_t state)
{
	static const char *const names[] = {
		[PROBES_UNKNOWN] = "unknown",	[PROBES_COMING] = "coming",
		[PROBES_IN_PLACE] = "in place", [PROBES_REMOVED] = "removed",
		[PROBES_NONE] = "none",
	};

	return state < ARRAY_SIZE(names) ? names[state] : "";
}
