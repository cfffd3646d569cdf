// SPDX-License-Identifier: Apache-2.0
/* Something refused that is no call to a model (Denial) for people: one line, and its page. */
#include <inttypes.h>
#include <string.h>

#include "render_page.h"

const char *render_denial_program(const Probity__V1__Denial *d)
{
	const char *exe = d->process ? d->process->exe : "";
	const char *slash = strrchr(exe, '/');

	return slash ? slash + 1 : exe;
}

const char *render_denial_subject(const Probity__V1__Denial *d)
{
	const char *named = page_first(d->path, d->tool_use_name, d->server_address);

	return page_first(named, d->package, d->peer_address);
}

void render_denial_line(FILE *f, const Probity__V1__Denial *d)
{
	page_word(f, " ", page_first(d->process ? d->process->user : "", NULL, "?"));
	page_word(f, " ", page_first(d->tool ? d->tool->id : "", render_denial_program(d), "?"));
	page_word(f, " ", d->kind);
	page_word(f, " ", render_denial_subject(d));
	page_word(f, " by ", d->evidence);
	if (d->count > 1)
		fprintf(f, " %" PRIu64 " times", d->count);
	page_word(f, "; ", render_decision(d->decision));
	page_word(f, " by ", d->decision ? d->decision->mechanism : "");
}

void render_denial_page(FILE *f, const Probity__V1__Denial *d)
{
	char first[40], last[40];

	page_group(f, "What");
	page_text(f, "kind", d->kind);
	page_text(f, "program", d->path);
	page_text(f, "sha256", d->sha256);
	page_text(f, "package", d->package);
	page_text(f, "server", d->server_address);
	if (d->service)
		page_text(f, "service", d->service->id);
	if (d->peer_address[0])
		page_textf(f, "peer", "%s port %u", d->peer_address, d->peer_port);
	page_text(f, "known by", d->evidence);
	page_text(f, "tool call", d->tool_use_name);
	page_text(f, "tool call id", d->tool_use_id);
	render_time(d->first_unix_ns, first);
	render_time(d->last_unix_ns, last);
	page_textf(f, "times", "%" PRIu64, d->count);
	page_text(f, "first", first);
	page_text(f, "last", d->count > 1 ? last : "");
	page_group(f, "Who");
	if (d->process) {
		page_user(f, "user", d->process->user, d->process->uid);
		page_textf(f, "process", "%u (parent %u)", d->process->pid, d->process->ppid);
		page_text(f, "exe", d->process->exe);
		page_list(f, "command", d->process->argv, d->process->n_argv, " ");
		page_list(f, "ancestry", d->process->ancestry, d->process->n_ancestry, " < ");
	}
	if (d->tool)
		page_text(f, "AI tool", d->tool->id);
	page_decision(f, d->decision);
}
