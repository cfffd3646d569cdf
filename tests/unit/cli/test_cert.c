// SPDX-License-Identifier: Apache-2.0
// covers: user/cli/cert.c
// covers: user/cli/cert_make.c
// covers: user/cli/proof.c
// covers: user/cli/sealchain.c
/*
 * Certificates of a real spool over three epochs, checked with the first public key: they hold; no byte of
 * them can be changed; and what the thief of the newest key can make is not taken.
 * Long because all cases share the three epochs and their thief.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "agent/spool_erase.h"
#include "base/base64.h"
#include "cli/cert.h"
#include "cli/proof.h"
#include "cli/spool_view.h"
#include "record/tile.h"
#include "tests/unit/record/chainlet.h"

#define EACH 4 /* calls in an epoch */

struct rig {
	struct chainlet c;
	uint8_t anchor[RECORD_PUBKEY_LEN];
	struct signer *witness;
	struct note_key witness_key;
};

static void add_call(struct chainlet *c, uint64_t id)
{
	Probity__V1__AiCall call = PROBITY__V1__AI_CALL__INIT;
	Probity__V1__Decision d = PROBITY__V1__DECISION__INIT;
	Probity__V1__RuleResult hit = PROBITY__V1__RULE_RESULT__INIT, *rules[] = {&hit};
	uint8_t payload[2048];
	size_t n;

	call.request_model = "gpt-4o";
	call.server_address = "api.openai.com";
	call.completeness = "complete";
	call.decision = &d;
	d.policy_set = "observe";
	d.policy_version = "1.0.0";
	d.disposition = "alert";
	d.effect = "none";
	d.risk_score = 0.25;
	d.rules = rules;
	d.n_rules = 1;
	hit.id = "rule-hit";
	hit.triggered = true;
	n = probity__v1__ai_call__pack(&call, payload);
	assert_int_equal(spool_seal(c->s, RECORD_AI_CALL, id, payload, n, false), 0);
	assert_int_equal(spool_commit(c->s), 0);
}

static void end_epoch(struct chainlet *c)
{
	assert_int_equal(spool_end_epoch(c->s, "", false), 0);
	assert_int_equal(spool_commit(c->s), 0);
	c->signer = epochs_signer(c->epochs);
}

/* START, calls 1 to 4, SEAL 5; calls 6 to 9, SEAL 10; calls 11 to 14; a checkpoint of all of it. */
static void fill(struct chainlet *c)
{
	uint64_t id = 0;

	chainlet_start(c);
	assert_int_equal(spool_commit(c->s), 0);
	for (int e = 0; e < 3; e++) {
		for (int i = 0; i < EACH; i++)
			add_call(c, ++id);
		if (e < 2)
			end_epoch(c);
	}
	assert_int_equal(spool_checkpoint(c->s), 0);
	assert_int_equal(spool_state(c->s)->checkpoint, 15);
}

static int setup_of(void **state, bool by_checkpoint)
{
	struct rig *r = calloc(1, sizeof(*r));
	char path[128], err[512] = "";
	struct spool_config cfg = {.segment_bytes = 1024,
				   .origin = "test/host",
				   .by_checkpoint = by_checkpoint};

	chainlet_new(&r->c);
	cfg.dir = r->c.spool;
	cfg.epochs = r->c.epochs;
	if (spool_open(&cfg, &r->c.s, err, sizeof(err)))
		fail_msg("%s", err);
	r->c.signer = epochs_signer(r->c.epochs);
	fill(&r->c);
	assert_int_equal(epochs_chain_public(r->c.epochs, r->anchor), 0);
	snprintf(path, sizeof(path), "%s/witness", r->c.dir);
	assert_int_equal(signer_open(path, true, &r->witness, err, sizeof(err)), 0);
	snprintf(r->witness_key.name, sizeof(r->witness_key.name), "collector.example/w");
	memcpy(r->witness_key.public, signer_public(r->witness), RECORD_PUBKEY_LEN);
	*state = r;
	return 0;
}

