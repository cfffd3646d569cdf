// SPDX-License-Identifier: Apache-2.0
// covers: user/policy/*.c
/*
 * Any bytes as a pack: refused with one clean line, or taken, decided on, tested, put into words,
 * compared with itself (no difference) and freed. What it decides is asked with facts of every
 * subject and stage, made of the pack's own patterns, so that globs and expressions meet texts like
 * themselves.
 */
#include <stdlib.h>
#include <string.h>

#include "policy/diff.h"
#include "policy/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct texts {
	const char *v[8];
	size_t n;
};

static void each(void *ctx, const char *name, bool ok, const char *detail)
{
	if (ok != !*detail)
		abort();
}

static void keep(void *ctx, size_t rule, unsigned line, const char *key, const char *value)
{
	struct texts *t = ctx;

	/* A regular expression is told by a text that does not last. */
	if (t->n < 8 && value[0] != '/')
		t->v[t->n++] = value;
}

static void changed(void *ctx, const struct pack_change *c)
{
	abort();
}

static const char *one(const struct texts *t, unsigned i)
{
	return t->n ? t->v[i % t->n] : "x";
}

static void decide(const struct pack *p, const struct texts *t, unsigned i)
{
	struct facts f = {.subject = i % 4,
			  .stage = FACTS_PROCESS + i / 4 % 4,
			  .partial = i & 1,
			  .user = one(t, i),
			  .exe = one(t, i + 1),
			  .tool = one(t, i + 2),
			  .cgroup = "",
			  .container = "\xff",
			  .host = one(t, i + 3),
			  .service = i & 2 ? one(t, i) : "",
			  .vendor = "",
			  .evidence = "",
			  .service_known = i & 4,
			  .operation = one(t, i + 4),
			  .model = one(t, i + 5),
			  .dialect = "",
			  .completeness = "complete",
			  .groups = {{one(t, i), ""}, 2},
			  .tool_calls = {{one(t, i + 6)}, 1},
			  .data_classes = {{one(t, i), one(t, i + 7)}, 2},
			  .exe_sha256 = i & 8 ? one(t, i) : NULL,
			  .script = i & 16 ? one(t, i) : NULL,
			  .address = i & 2 ? one(t, i) : "10.0.0.1",
			  .port = i,
			  .now_unix_s = i & 32 ? 0 : 1780000000 + i * 3600,
			  .host_id = i & 1 ? "h" : NULL};
	struct decision d;
	int who;

	pack_decide(p, &f, &d);
	if (d.rules != pack_rules(p) || d.disposition > d.would || !(d.risk >= 0 && d.risk <= 1) ||
	    pack_unknown(p, &d, &who) > DISPOSITION_DENY ||
	    (pack_exec_file(p, &f) & pack_exec_unknown(p, &f)))
		abort();
	for (size_t r = 0; r < d.rules; r++)
		if (d.excepted[r] && d.result[r] == RULE_FIRED)
			abort();
	if (pack_next_change(p, f.now_unix_s) <= f.now_unix_s)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pack_exec_rule e[64];
	struct pack_krule k[64];
	struct pack *p = NULL;
	struct texts t = {};
	char err[256] = "";
	size_t total;

	pack_looks_like((const char *)data, size);
	if (pack_parse("f", (const char *)data, size, &p, err, sizeof(err))) {
		if (p || strncmp(err, "f:", 2) || strpbrk(err, "\n\r\t\x1b"))
			abort();
		return 0;
	}
	pack_test(p, each, NULL, &total);
	if (*err || pack_krules(p, k) > 64 || pack_exec_rules(p, e) > 64 || !pack_rules(p) ||
	    pack_diff(p, p, changed, NULL))
		abort();
	pack_values(p, keep, &t);
	for (unsigned i = 0; i < 64; i++)
		decide(p, &t, i);
	pack_free(p);
	return 0;
}
