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
#include "schema.h"

DEFINE_CLEANUP(struct pack, pack_free)

static const char *const dispositions[] = {"allow", "alert", "hold", "redact",
					   "deny",  "kill",  NULL};
static const char *const severities[] = {"info", "low", "medium", "high", "critical", NULL};
static const char *const modes[] = {"monitor", "enforce", NULL};

const char *disposition_name(enum disposition d)
{
	return dispositions[d];
}

/* For people only: not kept, but still text. May be long and have several lines. */
static int read_description(struct reading *rd, const struct doc_node *map)
{
	const struct doc_node *n = doc_get(map, "description");

	if (n && n->kind != DOC_TEXT)
		return schema_refuse(rd, n->line, "description is no text; expected a text");
	return 0;
}

static int read_severity(struct reading *rd, const struct doc_node *map, struct rule *rule)
{
	const struct doc_node *n = doc_get(map, "severity");
	size_t at = 2; /* medium */
	int r = n ? schema_word(rd, n, "severity", severities, &at) : 0;

	if (!r)
		rule->severity = severities[at];
	return r;
}

static int read_disposition(struct reading *rd, const struct doc_node *map, struct rule *rule)
{
	const struct doc_node *n;
	size_t at;
	int r = schema_need(rd, map, "a rule", "disposition", &n);

	if (!r)
		r = schema_word(rd, n, "disposition", dispositions, &at);
	if (!r)
		rule->disposition = at;
	return r;
}

static int read_rule_id(struct reading *rd, const struct doc_node *map, struct rule *rule)
{
	const struct doc_node *n;
	int r = schema_need(rd, map, "a rule", "id", &n), before;

	if (!r)
		r = schema_id(rd, n, "id");
	if (r)
		return r;
	before = pack_rule_by_id(rd->pack, n->text);
	if (before >= 0)
		return schema_refuse(rd, n->line,
				     "rule id \"%s\" is used twice (first on line %u); expected a "
				     "new one",
				     n->text, rd->pack->rules[before].line);
	rule->id = n->text;
	rule->line = n->line;
	return 0;
}

static int read_rule(struct reading *rd, const struct doc_node *n, struct rule *rule)
{
	static const char *const keys[] = {"id",    "description", "severity", "risk",
					   "match", "disposition", NULL};
	const struct doc_node *match, *risk;
	int r = schema_map(rd, n, "a rule", keys);

	if (!r)
		r = read_rule_id(rd, n, rule);
	if (!r)
		r = read_description(rd, n);
	if (!r)
		r = read_severity(rd, n, rule);
	if (!r)
		r = read_disposition(rd, n, rule);
	if (r)
		return r;
	risk = doc_get(n, "risk");
	if (risk)
		r = schema_risk(rd, risk, "risk", &rule->risk);
	match = doc_get(n, "match");
	if (match && !r)
		r = pack_read_match(rd, match, rule);
	return r;
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
		r = read_rule(rd, c, &p->rules[p->n_rules]);
		if (r)
			return r;
	}
	return 0;
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
	static const char *const keys[] = {"pack",  "version", "description", "mode",
					   "rules", "tests",   NULL};
	const struct doc_node *n, *mode;
	size_t at = 0; /* monitor: what a pack does unless it says otherwise */
	int r = schema_map(rd, root, "the pack", keys);

	if (!r)
		r = schema_need(rd, root, "the pack", "pack", &n);
	if (!r)
		r = schema_id(rd, n, "pack");
	if (r)
		return r;
	rd->pack->id = n->text;
	mode = doc_get(root, "mode");
	if (mode)
		r = schema_word(rd, mode, "mode", modes, &at);
	rd->pack->enforce = at == 1;
	if (!r)
		r = read_version(rd, root);
	return r ? r : read_description(rd, root);
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
	pack_mark_krules(p);
	*ret = TAKE_PTR(p);
	return 0;
}

void pack_free(struct pack *p)
{
	if (!p)
		return;
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

int pack_rule_by_id(const struct pack *p, const char *id)
{
	for (size_t i = 0; i < p->n_rules; i++)
		if (!strcmp(p->rules[i].id, id))
			return i;
	return -1;
}