static int setup(void **state)
{
	return setup_of(state, false);
}

static int setup_by_checkpoint(void **state)
{
	return setup_of(state, true);
}

static int teardown(void **state)
{
	struct rig *r = *state;

	signer_free(r->witness);
	chainlet_done(&r->c);
	free(r);
	return 0;
}

/* --- making and checking --------------------------------------------------------------------------- */

static json_t *certificate_of(struct rig *r, uint64_t seq)
{
	_cleanup_(spool_cursor_done) struct spool_cursor at = {.dir = r->c.spool};
	_cleanup_sealed_ struct sealed s = {0};
	struct spool_damage dmg;
	uint8_t key[RECORD_PUBKEY_LEN];
	struct spool_pos pos;
	const char *why = "";
	char err[512] = "";
	json_t *cert;

	assert_int_equal(spool_find(r->c.spool, seq, &pos, &dmg), 0);
	assert_int_equal(spool_at(&at, pos, &s, &why), 0);
	/* Of its epoch, from the SEALs; the check says whether it is. */
	memcpy(key, s.head.epoch ? signer_public(r->c.signer) : r->anchor, sizeof(key));
	if (s.head.epoch == 1) {
		_cleanup_(spool_cursor_done) struct spool_cursor c = {.dir = r->c.spool};
		_cleanup_sealed_ struct sealed seal = {0};

		assert_int_equal(spool_find(r->c.spool, 5, &pos, &dmg), 0);
		assert_int_equal(spool_at(&c, pos, &seal, &why), 0);
		memcpy(key, seal.control->next_public_key.data, sizeof(key));
	}
	cert = render_certificate(&s, key);
	assert_non_null(cert);
	if (cert_add_proof(cert, &s, r->c.spool, r->anchor, err, sizeof(err)))
		fail_msg("%s", err);
	return cert;
}

/* The step that fails; "" when all hold. */
static const char *verdict(const json_t *cert, const struct cert_trust *t, struct cert_result *res)
{
	assert_int_equal(cert_verify(cert, t, res), 0);
	assert_true(res->n && res->n <= CERT_STEPS_MAX);
	for (size_t i = 0; i < res->n; i++)
		assert_int_equal(res->steps[i].verdict == CERT_FAILS, !res->ok && i + 1 == res->n);
	return res->ok ? "" : res->steps[res->n - 1].name;
}

static void assert_verdict(struct rig *r, const json_t *cert, const char *want, const char *what)
{
	const struct cert_trust t = {.chain_public = r->anchor};
	struct cert_result res;
	const char *is = verdict(cert, &t, &res);

	if (strcmp(is, want))
		fail_msg("%s: '%s' (%s), want '%s'", what, is, res.steps[res.n - 1].detail, want);
}

static const uint64_t calls[] = {1, 2, 4, 6, 9, 11, 12, 14};

static void test_holds(void **state)
{
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		json_auto_t *cert = certificate_of(r, calls[i]);
		/* As text and back, as it travels. */
		_cleanup_free_ char *text = json_dumps(cert, JSON_INDENT(2));
		json_auto_t *again = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
		const struct cert_trust none = {0};
		struct cert_result res;

		assert_verdict(r, again, "", "as made");
		assert_int_equal(json_object_get(again, "seal_path") != NULL, calls[i] < 10);
		assert_string_equal(verdict(again, &none, &res), "");
		assert_int_equal(res.steps[2].verdict, CERT_NOT_CHECKED); /* its own word */
		assert_int_equal(res.seq, calls[i]);
		assert_int_equal(res.tree_size, 15);
		assert_false(res.newer);
	}
}

