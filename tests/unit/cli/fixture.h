/* SPDX-License-Identifier: Apache-2.0 */
/* A real spool in a temporary folder: records of given calls, signed, chained, framed. */
#ifndef PROBITY_TESTS_CLI_FIXTURE_H
#define PROBITY_TESTS_CLI_FIXTURE_H

#include <assert.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record/checkpoint.h"
#include "record/render.h"
#include "record/segment.h"
#include "record/tile.h"

/* 2026-11-21T08:00:00Z; record n is sealed n seconds later. */
#define FIXTURE_T0 1795248000000000000ull

struct call_spec {
	const char *user, *tool, *exe, *service, *host, *model, *operation;
	int64_t in, out;   /* -1: not known */
	const char *class; /* NULL: none */
	unsigned class_count;
	const char *disposition, *effect, *completeness;
};

struct fixture {
	char state[64], spool[80];
	struct signer *signer;
	uint8_t chain[16], prev[32];
	uint64_t seq;
	struct tree_hash leaf[64]; /* of the first records */
	int fd;			   /* the segment being written */
};

/* What a seal needs; the bytes live in the arrays. */
struct sealed_bytes {
	uint8_t record[RECORD_HEADER_LEN + RECORD_PAYLOAD_MAX];
	uint8_t mac[MAC_LEN], sig[RECORD_SIG_LEN];
	size_t n;
};

static inline void fixture_rotate(struct fixture *f)
{
	char path[160];

	if (f->fd >= 0)
		close(f->fd);
	snprintf(path, sizeof(path), "%s/%020llu.seg", f->spool, (unsigned long long)f->seq);
	f->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert(f->fd >= 0);
}

static inline void fixture_open(struct fixture *f)
{
	char key[160], err[256];

	memset(f, 0, sizeof(*f));
	f->fd = -1;
	snprintf(f->state, sizeof(f->state), "/tmp/probity-test-XXXXXX");
	assert(mkdtemp(f->state));
	snprintf(f->spool, sizeof(f->spool), "%s/spool", f->state);
	assert(!mkdir(f->spool, 0700));
	snprintf(key, sizeof(key), "%s/host.key", f->state);
	assert(!signer_open(key, true, &f->signer, err, sizeof(err)));
	memset(f->chain, 0xC7, sizeof(f->chain));
	fixture_rotate(f);
}

static inline void fixture_close(struct fixture *f)
{
	char command[200];

	close(f->fd);
	signer_free(f->signer);
	snprintf(command, sizeof(command), "rm -rf '%s'", f->state);
	assert(!system(command));
}

static inline void fixture_seal(struct fixture *f, uint32_t schema, const uint8_t *payload,
				size_t n, struct sealed_bytes *out)
{
	struct record r = {
		.alg = RECORD_ED25519,
		.seq = f->seq,
		.id = f->seq + 1,
		.wall_ns = FIXTURE_T0 + f->seq * 1000000000ull,
		.boot_ns = f->seq * 1000000000ull,
		.schema = schema,
		.payload_len = n,
		.payload = payload,
	};
	struct tree_hash leaf;

	memcpy(r.chain, f->chain, 16);
	memcpy(r.prev, f->prev, 32);
	key_id(signer_public(f->signer), r.key_id);
	out->n = record_encode(&r, out->record, sizeof(out->record));
	assert(out->n);
	record_leaf(out->record, leaf.b);
	mac_of(&(struct mac_key){0}, &leaf, out->mac);
	assert(!signer_sign(f->signer, out->record, RECORD_HEADER_LEN, out->sig));
	memcpy(f->prev, leaf.b, sizeof(f->prev));
	if (f->seq < 64)
		f->leaf[f->seq] = leaf;
	f->seq++;
}

static inline void fixture_append(struct fixture *f, const struct sealed_bytes *b)
{
	static uint8_t frame[SEGMENT_FRAME_LEN + sizeof(b->record) + RECORD_SEAL_MAX];
	ssize_t n = SEGMENT_FRAME_LEN + b->n + RECORD_SEAL_MAX;

	memcpy(frame + SEGMENT_FRAME_LEN, b->record, b->n);
	memcpy(frame + SEGMENT_FRAME_LEN + b->n, b->mac, MAC_LEN);
	memcpy(frame + SEGMENT_FRAME_LEN + b->n + MAC_LEN, b->sig, RECORD_SIG_LEN);
	frame_head(frame + SEGMENT_FRAME_LEN, b->n, RECORD_SEAL_MAX, frame);
	assert(write(f->fd, frame, n) == n);
}

