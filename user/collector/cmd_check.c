// SPDX-License-Identifier: Apache-2.0
/*
 * `check`: audit.c's findings as text or JSON, exit 1 when there is one. Findings noted at ingest
 * concern hosts and not the store; they are counted here and shown by `status`.
 */
#include <inttypes.h>

#include "audit.h"
#include "base/log.h"
#include "ledger.h"
#include "out.h"
#include "server.h"
#include "stamp.h"
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
	out_number(o, "macs", res->macs);
	out_number(o, "logs_cosigned", res->cosigned);
	out_number(o, "findings_count", res->findings);
	json_object_set(o, "findings", list);
	out_number(o, "findings_at_ingest", n->findings);
	return out_json(o, JSON_INDENT(2));
}

/* Public keys of our own, where they can be read; false: checked without. */
static bool own_key(const struct collector_config *c, const char *file, struct note_key *ret)
{
	char path[PATH_MAX + 32], err[256];

	*ret = (struct note_key){.name = ""};
	snprintf(path, sizeof(path), "%s/%s.pub", c->pki_dir, file);
	return public_read(path, ret->public, err, sizeof(err)) == 0;
}

static int check_ledger(const struct collector_config *c, struct store *s, struct check_output *out,
			struct audit_result *res, uint64_t *ret_entries)
{
	struct audit_finding f = {.kind = "ledger"};
	struct note_key key;
	bool known = own_key(c, "log.key", &key);
	int r = ledger_check(c->state_dir, s, known ? &key : NULL, ret_entries, f.detail,
			     sizeof(f.detail));

	if (!r || !f.detail[0])
		return r;
	res->findings++;
	check_finding(out, &f);
	return 0;
}

static void stamp_finding(void *ctx, const char *line)
{
	struct audit_finding f = {.kind = "time stamp"};

	snprintf(f.detail, sizeof(f.detail), "%s", line);
	check_finding(ctx, &f);
}

int collector_check(const struct collector_config *c)
{
	_cleanup_(store_freep) struct store *s = out_store(c);
	struct check_output out = {.list = c->json ? json_array() : NULL};
	struct audit_result res;
	struct store_counts n = {0};
	int r = EXIT_FINE;
	struct audit_options o = {.finding = check_finding, .ctx = &out, .now_ns = server_now_ns()};
	uint64_t entries = 0, stamps = 0;
	struct note_key key;

	if (own_key(c, "witness.key", &key))
		o.witness = &key;
	if (!s || audit_store(s, &o, &res) || check_ledger(c, s, &out, &res, &entries)) {
		json_decref(out.list);
		return s ? out_failed(s) : EXIT_FAILED;
	}
	res.findings += stamp_check(c->state_dir, c->tsa_ca, &stamps, stamp_finding, &out);
	if (store_count(s, &n))
		log_err("%s", store_error(s));
	if (c->json)
		r = check_json(s, out.list, &res, &n);
	else
		printf("%s: %" PRIu64 " chains, %" PRIu64 " records verified, %" PRIu64
		       " declared gone, %" PRIu64 " MACs, %" PRIu64
		       " logs cosigned, own log of %" PRIu64 " entries, %" PRIu64
		       " time stamps, %" PRIu64 " findings; %" PRId64
		       " findings noted at ingest (see status)\n",
		       res.findings ? "NOT OK" : "ok", res.chains, res.records, res.declared,
		       res.macs, res.cosigned, entries, stamps, res.findings, n.findings);
	json_decref(out.list);
	return res.findings ? EXIT_FAILED : r;
}
