// SPDX-License-Identifier: Apache-2.0
/*
 * A sealed record as text for people: one line, or a page in groups. Invariant: every text of the
 * record passes printable_copy on its way out, so the result is one line (or as many lines as this
 * file wrote) of safe UTF-8. Limits: a single text is cut at TEXT_MAX bytes on the page and at
 * WORD_MAX on the line; the JSON view has all of it.
 */
#include "render.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "printable.h"

#define TEXT_MAX 2048
#define WORD_MAX 96

static void word(FILE *f, const char *before, const char *s)
{
	char b[WORD_MAX];

	if (printable_copy(b, sizeof(b), s))
		fprintf(f, "%s%s", before, b);
}

static void put_classes(FILE *f, const Probity__V1__AiCall *c)
{
	for (size_t i = 0; i < c->n_data_classes; i++) {
		const Probity__V1__DataClass *d = c->data_classes[i];

		word(f, i ? ", " : "", d->id);
		fprintf(f, " %" PRIu64, (uint64_t)d->request + d->response);
	}
}

static char *finish(FILE *f, char **text)
{
	if (fclose(f)) {
		free(*text);
		return NULL;
	}
	return *text;
}

char *render_classes(const Probity__V1__AiCall *c)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	if (!f)
		return NULL;
	put_classes(f, c);
	return finish(f, &text);
}

static const char *first_of(const char *a, const char *b, const char *c)
{
	return a && *a ? a : b && *b ? b : c;
}

static void call_line(FILE *f, const Probity__V1__AiCall *c)
{
	const Probity__V1__Decision *d = c->decision;

	word(f, " ", first_of(c->process ? c->process->user : "", NULL, "?"));
	word(f, " ", first_of(c->tool ? c->tool->id : "", render_program(c), "?"));
	word(f, " -> ", first_of(c->service ? c->service->id : "", NULL, "?"));
	if (render_shadow(c))
		word(f, " at ", c->server_address);
	word(f, " ", first_of(c->operation_name, c->operation, NULL));
	word(f, " ", first_of(c->response_model, c->request_model, NULL));
	if (c->usage && c->usage->has_input_tokens_case)
		fprintf(f, " in %" PRId64, c->usage->input_tokens);
	if (c->usage && c->usage->has_output_tokens_case)
		fprintf(f, " out %" PRId64, c->usage->output_tokens);
	if (c->n_data_classes) {
		fputs(" [", f);
		put_classes(f, c);
		fputc(']', f);
	}
	word(f, " ", render_verdict(c));
	for (size_t i = 0, k = 0; d && i < d->n_rules; i++)
		if (d->rules[i]->triggered)
			word(f, k++ ? ", " : ": ", d->rules[i]->id);
	word(f, "; ", c->completeness);
}

static void control_line(FILE *f, const Probity__V1__Control *c)
{
	word(f, " ", render_control_kind(c));
	if (c->kind == PROBITY__V1__CONTROL__KIND__LOSS) {
		fprintf(f, " %" PRIu64, c->count);
		word(f, " ", c->what);
		word(f, " for ", c->cause);
	} else if (c->kind == PROBITY__V1__CONTROL__KIND__POLICY) {
		word(f, " ", c->policy_set);
		word(f, " ", c->policy_version);
		word(f, " ", c->refused ? "refused" : c->mode);
	} else if (c->kind == PROBITY__V1__CONTROL__KIND__START) {
		word(f, " on ", c->host);
		word(f, ", agent ", c->agent_version);
	} else if (c->kind == PROBITY__V1__CONTROL__KIND__REPAIR) {
		word(f, " ", c->file);
		fprintf(f, " offset %" PRIu64 " bytes %" PRIu64, c->offset, c->bytes);
	}
	word(f, ": ", c->reason);
}

char *render_line(const struct sealed *s)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	if (!f)
		return NULL;
	fprintf(f, "#%" PRIu64, s->head.seq);
	if (s->call)
		call_line(f, s->call);
	else if (s->control)
		control_line(f, s->control);
	else
		fprintf(f, " schema %u, payload not readable", s->head.schema);
	return finish(f, &text);
}

/* --- the page -------------------------------------------------------------------------------- */

