// SPDX-License-Identifier: Apache-2.0
/*
 * Refusals and control records. A refusal that only would have been one (monitor mode) is the same
 * event with the action "observed". LOSS and REPAIR are of high severity: something is missing.
 */
#include <string.h>

#include "ocsf.h"

static int severity_of(const Probity__V1__Decision *d)
{
	static const struct {
		const char *name;
		int id;
	} names[] = {{"critical", 5}, {"high", 4}, {"medium", 3}, {"low", 2}};
	int most = 1;

	for (size_t i = 0; d && i < d->n_rules; i++)
		for (size_t k = 0; k < ARRAY_SIZE(names); k++)
			if (d->rules[i]->triggered &&
			    !strcmp(d->rules[i]->severity, names[k].name) && names[k].id > most)
				most = names[k].id;
	return most;
}

static void finding(struct ocsf_event *e)
{
	const Probity__V1__Denial *d = e->s->denial;
	json_t *f = build_object(&e->b, e->o, "finding_info");
	char uid[EXPORT_UID_LEN];

	export_uid(e->s->head.chain, e->s->head.seq, uid);
	build_text(&e->b, f, "uid", uid);
	build_text(&e->b, f, "title", "Attempt against the agent");
	build_text(&e->b, f, "desc", render_denial_subject(d));
	if (d->first_unix_ns)
		build_int(&e->b, f, "first_seen_time", ocsf_ms(d->first_unix_ns));
	if (d->last_unix_ns)
		build_int(&e->b, f, "last_seen_time", ocsf_ms(d->last_unix_ns));
}

void ocsf_denial(struct ocsf_event *e, const struct ocsf_class *k)
{
	const Probity__V1__Denial *d = e->s->denial;
	char uid[EXPORT_UID_LEN];
	json_t *o, *p;

	build_int(&e->b, e->o, "severity_id", severity_of(d->decision));
	if (d->count && d->count <= INT32_MAX)
		build_int(&e->b, e->o, "count", d->count);
	if (d->first_unix_ns)
		build_int(&e->b, e->o, "start_time", ocsf_ms(d->first_unix_ns));
	if (d->last_unix_ns)
		build_int(&e->b, e->o, "end_time", ocsf_ms(d->last_unix_ns));
	build_text(&e->b, e->o, "message", render_denial_subject(d));
	ocsf_actor(e, d->process, d->tool);
	ocsf_device(e, "device");
	if (k->uid == OCSF_PROCESS) {
		p = build_object(&e->b, e->o, "process");
		/* It has no pid, for it never ran. */
		export_uid(e->s->head.chain, e->s->head.seq, uid);
		build_text(&e->b, p, "uid", uid);
		ocsf_file(e, p, "file", d->path, d->sha256);
		build_text(&e->b, p, "path", d->path);
	} else if (k->uid == OCSF_NETWORK) {
		ocsf_device(e, "src_endpoint");
		ocsf_endpoint(e, d->server_address, d->peer_address, d->peer_port, d->service);
	} else {
		finding(e);
	}
	ocsf_observable(e, OCSF_HASH, "process.file.hashes",
			k->uid == OCSF_PROCESS ? d->sha256 : "");
	ocsf_decision(e, d->decision);
	o = render_message(&d->base);
	json_object_del(o, "process");
	json_object_del(o, "decision");
	json_object_del(o, "salt");
	build_set(&e->b, e->unmapped, "denial", o);
}

void ocsf_control(struct ocsf_event *e, const struct ocsf_class *k)
{
	const Probity__V1__Control *c = e->s->control;
	bool missing = c && (c->kind == PROBITY__V1__CONTROL__KIND__LOSS ||
			     c->kind == PROBITY__V1__CONTROL__KIND__REPAIR);
	json_t *o, *app;

	build_int(&e->b, e->o, "severity_id", missing ? 4 : 1);
	ocsf_device(e, "device");
	if (!c) {
		build_text(&e->b, e->o, "message",
			   record_erased(e->s->bytes, e->s->len) ? "payload erased"
								 : "payload not readable");
		return;
	}
	build_text(&e->b, e->o, "message", c->reason);
	if (k->uid == OCSF_LIFECYCLE) {
		app = build_object(&e->b, e->o, "app");
		build_text(&e->b, app, "name", "probityd");
		build_text(&e->b, app, "vendor_name", "Probity");
		build_text(&e->b, app, "version", c->agent_version);
	}
	o = render_message(&c->base);
	json_object_del(o, "salt");
	build_set(&e->b, e->unmapped, "control", o);
}