/* A record that left the spool is proved by the tiles; nothing covers what comes after the checkpoint. */
static void test_proof(void **state)
{
	struct rig *r = *state;
	struct proof p;
	char err[512] = "";

	assert_int_equal(spool_drop(r->c.s, 8), 0);
	assert_true(spool_state(r->c.s)->first_seq > 1);
	for (uint64_t seq = 0; seq < 15; seq++) {
		_cleanup_free_ char *text = NULL;
		struct tlog_proof t;
		const char *why;

		assert_int_equal(proof_make(r->c.spool, seq, &p, err, sizeof(err)), 0);
		assert_false(p.witnessed);
		text = proof_text(&p, seq, NULL);
		assert_int_equal(tlog_proof_parse(text, strlen(text), &t, NULL, 0, &why), 0);
		assert_int_equal(t.index, seq);
		assert_true(tree_inclusion_ok(seq, &p.leaf, p.checkpoint.size, &p.checkpoint.root,
					      t.path, t.n));
		proof_done(&p);
	}
	assert_int_equal(proof_make(r->c.spool, 15, &p, err, sizeof(err)), -ENOENT);
	assert_non_null(strstr(err, "not covered by a checkpoint yet"));
	assert_non_null(strstr(err, "the next comes in "));
}

/* The newest checkpoint with the witness's line, as the collector gives it back. */
static void cosign_spool(struct rig *r, uint64_t unix_s)
{
	_cleanup_free_ char *text = NULL;
	char path[160], note[4096];
	struct note parsed;
	const char *why;
	size_t n, more;

	snprintf(path, sizeof(path), "%s/checkpoint", r->c.spool);
	assert_int_equal(fs_read(path, NOTE_MAX, &text, &n), 0);
	assert_int_equal(note_parse(text, n, &parsed, &why), 0);
	memcpy(note, text, n);
	more = cosign(parsed.text, parsed.text_n, unix_s, r->witness_key.name, r->witness, note + n,
		      sizeof(note) - n);
	assert_true(more > 0);
	snprintf(path, sizeof(path), "%s/witnessed", r->c.spool);
	assert_int_equal(fs_write_atomic(path, note, n + more, 0600), 0);
}

static void test_witness(void **state)
{
	struct rig *r = *state;
	struct note_key other = r->witness_key;
	const struct cert_trust t = {r->anchor, &r->witness_key, 1}, wrong = {r->anchor, &other, 1};
	json_auto_t *before = certificate_of(r, 2), *cert = NULL, *later = NULL;
	struct cert_result res;
	struct proof p;
	char err[512] = "", text[4096], *at;

	assert_string_equal(verdict(before, &t, &res), "cosignature"); /* it has none */
	cosign_spool(r, 1795300000);
	add_call(&r->c, 100); /* 15, behind what was cosigned */
	assert_int_equal(spool_checkpoint(r->c.s), 0);

	cert = certificate_of(r, 2);
	assert_string_equal(verdict(cert, &t, &res), "");
	assert_int_equal(res.witness_s, 1795300000);
	assert_int_equal(res.tree_size, 15);
	assert_verdict(r, cert, "", "without a witness's key");
	later = certificate_of(r, 15);
	assert_verdict(r, later, "", "behind the cosigned checkpoint");
	assert_string_equal(verdict(later, &t, &res), "cosignature");

	other.public[5] ^= 1;
	assert_string_equal(verdict(cert, &wrong, &res), "cosignature");
	snprintf(other.name, sizeof(other.name), "another.example");
	other.public[5] ^= 1;
	assert_string_equal(verdict(cert, &wrong, &res), "cosignature");

	{ /* each that is given must have */
		const struct note_key keys[2] = {r->witness_key, other};
		const struct cert_trust two = {r->anchor, keys, 2};

		assert_string_equal(verdict(cert, &two, &res), "cosignature");
	}

	/* One byte of the witness's line: "collector.example/w <base 64>" */
	snprintf(text, sizeof(text), "%s", json_string_value(json_object_get(cert, "proof")));
	at = strstr(text, "collector.example/w ") + 60;
	*at = *at == 'A' ? 'B' : 'A';
	json_object_set_new(cert, "proof", json_string(text));
	assert_string_equal(verdict(cert, &t, &res), "cosignature");

	assert_int_equal(proof_make(r->c.spool, 3, &p, err, sizeof(err)), 0);
	assert_true(p.witnessed && p.checkpoint.size == 15);
	proof_done(&p);
	assert_int_equal(proof_make(r->c.spool, 15, &p, err, sizeof(err)), 0);
	assert_true(!p.witnessed && p.checkpoint.size == 16);
	proof_done(&p);
}

