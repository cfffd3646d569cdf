// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: packs as the keeper read them (signatures are its matter), final decisions. Flows out: the
 * pack in force with its kernel rules, POLICY records, ROLE_POLICY, counters by rule. A pack is taken
 * whole or not at all; everything told from here carries its generation.
 *
 * Counters are by rule id: a rule that the next pack has as well goes on counting. They begin anew
 * with the worker.
 */
#include "policy.h"

#include <stdlib.h>
#include <string.h>

#include "agent/worker/exec_rules.h"
#include "agent/worker/gate.h"
#include "agent/worker/judge.h"
#include "agent/worker/krules.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "policy/needs.h"
#include "proto/record.pb-c.h"

struct counts {
	uint64_t fired, done, would, failed;
};
static struct counts counts[PACK_RULES_MAX]; /* of w->pack, by index */
static uint64_t revision;
static int64_t next_change; /* of what schedules and exceptions say */
static char signer[64];

/* --- counters ----------------------------------------------------------------------------------- */

static bool begins(const char *s, const char *head)
{
	return !strncmp(s, head, strlen(head));
}

void policy_count(const struct worker *w, const struct decision *d, const char *effect)
{
	size_t end = strlen(effect);
	struct counts *c;

	if (!w->pack)
		return;
	for (size_t i = 0; i < d->rules; i++)
		counts[i].fired += d->result[i] == RULE_FIRED;
	if (d->deciding < 0 || !strcmp(effect, "none"))
		return;
	c = &counts[d->deciding];
	if (begins(effect, "would_"))
		c->would++;
	else if (end > 7 && !strcmp(effect + end - 7, "_failed"))
		c->failed++;
	else
		c->done++;
}

static void carry_counts(const struct pack *from, const struct pack *to)
{
	static struct counts old[PACK_RULES_MAX];

	memcpy(old, counts, sizeof(old));
	memset(counts, 0, sizeof(counts));
	for (size_t i = 0; from && i < pack_rules(from); i++)
		for (size_t k = 0; k < pack_rules(to); k++)
			if (!strcmp(pack_rule_id(from, i), pack_rule_id(to, k)))
				counts[k] = old[i];
}

static json_t *rules_json(const struct pack *p)
{
	json_t *list = json_array();

	for (size_t i = 0; p && i < pack_rules(p); i++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "id",
						      pack_rule_id(p, i), "disposition",
						      disposition_name(pack_rule_disposition(p, i)),
						      "fired", (json_int_t)counts[i].fired, "done",
						      (json_int_t)counts[i].done, "would",
						      (json_int_t)counts[i].would, "failed",
						      (json_int_t)counts[i].failed));
	return list;
}

json_t *policy_status(const struct worker *w)
{
	char hex[65] = "";

	for (int i = 0; w->pack && i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", pack_sha256(w->pack)[i]);
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:s, s:I, s:I, s:s, s:o}", "set",
			 w->pack ? pack_id(w->pack) : "", "version",
			 w->pack ? pack_version(w->pack) : "", "sha256", hex, "generation",
			 (json_int_t)w->generation, "revision", (json_int_t)revision, "signer",
			 signer, "mode", w->enforce ? "enforce" : "monitor", "rules",
			 (json_int_t)(w->pack ? pack_rules(w->pack) : 0), "kernel_rules",
			 (json_int_t)(w->enforce ? w->krules : 0), "last_error", w->pack_error,
			 "by_rule", rules_json(w->pack));
}

/* --- packs -------------------------------------------------------------------------------------- */

static void record(struct worker *w, const struct pack *p, const char *refused)
{
	Probity__V1__Control m = PROBITY__V1__CONTROL__INIT;

	m.kind = PROBITY__V1__CONTROL__KIND__POLICY;
	m.reason = (char *)(refused ?: "in force");
	m.refused = refused != NULL;
	m.mode = w->enforce ? "enforce" : "monitor";
	m.policy_generation = w->generation;
	if (p) {
		m.policy_set = (char *)pack_id(p);
		m.policy_version = (char *)pack_version(p);
		m.policy_sha256 = (ProtobufCBinaryData){32, (uint8_t *)pack_sha256(p)};
	}
	judge_control(w, &m, 0);
}

/* What the keeper must know of it, and what its rules need of this host. */
static void answer(struct worker *w, const struct role_pack *p, const struct pack *pack,
		   uint64_t rev, const char *error)
{
	static struct {
		struct role_policy head;
		struct policy_needs rule[PACK_RULES_MAX];
	} m;

	memset(&m, 0, sizeof(m));
	m.head.generation = p->generation;
	m.head.revision = rev;
	m.head.refused = error != NULL;
	m.head.enforce = w->enforce;
	snprintf(m.head.error, sizeof(m.head.error), "%s", error ?: "");
	if (pack) {
		memcpy(m.head.sha256, pack_sha256(pack), sizeof(m.head.sha256));
		snprintf(m.head.set, sizeof(m.head.set), "%s", pack_id(pack));
		snprintf(m.head.version, sizeof(m.head.version), "%s", pack_version(pack));
		m.head.rules = pack_rules(pack);
	}
	for (size_t i = 0; i < m.head.rules; i++) {
		snprintf(m.rule[i].rule, sizeof(m.rule[i].rule), "%s", pack_rule_id(pack, i));
		m.rule[i].disposition = pack_rule_disposition(pack, i);
		m.rule[i].needs = policy_needs_of(pack, i);
	}
	tell_keeper(w, ROLE_POLICY, &m, sizeof(m.head) + m.head.rules * sizeof(m.rule[0]));
}

