// SPDX-License-Identifier: Apache-2.0
/*
 * `status`: what the store holds, as text or JSON, from one read snapshot, beside a running
 * collector. Every text in the store was made printable when it came in.
 */
#include <inttypes.h>

#include "out.h"
#include "pki.h"
#include "witness.h"
#include "record/render.h"

#define STATUS_FINDINGS 10

static int chain_json(void *ctx, const struct store_chain *c)
{
	json_t *o = json_object();

	out_bytes(o, "chain", c->id, sizeof(c->id));
	json_object_set_new(o, "host", render_text(c->host));
	json_object_set_new(o, "cn", render_text(c->cn));
	out_bytes(o, "public_key", c->public, sizeof(c->public));
	out_bytes(o, "cert_sha256", c->cert_sha256, sizeof(c->cert_sha256));
	out_number(o, "first_seq", c->first_seq);
	out_number(o, "last_seq", c->last_seq);
	out_number(o, "records", c->records);
	out_bytes(o, "last_leaf", c->last_leaf, sizeof(c->last_leaf));
	out_time(o, "created", c->created_ns);
	out_time(o, "updated", c->updated_ns);
	out_number(o, "covered", c->covered);
	json_object_set_new(o, "mac_seed_held", json_boolean(c->seeded));
	json_object_set_new(o, "stopped", json_boolean(c->stopped));
	out_time(o, "due", c->due_ns);
	return json_array_append_new(ctx, o);
}

static int finding_json(void *ctx, const struct store_finding *f)
{
	json_t *o = json_object();

	out_number(o, "id", f->id);
	out_time(o, "at", f->at_ns);
	out_time(o, "last", f->last_ns);
	out_number(o, "count", f->count);
	json_object_set_new(o, "severity", json_string(store_severity_name(f->severity)));
	json_object_set_new(o, "kind", render_text(f->kind));
	json_object_set_new(o, "cn", render_text(f->cn));
	out_bytes(o, "chain", f->chain, sizeof(f->chain));
	out_number(o, "seq", f->seq);
	json_object_set_new(o, "detail", render_text(f->detail));
	out_number(o, "evidence_bytes", f->evidence_len);
	if (f->closed_ns)
		out_time(o, "closed", f->closed_ns);
	return json_array_append_new(ctx, o);
}

static int witness_json(void *ctx, const struct store_witness *w)
{
	json_t *o = json_object();

	json_object_set_new(o, "log", render_text(w->name));
	out_number(o, "size", w->edge.size);
	out_time(o, "cosigned_at", w->unix_s * UINT64_C(1000000000));
	json_object_set_new(o, "checkpoint", render_text(w->note));
	return json_array_append_new(ctx, o);
}

static int witness_text(void *ctx, const struct store_witness *w)
{
	char when[40];

	render_time(w->unix_s * UINT64_C(1000000000), when);
	printf("  %s  size %" PRIu64 "  %.19sZ\n", w->name, w->edge.size, when);
	return 0;
}

static int lost_json(void *ctx, const char *what, int64_t count)
{
	out_number(ctx, what[0] ? what : "unknown", count);
	return 0;
}

static int lost_text(void *ctx, const char *what, int64_t count)
{
	printf("declared lost by the hosts: %" PRId64 " %s\n", count, what[0] ? what : "unknown");
	return 0;
}

/* This collector's vkey, from the public half of its key; false: not to be had. */
static bool own_vkey(const struct collector_config *c, char out[static WITNESS_VKEY_MAX])
{
	struct note_key k = {.name = ""};
	char path[PATH_MAX + 32], name[PKI_NAME_MAX + 1], err[512];

	snprintf(path, sizeof(path), "%s/witness.key.pub", c->pki_dir);
	if (public_read(path, k.public, err, sizeof(err)) ||
	    pki_file_name(c->cert, name, err, sizeof(err)))
		return false;
	snprintf(k.name, sizeof(k.name), "%s", name);
	return !note_vkey_of(&k, NOTE_COSIGNATURE, out, WITNESS_VKEY_MAX);
}