/* --- every kind of record -------------------------------------------------------------------------- */

static uint64_t add(struct chainlet *c, uint32_t schema, uint64_t id, const ProtobufCMessage *m)
{
	uint8_t payload[1024];

	assert_true(protobuf_c_message_get_packed_size(m) <= sizeof(payload));
	assert_int_equal(spool_seal(c->s, schema, id, payload, protobuf_c_message_pack(m, payload),
				    schema == RECORD_CONTROL),
			 0);
	assert_int_equal(spool_commit(c->s), 0);
	return spool_state(c->s)->durable_seq - 1;
}

static uint64_t add_denial(struct chainlet *c, uint64_t id)
{
	Probity__V1__Denial d = PROBITY__V1__DENIAL__INIT;
	Probity__V1__Decision k = PROBITY__V1__DECISION__INIT;

	d.kind = "exec", d.path = "/opt/tool", d.count = 3;
	k.disposition = "deny", k.effect = "denied";
	d.decision = &k;
	return add(c, RECORD_DENIAL, id, &d.base);
}

static uint64_t add_mcp(struct chainlet *c, uint64_t id)
{
	Probity__V1__McpCall m = PROBITY__V1__MCP_CALL__INIT;

	m.method = "tools/call", m.tool_name = "read_file";
	return add(c, RECORD_MCP_CALL, id, &m.base);
}

static uint64_t add_approval(struct chainlet *c, uint64_t id)
{
	Probity__V1__Control m = PROBITY__V1__CONTROL__INIT;

	m.kind = PROBITY__V1__CONTROL__KIND__APPROVAL;
	m.approval_id = "a-1", m.approval_state = "approved", m.operator_ = "root";
	return add(c, RECORD_CONTROL, 0, &m.base);
}

static uint64_t add_unknown(struct chainlet *c, uint64_t id)
{
	Probity__V1__Control m = PROBITY__V1__CONTROL__INIT;

	m.reason = "of a schema nobody knows yet";
	return add(c, 77, id, &m.base);
}

static void assert_kind(struct rig *r, uint64_t seq, const char *kind, bool erased)
{
	json_auto_t *cert = certificate_of(r, seq);

	assert_verdict(r, cert, "", kind);
	assert_string_equal(json_string_value(json_object_get(cert, "kind")), kind);
	assert_int_equal(json_is_true(json_object_get(cert, "erased")), erased);
	/* What it says for people is what the record says, and all of it. */
	json_object_set_new(cert, "erased", json_boolean(!erased));
	assert_verdict(r, cert, "fields", "erased, or not");
	json_object_set_new(cert, "erased", json_boolean(erased));
	json_object_set_new(cert, "disposition", json_string("allow"));
	assert_verdict(r, cert, "fields", "a decision nobody made");
	json_object_del(cert, "disposition");
	json_object_set_new(cert, "payload", json_pack("{ss}", "reason", "made up"));
	assert_verdict(r, cert, "fields", "another payload");
}

static void test_every_kind(void **state)
{
	static const struct {
		uint64_t (*add)(struct chainlet *c, uint64_t id);
		const char *kind;
	} row[] = {{add_denial, "denial"},
		   {add_mcp, "mcp_call"},
		   {add_approval, "control"},
		   {add_unknown, "unknown"}};
	struct rig *r = *state;
	uint64_t at[ARRAY_SIZE(row)];

	for (size_t i = 0; i < ARRAY_SIZE(row); i++)
		at[i] = row[i].add(&r->c, 100 + i);
	assert_int_equal(spool_checkpoint(r->c.s), 0);
	for (size_t i = 0; i < ARRAY_SIZE(row); i++)
		assert_kind(r, at[i], row[i].kind, false);
	assert_kind(r, 0, "control", false);  /* START */
	assert_kind(r, 5, "control", false);  /* the SEALs of epochs 0 and 1, */
	assert_kind(r, 10, "control", false); /* each the end of its own */
}

