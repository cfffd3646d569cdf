// SPDX-License-Identifier: Apache-2.0
/*
 * `status`, `check` and `list`: the store in, text or JSON out. They open the store read-only and
 * work beside a running collector. Every text in the store was made printable when it came in.
 */
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "audit.h"
#include "base/log.h"
#include "commands.h"
#include "record/printable.h"
#include "record/render.h"

#define STATUS_FINDINGS 10

static struct store *open_store(const struct collector_config *c)
{
	struct store *s = NULL;
	char err[1024];

	if (store_open(c->db, STORE_READ, &s, err, sizeof(err)))
		log_err("%s", err);
	return s;
}

static int failed(struct store *s)
{
	log_err("%s", store_error(s));
	return EXIT_FAILED;
}

static int print_json(json_t *o, size_t flags)
{
	int r = o ? json_dumpf(o, stdout, flags) : -1;

	json_decref(o);
	putchar('\n');
	if (!r && !fflush(stdout))
		return EXIT_FINE;
	log_err("output cannot be written");
	return EXIT_FAILED;
}

static void set_bytes(json_t *o, const char *name, const uint8_t *p, size_t n)
{
	json_object_set_new(o, name, p ? render_hex(p, n) : json_null());
}

/* Unsigned 64-bit numbers that JSON readers would round are only times here; all fit in 63 bits. */
static void set_number(json_t *o, const char *name, int64_t v)
{
	json_object_set_new(o, name, v == STORE_UNKNOWN ? json_null() : json_integer(v));
}

static void set_time(json_t *o, const char *name, uint64_t ns)
{
	char text[40];

	render_time(ns, text);
	json_object_set_new(o, name, json_string(text));
}

static void short_hex(const uint8_t *p, char out[static 9])
{
	for (size_t i = 0; i < 4; i++)
		snprintf(out + 2 * i, 3, "%02x", p[i]);
}

static int chain_json(void *ctx, const struct store_chain *c)
{
	json_t *o = json_object();

	set_bytes(o, "chain", c->id, sizeof(c->id));
	json_object_set_new(o, "host", render_text(c->host));
	json_object_set_new(o, "cn", render_text(c->cn));
	set_bytes(o, "public_key", c->public, sizeof(c->public));
	set_bytes(o, "cert_sha256", c->cert_sha256, sizeof(c->cert_sha256));
	set_number(o, "first_seq", c->first_seq);
	set_number(o, "last_seq", c->last_seq);
	set_number(o, "records", c->records);
	set_bytes(o, "last_leaf", c->last_leaf, sizeof(c->last_leaf));
	set_time(o, "created", c->created_ns);
	set_time(o, "updated", c->updated_ns);
	return json_array_append_new(ctx, o);
}

static int finding_json(void *ctx, const struct store_finding *f)
{
	json_t *o = json_object();

	set_number(o, "id", f->id);
	set_time(o, "at", f->at_ns);
	set_time(o, "last", f->last_ns);
	set_number(o, "count", f->count);
	json_object_set_new(o, "severity", json_string(store_severity_name(f->severity)));
	json_object_set_new(o, "kind", render_text(f->kind));
	json_object_set_new(o, "cn", render_text(f->cn));
	set_bytes(o, "chain", f->chain, sizeof(f->chain));
	set_number(o, "seq", f->seq);
	json_object_set_new(o, "detail", render_text(f->detail));
	set_number(o, "evidence_bytes", f->evidence_len);
	return json_array_append_new(ctx, o);
}

