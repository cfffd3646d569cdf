/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs; each in its cmd_*.c. argv[0] is the verb; the answer is the exit code (cli.h). */
#ifndef PROBITY_CLI_CMD_H
#define PROBITY_CLI_CMD_H

int cmd_status(int argc, char **argv);
int cmd_watch(int argc, char **argv);
int cmd_ls(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_cert(int argc, char **argv);
int cmd_prove(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_policy(int argc, char **argv);
int cmd_unlock(int argc, char **argv);
int cmd_lock(int argc, char **argv);
int cmd_approvals(int argc, char **argv);
int cmd_approve(int argc, char **argv);
int cmd_deny(int argc, char **argv);
int cmd_revoke(int argc, char **argv);
int cmd_erase(int argc, char **argv);
int cmd_reveal(int argc, char **argv);
int cmd_tls(int argc, char **argv);
int cmd_report(int argc, char **argv);

#endif