/* Erased, and records around a segment that is gone. */
static void test_erased_and_holes(void **state)
{
	struct rig *r = *state;
	struct spool_damage dmg;
	struct spool_pos pos;
	char path[160];
	int k;

	assert_int_equal(spool_erase_begin(r->c.s, 2, 3), 0);
	do
		k = spool_erase_step(r->c.s);
	while (k == 1);
	assert_int_equal(k, 0);
	assert_kind(r, 2, "ai_call", true);
	assert_kind(r, 3, "ai_call", true);

	assert_int_equal(spool_find(r->c.spool, 7, &pos, &dmg), 0);
	snprintf(path, sizeof(path), "%s/%020llu.seg", r->c.spool, (unsigned long long)pos.segment);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(spool_find(r->c.spool, 7, &pos, &dmg), -ENOENT);
	for (size_t i = 0; i < 2; i++) {
		json_auto_t *cert = certificate_of(r, i ? 14 : 1);

		assert_verdict(r, cert, "", i ? "behind the hole" : "before the hole");
	}
}

/* --- changes --------------------------------------------------------------------------------------- */

/* Every character of every text below `o`, one after the other. */
static size_t change_each(struct rig *r, json_t *cert, json_t *o)
{
	size_t n = 0;

	if (json_is_string(o)) {
		_cleanup_free_ char *was = strdup(json_string_value(o));
		_cleanup_free_ char *now = strdup(was);

		for (size_t i = 0; now[i]; i++) {
			const struct cert_trust t = {.chain_public = r->anchor};
			struct cert_result res;

			/* Another digit of base 64; something else where none stands. */
			if ((uint8_t)was[i] >= 0x80)
				continue; /* in an em dash: no UTF-8, so no JSON */
			now[i] = was[i] == 'A' ? 'B' : was[i] == '\n' ? ' ' : 'A';
			json_string_set(o, now);
			if (!*verdict(cert, &t, &res))
				fail_msg("taken: %.*s[%c]%s", (int)i, was, now[i], was + i + 1);
			now[i] = was[i];
			n++;
		}
		json_string_set(o, was);
	} else if (json_is_array(o)) {
		for (size_t i = 0; i < json_array_size(o); i++)
			n += change_each(r, cert, json_array_get(o, i));
	} else if (json_is_object(o)) {
		const char *key;
		json_t *v;

		json_object_foreach(o, key, v)
		{
			n += change_each(r, cert, v);
		}
	}
	return n;
}

static void test_every_character(void **state)
{
	struct rig *r = *state;

	for (size_t i = 0; i < 2; i++) {
		json_auto_t *cert = certificate_of(r, (const uint64_t[]){7, 12}[i]);

		assert_true(change_each(r, cert, cert) > 2000);
		assert_verdict(r, cert, "", "as it was");
	}
}

/* Every byte of the file: no JSON any more, or not this certificate. A version that became a newer one is
 * said to be newer. */
static void test_every_byte(void **state)
{
	struct rig *r = *state;
	json_auto_t *cert = certificate_of(r, 7);
	_cleanup_free_ char *text = json_dumps(cert, JSON_INDENT(2));
	const struct cert_trust t = {.chain_public = r->anchor};
	size_t n = strlen(text), json = 0;

	for (size_t i = 0; i < n; i++) {
		json_t *other;
		struct cert_result res;

		text[i] ^= 1 << i % 7;
		other = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
		if (other && !*verdict(other, &t, &res) && !res.newer)
			fail_msg("taken: byte %zu: %.40s", i, text + (i > 20 ? i - 20 : 0));
		json += other != NULL;
		json_decref(other);
		text[i] ^= 1 << i % 7;
	}
	assert_true(json > n / 3);
	/* And cut anywhere it is no certificate. */
	for (size_t i = 0; i + 1 < n; i += 7) {
		json_auto_t *other = json_loadb(text, i, 0, NULL);

		assert_null(other);
	}
}