static int status_json(struct store *s, const struct store_counts *n)
{
	json_t *o = json_object(), *chains = json_array(), *findings = json_array(),
	       *by = json_object();

	json_object_set_new(o, "store", render_text(store_path(s)));
	set_number(o, "records", n->records);
	set_number(o, "ai_calls", n->calls);
	set_number(o, "controls", n->controls);
	set_number(o, "declared_lost", n->lost);
	set_number(o, "findings", n->findings);
	for (int i = STORE_LOW; i <= STORE_CRITICAL; i++)
		set_number(by, store_severity_name(i), n->findings_by_severity[i]);
	json_object_set_new(o, "findings_by_severity", by);
	json_object_set_new(o, "chains", chains);
	json_object_set_new(o, "newest_findings", findings);
	if (store_chains(s, chain_json, chains) ||
	    store_findings(s, STATUS_FINDINGS, finding_json, findings)) {
		json_decref(o);
		return failed(s);
	}
	return print_json(o, JSON_INDENT(2));
}

static int chain_text(void *ctx, const struct store_chain *c)
{
	char id[9], when[40];

	short_hex(c->id, id);
	render_time(c->updated_ns, when);
	printf("  %s  host %s  certificate %s  records %" PRIu64 "  seq %" PRIu64 "..%" PRIu64
	       "  last %.19sZ\n",
	       id, c->host[0] ? c->host : "?", c->cn, c->records, c->first_seq, c->last_seq, when);
	return 0;
}

static int finding_text(void *ctx, const struct store_finding *f)
{
	char id[9], when[40];

	short_hex(f->chain, id);
	render_time(f->last_ns, when);
	printf("  %.19sZ  %s  %s  certificate %s  chain %s  seq %" PRIu64 "  x%" PRId64 "  %s\n",
	       when, store_severity_name(f->severity), f->kind, f->cn, id, f->seq, f->count,
	       f->detail);
	return 0;
}

static int status_text(struct store *s, const struct store_counts *n)
{
	printf("store %s\nchains %" PRId64 "  records %" PRId64 "  ai calls %" PRId64
	       "  declared lost %" PRId64 "  findings %" PRId64 " (critical %" PRId64
	       ", high %" PRId64 ", medium %" PRId64 ", low %" PRId64 ")\n",
	       store_path(s), n->chains, n->records, n->calls, n->lost, n->findings,
	       n->findings_by_severity[STORE_CRITICAL], n->findings_by_severity[STORE_HIGH],
	       n->findings_by_severity[STORE_MEDIUM], n->findings_by_severity[STORE_LOW]);
	if (n->chains)
		printf("\nchains\n");
	if (store_chains(s, chain_text, NULL))
		return failed(s);
	if (n->findings)
		printf("\nnewest findings\n");
	return store_findings(s, STATUS_FINDINGS, finding_text, NULL) ? failed(s) : EXIT_FINE;
}

int collector_status(const struct collector_config *c)
{
	_cleanup_(store_freep) struct store *s = open_store(c);
	struct store_counts n;

	if (!s)
		return EXIT_FAILED;
	if (store_snapshot(s) || store_count(s, &n))
		return failed(s);
	return c->json ? status_json(s, &n) : status_text(s, &n);
}

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
			short_hex(f->chain, id);
		printf("FINDING chain %s seq %" PRIu64 ": %s: %s\n", id, f->seq, f->kind,
		       f->detail);
		return;
	}
	o = json_object();
	set_bytes(o, "chain", f->has_chain ? f->chain : NULL, sizeof(f->chain));
	set_number(o, "seq", f->seq);
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
	set_number(o, "chains", res->chains);
	set_number(o, "records", res->records);
	set_number(o, "findings_count", res->findings);
	json_object_set(o, "findings", list);
	set_number(o, "findings_at_ingest", n->findings);
	return print_json(o, JSON_INDENT(2));
}

int collector_check(const struct collector_config *c)
{
	_cleanup_(store_freep) struct store *s = open_store(c);
	struct check_output out = {.list = c->json ? json_array() : NULL};
	struct audit_result res;
	struct store_counts n = {0};
	int r = EXIT_FINE;

	if (!s || audit_store(s, check_finding, &out, &res)) {
		json_decref(out.list);
		return s ? failed(s) : EXIT_FAILED;
	}
	if (store_count(s, &n))
		log_err("%s", store_error(s));
	if (c->json)
		r = check_json(s, out.list, &res, &n);
	else
		printf("%s: %" PRIu64 " chains, %" PRIu64 " records verified, %" PRIu64
		       " findings; %" PRId64 " findings noted at ingest (see status)\n",
		       res.findings ? "NOT OK" : "ok", res.chains, res.records, res.findings,
		       n.findings);
	json_decref(out.list);
	return res.findings ? EXIT_FAILED : r;
}

