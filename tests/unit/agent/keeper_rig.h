/* SPDX-License-Identifier: Apache-2.0 */
/* A keeper with its policy alone: all of it real; the worker is the test, at the other end of its
 * socket. */
#ifndef PROBITY_TESTS_KEEPER_RIG_H
#define PROBITY_TESTS_KEEPER_RIG_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/keeper.h"
#include "agent/role.h"
#include "base/fs.h"
#include "base/log.h"
#include "policy/needs.h"

static char dir[] = "/tmp/probity-keeper-policy-XXXXXX";
static struct config cfg;
static struct keeper k;
static int peer = -1; /* the worker's end */
static _Alignas(8) uint8_t body[ROLE_BODY_MAX + 1];

static char *in(const char *name)
{
	static char path[4][256];
	static unsigned i;

	i = (i + 1) % 4;
	snprintf(path[i], sizeof(path[i]), "%s/%s", dir, name);
	return path[i];
}

static void put(const char *name, const char *text)
{
	assert_int_equal(fs_write_atomic(in(name), text, strlen(text), 0644), 0);
}

static int rig_begin(void **state)
{
	log_init("test", LOG_L_ERR);
	return mkdtemp(dir) && !chmod(dir, 0755) ? 0 : -1;
}

static int rig_end(void **state)
{
	char cmd[300];

	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	return system(cmd);
}

static void worker_ends(void)
{
	close(k.worker.fd);
	close(peer);
	k.worker.fd = peer = -1;
	outq_clear(&k.worker.out);
}

static void worker_begins(void)
{
	int fds[2];

	assert_int_equal(role_pair(fds), 0);
	k.worker.fd = fds[0];
	peer = fds[1];
}

static void keeper_begins(const char *state, const char *file, bool key, bool rollback)
{
	static char s[256], f[256], p[256];

	snprintf(s, sizeof(s), "%s", in(state));
	snprintf(f, sizeof(f), "%s", in(file));
	snprintf(p, sizeof(p), "%s", in("ops.key.pub"));
	cfg = (struct config){.state_dir = s,
			      .policy = f,
			      .policy_key = key ? p : NULL,
			      .allow_rollback = rollback,
			      .gate = true};
	k = (struct keeper){.cfg = &cfg};
	k.base = event_base_new();
	assert_non_null(k.base);
	child_init(&k.worker, "worker");
	assert_int_equal(fs_mkdirs(s, 0755), 0);
	assert_int_equal(policy_open(&k), 0);
	worker_begins();
}

static void keeper_ends(void)
{
	policy_close(&k);
	worker_ends();
	event_base_free(k.base);
}

/* What the worker gets next: the pack with this text, or a refusal with this in its words. */
static struct role_pack gets(const char *text, const char *refused)
{
	struct role_msg m;
	struct role_pack p;

	assert_true(role_recv(peer, &m, body, ROLE_BODY_MAX) >= 0);
	assert_int_equal(m.kind, ROLE_PACK);
	memcpy(&p, body, sizeof(p));
	assert_int_equal(p.len, text ? strlen(text) : 0);
	assert_memory_equal(body + sizeof(p), text ?: "", p.len);
	if (!strstr(p.refused, refused ?: "") || !refused != !p.refused[0])
		fail_msg("refused: %s, not %s", p.refused, refused ?: "");
	assert_int_equal(p.generation == 0, refused != NULL);
	return p;
}

static void gets_nothing(void)
{
	struct role_msg m;

	assert_int_equal(role_recv(peer, &m, body, ROLE_BODY_MAX), -EAGAIN);
}

/* The worker's word, as keeper_messages.c takes it off the socket. */
static void says(uint64_t generation, uint64_t revision, const char *error)
{
	struct {
		struct role_policy r;
		struct policy_needs needs[1];
	} w = {.r = {.generation = generation, .revision = revision, .refused = !!error}};
	struct role_msg m;

	snprintf(w.r.set, sizeof(w.r.set), "set%llu", (unsigned long long)generation);
	snprintf(w.r.version, sizeof(w.r.version), "1");
	snprintf(w.r.error, sizeof(w.r.error), "%s", error ?: "");
	snprintf(w.needs[0].rule, sizeof(w.needs[0].rule), "r");
	w.r.rules = 1;
	assert_int_equal(role_send(peer, ROLE_POLICY, &w, sizeof(w.r) + sizeof(w.needs[0])), 0);
	assert_true(role_recv(k.worker.fd, &m, body, ROLE_BODY_MAX) > 0);
	assert_int_equal(m.kind, ROLE_POLICY);
	policy_told(&k, (const void *)body);
}

/* In force: generation 0 = none. */
static void holds(uint64_t generation, uint64_t revision, const char *error)
{
	json_t *j = json_object();
	const char *e;

	policy_status_add(&k, j);
	e = json_string_value(json_object_get(j, "last_error"));
	assert_int_equal(json_integer_value(json_object_get(j, "generation")), generation);
	assert_int_equal(json_integer_value(json_object_get(j, "revision")), revision);
	if (!strstr(e, error) || !error[0] != !e[0])
		fail_msg("last_error: %s, not %s", e, error);
	json_decref(j);
}

#endif
