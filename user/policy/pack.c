// SPDX-License-Identifier: Apache-2.0
/*
 * The bytes of a pack in, an immutable `struct pack` out, whole or not at all. The caller keeps
 * its last good pack when this refuses, so a broken file never changes what is enforced; for the
 * same reason a pack without rules is refused: it would allow everything without saying so.
 *
 * Limits: PACK_FILE_MAX bytes, PACK_RULES_MAX rules, those of yaml_doc.h and schema.h. The bytes
 * are hashed as they are, before anything is read from them.
 */
#include "pack.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "pack_impl.h"
#include "pack_keys.h"
#include "proto/gate.h"
#include "schema.h"

#define REVISION_MAX 999999999999
#define GATE_HOLD_MAX_MS 200

DEFINE_CLEANUP(struct pack, pack_free)

const char *disposition_name(enum disposition d)
{
	return words_disposition[d];
}

static int read_rules(struct reading *rd, const struct doc_node *root)
{
	struct pack *p = rd->pack;
	const struct doc_node *n;
	int r = schema_need(rd, root, "the pack", "rules", &n);

	if (!r)
		r = schema_list(rd, n, "rules");
	if (r)
		return r;
	if (!n->children)
		return schema_refuse(rd, n->line, "rules is empty; expected at least one rule");
	if (n->children > PACK_RULES_MAX)
		return schema_refuse_r(rd, n->line, -E2BIG, "%zu rules; expected at most %d",
				       n->children, PACK_RULES_MAX);
	p->rules = arena_zalloc(&p->arena, n->children, sizeof(*p->rules));
	if (!p->rules)
		return -ENOMEM;
	for (const struct doc_node *c = n->first; c; c = c->next, p->n_rules++) {
		r = pack_read_rule(rd, c, &p->rules[p->n_rules]);
		if (r)
			return r;
	}
	r = pack_read_then(rd, n);
	return r ? r : pack_place_rules(rd);
}

static int read_gate(struct reading *rd, const struct doc_node *n)
{
	const struct doc_node *hold, *full;
	uint64_t ms = 0;
	size_t at = GATE_FULL_REFUSE;
	int r = schema_map(rd, n, "gate", keys_gate);

	if (r)
		return r;
	if (!n->children)
		return schema_refuse(rd, n->line,
				     "gate is an empty mapping; expected hold or full");
	hold = doc_get(n, "hold");
	full = doc_get(n, "full");
	if (hold)
		r = schema_duration(rd, hold, "hold", 1, GATE_HOLD_MAX_MS, &ms);
	if (full && !r)
		r = schema_word(rd, full, "full", words_full, &at);
	rd->pack->gate = (struct pack_gate){.hold_ms = ms, .full = at};
	return r;
}

