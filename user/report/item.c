// SPDX-License-Identifier: Apache-2.0
/*
 * A record in, the few facts that are counted out. One place decides what is a violation, a refusal,
 * a supplier, so that every table of a report means the same by it; docs/REPORTS.md says it in words.
 */
#include "item.h"

#include <string.h>
#include <time.h>

#include "record/printable.h"

static const struct {
	const char *name, *text;
} sorts[SORTS] = {
	[SORT_CALL] = {"call", "AI calls"},
	[SORT_SHADOW] = {"shadow_call", "AI calls to services of no catalog"},
	[SORT_DATA] = {"data_call", "AI calls with recognised data classes"},
	[SORT_TOOLS] = {"tool_call", "AI calls in which the model asked for tools"},
	[SORT_ERROR] = {"failed_call", "AI calls that failed"},
	[SORT_MCP] = {"mcp", "requests to tool servers"},
	[SORT_EFFECT] = {"effect", "tool requests with observed effects"},
	[SORT_DENIAL] = {"denial", "denials of programs and connections"},
	[SORT_REFUSED] = {"refused", "refused, masked or ended actions"},
	[SORT_OVERRIDE] = {"override", "actions let pass by an operator"},
	[SORT_NEW] = {"first_seen", "first sightings of a tool, service or model"},
	[SORT_START] = {"start", "starts of the agent"},
	[SORT_STOP] = {"stop", "orderly stops of the agent"},
	[SORT_POLICY] = {"policy", "changes of policy"},
	[SORT_LOSS] = {"loss", "declared losses"},
	[SORT_REPAIR] = {"repair", "repairs of the record store"},
	[SORT_APPROVAL] = {"approval", "steps of approvals"},
	[SORT_GUARD] = {"guard", "changes of the agent's own protection"},
	[SORT_SEAL] = {"seal", "seals of epochs"},
	[SORT_CLOCK] = {"clock_step", "clock steps"},
	[SORT_ERASE] = {"erase", "erasures"},
	[SORT_REVEAL] = {"reveal", "resolved pseudonyms"},
	[SORT_COLLECTOR] = {"collector", "withdrawn confirmations of the collector"},
	[SORT_TPM] = {"tpm", "keys of a TPM that sign checkpoints"},
};

static const char *const wholes[WHOLES] = {"complete",	  "truncated", "gap",  "late-attach",
					   "undecodable", "refused",   "other"};

const char *item_sort_name(enum item_sort s)
{
	return sorts[s].name;
}

const char *item_sort_text(enum item_sort s)
{
	return sorts[s].text;
}

enum item_sort item_sort_of(const char *word)
{
	unsigned s = 0;

	while (s < SORTS && strcmp(sorts[s].name, word) != 0)
		s++;
	return s;
}

const char *item_whole_name(enum item_whole w)
{
	return wholes[w];
}

static enum item_whole whole_of(const char *s)
{
	unsigned w = 0;

	while (w < WHOLE_REFUSED && strcmp(wholes[w], s) != 0)
		w++;
	return w == WHOLE_REFUSED ? WHOLE_OTHER : w;
}

bool item_fired(const Probity__V1__RuleResult *r)
{
	return r->triggered && strcmp(r->disposition, "allow") != 0;
}

static void decision(const Probity__V1__Decision *d, struct item *it)
{
	static const char *const done[] = {"denied", "held", "killed", "redacted"};

	if (!d)
		return;
	it->decision = d;
	for (size_t i = 0; i < d->n_rules; i++)
		it->violated |= item_fired(d->rules[i]);
	for (size_t i = 0; i < ARRAY_SIZE(done); i++)
		it->refused |= !strcmp(d->effect, done[i]);
	if (it->refused && it->whole == WHOLE_TRUNCATED)
		it->whole = WHOLE_REFUSED;
	if (it->refused)
		it->sorts |= 1u << SORT_REFUSED;
	if (d->approved_by[0])
		it->sorts |= 1u << SORT_OVERRIDE;
}

/* A program stands in parentheses, where no AI tool was recognised. */
static void tool(const Probity__V1__Tool *t, const char *program, struct item *it)
{
	char name[64];

	if (t && t->id[0]) {
		printable_copy(it->tool, sizeof(it->tool), t->id);
		it->tool_name = t->name;
		return;
	}
	printable_copy(name, sizeof(name), program);
	snprintf(it->tool, sizeof(it->tool), "(%s)", name);
	it->tool_name = "";
}

static void user(const Probity__V1__Process *p, struct item *it)
{
	if (p && p->login_user[0])
		printable_copy(it->user, sizeof(it->user), p->login_user);
	else if (p && p->user[0])
		printable_copy(it->user, sizeof(it->user), p->user);
	else if (p)
		snprintf(it->user, sizeof(it->user), "uid %u", p->uid);
}

