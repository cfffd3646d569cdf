// SPDX-License-Identifier: Apache-2.0
/* What a host can enforce: the best offer is in force, what is withdrawn falls back, what nobody offers
 * is named with what it would need. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/backends.h"

static const char *backend, *why;

static void offers(void **state)
{
	assert_false(backend_can(NEED_EXEC_DENY, &backend, &why));
	assert_string_equal(backend, "");
	assert_true(why[0]);
	backend_lack(NEED_EXEC_DENY, "lsm_bprm_check_security", "bpf is not in lsm=");
	assert_false(backend_can(NEED_EXEC_DENY, &backend, &why));
	assert_string_equal(backend, "lsm_bprm_check_security");
	assert_string_equal(why, "bpf is not in lsm=");
	backend_offer(NEED_EXEC_DENY, 10, GATE_SIGNAL_EXEC, NULL);
	assert_true(backend_can(NEED_EXEC_DENY, &backend, &why));
	assert_string_equal(backend, "exec_send_signal");
	assert_string_equal(why, "");
	backend_offer(NEED_EXEC_DENY, 30, GATE_LSM_EXEC, NULL);
	backend_offer(NEED_EXEC_DENY, 20, GATE_FMOD_EXEC, NULL);
	backend_offer(NEED_EXEC_DENY, 20, GATE_FMOD_EXEC, NULL); /* again: no second one */
	assert_true(backend_can(NEED_EXEC_DENY, &backend, &why));
	assert_string_equal(backend, "lsm_bprm_check_security");
	backend_withdraw(NEED_EXEC_DENY, GATE_LSM_EXEC);
	assert_true(backend_can(NEED_EXEC_DENY, &backend, &why));
	assert_string_equal(backend, "fmod_ret_security_bprm_check");
	assert_true(backend_has(NEED_EXEC_DENY, GATE_SIGNAL_EXEC));
	backend_withdraw(NEED_EXEC_DENY, GATE_FMOD_EXEC);
	backend_withdraw(NEED_EXEC_DENY, GATE_SIGNAL_EXEC);
	assert_false(backend_can(NEED_EXEC_DENY, &backend, &why));
	assert_string_equal(why, "bpf is not in lsm=");
	backend_offer(NEED_TREE, 10, GATE_NONE, "a word of its own");
	assert_true(backend_can(NEED_TREE, &backend, &why));
	assert_string_equal(backend, "a word of its own");
	backend_forbid(NEED_TREE, "turned off");
	assert_false(backend_can(NEED_TREE, &backend, &why));
	assert_string_equal(why, "turned off");
}

static void unenforceable(void **state)
{
	struct policy_needs v[] = {
		{"fine", NEED_BIT(NEED_MASK), 0},
		{"lacks", NEED_BIT(NEED_MASK) | NEED_BIT(NEED_CONTENT_WAIT), 0},
		{"alerts", 0, 0},
	};
	json_t *list, *o;
	const char *rule, *need;

	backend_offer(NEED_MASK, 10, GATE_PROCESS_VM, NULL);
	backend_lack(NEED_CONTENT_WAIT, "sleepable uprobes", "kernel before 6.0");
	list = backends_unenforceable(v, 3);
	assert_int_equal(json_array_size(list), 1);
	o = json_array_get(list, 0);
	assert_int_equal(json_unpack(o, "{s:s, s:s, s:s}", "rule", &rule, "need", &need, "why",
				     &why),
			 0);
	assert_string_equal(rule, "lacks");
	assert_string_equal(need, "content wait");
	assert_string_equal(why, "kernel before 6.0");
	json_decref(list);
	list = backends_json();
	assert_int_equal(json_array_size(list), NEED__MAX);
	json_decref(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(offers),
					   cmocka_unit_test(unenforceable)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