static void group(FILE *f, const char *name)
{
	fprintf(f, "\n%s\n", name);
}

/* "  label           text", nothing when the text is empty. */
static void text(FILE *f, const char *label, const char *s)
{
	char b[TEXT_MAX];

	if (printable_copy(b, sizeof(b), s))
		fprintf(f, "  %-18s %s\n", label, b);
}

static void __attribute__((format(printf, 3, 4)))
textf(FILE *f, const char *label, const char *fmt, ...)
{
	char b[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(b, sizeof(b), fmt, ap);
	va_end(ap);
	text(f, label, b);
}

static void hex(FILE *f, const char *label, const uint8_t *p, size_t n)
{
	if (!n)
		return;
	fprintf(f, "  %-18s ", label);
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%02x", p[i]);
	fputc('\n', f);
}

static void number(FILE *f, const char *label, uint64_t v)
{
	if (v)
		fprintf(f, "  %-18s %" PRIu64 "\n", label, v);
}

/* A moment of the call, in milliseconds after its start. */
static void moment(FILE *f, const char *label, uint64_t ns)
{
	if (ns)
		fprintf(f, "  %-18s %.1f ms\n", label, ns / 1e6);
}

static void list(FILE *f, const char *label, char **v, size_t n, const char *sep)
{
	if (!n)
		return;
	fprintf(f, "  %-18s ", label);
	for (size_t i = 0; i < n; i++) {
		char b[TEXT_MAX];

		printable_copy(b, sizeof(b), v[i]);
		fprintf(f, "%s%s", i ? sep : "", b);
	}
	fputc('\n', f);
}

static void page_who(FILE *f, const Probity__V1__AiCall *c)
{
	const Probity__V1__Process *p = c->process;
	const Probity__V1__Tool *t = c->tool;

	group(f, "Who");
	if (p) {
		textf(f, "user", "%s (uid %u)", p->user, p->uid);
		if (p->has_login_uid_case)
			textf(f, "login user", "%s (uid %u)", p->login_user, p->login_uid);
		list(f, "groups", p->groups, p->n_groups, ", ");
		textf(f, "process", "%u (parent %u)", p->pid, p->ppid);
		text(f, "exe", p->exe);
		text(f, "exe sha256", p->exe_sha256);
		list(f, "argv", p->argv, p->n_argv, " ");
		list(f, "ancestry", p->ancestry, p->n_ancestry, " < ");
		text(f, "cgroup", p->cgroup);
		text(f, "container", p->container_id);
	}
	if (t && t->id[0])
		textf(f, "AI tool", "%s (%s, %s), known by %s, depth %u", t->id, t->name, t->vendor,
		      t->via, t->depth);
	else
		text(f, "AI tool", "none recognised");
}

static void page_tool_calls(FILE *f, const Probity__V1__AiCall *c)
{
	list(f, "tools offered", c->tools_offered, c->n_tools_offered, ", ");
	number(f, "  not listed", c->tools_offered_refused);
	for (size_t i = 0; i < c->n_tool_calls; i++)
		textf(f, i ? "" : "tool calls", "%s%s%s", c->tool_calls[i]->name,
		      c->tool_calls[i]->id[0] ? "  " : "", c->tool_calls[i]->id);
	if (c->tool_calls_count > c->n_tool_calls)
		textf(f, "", "and %zu more", (size_t)c->tool_calls_count - c->n_tool_calls);
}

static void page_what(FILE *f, const Probity__V1__AiCall *c)
{
	const Probity__V1__Service *s = c->service;

	group(f, "What");
	if (s && render_shadow(c))
		text(f, "service",
		     "unknown: not in the catalog, speaks a known dialect (shadow AI)");
	else if (s && s->name[0])
		textf(f, "service", "%s (%s, %s%s%s)", s->id, s->name, s->vendor,
		      s->hq[0] ? ", " : "", s->hq);
	else if (s)
		text(f, "service", s->id);
	if (s && s->host_role[0])
		textf(f, "host", "%s, evidence %s", s->host_role, s->evidence);
	textf(f, "operation", "%s%s%s", first_of(c->operation_name, NULL, "?"),
	      c->operation[0] ? " / " : "", c->operation);
	text(f, "dialect", c->dialect);
	text(f, "model asked", c->request_model);
	text(f, "model answered", c->response_model);
	text(f, "model vendor", c->model_vendor);
	text(f, "response id", c->response_id);
	text(f, "streamed", c->stream ? "yes" : "no");
	text(f, "finish reason", c->finish_reason);
	text(f, "error", c->error_type);
	page_tool_calls(f, c);
}

static void page_where(FILE *f, const Probity__V1__AiCall *c)
{
	group(f, "Where");
	if (c->server_port)
		textf(f, "server", "%s port %u", c->server_address, c->server_port);
	else
		text(f, "server", c->server_address);
	text(f, "TLS name", c->sni);
	if (c->peer_address[0])
		textf(f, "peer", "%s port %u", c->peer_address, c->peer_port);
	textf(f, "request", "%s %s%s", c->http_method, c->http_path,
	      c->websocket ? " (websocket)" : "");
	if (c->http_status)
		textf(f, "status", "%u", c->http_status);
	else
		text(f, "status", "no answer seen");
	text(f, "user agent", c->user_agent);
}

static void tokens(FILE *f, const char *label, bool has, int64_t v)
{
	if (has)
		fprintf(f, "  %-18s %" PRId64 "\n", label, v);
}

static void page_much(FILE *f, const Probity__V1__AiCall *c)
{
	const Probity__V1__Usage *u = c->usage;

	group(f, "How much");
	if (u) {
		tokens(f, "input tokens", u->has_input_tokens_case, u->input_tokens);
		tokens(f, "  read from cache", u->has_cache_read_input_tokens_case,
		       u->cache_read_input_tokens);
		tokens(f, "  written to cache", u->has_cache_creation_input_tokens_case,
		       u->cache_creation_input_tokens);
		tokens(f, "output tokens", u->has_output_tokens_case, u->output_tokens);
		tokens(f, "  reasoning", u->has_reasoning_output_tokens_case,
		       u->reasoning_output_tokens);
	}
	number(f, "messages", c->messages);
	textf(f, "request bytes", "%" PRIu64 " (%" PRIu64 " on the wire)", c->request_body_bytes,
	      c->request_wire_bytes);
	textf(f, "response bytes", "%" PRIu64 " (%" PRIu64 " on the wire)", c->response_body_bytes,
	      c->response_wire_bytes);
	moment(f, "request sent", c->request_end_ns);
	moment(f, "first byte", c->first_byte_ns);
	moment(f, "first token", c->first_token_ns);
	moment(f, "end", c->end_ns);
}

static void page_data(FILE *f, const Probity__V1__AiCall *c)
{
	group(f, "Data classes");
	if (!c->n_data_classes)
		fputs("  none found\n", f);
	for (size_t i = 0; i < c->n_data_classes; i++) {
		char id[WORD_MAX];

		printable_copy(id, sizeof(id), c->data_classes[i]->id);
		textf(f, id, "%u in the request, %u in the response", c->data_classes[i]->request,
		      c->data_classes[i]->response);
	}
	hex(f, "request sha256", c->request_sha256.data, c->request_sha256.len);
	hex(f, "response sha256", c->response_sha256.data, c->response_sha256.len);
}

static void page_decision(FILE *f, const Probity__V1__AiCall *c)
{
	const Probity__V1__Decision *d = c->decision;
	char when[40];

	group(f, "Decision");
	if (!d) {
		fputs("  none recorded\n", f);
		return;
	}
	textf(f, "verdict", "%s (%s mode), risk %.2f", render_verdict(c), d->mode, d->risk_score);
	textf(f, "effect", "%s%s%s%s", d->effect, d->mechanism[0] ? " by " : "", d->mechanism,
	      d->before_effect ? ", before the bytes left" : "");
	textf(f, "policy", "%s %s, generation %" PRIu64, d->policy_set, d->policy_version,
	      d->policy_generation);
	hex(f, "policy sha256", d->policy_sha256.data, d->policy_sha256.len);
	render_time(d->evaluated_at_unix_ns, when);
	text(f, "evaluated at", when);
	for (size_t i = 0; i < d->n_rules; i++) {
		const Probity__V1__RuleResult *r = d->rules[i];

		textf(f, i ? "" : "rules", "%s %s (%s, %s)",
		      r->triggered ? "fired  "
		      : r->unknown ? "unknown"
				   : "no     ",
		      r->id, r->disposition, r->severity);
	}
}

static void page_call(FILE *f, const Probity__V1__AiCall *c)
{
	char when[40];

	if (c->start_unix_ns) {
		render_time(c->start_unix_ns, when);
		text(f, "call started", when);
	}
	textf(f, "completeness", "%s%s%s", first_of(c->completeness, NULL, "?"),
	      c->incomplete_reason[0] ? ": " : "", c->incomplete_reason);
	textf(f, "captured", "%s, connection %" PRIx64 ", offset %" PRIu64,
	      first_of(c->capture, NULL, "?"), c->connection_id, c->request_offset);
	page_who(f, c);
	page_what(f, c);
	page_where(f, c);
	page_much(f, c);
	page_data(f, c);
	page_decision(f, c);
}

static void page_control(FILE *f, const Probity__V1__Control *c)
{
	textf(f, "control", "%s", render_control_kind(c));
	text(f, "reason", c->reason);
	text(f, "host", c->host);
	text(f, "agent version", c->agent_version);
	text(f, "kernel", c->kernel);
	text(f, "config sha256", c->config_sha256);
	hex(f, "public key", c->public_key.data, c->public_key.len);
	hex(f, "nonce", c->nonce.data, c->nonce.len);
	if (c->kind == PROBITY__V1__CONTROL__KIND__POLICY || c->policy_set[0]) {
		textf(f, "policy", "%s %s, generation %" PRIu64 "%s", c->policy_set,
		      c->policy_version, c->policy_generation, c->refused ? ", refused" : "");
		text(f, "mode", c->mode);
		hex(f, "policy sha256", c->policy_sha256.data, c->policy_sha256.len);
	}
	if (c->kind == PROBITY__V1__CONTROL__KIND__LOSS) {
		textf(f, "lost", "%" PRIu64 " %s", c->count, c->what);
		text(f, "cause", c->cause);
		if (c->last_seq)
			textf(f, "records", "%" PRIu64 " to %" PRIu64, c->first_seq, c->last_seq);
	}
	if (c->kind == PROBITY__V1__CONTROL__KIND__REPAIR) {
		text(f, "file", c->file);
		textf(f, "cut", "%" PRIu64 " bytes at offset %" PRIu64, c->bytes, c->offset);
	}
}

static void page_seal(FILE *f, const struct sealed *s)
{
	const struct record *h = &s->head;

	group(f, "Seal");
	hex(f, "chain", h->chain, sizeof(h->chain));
	textf(f, "position", "epoch %u, seq %" PRIu64, h->epoch, h->seq);
	hex(f, "leaf sha256", s->leaf, sizeof(s->leaf));
	hex(f, "previous leaf", h->prev, sizeof(h->prev));
	hex(f, "payload sha256", s->bytes + RECORD_HEADER_LEN - 32, 32);
	textf(f, "payload", "schema %u, %u bytes", h->schema, h->payload_len);
	text(f, "algorithm", h->alg == RECORD_ED25519 ? "ed25519" : "unknown");
	hex(f, "key id", h->key_id, sizeof(h->key_id));
	hex(f, "boot id", h->boot_id, sizeof(h->boot_id));
	if (s->sig)
		hex(f, "signature", s->sig, RECORD_SIG_LEN);
}

char *render_detail(const struct sealed *s)
{
	char *page = NULL, when[40];
	size_t n;
	FILE *f = open_memstream(&page, &n);

	if (!f)
		return NULL;
	render_time(s->head.wall_ns, when);
	fprintf(f, "Record %" PRIu64 "\n", s->head.seq);
	text(f, "sealed", when);
	if (s->call)
		page_call(f, s->call);
	else if (s->control)
		page_control(f, s->control);
	else
		textf(f, "payload", "schema %u: not readable by this version", s->head.schema);
	page_seal(f, s);
	return finish(f, &page);
}
