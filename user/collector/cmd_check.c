// SPDX-License-Identifier: Apache-2.0
/*
 * `check`: audit.c's findings as text or JSON, exit 1 when there is one. Findings noted at ingest
 * concern hosts and not the store; they are counted here and shown by `status`.
 */
#include <inttypes.h>

#include "audit.h"
#include "base/log.h"
#include "out.h"
#include "record/render.h"

struct check_output {
	json_t *list; /* NULL: text */
};

static void check_finding(void *ctx, const struct audit_finding *f)
{
	struct check_output *out = ctx;
	json_t *o;

	if (!out->list) {
		char id[9] = "-";

		if (f->has_chain)
			out_short(f->chain, id);
		printf("FINDING chain %s seq %" PRIu64 ": %s: %s\n", id, f->seq, f->kind,
		       f->detail);
		return;
	}
	o = json_object();
	out_bytes(o, "chain", f->has_chain ? f->chain : NULL, sizeof(f->chain));
	out_number(o, "seq", f->seq);
	json_object_set_new(o, "kind", render_text(f->kind));
	json_object_set_new(o, "detail", render_text(f->detail));
	json_array_append_new(out->list, o);
}

static int check_json(struct store *s, json_t *list, const struct audit_result *res,
		      const struct store_counts *n)
{
	json_t *o = json_object();

	json_object_set_new(o, "store", render_text(store_path(s)));
	json_object_set_new(o, "ok", json_boolean(!res->findings));
	out_number(o, "chains", res->chains);
	out_number(o, "records", res->records);
	out_number(o, "declared_missing", res->declared);
	out_number(o, "findings_count", res->findings);
	json_object_set(o, "findings", list);
	out_number(o, "findings_at_ingest", n->findings);
	return out_json(o, JSON_INDENT(2));
}

int collector_check(const struct collector_config *c)
{
	_cleanup_(store_freep) struct store *s = out_store(c);
	struct check_output out = {.list = c->json ? json_array() : NULL};
	struct audit_result res;
	struct store_counts n = {0};
	int r = EXIT_FINE;

	if (!s || audit_store(s, check_finding, &out, &res)) {
		json_decref(out.list);
		return s ? out_failed(s) : EXIT_FAILED;
	}
	if (store_count(s, &n))
		log_err("%s", store_error(s));
	if (c->json)
		r = check_json(s, out.list, &res, &n);
	else
		printf("%s: %" PRIu64 " chains, %" PRIu64 " records verified, %" PRIu64
		       " declared gone, %" PRIu64 " findings; %" PRId64
		       " findings noted at ingest (see status)\n",
		       res.findings ? "NOT OK" : "ok", res.chains, res.records, res.declared,
		       res.findings, n.findings);
	json_decref(out.list);
	return res.findings ? EXIT_FAILED : r;
}
