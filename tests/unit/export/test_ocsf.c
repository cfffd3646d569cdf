// SPDX-License-Identifier: Apache-2.0
// covers: user/export/ocsf.c user/export/ocsf_parts.c user/export/ocsf_call.c user/export/ocsf_other.c user/export/build.c user/export/context.c
/* Which class a record becomes, and what stands where in it. With EXPORT_DUMP=FILE all events are written
 * there, for a validator of the whole schema. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "made.h"
#include "record/private.h"

static json_t *ocsf(struct made *k)
{
	json_t *o = NULL;
	const char *dump = getenv("EXPORT_DUMP");

	assert_int_equal(export_ocsf(&k->c, &k->s, &o), 0);
	made_done(k);
	if (dump) {
		FILE *f = fopen(dump, "a");

		json_dumpf(o, f, JSON_COMPACT);
		fputc('\n', f);
		fclose(f);
	}
	return o;
}

/* "a.b.0.c" */
static json_t *at(json_t *o, const char *path)
{
	char part[64];

	for (const char *p = path; *p && o;) {
		size_t n = strcspn(p, ".");

		memcpy(part, p, n);
		part[n] = '\0';
		o = json_is_array(o) ? json_array_get(o, atoi(part)) : json_object_get(o, part);
		p += n + (p[n] == '.');
	}
	return o;
}

static void text(json_t *o, const char *path, const char *want)
{
	const char *is = json_string_value(at(o, path));

	if (!is || strcmp(is, want))
		fail_msg("%s: %s, not %s", path, is ? is : "(none)", want);
}

static void number(json_t *o, const char *path, json_int_t want)
{
	if (!json_is_integer(at(o, path)) || json_integer_value(at(o, path)) != want)
		fail_msg("%s: %lld, not %lld", path, (long long)json_integer_value(at(o, path)),
			 (long long)want);
}

static struct made *call(void)
{
	return made_call("gpt-4o", "");
}
static struct made *call_denied(void)
{
	return made_call("gpt-4o", "denied");
}
static struct made *call_unknown(void)
{
	return made_call("", "would_deny");
}
static struct made *exec(void)
{
	return made_denial("exec", "denied");
}
static struct made *would_connect(void)
{
	return made_denial("connect", "would_deny");
}
static struct made *guard(void)
{
	return made_denial("guard", "denied");
}
static struct made *start(void)
{
	return made_control(PROBITY__V1__CONTROL__KIND__START);
}
static struct made *stop(void)
{
	return made_control(PROBITY__V1__CONTROL__KIND__STOP);
}
static struct made *loss(void)
{
	return made_control(PROBITY__V1__CONTROL__KIND__LOSS);
}
static struct made *seal(void)
{
	return made_control(PROBITY__V1__CONTROL__KIND__SEAL);
}
static struct made *unreadable(void)
{
	return made_of(RECORD_AI_CALL, NULL);
}
static struct made *unknown(void)
{
	return made_of(77, NULL);
}

static const struct {
	const char *name;
	struct made *(*make)(void);
	json_int_t class, activity, action, severity; /* action 0: none is told */
} classes[] = {
	{"call", call, 6003, 99, 1, 1},
	{"call denied", call_denied, 6003, 99, 2, 1},
	{"call without a model", call_unknown, 6003, 99, 3, 1},
	{"tool server", made_mcp, 6003, 99, 3, 1},
	{"exec", exec, 1007, 1, 2, 5},
	{"would connect", would_connect, 4001, 5, 3, 5},
	{"guard", guard, 2004, 1, 2, 5},
	{"start", start, 6002, 3, 0, 1},
	{"stop", stop, 6002, 4, 0, 1},
	{"loss", loss, 0, 99, 0, 4},
	{"seal", seal, 0, 99, 0, 1},
	{"an empty payload", unreadable, 6003, 99, 3, 1},
	{"a schema nobody knows", unknown, 0, 99, 0, 1},
};

static void test_classes(void **state)
{
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		json_t *o = ocsf(classes[i].make());

		print_message("%s\n", classes[i].name);
		number(o, "class_uid", classes[i].class);
		number(o, "category_uid", classes[i].class / 1000);
		number(o, "type_uid", classes[i].class * 100 + classes[i].activity);
		number(o, "severity_id", classes[i].severity);
		if (classes[i].action)
			number(o, "action_id", classes[i].action);
		else
			assert_null(at(o, "action_id"));
		number(o, "time", 1795300901534);
		text(o, "metadata.version", "1.9.0");
		text(o, "device.hostname", "host1");
		json_decref(o);
	}
}