static json_t *seal_at(json_t *cert, size_t i)
{
	return json_array_get(json_object_get(cert, "seals"), i);
}

static void drop_seal(json_t *c)
{
	json_array_remove(json_object_get(c, "seals"), 1);
}
static void drop_seals(json_t *c)
{
	json_array_clear(json_object_get(c, "seals"));
}
static void swap_seals(json_t *c)
{
	json_array_append(json_object_get(c, "seals"), seal_at(c, 0));
	json_array_remove(json_object_get(c, "seals"), 0);
}
static void twice(json_t *c)
{
	json_array_append(json_object_get(c, "seals"), seal_at(c, 1));
}
static void no_seal(json_t *c) /* a record that is no SEAL, rightly signed */
{
	json_t *s = seal_at(c, 1);

	json_object_set(s, "record", json_object_get(c, "record"));
	json_object_set(s, "signature", json_object_get(c, "signature"));
}
static void no_list(json_t *c)
{
	json_object_set_new(c, "seals", json_object());
}
static void no_path(json_t *c)
{
	json_object_del(c, "seal_path");
}
static void short_path(json_t *c)
{
	json_array_remove(json_object_get(c, "seal_path"), 0);
}
static void long_path(json_t *c)
{
	for (int i = 0; i < 65; i++)
		json_array_append(json_object_get(c, "seal_path"),
				  json_array_get(json_object_get(c, "seal_path"), 0));
}
static void number_path(json_t *c)
{
	json_array_set_new(json_object_get(c, "seal_path"), 0, json_integer(1));
}
static void no_signature(json_t *c)
{
	json_object_del(c, "signature");
}
static void no_proof(json_t *c)
{
	json_object_del(c, "proof");
}
static void no_record(json_t *c)
{
	json_object_set_new(c, "record", json_string("AAAA"));
}
static void header_only(json_t *c)
{
	char text[BASE64_LEN(RECORD_HEADER_LEN) + 1];
	uint8_t b[RECORD_HEADER_LEN + 3];

	assert_true(base64_decode(json_string_value(json_object_get(c, "record")),
				  BASE64_LEN(RECORD_HEADER_LEN), b, sizeof(b)) > 0);
	base64_encode(b, RECORD_HEADER_LEN, text);
	json_object_set_new(c, "record", json_string(text));
}
static void version_one(json_t *c)
{
	json_object_set_new(c, "version", json_integer(1));
}
static void no_version(json_t *c)
{
	json_object_set_new(c, "version", json_string("3"));
}
static void more_fields(json_t *c)
{
	json_object_set_new(c, "approved_by", json_string("everybody"));
}
static void more_inside(json_t *c)
{
	json_object_set_new(json_object_get(c, "subject"), "user_id", json_integer(0));
}
static void fewer_fields(json_t *c)
{
	json_object_del(c, "disposition");
}
static void other_number(json_t *c)
{
	json_object_set_new(json_object_get(c, "issued_for"), "seq", json_integer(3));
}
static void other_score(json_t *c)
{
	json_object_set_new(c, "risk_score", json_real(0.26));
}
static void newer(json_t *c)
{
	json_object_set_new(c, "version", json_integer(CERTIFICATE_VERSION + 1));
	more_fields(c);
	more_inside(c);
}
static void newer_and_wrong(json_t *c)
{
	newer(c);
	json_object_set_new(c, "disposition", json_string("allow"));
}

