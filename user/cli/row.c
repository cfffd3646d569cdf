// SPDX-License-Identifier: Apache-2.0
/*
 * Cuts a record down to the columns of a list. Invariant: every text in a row is printable. The tool
 * column holds the catalog id of the AI tool, or in parentheses the program when none was
 * recognised; a shadow service shows its address, which is what one wants to know about it.
 */
#include "row.h"

#include <string.h>

#include "record/printable.h"

#define SET(field, s) printable_copy((field), sizeof(field), (s))

static void in_parentheses(char *dst, size_t cap, const char *s)
{
	size_t n;

	dst[0] = '(';
	n = printable_copy(dst + 1, cap - 2, s && *s ? s : "?");
	memcpy(dst + 1 + n, ")", 2);
}

/* A ten-thousandth of a dollar is the least that is told apart. */
static void cost(const Probity__V1__Cost *c, char ret[static 16])
{
	const char *more = c->partial ? "+" : "";
	int64_t n = c->nano_usd < 0 ? 0 : c->nano_usd;

	if (n && n < 100000)
		snprintf(ret, 16, "<$0.0001%s", more);
	else if (n < 100000000000)
		snprintf(ret, 16, "$%.4f%s", n / 1e9, more);
	else
		snprintf(ret, 16, "$%.0f%s", n / 1e9, more);
}

static void call_row(const Probity__V1__AiCall *c, struct row *ret)
{
	_cleanup_free_ char *classes = render_classes(c);
	const Probity__V1__Usage *u = c->usage;

	ret->in = u && u->has_input_tokens_case ? u->input_tokens : -1;
	ret->out = u && u->has_output_tokens_case ? u->output_tokens : -1;
	ret->shadow = render_shadow(c);
	if (c->cost)
		cost(c->cost, ret->cost);
	SET(ret->user, c->process ? c->process->user : "");
	if (!ret->user[0] && c->process)
		snprintf(ret->user, sizeof(ret->user), "%u", c->process->uid);
	if (c->tool && c->tool->id[0])
		SET(ret->tool, c->tool->id);
	else
		in_parentheses(ret->tool, sizeof(ret->tool), render_program(c));
	if (ret->shadow)
		snprintf(ret->service, sizeof(ret->service), "unknown ");
	if (ret->shadow)
		printable_copy(ret->service + 8, sizeof(ret->service) - 8, c->server_address);
	else
		SET(ret->service, c->service ? c->service->id : "");
	SET(ret->model, c->response_model[0] ? c->response_model : c->request_model);
	SET(ret->operation, c->operation_name[0] ? c->operation_name : c->operation);
	SET(ret->classes, classes);
	SET(ret->verdict, render_verdict(c));
	SET(ret->completeness, c->completeness);
}

/* The server stands in the service's column, the tool in the model's. */
static void mcp_row(const Probity__V1__McpCall *c, struct row *ret)
{
	ret->mcp = true;
	SET(ret->user, c->client ? c->client->user : "");
	if (!ret->user[0] && c->client)
		snprintf(ret->user, sizeof(ret->user), "%u", c->client->uid);
	if (c->tool && c->tool->id[0])
		SET(ret->tool, c->tool->id);
	else
		in_parentheses(ret->tool, sizeof(ret->tool), render_mcp_client(c));
	memcpy(ret->service, "mcp:", 5);
	printable_copy(ret->service + 4, sizeof(ret->service) - 4, render_mcp_server(c));
	SET(ret->model, c->tool_name);
	SET(ret->operation, c->method);
	SET(ret->verdict, c->decision ? render_decision(c->decision) : render_mcp_result(c));
	SET(ret->completeness, c->completeness);
}

/* What was refused stands in the service's column. */
static void denial_row(const Probity__V1__Denial *d, struct row *ret)
{
	ret->mcp = true;
	SET(ret->user, d->process ? d->process->user : "");
	if (!ret->user[0] && d->process)
		snprintf(ret->user, sizeof(ret->user), "%u", d->process->uid);
	if (d->tool && d->tool->id[0])
		SET(ret->tool, d->tool->id);
	else
		in_parentheses(ret->tool, sizeof(ret->tool), render_denial_program(d));
	SET(ret->service, render_denial_subject(d));
	SET(ret->operation, d->kind);
	SET(ret->verdict, render_decision(d->decision));
}

void row_from(const struct sealed *s, struct row *ret)
{
	_cleanup_free_ char *line = NULL;
	const char *text;

	memset(ret, 0, sizeof(*ret));
	ret->seq = s->head.seq;
	ret->wall_ns = s->head.wall_ns;
	ret->in = ret->out = -1;
	if (s->call) {
		call_row(s->call, ret);
		return;
	}
	if (s->mcp) {
		mcp_row(s->mcp, ret);
		return;
	}
	if (s->denial) {
		denial_row(s->denial, ret);
		return;
	}
	ret->control = true;
	ret->loss = s->control && s->control->kind == PROBITY__V1__CONTROL__KIND__LOSS;
	line = render_line(s);
	text = line ? strchr(line, ' ') : NULL; /* after the number, which has its own column */
	SET(ret->note, text ? text + 1 : "");
}

enum style row_verdict_style(const struct row *r)
{
	if (!strcmp(r->verdict, "killed") || !strcmp(r->verdict, "denied"))
		return ALARM;
	if (strstr(r->verdict, "failed") || !strncmp(r->verdict, "would", 5))
		return BAD;
	if (!strcmp(r->verdict, "alert"))
		return WARN;
	return !strcmp(r->verdict, "allow") ? GOOD : PLAIN;
}

enum style row_completeness_style(const struct row *r)
{
	return strcmp(r->completeness, "complete") ? WARN : DIM;
}

void tally_add(struct tally *t, const char *name)
{
	size_t i = 0;

	while (i < t->n && strcmp(t->e[i].name, name))
		i++;
	if (i == t->n && t->n == TALLY_MAX) {
		t->other++;
		return;
	}
	if (i == t->n) {
		t->n++;
		t->e[i].count = 0;
		printable_copy(t->e[i].name, sizeof(t->e[i].name), name);
	}
	t->e[i].count++;
	for (; i && t->e[i].count > t->e[i - 1].count; i--) {
		struct tally_entry swap = t->e[i];

		t->e[i] = t->e[i - 1];
		t->e[i - 1] = swap;
	}
}
