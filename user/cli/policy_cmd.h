/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs below `probity policy`; argv[0] is the verb. */
#ifndef PROBITY_CLI_POLICY_CMD_H
#define PROBITY_CLI_POLICY_CMD_H

int cmd_policy_check(int argc, char **argv);
int cmd_policy_test(int argc, char **argv);
int cmd_policy_diff(int argc, char **argv);
int cmd_policy_keygen(int argc, char **argv);
int cmd_policy_sign(int argc, char **argv);
int cmd_policy_verify(int argc, char **argv);
int cmd_policy_load(int argc, char **argv);
int cmd_policy_status(int argc, char **argv);
int cmd_policy_explain(int argc, char **argv);
int cmd_policy_replay(int argc, char **argv);

#endif