static void test_changes(void **state)
{
	static const struct {
		const char *what;
		void (*change)(json_t *);
		const char *fails; /* the step */
	} t[] = {
		{"the SEAL of its epoch is missing", drop_seal, "epoch"},
		{"no SEALs", drop_seals, "seals"},
		{"SEALs in another order", swap_seals, "seals"},
		{"a SEAL twice", twice, "seals"},
		{"a record that is no SEAL", no_seal, "seals"},
		{"seals is no list", no_list, "form"},
		{"no seal_path", no_path, "epoch"},
		{"seal_path too short", short_path, "epoch"},
		{"seal_path too long", long_path, "form"},
		{"seal_path of numbers", number_path, "epoch"},
		{"no signature", no_signature, "signature"},
		{"no proof", no_proof, "form"},
		{"no record", no_record, "form"},
		{"no payload", header_only, "fields"},
		{"version 1", version_one, "form"},
		{"version is a text", no_version, "form"},
		{"one field more", more_fields, "fields"},
		{"one field more inside", more_inside, "fields"},
		{"one field less", fewer_fields, "fields"},
		{"another number", other_number, "fields"},
		{"another score", other_score, "fields"},
		{"a newer version", newer, ""},
		{"a newer version that says other things", newer_and_wrong, "fields"},
	};
	struct rig *r = *state;
	struct cert_result res;
	struct cert_trust other = {.chain_public = signer_public(r->witness)};
	json_auto_t *no_object = json_array(), *good = certificate_of(r, 7);

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		json_auto_t *cert = json_deep_copy(good);

		t[i].change(cert);
		assert_verdict(r, cert, t[i].fails, t[i].what);
	}
	assert_verdict(r, no_object, "form", "a list");
	assert_string_equal(verdict(good, &other, &res), "trust anchor");
	other.chain_public = NULL;
	newer(good);
	assert_string_equal(verdict(good, &other, &res), "");
	assert_true(res.newer);
}

/* The parts of two certificates that hold, put together. */
static void test_mixed(void **state)
{
	static const char *const parts[] = {"record",	 "signature",  "proof",
					    "seal_path", "issued_for", "public_key"};
	struct rig *r = *state;
	json_auto_t *a = certificate_of(r, 2), *b = certificate_of(r, 7);

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		json_auto_t *mixed = json_deep_copy(a);
		const struct cert_trust t = {.chain_public = r->anchor};
		struct cert_result res;

		json_object_set(mixed, parts[i], json_object_get(b, parts[i]));
		if (!*verdict(mixed, &t, &res))
			fail_msg("taken with the other's %s", parts[i]);
	}
}

/* --- a thief of the newest key --------------------------------------------------------------------- */

/* Who has the key of epoch 2 changes a record of epoch 0 that has no signature of its own, builds the tree
 * anew and signs a checkpoint of it. */
