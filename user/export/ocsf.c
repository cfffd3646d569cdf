// SPDX-License-Identifier: Apache-2.0
/*
 * A record as one OCSF 1.9 event. In: a sealed record. Out: the event of the class that fits it, with
 * the profiles host, ai_operation, security_control and record_integrity.
 *
 *   call, request to a tool server   API Activity 6003
 *   program or script refused        Process Activity 1007
 *   connection refused               Network Activity 4001
 *   the agent's own protection       Detection Finding 2004
 *   start, stop                      Application Lifecycle 6002
 *   other control records            Base Event 0
 *
 * The attestation is that of the sealed record, of which the event is a view: its fingerprint is the
 * leaf hash, its serialization is "probity/record/v1" (Other), because what was hashed and signed are
 * the record's header bytes and not this JSON. The schema's signature object has no place for the
 * signature itself; it stands in unmapped.record with the header's fields. What a class has no
 * place for stands in unmapped too, so no field of the record is lost.
 */
#include "ocsf.h"

#include <inttypes.h>
#include <string.h>

static const char *category_of(unsigned uid)
{
	static const char *const names[] = {"Uncategorized",
					    "System Activity",
					    "Findings",
					    "Identity & Access Management",
					    "Network Activity",
					    "Discovery",
					    "Application Activity"};

	return names[uid / 1000];
}

void ocsf_classify(const struct sealed *s, struct ocsf_class *ret)
{
	const Probity__V1__Denial *d = s->denial;
	const Probity__V1__Control *k = s->control;

	*ret = (struct ocsf_class){OCSF_BASE, "Base Event", NULL, 99, render_kind(s)};
	if (s->call || s->mcp) {
		*ret = (struct ocsf_class){OCSF_API, "API Activity", NULL, 99,
					   s->call ? s->call->operation_name : s->mcp->method};
		if (!ret->activity_name[0])
			ret->activity_name = "unknown";
	} else if (d && (!strcmp(d->kind, "exec") || !strcmp(d->kind, "script") ||
			 !strcmp(d->kind, "map"))) {
		*ret = (struct ocsf_class){OCSF_PROCESS, "Process Activity", NULL, 1, "Launch"};
	} else if (d && !strcmp(d->kind, "guard")) {
		*ret = (struct ocsf_class){OCSF_FINDING, "Detection Finding", NULL, 1, "Create"};
	} else if (d) {
		*ret = (struct ocsf_class){OCSF_NETWORK, "Network Activity", NULL, 5, "Refuse"};
	} else if (k && k->kind == PROBITY__V1__CONTROL__KIND__START) {
		*ret = (struct ocsf_class){OCSF_LIFECYCLE, "Application Lifecycle", NULL, 3,
					   "Start"};
	} else if (k && k->kind == PROBITY__V1__CONTROL__KIND__STOP) {
		*ret = (struct ocsf_class){OCSF_LIFECYCLE, "Application Lifecycle", NULL, 4,
					   "Stop"};
	} else if (k) {
		ret->activity_name = render_control_kind(k);
	}
	ret->category = category_of(ret->uid);
}

void ocsf_class(struct ocsf_event *e, const struct ocsf_class *k)
{
	char type[96];

	build_int(&e->b, e->o, "class_uid", k->uid);
	build_text(&e->b, e->o, "class_name", k->name);
	build_int(&e->b, e->o, "category_uid", k->uid / 1000);
	build_text(&e->b, e->o, "category_name", k->category);
	build_int(&e->b, e->o, "activity_id", k->activity);
	build_text(&e->b, e->o, "activity_name", k->activity_name);
	build_int(&e->b, e->o, "type_uid", (int64_t)k->uid * 100 + k->activity);
	snprintf(type, sizeof(type), "%s: %s", k->name,
		 k->activity == 99 ? "Other" : k->activity_name);
	build_text(&e->b, e->o, "type_name", type);
}

