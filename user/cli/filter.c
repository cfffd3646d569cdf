// SPDX-License-Identifier: Apache-2.0
/*
 * One record against the filter: all that is asked must hold. A question about AI calls excludes
 * control records. A payload that cannot be read matches only when both kinds are asked for, so it
 * is never hidden by `ls --all` and never mistaken for a call.
 */
#include "filter.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

static bool glob(const char *pattern, const char *s)
{
	return !pattern || !fnmatch(pattern, s ? s : "", FNM_CASEFOLD);
}

static bool glob_any(const char *pattern, const char *const *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (glob(pattern, s[i]))
			return true;
	return false;
}

static bool call_match(const struct filter *f, const Probity__V1__AiCall *c)
{
	const Probity__V1__Tool *t = c->tool;
	const Probity__V1__Service *s = c->service;
	const char *tool[] = {t ? t->id : "", t ? t->name : "",
			      t && t->id[0] ? "" : render_program(c)};
	const char *service[] = {s ? s->id : "", s ? s->name : "", c->server_address};
	const char *model[] = {c->request_model, c->response_model};
	const char *verdict[] = {c->decision ? c->decision->disposition : "", render_verdict(c)};

	return glob_any(f->tool, tool, 3) && glob_any(f->service, service, 3) &&
	       glob_any(f->model, model, 2) && glob_any(f->disposition, verdict, 2) &&
	       glob(f->user, c->process ? c->process->user : "") &&
	       (!f->incomplete || strcmp(c->completeness, "complete"));
}

static bool mcp_match(const struct filter *f, const Probity__V1__McpCall *c)
{
	char service[160];
	const char *tool[] = {c->tool ? c->tool->id : "", c->tool ? c->tool->name : "",
			      render_mcp_client(c)};
	const char *verdict[] = {c->decision ? c->decision->disposition : "",
				 render_decision(c->decision)};

	snprintf(service, sizeof(service), "mcp:%s", render_mcp_server(c));
	return glob_any(f->tool, tool, 3) && glob(f->service, service) && !f->model &&
	       glob_any(f->disposition, verdict, 2) &&
	       glob(f->user, c->client ? c->client->user : "") &&
	       (!f->incomplete || strcmp(c->completeness, "complete"));
}

static bool denial_match(const struct filter *f, const Probity__V1__Denial *d)
{
	const char *tool[] = {d->tool ? d->tool->id : "", d->tool ? d->tool->name : "",
			      render_denial_program(d)};
	const char *service[] = {d->service ? d->service->id : "", d->server_address,
				 render_denial_subject(d)};
	const char *verdict[] = {d->decision ? d->decision->disposition : "",
				 render_decision(d->decision)};

	return glob_any(f->tool, tool, 3) && glob_any(f->service, service, 3) && !f->model &&
	       glob_any(f->disposition, verdict, 2) &&
	       glob(f->user, d->process ? d->process->user : "") && !f->incomplete;
}

static bool asks_calls(const struct filter *f)
{
	return f->tool || f->service || f->model || f->user || f->disposition || f->incomplete;
}

bool filter_match(const struct filter *f, const struct sealed *s)
{
	if (s->head.wall_ns < f->since_ns || (f->until_ns && s->head.wall_ns >= f->until_ns))
		return false;
	if (s->call)
		return !f->control && call_match(f, s->call);
	if (s->mcp)
		return !f->control && mcp_match(f, s->mcp);
	if (s->denial)
		return !f->control && denial_match(f, s->denial);
	if (asks_calls(f))
		return false;
	return f->all || (f->control && s->control);
}