static int read_version(struct reading *rd, const struct doc_node *root)
{
	static const char set[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				  ".+-";
	const struct doc_node *n;
	int r = schema_need(rd, root, "the pack", "version", &n);

	if (!r)
		r = schema_text(rd, n, "version");
	if (r)
		return r;
	if (!n->len || n->len > 64 || n->text[strspn(n->text, set)])
		return schema_refuse(rd, n->line,
				     "version is not like 1.2.3; expected up to 64 of "
				     "letters, digits, \".\", \"+\" and \"-\"");
	rd->pack->version = n->text;
	return 0;
}

static int read_head(struct reading *rd, const struct doc_node *root)
{
	const struct doc_node *n, *mode, *revision, *gate, *coverage;
	size_t at = 0; /* monitor: what a pack does unless it says otherwise */
	int r = schema_map(rd, root, "the pack", keys_pack);

	if (!r)
		r = schema_need(rd, root, "the pack", "pack", &n);
	if (!r)
		r = schema_id(rd, n, "pack");
	if (r)
		return r;
	rd->pack->id = n->text;
	mode = doc_get(root, "mode");
	if (mode)
		r = schema_word(rd, mode, "mode", words_mode, &at);
	rd->pack->enforce = at == 1;
	if (!r)
		r = read_version(rd, root);
	if (!r)
		r = pack_read_description(rd, root);
	revision = doc_get(root, "revision");
	if (revision && !r)
		r = schema_number(rd, revision, "revision", 1, REVISION_MAX, &rd->pack->revision);
	rd->pack->gate.full = GATE_FULL_REFUSE;
	gate = doc_get(root, "gate");
	if (gate && !r)
		r = read_gate(rd, gate);
	coverage = doc_get(root, "coverage");
	if (coverage && !r)
		r = schema_word(rd, coverage, "coverage", words_coverage, &at);
	rd->pack->coverage = coverage;
	return r;
}

static int read_pack(struct reading *rd, const char *yaml, size_t n)
{
	struct doc_error e = {};
	const struct doc_node *tests;
	struct doc_node *root;
	int r = yaml_doc_parse(&rd->pack->arena, yaml, n, &root, &e);

	if (r == -ENOMEM)
		return r;
	if (r)
		return schema_refuse_r(rd, e.line, r, "%s", e.text);
	r = read_head(rd, root);
	if (!r)
		r = read_rules(rd, root);
	tests = doc_get(root, "tests");
	if (tests && !r)
		r = pack_read_cases(rd, tests);
	return r;
}

int pack_parse(const char *file, const char *yaml, size_t n, struct pack **ret, char *err,
	       size_t err_len)
{
	_cleanup_(pack_freep) struct pack *p = calloc(1, sizeof(*p));
	struct reading rd = {.pack = p, .file = file, .err = err, .err_len = err_len};
	int r = -ENOMEM;

	if (n > PACK_FILE_MAX)
		return schema_refuse_r(&rd, 1, -E2BIG, "%zu bytes; expected at most %d", n,
				       PACK_FILE_MAX);
	if (p && EVP_Digest(yaml, n, p->sha256, NULL, EVP_sha256(), NULL) == 1)
		r = read_pack(&rd, yaml, n);
	if (r == -ENOMEM)
		schema_refuse_r(&rd, 1, r, "out of memory; nothing was taken");
	if (r)
		return r;
	*ret = TAKE_PTR(p);
	return 0;
}

void pack_free(struct pack *p)
{
	if (!p)
		return;
	regex_space_free(p->regex);
	arena_free(&p->arena);
	free(p);
}

const char *pack_id(const struct pack *p)
{
	return p->id;
}

const char *pack_version(const struct pack *p)
{
	return p->version;
}

bool pack_enforce(const struct pack *p)
{
	return p->enforce;
}

const uint8_t *pack_sha256(const struct pack *p)
{
	return p->sha256;
}

uint64_t pack_revision(const struct pack *p)
{
	return p->revision;
}

struct pack_gate pack_gate(const struct pack *p)
{
	return p->gate;
}

bool pack_coverage(const struct pack *p)
{
	return p->coverage;
}

size_t pack_rules(const struct pack *p)
{
	return p->n_rules;
}

size_t pack_tests(const struct pack *p)
{
	return p->n_cases;
}

const char *pack_rule_id(const struct pack *p, size_t i)
{
	return p->rules[i].id;
}

const char *pack_rule_severity(const struct pack *p, size_t i)
{
	return p->rules[i].severity;
}

double pack_rule_risk(const struct pack *p, size_t i)
{
	return (double)p->rules[i].risk / RISK_ONE;
}

enum disposition pack_rule_disposition(const struct pack *p, size_t i)
{
	return p->rules[i].disposition;
}

const struct pack_action *pack_rule_action(const struct pack *p, size_t i)
{
	return &p->rules[i].action;
}

bool pack_looks_like(const char *yaml, size_t n)
{
	static const char key[] = "pack:";
	bool start = true;

	for (size_t i = 0; i + sizeof(key) - 1 <= n; i++) {
		if (start && !memcmp(yaml + i, key, sizeof(key) - 1))
			return true;
		start = yaml[i] == '\n';
	}
	return false;
}

int pack_rule_index(const struct pack *p, const char *id)
{
	return pack_rule_by_id(p, id);
}

int pack_rule_by_id(const struct pack *p, const char *id)
{
	for (size_t i = 0; i < p->n_rules; i++)
		if (!strcmp(p->rules[i].id, id))
			return i;
	return -1;
}