static void refuse(struct worker *w, const struct role_pack *p, const char *why)
{
	snprintf(w->pack_error, sizeof(w->pack_error), "%s", why);
	log_err("%s; %s", why,
		w->pack ? "the pack in force stays"
			: "no pack is in force: calls are recorded as allowed");
	record(w, w->pack, why);
	answer(w, p, NULL, 0, why);
}

/* A signature's revision counts; what the pack itself says must not contradict it. */
static bool revision_ok(const struct role_pack *p, const struct pack *pack, uint64_t *ret,
			char *err, size_t err_len)
{
	uint64_t said = pack_revision(pack), rev = p->revision ?: said;

	if (p->revision && said && said != p->revision)
		snprintf(err, err_len,
			 "%.100s: it says revision %llu, its signature %llu; sign it again",
			 p->name, (unsigned long long)said, (unsigned long long)p->revision);
	else if (rev && rev < p->min_revision)
		snprintf(err, err_len,
			 "%.100s: revision %llu is older than %llu, which was in force here",
			 p->name, (unsigned long long)rev, (unsigned long long)p->min_revision);
	else {
		*ret = rev;
		return true;
	}
	return false;
}

static int64_t unix_now(const struct worker *w)
{
	return (int64_t)((boot_now() + w->wall_offset_ns) / 1000000000ull);
}

/* What the kernel decides or asks about; anew when a schedule or an exception begins or ends. */
static void send_rules(struct worker *w)
{
	next_change = pack_next_change(w->pack, unix_now(w));
	w->krules = pack_krules(w->pack, w->krule);
	krules_split(w);
	if (w->gate)
		gate_pack(w->gate);
	krules_send(w);
	exec_rules_send(w->exec_rules);
}

/* Writes wait at hosts that the kernel knows: the catalog's, and those that rules name. */
static void say_what_comes_late(const struct worker *w)
{
	char names[512] = "";
	size_t n = 0, more = 0;

	for (size_t i = 0; i < w->krules; i++) {
		const char *id = pack_rule_id(w->pack, w->krule[i].index);

		if (!w->krule[i].any_host || !pack_rule_content(w->pack, w->krule[i].index))
			continue;
		if (n + strlen(id) + 3 > sizeof(names))
			more++;
		else
			n += snprintf(names + n, sizeof(names) - n, "%s%s", n ? ", " : "", id);
	}
	if (n)
		log_info(
			"at a host outside of the catalog the first request has left before it is "
			"judged by content; name the host or its address to have it wait: rules %s%s",
			names, more ? " and others" : "");
}

static void put_in_force(struct worker *w, const struct role_pack *p, struct pack *pack,
			 uint64_t rev)
{
	carry_counts(w->pack, pack);
	pack_free(w->pack);
	w->pack = pack;
	w->generation = p->generation;
	w->enforce = p->enforce == 2 ? pack_enforce(pack) : p->enforce == 1;
	w->pack_error[0] = '\0';
	revision = rev;
	snprintf(signer, sizeof(signer), "%s", p->signer);
	send_rules(w);
	if (w->enforce)
		say_what_comes_late(w);
	record(w, pack, NULL);
}

void policy_tick(struct worker *w)
{
	if (w->pack && unix_now(w) >= next_change)
		send_rules(w);
}

void policy_take(struct worker *w, const struct role_pack *p, const char *yaml)
{
	struct pack *pack = NULL;
	char err[256];
	uint64_t rev;

	if (p->refused[0]) {
		refuse(w, p, p->refused);
		return;
	}
	if (!p->len) {
		snprintf(err, sizeof(err), "%.127s: empty; expected a policy pack", p->name);
		refuse(w, p, err);
		return;
	}
	if (pack_parse(p->name, yaml, p->len, &pack, err, sizeof(err))) {
		refuse(w, p, err);
		return;
	}
	if (!revision_ok(p, pack, &rev, err, sizeof(err))) {
		pack_free(pack);
		refuse(w, p, err);
		return;
	}
	if (w->pack && w->generation == p->generation &&
	    !memcmp(pack_sha256(w->pack), pack_sha256(pack), 32)) {
		pack_free(pack);
		answer(w, p, w->pack, rev, NULL);
		return;
	}
	put_in_force(w, p, pack, rev);
	answer(w, p, pack, rev, NULL);
}
