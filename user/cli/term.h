/* SPDX-License-Identifier: Apache-2.0 */
/* A full screen with plain ANSI sequences, given back as it was however the program ends. */
#ifndef PROBITY_CLI_TERM_H
#define PROBITY_CLI_TERM_H

#include <signal.h>
#include <stdbool.h>

/* Signals to end, stop and resize are blocked except while waiting in ppoll with this mask. */
void term_signals(sigset_t *ret_mask);
bool term_quit(void);	 /* one to end has come */
bool term_resized(void); /* since last asked */
bool term_stopped(void); /* Ctrl-Z has come; since last asked */

int term_enter(void); /* alternate screen, no echo; 0 or -errno */
void term_leave(void);
void term_suspend(void); /* leave, stop, and enter again when continued */
void term_size(unsigned *ret_width, unsigned *ret_height);
/* Draws lines joined by newlines; writes only those that changed since the last time. */
void term_draw(const char *text);
void term_forget(void); /* what is on the screen is unknown: draw all */

#endif