static void test_stolen_key(void **state)
{
	struct rig *r = *state;
	json_auto_t *cert = certificate_of(r, 2);
	uint8_t b[RECORD_HEADER_LEN + RECORD_PAYLOAD_MAX + 3];
	char b64[BASE64_LEN(sizeof(b)) + 1], err[512] = "", text[512], note[1024], *all;
	const char *was = json_string_value(json_object_get(cert, "record")), *why;
	long n = base64_decode(was, strlen(was), b, sizeof(b));
	struct tile_reader *in = NULL;
	int dir = open(r->c.spool, O_RDONLY | O_DIRECTORY);
	struct tree_edge edge = {0};
	struct tlog_proof p = {.index = 2};
	_cleanup_sealed_ struct sealed s = {0};
	struct checkpoint c = {.size = 15};
	char store_dir[96];
	struct tiles *forged = NULL;
	struct record h;
	json_auto_t *made = NULL;
	json_t *path = json_array();
	int store;

	assert_int_equal(record_decode(b, n, &h, &why), 0);
	assert_int_equal(h.alg, RECORD_CHECKPOINT);
	b[n - 1] ^= 1; /* somewhere in the payload, and the header again, with its new hash */
	assert_int_equal(record_encode(&h, b, sizeof(b)), n);
	assert_int_equal(sealed_open(b, n, NULL, &s, &why), 0);

	snprintf(store_dir, sizeof(store_dir), "%s/forged", r->c.dir);
	assert_int_equal(mkdir(store_dir, 0700), 0);
	store = open(store_dir, O_RDONLY | O_DIRECTORY);
	assert_int_equal(tiles_open(store, 0, &forged, err, sizeof(err)), 0);
	assert_int_equal(tile_reader_open(dir, 15, &in), 0);
	for (uint64_t i = 0; i < 15; i++) {
		struct tree_hash leaf;

		assert_int_equal(tile_reader_hash(in, 0, i, &leaf), 0);
		if (i == 2)
			memcpy(leaf.b, s.leaf, sizeof(leaf.b));
		assert_int_equal(tiles_add(forged, &leaf), 0);
		tree_add(&edge, &leaf);
	}
	assert_int_equal(tiles_sync(forged), 0);
	tile_reader_free(in);
	tree_root(&edge, &c.root);
	assert_int_equal(checkpoint_origin_of("test/host", h.chain, c.origin), 0);
	n = checkpoint_text(&c, text, sizeof(text));
	p.note_n = note_sign(text, n, c.origin, r->c.signer, note, sizeof(note));
	p.note = note;
	assert_true(p.note_n > 0);
	assert_int_equal(tile_reader_open(store, 15, &in), 0);
	assert_int_equal(tree_inclusion(2, 15, tile_reader_hash, in, p.path, &p.n), 0);
	all = calloc(1, 8192);
	assert_true(tlog_proof_text(&p, all, 8192) > 0);

	/* The texts for people are made from the forged record, as he would. */
	made = render_certificate(&s, r->anchor);
	assert_non_null(made);
	base64_encode(s.bytes, s.len, b64);
	assert_string_equal(json_string_value(json_object_get(made, "record")), b64);
	json_object_set(made, "chain_public_key", json_object_get(cert, "chain_public_key"));
	json_object_set(made, "seals", json_object_get(cert, "seals"));
	json_object_set_new(made, "proof", json_string(all));
	assert_verdict(r, made, "epoch", "without a path to the SEAL");
	tile_reader_free(in);
	assert_int_equal(tile_reader_open(store, 5, &in), 0);
	assert_int_equal(tree_inclusion(2, 5, tile_reader_hash, in, p.path, &p.n), 0);
	for (size_t i = 0; i < p.n; i++) {
		char hash[BASE64_LEN(TREE_HASH_LEN) + 1];

		base64_encode(p.path[i].b, TREE_HASH_LEN, hash);
		json_array_append_new(path, json_string(hash));
	}
	json_object_set_new(made, "seal_path", path);
	assert_verdict(r, made, "epoch", "with a path to another root");
	assert_verdict(r, cert, "", "what was logged");
	tile_reader_free(in);
	tiles_free(forged);
	free(all);
	close(store);
	close(dir);
}

/* A key under which anybody can sign is none, and that is no trouble of ours. */
static void test_weak_key(void **state)
{
	struct rig *r = *state;
	json_auto_t *cert = certificate_of(r, 2);
	uint8_t one[RECORD_PUBKEY_LEN] = {1};
	const struct cert_trust t = {.chain_public = one};
	struct cert_result res;

	json_object_set_new(cert, "chain_public_key", render_hex(one, sizeof(one)));
	assert_string_equal(verdict(cert, &t, &res), "seals");
	json_array_clear(json_object_get(cert, "seals"));
	assert_string_equal(verdict(cert, &t, &res), "signature");
}

#define WITH(f, s) cmocka_unit_test_setup_teardown(f, s, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(test_holds, setup),
		WITH(test_proof, setup),
		WITH(test_witness, setup),
		WITH(test_weak_key, setup),
		WITH(test_every_kind, setup),
		WITH(test_every_kind, setup_by_checkpoint),
		WITH(test_erased_and_holes, setup),
		WITH(test_every_character, setup),
		WITH(test_every_byte, setup),
		WITH(test_changes, setup),
		WITH(test_mixed, setup),
		cmocka_unit_test_setup_teardown(test_holds, setup_by_checkpoint, teardown),
		cmocka_unit_test_setup_teardown(test_every_character, setup_by_checkpoint,
						teardown),
		WITH(test_stolen_key, setup_by_checkpoint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