static void set_row(json_t *o, const struct store_table *t, const void *row)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct store_field *f = &t->fields[i];
		const void *p = (const char *)row + f->offset;
		int64_t v;
		double d;

		memcpy(&v, p, sizeof(v));
		memcpy(&d, p, sizeof(d));
		if (f->kind == STORE_TEXT)
			json_object_set_new(o, f->name, render_text(p));
		else if (f->kind == STORE_REAL)
			json_object_set_new(o, f->name, json_real(d));
		else
			set_number(o, f->name, v);
	}
}

static int line_json(void *ctx, const struct store_line *l)
{
	json_t *o = json_object(), *row = json_object();

	set_bytes(o, "chain", l->chain, sizeof(l->chain));
	set_number(o, "seq", l->seq);
	set_time(o, "time", l->wall_ns);
	set_time(o, "received", l->received_ns);
	json_object_set_new(o, "host", render_text(l->host));
	json_object_set_new(o, "cn", render_text(l->cn));
	set_number(o, "schema", l->schema);
	if (l->has_call)
		set_row(row, &store_call_table, &l->call);
	if (l->has_control)
		set_row(row, &store_control_table, &l->control);
	json_object_set_new(o,
			    l->has_call	     ? "ai_call"
			    : l->has_control ? "control"
					     : "unreadable",
			    row);
	return print_json(o, JSON_COMPACT);
}

static const char *or_dash(const char *s)
{
	return s[0] ? s : "-";
}

static void call_text(const struct store_call *c)
{
	printf("%s %s -> %s %s %s", or_dash(c->user), or_dash(c->tool[0] ? c->tool : c->exe),
	       or_dash(c->service), or_dash(c->model), or_dash(c->operation));
	if (c->input_tokens != STORE_UNKNOWN || c->output_tokens != STORE_UNKNOWN)
		printf(" tokens %" PRId64 "/%" PRId64,
		       c->input_tokens == STORE_UNKNOWN ? -1 : c->input_tokens,
		       c->output_tokens == STORE_UNKNOWN ? -1 : c->output_tokens);
	if (c->data_classes[0])
		printf(" data %s", c->data_classes);
	printf(" %s risk %.2f %s", or_dash(c->disposition), c->risk, or_dash(c->completeness));
}

static int line_text(void *ctx, const struct store_line *l)
{
	char id[9], when[40];

	short_hex(l->chain, id);
	render_time(l->wall_ns, when);
	printf("%.23sZ %s %s#%" PRIu64 " ", when, or_dash(l->host[0] ? l->host : l->cn), id,
	       l->seq);
	if (l->has_call)
		call_text(&l->call);
	else if (l->has_control && !strcmp(l->control.kind, "loss"))
		printf("loss of %" PRId64 " %s: %s", l->control.count, or_dash(l->control.what),
		       or_dash(l->control.cause));
	else if (l->has_control)
		printf("%s%s%s", l->control.kind, l->control.reason[0] ? ": " : "",
		       l->control.reason);
	else
		printf("schema %u, payload not readable", l->schema);
	putchar('\n');
	return 0;
}

int collector_list(const struct collector_config *c)
{
	_cleanup_(store_freep) struct store *s = open_store(c);
	int r;

	if (!s)
		return EXIT_FAILED;
	r = store_snapshot(s);
	if (!r)
		r = store_newest(s, c->limit, c->json ? line_json : line_text, NULL);
	return r < 0 ? failed(s) : r ? EXIT_FAILED : EXIT_FINE;
}