/* Signs what the spool ends with, as the recorder does after a flush. */
static inline void fixture_head(struct fixture *f)
{
	struct head h = {.seq = f->seq - 1, .wall_ns = FIXTURE_T0};
	uint8_t b[HEAD_LEN];
	char path[160];
	int fd;

	memcpy(h.chain, f->chain, 16);
	memcpy(h.leaf, f->prev, 32);
	memcpy(h.public, signer_public(f->signer), 32);
	assert(!head_encode(&h, f->signer, b));
	snprintf(path, sizeof(path), "%s/head", f->spool);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert(fd >= 0 && write(fd, b, sizeof(b)) == (ssize_t)sizeof(b));
	close(fd);
}

/* Tiles and a signed checkpoint of the first n records, and the key an auditor trusts. */
static inline void fixture_log(struct fixture *f, size_t n)
{
	int dir = open(f->spool, O_RDONLY | O_DIRECTORY);
	struct checkpoint c = {.size = n};
	char text[512], note[1024], path[160], err[256];
	struct tiles *t = NULL;
	size_t len;
	int fd;

	assert(dir >= 0 && !tiles_open(dir, 0, &t, err, sizeof(err)));
	for (size_t i = 0; i < n; i++)
		assert(!tiles_add(t, &f->leaf[i]));
	assert(!tiles_sync(t));
	tree_root(tiles_edge(t), &c.root);
	tiles_free(t);
	assert(!checkpoint_origin_of("org/host", f->chain, c.origin));
	len = note_sign(text, checkpoint_text(&c, text, sizeof(text)), c.origin, f->signer, note,
			sizeof(note));
	fd = openat(dir, "checkpoint", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert(len && write(fd, note, len) == (ssize_t)len);
	close(fd);
	close(dir);
	snprintf(path, sizeof(path), "%s/keys", f->state);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/keys/chain.pub", f->state);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	for (int i = 0; i < RECORD_PUBKEY_LEN; i++)
		dprintf(fd, "%02x", signer_public(f->signer)[i]);
	close(fd);
}

static inline void fixture_start(struct fixture *f, struct sealed_bytes *out)
{
	Probity__V1__Control c = PROBITY__V1__CONTROL__INIT;
	uint8_t payload[512];

	c.kind = PROBITY__V1__CONTROL__KIND__START;
	c.reason = "agent started";
	c.host = "web-01";
	c.agent_version = "1.0";
	c.public_key.data = (uint8_t *)signer_public(f->signer);
	c.public_key.len = RECORD_PUBKEY_LEN;
	fixture_seal(f, RECORD_CONTROL, payload, probity__v1__control__pack(&c, payload), out);
}

static inline void fixture_loss(struct fixture *f, struct sealed_bytes *out)
{
	Probity__V1__Control c = PROBITY__V1__CONTROL__INIT;
	uint8_t payload[512];

	c.kind = PROBITY__V1__CONTROL__KIND__LOSS;
	c.reason = "the ring was full";
	c.what = "chunks";
	c.count = 7;
	c.cause = "ring_full";
	fixture_seal(f, RECORD_CONTROL, payload, probity__v1__control__pack(&c, payload), out);
}

static inline void fixture_call(struct fixture *f, const struct call_spec *s,
				struct sealed_bytes *out)
{
	Probity__V1__AiCall c = PROBITY__V1__AI_CALL__INIT;
	Probity__V1__Process p = PROBITY__V1__PROCESS__INIT;
	Probity__V1__Tool t = PROBITY__V1__TOOL__INIT;
	Probity__V1__Service v = PROBITY__V1__SERVICE__INIT;
	Probity__V1__Usage u = PROBITY__V1__USAGE__INIT;
	Probity__V1__Decision d = PROBITY__V1__DECISION__INIT;
	Probity__V1__RuleResult hit = PROBITY__V1__RULE_RESULT__INIT;
	Probity__V1__RuleResult miss = PROBITY__V1__RULE_RESULT__INIT;
	Probity__V1__RuleResult *rules[] = {&hit, &miss};
	Probity__V1__DataClass k = PROBITY__V1__DATA_CLASS__INIT, *classes[] = {&k};
	uint8_t payload[16384], sha[32];

	memset(sha, 0xAB, sizeof(sha));
	c.process = &p;
	p.pid = 4242;
	p.uid = 1000;
	p.user = (char *)s->user;
	p.exe = (char *)s->exe;
	c.tool = &t;
	t.id = (char *)s->tool;
	c.service = &v;
	v.id = (char *)s->service;
	v.known = strcmp(s->service, "unknown") != 0;
	c.server_address = (char *)s->host;
	c.request_model = (char *)s->model;
	c.operation_name = (char *)s->operation;
	c.completeness = (char *)s->completeness;
	c.connection_id = UINT64_MAX;
	c.start_unix_ns = FIXTURE_T0;
	c.usage = &u;
	if (s->in >= 0) {
		u.has_input_tokens_case = PROBITY__V1__USAGE__HAS_INPUT_TOKENS_INPUT_TOKENS;
		u.input_tokens = s->in;
	}
	if (s->out >= 0) {
		u.has_output_tokens_case = PROBITY__V1__USAGE__HAS_OUTPUT_TOKENS_OUTPUT_TOKENS;
		u.output_tokens = s->out;
	}
	if (s->class) {
		k.id = (char *)s->class;
		k.request = s->class_count;
		c.data_classes = classes;
		c.n_data_classes = 1;
	}
	if (s->disposition) {
		c.decision = &d;
		d.policy_set = "observe";
		d.policy_version = "1.0.0";
		d.policy_sha256.data = sha;
		d.policy_sha256.len = sizeof(sha);
		d.policy_generation = 3;
		d.evaluated_at_unix_ns = FIXTURE_T0 + 500;
		d.mode = "monitor";
		d.disposition = (char *)s->disposition;
		d.effect = (char *)s->effect;
		d.risk_score = 0.5;
		d.rules = rules;
		d.n_rules = 2;
		hit.id = "rule-hit";
		hit.triggered = strcmp(s->disposition, "allow") != 0;
		hit.disposition = (char *)s->disposition;
		hit.severity = "high";
		miss.id = "rule-miss";
		miss.disposition = "alert";
		miss.severity = "low";
		miss.unknown = true;
	}
	assert(probity__v1__ai_call__get_packed_size(&c) <= sizeof(payload));
	fixture_seal(f, RECORD_AI_CALL, payload, probity__v1__ai_call__pack(&c, payload), out);
}

static const struct call_spec fixture_plain = {
	"alice",
	"claude_code",
	"/usr/bin/node",
	"anthropic",
	"api.anthropic.com",
	"claude-sonnet-4",
	"chat",
	1234,
	56,
	NULL,
	0,
	"allow",
	"none",
	"complete",
};
static const struct call_spec fixture_alert = {
	"bob", "",   "/usr/bin/curl", "openai", "api.openai.com", "gpt-4o", "chat",
	12,    3400, "email",	      2,	"alert",	  "none",   "complete",
};
static const struct call_spec fixture_shadow = {
	"carol",
	"",
	"/usr/bin/python3.11",
	"unknown",
	"llm.internal",
	"qwen3",
	"chat",
	-1,
	-1,
	NULL,
	0,
	"alert",
	"none",
	"truncated",
};
static const struct call_spec fixture_killed = {
	"dave",
	"cursor",
	"/opt/cursor/cursor",
	"deepseek",
	"api.deepseek.com",
	"deepseek-chat",
	"chat",
	0,
	-1,
	"iban",
	1,
	"kill",
	"killed",
	"complete",
};

/* Seals and writes one call. */
static inline void fixture_write(struct fixture *f, const struct call_spec *s)
{
	static struct sealed_bytes b;

	fixture_call(f, s, &b);
	fixture_append(f, &b);
}

/* The output of `fn` as a text; caller frees. */
#define CAPTURE(f, ...)                                  \
	({                                               \
		char *text_ = NULL;                      \
		size_t len_;                             \
		FILE *f = open_memstream(&text_, &len_); \
		assert(f);                               \
		__VA_ARGS__;                             \
		fclose(f);                               \
		text_;                                   \
	})

#endif
