// SPDX-License-Identifier: Apache-2.0
/* A request to a tool server (McpCall) for people: one line, and the groups of its page. */
#include <inttypes.h>
#include <string.h>

#include "render_page.h"

#define PAGE_EFFECTS 64

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

const char *render_mcp_client(const Probity__V1__McpCall *c)
{
	if (c->tool && c->tool->id[0])
		return c->tool->id;
	return c->client ? last_part(c->client->exe) : "";
}

const char *render_mcp_server(const Probity__V1__McpCall *c)
{
	const char *exe = c->server ? last_part(c->server->exe) : "";

	return page_first(c->server_name, exe, c->server_address);
}

const char *render_mcp_result(const Probity__V1__McpCall *c)
{
	if (!c->answered)
		return "unanswered";
	return c->has_error_code_case || c->is_error ? "error" : "ok";
}

void render_mcp_line(FILE *f, const Probity__V1__McpCall *c)
{
	page_word(f, " ", page_first(c->client ? c->client->user : "", NULL, "?"));
	page_word(f, " ", page_first(render_mcp_client(c), NULL, "?"));
	page_word(f, " -> mcp:", page_first(render_mcp_server(c), NULL, "?"));
	page_word(f, " ", c->method);
	page_word(f, " ", c->tool_name);
	page_word(f, " ", render_mcp_result(c));
	page_word(f, " for ", c->tool_use_id);
	if (c->n_effects)
		fprintf(f, " effects %zu", c->n_effects);
	page_word(f, "; ", c->completeness);
}

static void process(FILE *f, const char *label, const Probity__V1__Process *p)
{
	page_group(f, label);
	if (!p) {
		page_text(f, "process", "not known");
		return;
	}
	page_user(f, "user", p->user, p->uid);
	page_textf(f, "process", "%u (parent %u)", p->pid, p->ppid);
	page_text(f, "exe", p->exe);
	page_text(f, "exe sha256", p->exe_sha256);
	page_list(f, "argv", p->argv, p->n_argv, " ");
	page_list(f, "ancestry", p->ancestry, p->n_ancestry, " < ");
	page_text(f, "container", p->container_id);
}

static void request(FILE *f, const Probity__V1__McpCall *c)
{
	page_group(f, "Request");
	page_text(f, "method", c->method);
	page_text(f, "tool", c->tool_name);
	page_text(f, "id", c->request_id);
	page_number(f, "request bytes", c->request_bytes);
	page_number(f, "arguments bytes", c->arguments_bytes);
	page_hex(f, "arguments sha256", c->arguments_sha256.data, c->arguments_sha256.len);
	page_text(f, "result", render_mcp_result(c));
	if (c->has_error_code_case)
		page_textf(f, "error code", "%" PRId64, c->error_code);
	page_number(f, "response bytes", c->response_bytes);
	page_list(f, "tools listed", c->tools_listed, c->n_tools_listed, ", ");
	page_moment(f, "took", c->end_ns);
}

static void session(FILE *f, const Probity__V1__McpCall *c)
{
	page_group(f, "Session");
	page_text(f, "transport", c->transport);
	page_textf(f, "server", "%s%s%s", c->server_name, c->server_version[0] ? " " : "",
		   c->server_version);
	page_text(f, "client", c->client_name);
	page_text(f, "protocol", c->protocol_version);
	page_text(f, "address", c->server_address);
	page_text(f, "session sha256", c->session_id_sha256);
}

static void why(FILE *f, const Probity__V1__McpCall *c)
{
	page_group(f, "Asked for by");
	if (!c->tool_use_link[0]) {
		page_text(f, "tool_use", "none found");
		return;
	}
	page_textf(f, "tool_use", "%s %s", c->tool_use_name, c->tool_use_id);
	page_text(f, "model", c->tool_use_model);
	page_textf(f, "call", "connection %" PRIx64 ", offset %" PRIu64, c->tool_use_connection_id,
		   c->tool_use_request_offset);
	page_text(f, "found by", c->tool_use_link);
}

static void effects(FILE *f, const Probity__V1__McpCall *c)
{
	if (!c->n_effects && !c->effects_refused)
		return;
	page_group(f, "While it was open, the server's processes");
	for (size_t i = 0; i < c->n_effects && i < PAGE_EFFECTS; i++) {
		const Probity__V1__Effect *e = c->effects[i];

		page_textf(f, e->kind, "%s (process %u, after %.1f ms)", e->what, e->pid,
			   e->at_ns / 1e6);
	}
	page_number(f, "not listed", c->effects_refused);
}

void render_mcp_page(FILE *f, const Probity__V1__McpCall *c)
{
	const Probity__V1__Tool *t = c->tool;
	char when[40];

	if (c->start_unix_ns) {
		render_time(c->start_unix_ns, when);
		page_text(f, "request sent", when);
	}
	page_textf(f, "completeness", "%s%s%s", page_first(c->completeness, NULL, "?"),
		   c->incomplete_reason[0] ? ": " : "", c->incomplete_reason);
	process(f, "Client", c->client);
	if (t && t->id[0])
		page_textf(f, "AI tool", "%s (%s, %s), known by %s, depth %u", t->id, t->name,
			   t->vendor, t->via, t->depth);
	process(f, "Server", c->server);
	session(f, c);
	request(f, c);
	why(f, c);
	effects(f, c);
	page_decision(f, c->decision);
}
