// SPDX-License-Identifier: Apache-2.0
/*
 * A sealed record as text for people: one line, or a page in groups. Invariant: every text of the
 * record passes printable_copy on its way out, so the result is one line (or as many lines as this
 * file wrote) of safe UTF-8. Limits: a single text is cut at TEXT_MAX bytes on the page and at
 * WORD_MAX on the line; the JSON view has all of it.
 */
#include "render_page.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "printable.h"
#include "private.h"

#define TEXT_MAX 2048
#define WORD_MAX 96

void page_word(FILE *f, const char *before, const char *s)
{
	char b[WORD_MAX];

	if (printable_copy(b, sizeof(b), s))
		fprintf(f, "%s%s", before, b);
}

static void put_classes(FILE *f, const Probity__V1__AiCall *c)
{
	for (size_t i = 0; i < c->n_data_classes; i++) {
		const Probity__V1__DataClass *d = c->data_classes[i];

		page_word(f, i ? ", " : "", d->id);
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

const char *page_first(const char *a, const char *b, const char *c)
{
	return a && *a ? a : b && *b ? b : c;
}

static void call_line(FILE *f, const Probity__V1__AiCall *c)
{
	const Probity__V1__Decision *d = c->decision;

	page_word(f, " ", page_first(c->process ? c->process->user : "", NULL, "?"));
	page_word(f, " ", page_first(c->tool ? c->tool->id : "", render_program(c), "?"));
	page_word(f, " -> ", page_first(c->service ? c->service->id : "", NULL, "?"));
	if (render_shadow(c))
		page_word(f, " at ", c->server_address);
	page_word(f, " ", page_first(c->operation_name, c->operation, NULL));
	page_word(f, " ", page_first(c->response_model, c->request_model, NULL));
	if (c->usage && c->usage->has_input_tokens_case)
		fprintf(f, " in %" PRId64, c->usage->input_tokens);
	if (c->usage && c->usage->has_output_tokens_case)
		fprintf(f, " out %" PRId64, c->usage->output_tokens);
	if (c->n_data_classes) {
		fputs(" [", f);
		put_classes(f, c);
		fputc(']', f);
	}
	page_word(f, " ", render_verdict(c));
	for (size_t i = 0, k = 0; d && i < d->n_rules; i++)
		if (d->rules[i]->triggered)
			page_word(f, k++ ? ", " : ": ", d->rules[i]->id);
	page_word(f, "; ", c->completeness);
}

static void control_line(FILE *f, const Probity__V1__Control *c)
{
	page_word(f, " ", render_control_kind(c));
	if (c->kind == PROBITY__V1__CONTROL__KIND__LOSS) {
		fprintf(f, " %" PRIu64, c->count);
		page_word(f, " ", c->what);
		page_word(f, " for ", c->cause);
	} else if (c->kind == PROBITY__V1__CONTROL__KIND__POLICY) {
		page_word(f, " ", c->policy_set);
		page_word(f, " ", c->policy_version);
		page_word(f, " ", c->refused ? "refused" : c->mode);
	} else if (c->kind == PROBITY__V1__CONTROL__KIND__START) {
		page_word(f, " on ", c->host);
		page_word(f, ", agent ", c->agent_version);
		if (strspn(c->config_sha256, "0123456789abcdef") == 64)
			fprintf(f, ", config %.12s", c->config_sha256);
	} else if (c->kind == PROBITY__V1__CONTROL__KIND__REPAIR) {
		page_word(f, " ", c->file);
		fprintf(f, " offset %" PRIu64 " bytes %" PRIu64, c->offset, c->bytes);
	}
	page_word(f, ": ", c->reason);
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
	else if (s->mcp)
		render_mcp_line(f, s->mcp);
	else if (s->denial)
		render_denial_line(f, s->denial);
	else if (s->control)
		control_line(f, s->control);
	else
		fprintf(f, " schema %u, payload not readable", s->head.schema);
	return finish(f, &text);
}

/* --- the page -------------------------------------------------------------------------------- */

void page_group(FILE *f, const char *name)
{
	fprintf(f, "\n%s\n", name);
}

/* "  label           text", nothing when the text is empty. */
void page_text(FILE *f, const char *label, const char *s)
{
	char b[TEXT_MAX];

	if (printable_copy(b, sizeof(b), s))
		fprintf(f, "  %-18s %s\n", label, b);
}

void page_textf(FILE *f, const char *label, const char *fmt, ...)
{
	char b[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(b, sizeof(b), fmt, ap);
	va_end(ap);
	page_text(f, label, b);
}

void page_hex(FILE *f, const char *label, const uint8_t *p, size_t n)
{
	if (!n)
		return;
	fprintf(f, "  %-18s ", label);
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%02x", p[i]);
	fputc('\n', f);
}

void page_number(FILE *f, const char *label, uint64_t v)
{
	if (v)
		fprintf(f, "  %-18s %" PRIu64 "\n", label, v);
}

/* A moment of the call, in milliseconds after its start. */
void page_moment(FILE *f, const char *label, uint64_t ns)
{
	if (ns)
		fprintf(f, "  %-18s %.1f ms\n", label, ns / 1e6);
}

void page_list(FILE *f, const char *label, char **v, size_t n, const char *sep)
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

void page_user(FILE *f, const char *label, const char *name, uint32_t uid)
{
	if (uid == PRIVATE_UID)
		page_text(f, label, name);
	else
		page_textf(f, label, "%s (uid %u)", name, uid);
}

static void page_who(FILE *f, const Probity__V1__AiCall *c)
{
	const Probity__V1__Process *p = c->process;
	const Probity__V1__Tool *t = c->tool;

	page_group(f, "Who");
	if (p) {
		page_user(f, "user", p->user, p->uid);
		if (p->has_login_uid_case || p->login_user[0])
			page_user(f, "login user", p->login_user,
				  p->has_login_uid_case ? p->login_uid : PRIVATE_UID);
		page_list(f, "groups", p->groups, p->n_groups, ", ");
		page_textf(f, "process", "%u (parent %u)", p->pid, p->ppid);
		page_text(f, "exe", p->exe);
		page_text(f, "exe sha256", p->exe_sha256);
		page_list(f, "argv", p->argv, p->n_argv, " ");
		page_list(f, "ancestry", p->ancestry, p->n_ancestry, " < ");
		page_text(f, "cgroup", p->cgroup);
		page_text(f, "container", p->container_id);
	}
	if (t && t->id[0])
		page_textf(f, "AI tool", "%s (%s, %s), known by %s, depth %u", t->id, t->name,
			   t->vendor, t->via, t->depth);
	else
		page_text(f, "AI tool", "none recognised");
}

static void page_tool_calls(FILE *f, const Probity__V1__AiCall *c)
{
	page_list(f, "tools offered", c->tools_offered, c->n_tools_offered, ", ");
	page_number(f, "  not listed", c->tools_offered_refused);
	for (size_t i = 0; i < c->n_tool_calls; i++)
		page_textf(f, i ? "" : "tool calls", "%s%s%s", c->tool_calls[i]->name,
			   c->tool_calls[i]->id[0] ? "  " : "", c->tool_calls[i]->id);
	if (c->tool_calls_count > c->n_tool_calls)
		page_textf(f, "", "and %zu more", (size_t)c->tool_calls_count - c->n_tool_calls);
}

static void page_what(FILE *f, const Probity__V1__AiCall *c)
{
	const Probity__V1__Service *s = c->service;

	page_group(f, "What");
	if (s && render_shadow(c))
		page_text(f, "service",
			  "unknown: not in the catalog, speaks a known dialect (shadow AI)");
	else if (s && s->name[0])
		page_textf(f, "service", "%s (%s, %s%s%s)", s->id, s->name, s->vendor,
			   s->hq[0] ? ", " : "", s->hq);
	else if (s)
		page_text(f, "service", s->id);
	if (s && s->host_role[0])
		page_textf(f, "host", "%s, evidence %s", s->host_role, s->evidence);
	page_textf(f, "operation", "%s%s%s", page_first(c->operation_name, NULL, "?"),
		   c->operation[0] ? " / " : "", c->operation);
	page_text(f, "dialect", c->dialect);
	page_text(f, "model asked", c->request_model);
	page_text(f, "model answered", c->response_model);
	page_text(f, "model vendor", c->model_vendor);
	page_text(f, "response id", c->response_id);
	page_text(f, "streamed", c->stream ? "yes" : "no");
	page_text(f, "finish reason", c->finish_reason);
	page_text(f, "error", c->error_type);
	page_tool_calls(f, c);
}

static void page_wire(FILE *f, const Probity__V1__AiCall *c)
{
	const char *wire = page_first(c->wire, c->websocket ? "websocket" : NULL, "");
	char turn[32] = "";

	if (c->turn)
		snprintf(turn, sizeof(turn), ", turn %u", c->turn);
	if (c->http_version[0] || wire[0])
		page_textf(f, "wire", "%s%s%s%s%s", wire,
			   wire[0] && c->http_version[0] ? " over " : "",
			   c->http_version[0] ? "HTTP/" : "", c->http_version, turn);
}

static void page_where(FILE *f, const Probity__V1__AiCall *c)
{
	page_group(f, "Where");
	if (c->server_port)
		page_textf(f, "server", "%s port %u", c->server_address, c->server_port);
	else
		page_text(f, "server", c->server_address);
	page_text(f, "TLS name", c->sni);
	if (c->tls_version[0] || c->alpn[0])
		page_textf(f, "TLS", "%s%s%s", page_first(c->tls_version, NULL, "version not seen"),
			   c->alpn[0] ? ", offers " : "", c->alpn);
	if (c->peer_address[0])
		page_textf(f, "peer", "%s port %u", c->peer_address, c->peer_port);
	page_wire(f, c);
	if (c->http_method[0] || c->http_path[0])
		page_textf(f, "request", "%s %s", c->http_method, c->http_path);
	if (c->http_status)
		page_textf(f, "status", "%u", c->http_status);
	else
		page_text(f, "status", "no answer seen");
	if (c->has_grpc_status_case)
		page_textf(f, "gRPC status", "%d", c->grpc_status);
	page_text(f, "user agent", c->user_agent);
}

static void tokens(FILE *f, const char *label, bool has, int64_t v)
{
	if (has)
		fprintf(f, "  %-18s %" PRId64 "\n", label, v);
}

/* A call of which no byte was seen has none. */
static bool has_sizes(const Probity__V1__AiCall *c)
{
	return c->has_request_wire_bytes_case || c->has_request_body_bytes_case ||
	       c->has_response_wire_bytes_case || c->has_response_body_bytes_case;
}

static void page_much(FILE *f, const Probity__V1__AiCall *c)
{
	const Probity__V1__Usage *u = c->usage;

	page_group(f, "How much");
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
	page_number(f, "messages", c->messages);
	if (c->cost)
		page_textf(f, "list price", "%s%.6f US dollar, of %s",
			   c->cost->partial ? "at least " : "", c->cost->nano_usd / 1e9,
			   page_first(c->cost->price_date, NULL, "?"));
	if (has_sizes(c)) {
		page_textf(f, "request bytes", "%" PRIu64 " (%" PRIu64 " on the wire)",
			   c->request_body_bytes, c->request_wire_bytes);
		page_textf(f, "response bytes", "%" PRIu64 " (%" PRIu64 " on the wire)",
			   c->response_body_bytes, c->response_wire_bytes);
	} else {
		page_text(f, "bytes", "not seen");
	}
	page_moment(f, "request sent", c->request_end_ns);
	page_moment(f, "first byte", c->first_byte_ns);
	page_moment(f, "first token", c->first_token_ns);
	page_moment(f, "end", c->end_ns);
}

static void page_data(FILE *f, const Probity__V1__AiCall *c)
{
	page_group(f, "Data classes");
	if (!c->n_data_classes)
		fputs(has_sizes(c) ? "  none found\n" : "  not seen\n", f);
	for (size_t i = 0; i < c->n_data_classes; i++) {
		char id[WORD_MAX];

		printable_copy(id, sizeof(id), c->data_classes[i]->id);
		page_textf(f, id, "%u in the request, %u in the response",
			   c->data_classes[i]->request, c->data_classes[i]->response);
	}
	page_hex(f, "request sha256", c->request_sha256.data, c->request_sha256.len);
	page_hex(f, "response sha256", c->response_sha256.data, c->response_sha256.len);
}

void page_decision(FILE *f, const Probity__V1__Decision *d)
{
	char when[40];

	page_group(f, "Decision");
	if (!d) {
		fputs("  none recorded\n", f);
		return;
	}
	page_textf(f, "verdict", "%s (%s mode), risk %.2f", render_decision(d), d->mode,
		   d->risk_score);
	page_textf(f, "effect", "%s%s%s%s", d->effect, d->mechanism[0] ? " by " : "", d->mechanism,
		   d->before_effect ? ", before the bytes left" : "");
	page_textf(f, "policy", "%s %s, generation %" PRIu64, d->policy_set, d->policy_version,
		   d->policy_generation);
	page_hex(f, "policy sha256", d->policy_sha256.data, d->policy_sha256.len);
	render_time(d->evaluated_at_unix_ns, when);
	page_text(f, "evaluated at", when);
	for (size_t i = 0; i < d->n_rules; i++) {
		const Probity__V1__RuleResult *r = d->rules[i];

		page_textf(f, i ? "" : "rules", "%s %s (%s, %s)",
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
		page_text(f, "call started", when);
	}
	page_textf(f, "completeness", "%s%s%s", page_first(c->completeness, NULL, "?"),
		   c->incomplete_reason[0] ? ": " : "", c->incomplete_reason);
	page_textf(f, "captured", "%s, connection %" PRIx64 ", offset %" PRIu64,
		   page_first(c->capture, NULL, "?"), c->connection_id, c->request_offset);
	page_who(f, c);
	page_what(f, c);
	page_where(f, c);
	page_much(f, c);
	page_data(f, c);
	page_decision(f, c->decision);
}

static void page_control(FILE *f, const Probity__V1__Control *c)
{
	page_textf(f, "control", "%s", render_control_kind(c));
	page_text(f, "reason", c->reason);
	page_text(f, "host", c->host);
	page_text(f, "agent version", c->agent_version);
	page_text(f, "kernel", c->kernel);
	page_text(f, "config sha256", c->config_sha256);
	page_hex(f, "public key", c->public_key.data, c->public_key.len);
	page_hex(f, "nonce", c->nonce.data, c->nonce.len);
	if (c->kind == PROBITY__V1__CONTROL__KIND__POLICY || c->policy_set[0]) {
		page_textf(f, "policy", "%s %s, generation %" PRIu64 "%s", c->policy_set,
			   c->policy_version, c->policy_generation, c->refused ? ", refused" : "");
		page_text(f, "mode", c->mode);
		page_hex(f, "policy sha256", c->policy_sha256.data, c->policy_sha256.len);
	}
	if (c->kind == PROBITY__V1__CONTROL__KIND__LOSS) {
		page_textf(f, "lost", "%" PRIu64 " %s", c->count, c->what);
		page_text(f, "cause", c->cause);
		if (c->last_seq)
			page_textf(f, "records", "%" PRIu64 " to %" PRIu64, c->first_seq,
				   c->last_seq);
	}
	page_hex(f, "TPM public key", c->tpm_public_key.data, c->tpm_public_key.len);
	if (c->kind == PROBITY__V1__CONTROL__KIND__TPM && c->cause[0])
		page_textf(f, "cause", "%s; %" PRIu64 " checkpoints went without its signature",
			   c->cause, c->count);
	if (c->kind == PROBITY__V1__CONTROL__KIND__REPAIR) {
		page_text(f, "file", c->file);
		page_textf(f, "cut", "%" PRIu64 " bytes at offset %" PRIu64, c->bytes, c->offset);
	}
}

static void page_seal(FILE *f, const struct sealed *s)
{
	const struct record *h = &s->head;

	page_group(f, "Seal");
	page_hex(f, "chain", h->chain, sizeof(h->chain));
	page_textf(f, "position", "epoch %u, seq %" PRIu64, h->epoch, h->seq);
	page_hex(f, "leaf sha256", s->leaf, sizeof(s->leaf));
	page_hex(f, "previous leaf", h->prev, sizeof(h->prev));
	page_hex(f, "payload sha256", s->bytes + RECORD_HEADER_LEN - 32, 32);
	page_textf(f, "payload", "schema %u, %u bytes", h->schema, h->payload_len);
	page_text(f, "algorithm", h->alg == RECORD_ED25519 ? "ed25519" : "unknown");
	page_hex(f, "key id", h->key_id, sizeof(h->key_id));
	page_hex(f, "boot id", h->boot_id, sizeof(h->boot_id));
	if (s->sig)
		page_hex(f, "signature", s->sig, RECORD_SIG_LEN);
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
	page_text(f, "sealed", when);
	if (s->call)
		page_call(f, s->call);
	else if (s->mcp)
		render_mcp_page(f, s->mcp);
	else if (s->denial)
		render_denial_page(f, s->denial);
	else if (s->control)
		page_control(f, s->control);
	else
		page_textf(f, "payload", "schema %u: not readable by this version", s->head.schema);
	page_seal(f, s);
	return finish(f, &page);
}
