// SPDX-License-Identifier: Apache-2.0
/* What the hash of the configuration is of: every option, and nothing that makes no difference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/config_sum.h"
#include "agent/recorder.h"
#include "base/cleanup.h"

static struct config base(void)
{
	return (struct config){
		.state_dir = "/s",
		.run_dir = "/r",
		.policy = "/p.yaml",
		.user = "",
		.collector_host = "",
		.tls_dir = "/s/tls",
		.pseudonym_key = "/s/k",
		.host_id = "00ff",
		.pin_dir = "",
		.gate = true,
		.enforce = 2,
		.probation_s = 5,
		.hold_ms = 3000,
		.guard = GUARD_AUTO,
		.ready_fd = -1,
	};
}

static void the_text_is_as_documented(void **state)
{
	struct config c = base();
	_cleanup_free_ char *plain = config_text(&c), *other = NULL;

	assert_string_equal(plain, "probity/config/v1\n"
				   "allow-rollback=off\n"
				   "attach=adaptive\n"
				   "collector=\n"
				   "epoch=900\n"
				   "gate=on\n"
				   "guard=auto\n"
				   "hold=3000\n"
				   "host-id=00ff\n"
				   "keep-enforcing=off\n"
				   "key-encryption-key=\n"
				   "mode=pack\n"
				   "pin-dir=\n"
				   "policy=/p.yaml\n"
				   "policy-key=\n"
				   "probation=5\n"
				   "pseudonym-key=/s/k\n"
				   "redact=argv=keep,home_path=keep,peer_address=keep,"
				   "server_address=keep,user_agent=keep,http_path=keep,groups=keep,"
				   "cgroup=keep\n"
				   "retain-days=0\n"
				   "ring=16\n"
				   "run-dir=/r\n"
				   "seccomp=on\n"
				   "spool-max=1024\n"
				   "state-dir=/s\n"
				   "tls-dir=/s/tls\n"
				   "tpm=\n"
				   "tpm-handle=0\n"
				   "user=\n"
				   "users=plain\n"
				   "witness-vkey=\n");
	c.collector_host = "::1";
	c.collector_port = 8460;
	c.policy = "/a b%\n\xc3";
	c.gate_stop_only = true;
	other = config_text(&c);
	assert_non_null(strstr(other, "\ncollector=::1:8460\n"));
	assert_non_null(strstr(other, "\npolicy=/a%20b%25%0A%C3\n"));
	assert_non_null(strstr(other, "\ngate=stop\n"));
}

/* Each in turn differs from the base and from all others. */
static void another_option_is_another_hash(void **state)
{
	struct config c[] = {[0 ... 30] = base()};
	char sum[ARRAY_SIZE(c)][CONFIG_SUM_SIZE];
	size_t n = 1;

	c[n++].state_dir = "/t";
	c[n++].run_dir = "/t";
	c[n++].policy = "/q.yaml";
	c[n++].user = "someone";
	c[n++].collector_host = "h";
	c[n++].tls_dir = "/t";
	c[n++].witness_vkey = "k";
	c[n++].policy_key = "k";
	c[n++].allow_rollback = true;
	c[n++].gate = false;
	c[n++].gate_stop_only = true;
	c[n++].host_id = "00fe";
	c[n++].enforce = 0;
	c[n++].enforce = 1;
	c[n++].ring_mib = 32;
	c[n++].attach_all = true;
	c[n++].probation_s = 6;
	c[n++].hold_ms = 0;
	c[n++].spool_max = 1 << 20;
	c[n++].epoch_s = 60;
	c[n++].retain_days = 30;
	c[n++].privacy.users = true;
	c[n++].privacy.how[PRIVATE_CGROUP] = PRIVATE_MASK;
	c[n++].pseudonym_key = "/t";
	c[n++].pin_dir = "/t";
	c[n++].keep_enforcing = true;
	c[n++].guard = GUARD_OFF;
	c[n++].kek = "k";
	c[n++].tpm = "device:/dev/tpmrm0";
	c[n++].tpm_handle = 0x81000001;
	assert_int_equal(n, ARRAY_SIZE(c));
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(config_sum(&c[i], sum[i]), 0);
		assert_int_equal(strlen(sum[i]), 64);
		for (size_t k = 0; k < i; k++)
			if (!strcmp(sum[i], sum[k]))
				fail_msg("%zu and %zu are the same", i, k);
	}
}

static void what_makes_no_difference(void **state)
{
	struct config a = base(), b = base();
	char x[CONFIG_SUM_SIZE], y[CONFIG_SUM_SIZE];

	b.ready_fd = 7;
	b.debug = true;
	b.ring_mib = 16; /* the defaults, said */
	b.epoch_s = 900;
	b.spool_max = RECORDER_SPOOL_MAX;
	assert_int_equal(config_sum(&a, x), 0);
	assert_int_equal(config_sum(&b, y), 0);
	assert_string_equal(x, y);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_text_is_as_documented),
		cmocka_unit_test(another_option_is_another_hash),
		cmocka_unit_test(what_makes_no_difference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
