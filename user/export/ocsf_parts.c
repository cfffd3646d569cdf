// SPDX-License-Identifier: Apache-2.0
/*
 * The objects OCSF events are made of, from the messages of a record. What the record does not know is
 * left out; where the schema demands a member, it is its word for unknown (0, "Unknown").
 */
#include <inttypes.h>
#include <string.h>

#include "ocsf.h"
#include "record/private.h"

int64_t ocsf_ms(uint64_t unix_ns)
{
	return unix_ns / 1000000;
}

void ocsf_observable(struct ocsf_event *e, enum ocsf_observable type, const char *path,
		     const char *value)
{
	json_t *o;

	if (!value || !*value)
		return;
	o = build_item(&e->b, e->observables);
	build_text(&e->b, o, "name", path);
	build_int(&e->b, o, "type_id", type);
	build_text(&e->b, o, "value", value);
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

void ocsf_file(struct ocsf_event *e, json_t *o, const char *key, const char *path,
	       const char *sha256)
{
	json_t *f, *h;

	if (!path || !*path)
		return;
	f = build_object(&e->b, o, key);
	build_text(&e->b, f, "name", last_part(path));
	build_text(&e->b, f, "path", path);
	build_int(&e->b, f, "type_id", 1);
	if (!sha256 || !*sha256)
		return;
	h = build_item(&e->b, build_array(&e->b, f, "hashes"));
	build_int(&e->b, h, "algorithm_id", 3);
	build_text(&e->b, h, "algorithm", "SHA-256");
	build_text(&e->b, h, "value", sha256);
}

static void user(struct ocsf_event *e, json_t *o, const Probity__V1__Process *p)
{
	json_t *u = build_object(&e->b, o, "user"), *groups;

	build_text(&e->b, u, "name", p->user);
	if (p->uid == PRIVATE_UID) { /* the pseudonym is all that is known of the person */
		build_text(&e->b, u, "uid", p->user);
		build_int(&e->b, u, "type_id", 1);
	} else {
		build_decimal(&e->b, u, "uid", p->uid);
		build_int(&e->b, u, "type_id", p->uid ? 1 : 2);
	}
	groups = build_array(&e->b, u, "groups");
	for (size_t i = 0; i < p->n_groups; i++)
		if (p->groups[i][0])
			build_text(&e->b, build_item(&e->b, groups), "name", p->groups[i]);
	build_prune(u, "groups");
}

static void command_line(struct ocsf_event *e, json_t *o, const Probity__V1__Process *p)
{
	char line[4096];
	size_t n = 0;

	line[0] = '\0';
	for (size_t i = 0; i < p->n_argv && n < sizeof(line); i++)
		n += snprintf(line + n, sizeof(line) - n, "%s%s", i ? " " : "", p->argv[i]);
	build_text(&e->b, o, "cmd_line", line);
}

void ocsf_process(struct ocsf_event *e, json_t *o, const char *key, const Probity__V1__Process *p)
{
	json_t *q = build_object(&e->b, o, key), *parent, *lineage;

	if (!p) {
		build_int(&e->b, q, "pid", 0);
		build_text(&e->b, q, "name", "unknown");
		return;
	}
	build_int(&e->b, q, "pid", p->pid);
	if (p->exe[0])
		build_text(&e->b, q, "name", last_part(p->exe));
	build_text(&e->b, q, "path", p->exe);
	command_line(e, q, p);
	ocsf_file(e, q, "file", p->exe, p->exe_sha256);
	user(e, q, p);
	lineage = build_array(&e->b, q, "lineage");
	for (size_t i = 0; i < p->n_ancestry; i++)
		build_item_text(&e->b, lineage, p->ancestry[i]);
	build_prune(q, "lineage");
	if (p->ppid) {
		parent = build_object(&e->b, q, "parent_process");
		build_int(&e->b, parent, "pid", p->ppid);
		if (p->n_ancestry && p->ancestry[0][0]) {
			build_text(&e->b, parent, "name", last_part(p->ancestry[0]));
			build_text(&e->b, parent, "path", p->ancestry[0]);
		}
	}
}

void ocsf_actor(struct ocsf_event *e, const Probity__V1__Process *p, const Probity__V1__Tool *t)
{
	json_t *a = build_object(&e->b, e->o, "actor");
	const char *exe = p ? p->exe : "";

	ocsf_process(e, a, "process", p);
	if (t && t->id[0]) {
		build_text(&e->b, a, "app_name", t->name[0] ? t->name : t->id);
		build_text(&e->b, a, "app_uid", t->id);
	}
	ocsf_observable(e, OCSF_USER_NAME, "actor.process.user.name", p ? p->user : "");
	ocsf_observable(e, OCSF_PATH, "actor.process.file.path", exe);
	ocsf_observable(e, OCSF_HASH, "actor.process.file.hashes",
			p && exe[0] ? p->exe_sha256 : "");
}

void ocsf_device(struct ocsf_event *e, const char *key)
{
	json_t *d = build_object(&e->b, e->o, key);
	bool endpoint = !strcmp(key, "src_endpoint");

	build_int(&e->b, d, "type_id", 0);
	build_text(&e->b, d, "hostname", e->c->host);
	build_hex(&e->b, d, "uid", e->s->head.chain, sizeof(e->s->head.chain));
	if (endpoint)
		return;
	build_hex(&e->b, d, "boot_uid", e->s->head.boot_id, sizeof(e->s->head.boot_id));
	if (e->c->kernel[0]) {
		json_t *os = build_object(&e->b, d, "os");

		build_text(&e->b, os, "name", "Linux");
		build_int(&e->b, os, "type_id", 200);
		build_text(&e->b, os, "kernel_release", e->c->kernel);
	}
}

void ocsf_endpoint(struct ocsf_event *e, const char *name, const char *ip, uint32_t port,
		   const Probity__V1__Service *v)
{
	json_t *d;
	bool known = (name && *name) || (ip && *ip) || (v && v->id[0]);

	if (!known)
		return;
	d = build_object(&e->b, e->o, "dst_endpoint");
	build_text(&e->b, d, "hostname", name);
	build_text(&e->b, d, "ip", ip);
	build_count(&e->b, d, "port", port <= 65535 ? port : 0);
	build_text(&e->b, d, "svc_name", v ? v->id : "");
	ocsf_observable(e, OCSF_HOSTNAME, "dst_endpoint.hostname", name);
	ocsf_observable(e, OCSF_IP, "dst_endpoint.ip", ip);
}

static const struct {
	const char *effect;
	int action, disposition; /* of the schema: 1 allowed, 2 denied, 3 observed, 4 modified */
} effects[] = {
	{"denied", 2, 2},	{"killed", 2, 2},	 {"held", 2, 14},
	{"redacted", 4, 11},	{"would_deny", 3, 17},	 {"would_kill", 3, 17},
	{"would_hold", 3, 17},	{"would_redact", 3, 17}, {"deny_failed", 1, 27},
	{"kill_failed", 1, 27}, {"hold_failed", 1, 27},	 {"redact_failed", 1, 27},
};

static void action(struct ocsf_event *e, const Probity__V1__Decision *d)
{
	int act = 1, disposition = d->approval_id[0] ? 8 : 1;

	if (!strcmp(d->disposition, "alert"))
		disposition = 19;
	for (size_t i = 0; i < ARRAY_SIZE(effects); i++) {
		if (strcmp(d->effect, effects[i].effect))
			continue;
		act = effects[i].action;
		disposition = effects[i].disposition;
	}
	build_int(&e->b, e->o, "action_id", act);
	build_int(&e->b, e->o, "disposition_id", disposition);
	build_bool(&e->b, e->o, "is_alert", disposition != 1 && disposition != 8);
}

void ocsf_decision(struct ocsf_event *e, const Probity__V1__Decision *d)
{
	json_t *p, *rule;

	if (!d || !d->disposition[0]) {
		build_int(&e->b, e->o, "action_id", 3);
		build_int(&e->b, e->o, "disposition_id", 17);
		return;
	}
	action(e, d);
	if (d->policy_set[0]) {
		p = build_object(&e->b, e->o, "policy");
		build_text(&e->b, p, "name", d->policy_set);
		build_text(&e->b, p, "version", d->policy_version);
		build_hex(&e->b, p, "uid", d->policy_sha256.data, d->policy_sha256.len);
		build_bool(&e->b, p, "is_applied", !strcmp(d->mode, "enforce"));
	}
	for (size_t i = 0; i < d->n_rules; i++) {
		if (!d->rules[i]->triggered || !d->rules[i]->id[0])
			continue;
		rule = build_object(&e->b, e->o, "firewall_rule");
		build_text(&e->b, rule, "uid", d->rules[i]->id);
		break; /* the first that fired; all of them are in unmapped.decision */
	}
	build_set(&e->b, e->unmapped, "decision", render_message(&d->base));
}