/* A service of no catalog is told apart by its address, and is its own supplier. */
static void service(const Probity__V1__Service *s, const char *address, struct item *it)
{
	bool known = s && s->id[0] && strcmp(s->id, "unknown") != 0;
	char where[128];

	it->provider = s ? s->provider_name : "";
	it->service_name = known ? s->name : "";
	if (known) {
		printable_copy(it->service, sizeof(it->service), s->id);
		printable_copy(it->supplier, sizeof(it->supplier),
			       s->vendor[0] ? s->vendor : s->name);
		return;
	}
	printable_copy(where, sizeof(where), address[0] ? address : "(not known)");
	snprintf(it->service, sizeof(it->service), "unknown: %s", where);
	snprintf(it->supplier, sizeof(it->supplier), "unknown: %s", where);
}

static const char *first(const char *a, const char *b, const char *c)
{
	return a[0] ? a : b[0] ? b : c;
}

static void usage(const Probity__V1__AiCall *c, struct item *it)
{
	const Probity__V1__Usage *u = c->usage;

	it->tokens_known = u && u->has_input_tokens_case && u->has_output_tokens_case &&
			   u->input_tokens >= 0 && u->output_tokens >= 0;
	if (u && u->has_input_tokens_case && u->input_tokens > 0)
		it->input_tokens = u->input_tokens;
	if (u && u->has_output_tokens_case && u->output_tokens > 0)
		it->output_tokens = u->output_tokens;
	it->cost_known = c->cost && c->cost->nano_usd >= 0;
	it->cost_partial = c->cost && c->cost->partial;
	if (it->cost_known)
		it->cost_nano_usd = c->cost->nano_usd;
}

static void call(const Probity__V1__AiCall *c, struct item *it)
{
	it->use = true;
	it->sorts |= 1u << SORT_CALL;
	if (render_shadow(c))
		it->sorts |= 1u << SORT_SHADOW;
	if (c->n_data_classes)
		it->sorts |= 1u << SORT_DATA;
	if (c->tool_calls_count || c->n_tool_calls)
		it->sorts |= 1u << SORT_TOOLS;
	if (c->error_type[0] || c->http_status >= 400)
		it->sorts |= 1u << SORT_ERROR;
	tool(c->tool, render_program(c), it);
	user(c->process, it);
	service(c->service, first(c->server_address, c->sni, c->peer_address), it);
	it->model = c->response_model[0] ? c->response_model : c->request_model;
	it->whole = whole_of(c->completeness);
	usage(c, it);
	decision(c->decision, it);
}

static void mcp(const Probity__V1__McpCall *c, struct item *it)
{
	it->use = true;
	it->sorts |= 1u << SORT_MCP;
	if (c->n_effects)
		it->sorts |= 1u << SORT_EFFECT;
	tool(c->tool, render_mcp_client(c), it);
	user(c->client, it);
	it->server = render_mcp_server(c);
	it->whole = whole_of(c->completeness);
	decision(c->decision, it);
}

static void denial(const Probity__V1__Denial *d, struct item *it)
{
	it->use = true;
	it->sorts |= 1u << SORT_DENIAL;
	it->weight = d->count ? d->count : 1;
	tool(d->tool, render_denial_program(d), it);
	user(d->process, it);
	if (d->service && d->service->id[0])
		service(d->service, first(d->server_address, d->peer_address, ""), it);
	decision(d->decision, it);
}

/* As Control.Kind counts them. */
enum item_sort item_control_sort(unsigned kind)
{
	static const uint8_t sort[] = {SORTS,	       SORT_START,  SORT_STOP,	   SORT_POLICY,
				       SORT_LOSS,      SORT_REPAIR, SORT_APPROVAL, SORT_GUARD,
				       SORT_SEAL,      SORT_CLOCK,  SORT_ERASE,	   SORT_REVEAL,
				       SORT_COLLECTOR, SORT_TPM};

	return kind < ARRAY_SIZE(sort) ? sort[kind] : SORTS;
}

static void control(const Probity__V1__Control *c, struct item *it)
{
	enum item_sort s = item_control_sort(c->kind);

	if (s != SORTS)
		it->sorts |= 1u << s;
}

static void week(uint64_t wall_ns, char ret[static 16])
{
	time_t t = wall_ns / 1000000000;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(ret, 16, "%G-W%V", &tm))
		snprintf(ret, 16, "?");
}

void item_of(const struct sealed *s, struct item *ret)
{
	*ret = (struct item){.rec = s, .weight = 1, .whole = WHOLE_OTHER};
	week(s->head.wall_ns, ret->week);
	if (s->call)
		call(s->call, ret);
	else if (s->mcp)
		mcp(s->mcp, ret);
	else if (s->denial)
		denial(s->denial, ret);
	else if (s->control)
		control(s->control, ret);
}