static int status_json(const struct collector_config *c, struct store *s,
		       const struct store_counts *n)
{
	json_t *witness = json_array();
	char vkey[WITNESS_VKEY_MAX];

	json_t *o = json_object(), *chains = json_array(), *findings = json_array(),
	       *by = json_object(), *lost = json_object();

	json_object_set_new(o, "store", render_text(store_path(s)));
	out_number(o, "records", n->records);
	out_number(o, "ai_calls", n->calls);
	out_number(o, "controls", n->controls);
	out_number(o, "records_missing", n->missing);
	json_object_set_new(o, "declared_lost", lost);
	out_number(o, "findings", n->findings);
	for (int i = STORE_LOW; i <= STORE_CRITICAL; i++)
		out_number(by, store_severity_name(i), n->findings_by_severity[i]);
	json_object_set_new(o, "findings_by_severity", by);
	json_object_set_new(o, "chains", chains);
	json_object_set_new(o, "newest_findings", findings);
	if (own_vkey(c, vkey))
		json_object_set_new(o, "witness_vkey", json_string(vkey));
	json_object_set_new(o, "cosigned", witness);
	if (store_lost(s, lost_json, lost) || store_chains(s, chain_json, chains) ||
	    store_witnesses(s, witness_json, witness) ||
	    store_findings(s, STATUS_FINDINGS, finding_json, findings)) {
		json_decref(o);
		return out_failed(s);
	}
	return out_json(o, JSON_INDENT(2));
}

static int chain_text(void *ctx, const struct store_chain *c)
{
	char id[9], when[40];

	out_short(c->id, id);
	render_time(c->updated_ns, when);
	printf("  %s  host %s  certificate %s  records %" PRIu64 "  seq %" PRIu64 "..%" PRIu64
	       "  last %.19sZ\n",
	       id, c->host[0] ? c->host : "?", c->cn, c->records, c->first_seq, c->last_seq, when);
	return 0;
}

static int finding_text(void *ctx, const struct store_finding *f)
{
	char id[9], when[40];

	out_short(f->chain, id);
	render_time(f->last_ns, when);
	printf("  %.19sZ  %s  %s  certificate %s  chain %s  seq %" PRIu64 "  x%" PRId64 "  %s%s\n",
	       when, store_severity_name(f->severity), f->kind, f->cn, id, f->seq, f->count,
	       f->detail, f->closed_ns ? " (closed)" : "");
	return 0;
}

static int status_text(const struct collector_config *c, struct store *s,
		       const struct store_counts *n)
{
	char vkey[WITNESS_VKEY_MAX];

	printf("store %s\nchains %" PRId64 "  records %" PRId64 "  ai calls %" PRId64
	       "  missing %" PRId64 "  findings %" PRId64 " (critical %" PRId64 ", high %" PRId64
	       ", medium %" PRId64 ", low %" PRId64 ")\n",
	       store_path(s), n->chains, n->records, n->calls, n->missing, n->findings,
	       n->findings_by_severity[STORE_CRITICAL], n->findings_by_severity[STORE_HIGH],
	       n->findings_by_severity[STORE_MEDIUM], n->findings_by_severity[STORE_LOW]);
	if (store_lost(s, lost_text, NULL))
		return out_failed(s);
	if (n->chains)
		printf("\nchains\n");
	if (store_chains(s, chain_text, NULL))
		return out_failed(s);
	if (own_vkey(c, vkey))
		printf("\nwitness %s\n", vkey);
	if (n->chains)
		printf("\ncosigned\n");
	if (store_witnesses(s, witness_text, NULL))
		return out_failed(s);
	if (n->findings)
		printf("\nnewest findings\n");
	return store_findings(s, STATUS_FINDINGS, finding_text, NULL) ? out_failed(s) : EXIT_FINE;
}

int collector_status(const struct collector_config *c)
{
	_cleanup_(store_freep) struct store *s = out_store(c);
	struct store_counts n;

	if (!s)
		return EXIT_FAILED;
	if (store_snapshot(s) || store_count(s, &n))
		return out_failed(s);
	return c->json ? status_json(c, s, &n) : status_text(c, s, &n);
}
