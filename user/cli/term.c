// SPDX-License-Identifier: Apache-2.0
/*
 * Invariant: after term_leave, or a fatal signal, the terminal is as term_enter found it. A frame
 * goes out with one write and holds only the lines that differ from the last frame, each cleared
 * behind its end and not before, so nothing flickers.
 */
#include "term.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"

static volatile sig_atomic_t quit_, resized_, stopped_, entered_;
static struct termios before_;
static bool have_before_;
static char *shown_; /* the last frame, NULL: unknown */

static const char enter_[] = "\033[?1049h\033[?25l\033[2J";
static const char leave_[] = "\033[0m\033[?25h\033[?1049l";

/* Called from signal handlers too: write and tcsetattr are allowed there. */
static void restore(void)
{
	if (!entered_)
		return;
	entered_ = 0;
	if (write(STDOUT_FILENO, leave_, sizeof(leave_) - 1) < 0)
		return; /* the terminal is gone */
	if (have_before_)
		tcsetattr(STDIN_FILENO, TCSANOW, &before_);
}

static void on_signal(int sig)
{
	if (sig == SIGWINCH)
		resized_ = 1;
	else if (sig == SIGTSTP)
		stopped_ = 1;
	else
		quit_ = 1;
}

static void on_fatal(int sig)
{
	restore();
	raise(sig); /* SA_RESETHAND: now it takes its course */
}

void term_signals(sigset_t *ret_mask)
{
	static const int ours[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP};
	static const int fatal[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
	struct sigaction a = {.sa_handler = on_signal};
	struct sigaction d = {.sa_handler = on_fatal, .sa_flags = SA_RESETHAND | SA_NODEFER};
	sigset_t block;

	sigemptyset(&block);
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++) {
		sigaddset(&block, ours[i]);
		sigaction(ours[i], &a, NULL);
	}
	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++)
		sigaction(fatal[i], &d, NULL);
	sigprocmask(SIG_BLOCK, &block, ret_mask);
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		sigdelset(ret_mask, ours[i]);
}

bool term_quit(void)
{
	return quit_;
}

static bool asked(volatile sig_atomic_t *flag)
{
	bool was = *flag;

	*flag = 0;
	return was;
}

bool term_resized(void)
{
	return asked(&resized_);
}
bool term_stopped(void)
{
	return asked(&stopped_);
}

int term_enter(void)
{
	struct termios raw;

	term_forget();
	have_before_ = isatty(STDIN_FILENO) && !tcgetattr(STDIN_FILENO, &before_);
	entered_ = 1;
	if (have_before_) {
		raw = before_;
		raw.c_lflag &= ~(ICANON | ECHO);
		raw.c_cc[VMIN] = 0;
		raw.c_cc[VTIME] = 0;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
	}
	return fs_write_all(STDOUT_FILENO, enter_, sizeof(enter_) - 1);
}

void term_leave(void)
{
	restore();
	term_forget();
}

void term_suspend(void)
{
	term_leave();
	raise(SIGSTOP);
	term_enter();
}

void term_size(unsigned *ret_width, unsigned *ret_height)
{
	struct winsize w = {0};

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &w);
	*ret_width = w.ws_col ? w.ws_col : 80;
	*ret_height = w.ws_row ? w.ws_row : 24;
}

void term_forget(void)
{
	free(shown_);
	shown_ = NULL;
}

static const char *next_line(const char *s)
{
	const char *e = s ? strchr(s, '\n') : NULL;

	return e ? e + 1 : NULL;
}

static bool same_line(const char *a, const char *b)
{
	size_t n = strcspn(a, "\n");

	return b && strcspn(b, "\n") == n && !memcmp(a, b, n);
}

void term_draw(const char *text)
{
	_cleanup_free_ char *out = NULL;
	const char *old = shown_;
	unsigned y = 1;
	size_t n;
	FILE *f = open_memstream(&out, &n);

	if (!f)
		return;
	if (!old)
		fputs("\033[2J", f);
	for (const char *s = text; s; s = next_line(s), old = next_line(old), y++)
		if (!same_line(s, old))
			fprintf(f, "\033[%u;1H%.*s\033[0m\033[K", y, (int)strcspn(s, "\n"), s);
	if (fclose(f))
		return;
	if (n && fs_write_all(STDOUT_FILENO, out, n))
		quit_ = 1; /* the terminal is gone */
	term_forget();
	shown_ = strdup(text);
}