static void metadata(struct ocsf_event *e)
{
	json_t *m = build_object(&e->b, e->o, "metadata"), *p, *profiles;
	char uid[EXPORT_UID_LEN];

	export_uid(e->s->head.chain, e->s->head.seq, uid);
	build_text(&e->b, m, "version", OCSF_VERSION);
	p = build_object(&e->b, m, "product");
	build_text(&e->b, p, "name", "Probity");
	build_text(&e->b, p, "vendor_name", "Probity");
	build_text(&e->b, p, "version", e->c->agent_version);
	profiles = build_array(&e->b, m, "profiles");
	build_item_text(&e->b, profiles, "host");
	if (e->s->head.schema != RECORD_CONTROL)
		build_item_text(&e->b, profiles, "security_control");
	if (e->s->call || e->s->mcp)
		build_item_text(&e->b, profiles, "ai_operation");
	build_item_text(&e->b, profiles, "record_integrity");
	build_text(&e->b, m, "uid", uid);
	build_int(&e->b, m, "logged_time", ocsf_ms(e->s->head.wall_ns));
	/* The schema's integer has 32 bits; the whole number is in uid and in unmapped.record. */
	if (e->s->head.seq <= INT32_MAX)
		build_int(&e->b, m, "sequence", e->s->head.seq);
}

static void fingerprint(struct ocsf_event *e, json_t *o, const uint8_t *leaf)
{
	json_t *f = build_object(&e->b, o, "fingerprint");

	build_int(&e->b, f, "algorithm_id", 3);
	build_text(&e->b, f, "algorithm", "SHA-256");
	build_int(&e->b, f, "encoding_id", 1);
	build_text(&e->b, f, "encoding", "Hex");
	build_int(&e->b, f, "serialization_id", 99);
	build_text(&e->b, f, "serialization", RECORD_CONTEXT);
	build_hex(&e->b, f, "value", leaf, RECORD_HASH_LEN);
}

/* What the previous record's type was is not known here, so its type_uid is left out. */
static void attestation(struct ocsf_event *e)
{
	json_t *a = build_item(&e->b, build_array(&e->b, e->o, "attestation_list")), *p;
	const struct record *h = &e->s->head;
	char uid[EXPORT_UID_LEN];

	export_uid(h->chain, h->seq, uid);
	build_text(&e->b, a, "uid", uid);
	build_hex(&e->b, a, "chain_uid", h->chain, sizeof(h->chain));
	if (e->c->authority_known)
		build_hex(&e->b, a, "authority_uid", e->c->authority, sizeof(e->c->authority));
	fingerprint(e, a, e->s->leaf);
	if (h->seq) {
		p = build_object(&e->b, a, "prev_event");
		export_uid(h->chain, h->seq - 1, uid);
		build_text(&e->b, p, "uid", uid);
		fingerprint(e, p, h->prev);
	}
	if (!e->s->sig)
		return; /* covered by MAC and checkpoint alone */
	p = build_item(&e->b, build_array(&e->b, a, "signatures"));
	build_int(&e->b, p, "algorithm_id", 99);
	build_text(&e->b, p, "algorithm", "Ed25519");
	build_int(&e->b, p, "created_time", ocsf_ms(h->wall_ns));
	build_hex(&e->b, p, "developer_uid", h->key_id, sizeof(h->key_id));
	build_int(&e->b, p, "serialization_id", 99);
	build_text(&e->b, p, "serialization", RECORD_CONTEXT);
}

/* The record's own head, so that the event leads back to it. */
static void head(struct ocsf_event *e)
{
	json_t *whole = render_json(e->s), *r = json_object_get(whole, "record");

	json_incref(r);
	build_set(&e->b, e->unmapped, "record", r);
	json_decref(whole);
}

int export_ocsf(const struct export_context *c, const struct sealed *s, json_t **ret)
{
	struct ocsf_event e = {.o = json_object(), .c = c, .s = s};
	struct ocsf_class k;

	ocsf_classify(s, &k);
	ocsf_class(&e, &k);
	build_int(&e.b, e.o, "time", ocsf_ms(s->head.wall_ns));
	metadata(&e);
	e.observables = build_array(&e.b, e.o, "observables");
	e.unmapped = build_object(&e.b, e.o, "unmapped");
	if (s->call)
		ocsf_call(&e);
	else if (s->mcp)
		ocsf_mcp(&e);
	else if (s->denial)
		ocsf_denial(&e, &k);
	else
		ocsf_control(&e, &k);
	head(&e);
	attestation(&e);
	build_prune(e.o, "observables");
	return build_done(&e.b, e.o, ret);
}
