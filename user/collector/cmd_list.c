// SPDX-License-Identifier: Apache-2.0
/* `list`: the newest records, one line each, as text or as one JSON object. */
#include <inttypes.h>
#include <string.h>

#include "out.h"
#include "record/render.h"

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
			out_number(o, f->name, v);
	}
}

static int line_json(void *ctx, const struct store_line *l)
{
	json_t *o = json_object(), *row = json_object();

	out_bytes(o, "chain", l->chain, sizeof(l->chain));
	out_number(o, "seq", l->seq);
	out_time(o, "time", l->wall_ns);
	out_time(o, "received", l->received_ns);
	json_object_set_new(o, "host", render_text(l->host));
	json_object_set_new(o, "cn", render_text(l->cn));
	out_number(o, "schema", l->schema);
	if (l->has_call)
		set_row(row, &store_call_table, &l->call);
	if (l->has_control)
		set_row(row, &store_control_table, &l->control);
	json_object_set_new(o,
			    l->has_call	     ? "ai_call"
			    : l->has_control ? "control"
					     : "unreadable",
			    row);
	return out_json(o, JSON_COMPACT);
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

	out_short(l->chain, id);
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
	else if (l->schema == RECORD_MCP_CALL)
		printf("a request to a tool server");
	else
		printf("schema %u, payload not readable", l->schema);
	putchar('\n');
	return 0;
}

int collector_list(const struct collector_config *c)
{
	_cleanup_(store_freep) struct store *s = out_store(c);
	int r;

	if (!s)
		return EXIT_FAILED;
	r = store_snapshot(s);
	if (!r)
		r = store_newest(s, c->limit, c->json ? line_json : line_text, NULL);
	return r < 0 ? out_failed(s) : r ? EXIT_FAILED : EXIT_FINE;
}
