// SPDX-License-Identifier: Apache-2.0
/*
 * A row per record for people with a spreadsheet: RFC 4180, UTF-8, CRLF, every cell quoted. Texts were
 * chosen by the observed programs; one that begins with = + - @, a tab or a carriage return would be run
 * as a formula by the reader, so an apostrophe goes before it. Line breaks and other control characters
 * were made harmless before (printable.h). One list makes head and rows.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "export.h"
#include "record/printable.h"

struct row {
	const struct export_context *c;
	const struct sealed *s;
	const Probity__V1__Process *process;
	const Probity__V1__Decision *decision;
};

static void number(char *out, size_t cap, bool known, int64_t v)
{
	out[0] = '\0';
	if (known)
		snprintf(out, cap, "%" PRId64, v);
}

static const char *text_of(const struct row *r, size_t column, char *b, size_t cap)
{
	const Probity__V1__AiCall *a = r->s->call;
	const Probity__V1__McpCall *m = r->s->mcp;
	const Probity__V1__Denial *d = r->s->denial;
	const Probity__V1__Control *k = r->s->control;
	const Probity__V1__Usage *u = a ? a->usage : NULL;

	switch (column) {
	case 0:
		number(b, cap, true, r->s->head.seq);
		return b;
	case 1:
		render_time(r->s->head.wall_ns, b);
		return b;
	case 2:
		return render_kind(r->s);
	case 3:
		return r->c->host;
	case 4:
		return r->process ? r->process->user : "";
	case 5:
		number(b, cap, r->process, r->process ? r->process->pid : 0);
		return b;
	case 6:
		return r->process ? r->process->exe : "";
	case 7:
		return a && a->tool   ? a->tool->id
		       : m && m->tool ? m->tool->id
		       : d && d->tool ? d->tool->id
				      : "";
	case 8:
		return a && a->service	 ? a->service->id
		       : m		 ? render_mcp_server(m)
		       : d && d->service ? d->service->id
					 : "";
	case 9:
		return a   ? a->operation_name
		       : m ? m->method
		       : d ? d->kind
		       : k ? render_control_kind(k)
			   : "";
	case 10:
		return a ? a->request_model : "";
	case 11:
		return a ? a->response_model : "";
	case 12:
		number(b, cap, u && u->has_input_tokens_case, u ? u->input_tokens : 0);
		return b;
	case 13:
		number(b, cap, u && u->has_output_tokens_case, u ? u->output_tokens : 0);
		return b;
	case 14:
		number(b, cap, a && a->http_status, a ? a->http_status : 0);
		return b;
	case 15:
		return a ? a->server_address : m ? m->server_address : d ? d->server_address : "";
	case 16:
		return m ? m->tool_name : d ? d->path : "";
	case 17:
		return render_decision(r->decision);
	case 18:
		return r->decision ? r->decision->policy_set : k ? k->policy_set : "";
	case 19:
		return r->decision ? r->decision->policy_version : k ? k->policy_version : "";
	case 20:
		return a ? a->completeness : m ? m->completeness : "";
	case 21:
		return k ? k->reason : a ? a->incomplete_reason : "";
	default:
		for (size_t i = 0; i < RECORD_HASH_LEN; i++)
			snprintf(b + 2 * i, 3, "%02x", r->s->leaf[i]);
		return b;
	}
}

static const char *const columns[] = {
	"seq",		"time",		 "kind",	  "host",
	"user",		"pid",		 "exe",		  "tool",
	"service",	"operation",	 "request_model", "response_model",
	"input_tokens", "output_tokens", "http_status",	  "server_address",
	"subject",	"verdict",	 "policy_set",	  "policy_version",
	"completeness", "reason",	 "leaf",
};
#define COLUMNS ARRAY_SIZE(columns)

static int cell(FILE *f, const char *s, bool first)
{
	_cleanup_free_ char *safe = printable_dup(s ?: "");

	if (!safe)
		return -ENOMEM;
	if (fputs(first ? "\"" : ",\"", f) == EOF)
		return -EIO;
	if (safe[0] && (strchr("=+-@\t\r", safe[0])))
		putc('\'', f);
	for (const char *p = safe; *p; p++) {
		if (*p == '"')
			putc('"', f);
		putc(*p == '\n' || *p == '\r' ? ' ' : *p, f);
	}
	return putc('"', f) == EOF ? -EIO : 0;
}

int export_csv_head(FILE *f)
{
	int r = 0;

	for (size_t i = 0; i < COLUMNS && !r; i++)
		r = cell(f, columns[i], !i);
	return r ?: fputs("\r\n", f) == EOF ? -EIO : 0;
}

int export_csv_row(FILE *f, const struct export_context *c, const struct sealed *s)
{
	struct row row = {c, s, NULL, NULL};
	char b[2 * RECORD_HASH_LEN + 1];
	int r = 0;

	row.process = s->call	  ? s->call->process
		      : s->mcp	  ? s->mcp->client
		      : s->denial ? s->denial->process
				  : NULL;
	row.decision = s->call	   ? s->call->decision
		       : s->mcp	   ? s->mcp->decision
		       : s->denial ? s->denial->decision
				   : NULL;
	for (size_t i = 0; i < COLUMNS && !r; i++)
		r = cell(f, text_of(&row, i, b, sizeof(b)), !i);
	return r ?: fputs("\r\n", f) == EOF ? -EIO : 0;
}