static void test_call(void **state)
{
	json_t *o = ocsf(made_call("gpt-4o", "denied"));

	text(o, "api.operation", "chat");
	text(o, "ai_model.name", "gpt-4o");
	text(o, "ai_model.ai_provider", "openai");
	text(o, "ai_model.version", "gpt-4o-2026");
	text(o, "ai_agent.uid", "claude_code");
	text(o, "ai_agent.ai_model.name", "gpt-4o");
	number(o, "message_context.prompt_tokens", 120);
	number(o, "message_context.completion_tokens", 48);
	number(o, "message_context.total_tokens", 168);
	text(o, "message_context.service.uid", "openai");
	number(o, "actor.process.pid", 4242);
	text(o, "actor.process.user.uid", "1000");
	text(o, "actor.process.file.name", "curl");
	text(o, "actor.process.parent_process.path", "/usr/bin/bash");
	text(o, "dst_endpoint.ip", "192.0.2.9");
	number(o, "dst_endpoint.port", 443);
	text(o, "http_request.url.path", "/v1/chat/completions");
	number(o, "http_response.code", 200);
	number(o, "duration", 250);
	number(o, "end_time", 1795300901250);
	text(o, "firewall_rule.uid", "no-pan");
	assert_true(json_is_true(at(o, "policy.is_applied")));
	text(o, "unmapped.call.finish_reason", "stop");
	assert_null(at(o, "unmapped.call.salt"));
	assert_int_equal(json_array_size(at(o, "observables")), 5);
	json_decref(o);
}

static void test_integrity(void **state)
{
	struct made *k = made_call("m", "");
	char leaf[65], prev[65];
	json_t *o;

	for (int i = 0; i < 32; i++) {
		snprintf(leaf + 2 * i, 3, "%02x", k->s.leaf[i]);
		snprintf(prev + 2 * i, 3, "11");
	}
	o = ocsf(k);
	text(o, "attestation_list.0.fingerprint.value", leaf);
	number(o, "attestation_list.0.fingerprint.algorithm_id", 3);
	number(o, "attestation_list.0.fingerprint.serialization_id", 99);
	text(o, "attestation_list.0.fingerprint.serialization", "probity/record/v1");
	text(o, "attestation_list.0.prev_event.fingerprint.value", prev);
	text(o, "attestation_list.0.prev_event.uid", "probity:abababababababababababababababab:6");
	text(o, "metadata.uid", "probity:abababababababababababababababab:7");
	text(o, "attestation_list.0.chain_uid", "abababababababababababababababab");
	assert_int_equal(json_string_length(at(o, "attestation_list.0.authority_uid")), 64);
	text(o, "attestation_list.0.signatures.0.algorithm", "Ed25519");
	assert_non_null(at(o, "unmapped.record.signature"));
	json_decref(o);
	/* One that the next checkpoint covers has no signature of its own to name. */
	k = made_call("m", "");
	k->s.sig = NULL;
	o = ocsf(k);
	assert_null(at(o, "attestation_list.0.signatures"));
	text(o, "attestation_list.0.fingerprint.value", leaf);
	json_decref(o);
}

static void test_erased(void **state)
{
	struct made *k = made_call("m", "");
	struct sealed s;
	const char *why;
	json_t *o = NULL;

	assert_int_equal(sealed_open(k->bytes, RECORD_HEADER_LEN, k->sig, &s, &why), 0);
	assert_null(s.call);
	assert_int_equal(export_ocsf(&k->c, &s, &o), 0);
	text(o, "message", "payload erased");
	number(o, "class_uid", 0);
	assert_non_null(at(o, "attestation_list.0.fingerprint.value"));
	json_decref(o);
	made_done(k);
}

static void test_context(void **state)
{
	struct export_context c = {0};
	struct made *k = made_control(PROBITY__V1__CONTROL__KIND__START), *a = made_call("m", "");

	export_see(&c, &k->s);
	assert_string_equal(c.host, "host2");
	export_see(&c, &a->s);
	assert_string_equal(c.host, "host2");
	a->s.head.chain[0] ^= 1; /* another chain is another host */
	export_see(&c, &a->s);
	assert_string_equal(c.host, "");
	made_done(k);
	made_done(a);
}

/* A pseudonym stands for the number as well: no number of ours is told for a person's. */
static void test_pseudonym(void **state)
{
	struct made *k = made_call("m", "");
	json_t *o;

	k->s.call->process->uid = PRIVATE_UID;
	free(k->s.call->process->user);
	k->s.call->process->user = strdup("u:abcdefghijklmnop");
	o = ocsf(k);
	text(o, "actor.process.user.uid", "u:abcdefghijklmnop");
	text(o, "actor.process.user.name", "u:abcdefghijklmnop");
	json_decref(o);
}

/* Texts of programs reach no receiver as broken UTF-8. */
static void test_hostile_text(void **state)
{
	json_t *o = ocsf(made_call("a\xff\xc0\x80\x1b[2J", ""));
	char *s = json_dumps(o, 0);

	assert_non_null(s);
	assert_null(strchr(s, '\x1b'));
	assert_null(strchr(s, '\xff'));
	free(s);
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_classes),	  cmocka_unit_test(test_call),
		cmocka_unit_test(test_integrity), cmocka_unit_test(test_erased),
		cmocka_unit_test(test_context),	  cmocka_unit_test(test_hostile_text),
		cmocka_unit_test(test_pseudonym),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
