/* SPDX-License-Identifier: Apache-2.0 */
/* A temporary folder that does not outlive this program, also when it is interrupted: evidence lies in it. */
#ifndef PROBITY_CLI_TIDY_H
#define PROBITY_CLI_TIDY_H

/* mkdtemp, and from then on SIGINT, SIGTERM and SIGHUP remove the folder before they end the program. One at a
 * time. 0 or -errno. */
int tidy_folder(char *template);
void tidy_done(void); /* removes it */
/* A folder with all that is in it. */
void tidy_remove(const char *dir);

#endif
