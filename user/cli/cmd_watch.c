// SPDX-License-Identifier: Apache-2.0
/*
 * probity watch: the spool's end as it grows, on a full screen, as lines or as JSON. One loop waits
 * for the spool, the agent's control socket, a key or a signal; what it shows is view.c's. It only
 * reads: it may be ended at any moment and changes nothing.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>

#include "cli.h"
#include "cmd.h"
#include "control.h"
#include "follow.h"
#include "spool_view.h"
#include "term.h"
#include "view.h"

#define STATUS_MS 2000 /* how often the agent is asked */
#define FRAME_MS 50    /* the least time between two drawn frames */
#define BATCH 2000     /* records taken before the screen is drawn again */

struct watch {
	const char *state_dir, *run_dir;
	uint64_t last;
	bool json, no_tui, summary;

	char dir[3800];
	bool tui, colour, dirty, done;
	bool more; /* the last batch was full: do not wait */
	sigset_t mask;
	struct view view;
	struct follow *follow;
	struct control control;
	int64_t asked_ms, drawn_ms;
};

static int print(const struct watch *w, const struct sealed *s)
{
	_cleanup_free_ char *line = NULL;
	char when[32];

	if (w->tui)
		return 0;
	if (w->json)
		return cli_print_json(render_json(s), true, stdout);
	line = render_line(s);
	if (!line)
		return -ENOMEM;
	time_local(s->head.wall_ns, TIME_DATE, when);
	return printf("%s  %s\n", when, line) < 0 ? -EIO : 0;
}

static int take(struct watch *w, const struct sealed *s)
{
	struct row row;

	row_from(s, &row);
	view_add(&w->view, &row);
	w->dirty = true;
	return print(w, s);
}

static void trouble(struct watch *w, struct spool_pos at, const char *why)
{
	snprintf(w->view.note, sizeof(w->view.note),
		 "%020" PRIu64 ".seg damaged at offset %" PRIu64 " (%s): run probity verify",
		 at.segment, at.offset, why);
	w->dirty = true;
	if (!w->tui)
		fprintf(stderr, "probity watch: %s\n", w->view.note);
}

/* The newest records, and the follower from there on. */
static int begin(struct watch *w)
{
	struct spool_query q = {.limit = w->last ?: 1};
	_cleanup_(spool_cursor_done) struct spool_cursor c = {.dir = w->dir};
	_cleanup_free_ struct spool_pos *at = NULL;
	struct spool_damage dmg;
	struct spool_pos end;
	size_t n;
	int r = spool_newest(w->dir, &q, &at, &n, &end, &dmg);

	if (r)
		return r;
	for (size_t i = 0; i < n && w->last && !r; i++) {
		_cleanup_sealed_ struct sealed s = {0};
		const char *why;

		r = spool_at(&c, at[i], &s, &why);
		r = r == -ENOENT ? 0 : r ?: take(w, &s);
	}
	if (dmg.count)
		trouble(w, dmg.at, dmg.why);
	return r ?: follow_open(w->dir, n ? &end : NULL, &w->follow);
}

static int take_new(struct watch *w)
{
	struct spool_pos at;
	struct frame f;
	const char *why = "";
	int r = follow_wake(w->follow);

	w->more = true;
	for (unsigned i = 0; !r && i < BATCH; i++) {
		_cleanup_sealed_ struct sealed s = {0};
		int k = follow_next(w->follow, &f, &at, &why);

		if (!k) {
			w->more = false;
			break;
		}
		if (k == -EBADMSG ||
		    (k == 1 && sealed_open(f.record, f.record_len, f.sig, &s, &why)))
			trouble(w, at, why);
		else
			r = k < 0 ? k : take(w, &s);
	}
	if (!w->tui && fflush(stdout))
		return -EPIPE;
	return r;
}

/* Keeps one question to the agent under way; a silent agent is one that does not answer. */
static void ask(struct watch *w)
{
	int64_t now = time_steady_ms();

	if (!w->tui || (w->asked_ms && now - w->asked_ms < STATUS_MS))
		return;
	w->asked_ms = now;
	if (w->control.fd >= 0 || control_ask(&w->control, w->run_dir, "status\n")) {
		control_done(&w->control);
		view_status(&w->view, NULL);
		w->dirty = true;
	}
}

static void answer(struct watch *w)
{
	json_t *status = NULL;
	int r = w->control.fd >= 0 ? control_read(&w->control, &status) : 0;

	if (!r)
		return;
	view_status(&w->view, r > 0 ? status : NULL);
	json_decref(status);
	w->dirty = true;
}

static void keys(struct watch *w)
{
	char b[64];
	ssize_t n = read(STDIN_FILENO, b, sizeof(b));

	for (ssize_t i = 0; i < n; i++) {
		if (b[i] == 'q' || b[i] == 'Q')
			w->done = true;
		if (b[i] == 'p' || b[i] == ' ')
			view_pause(&w->view, !w->view.paused);
		if (b[i] == '\f')
			term_forget();
		w->dirty = true;
	}
}

static void draw(struct watch *w)
{
	_cleanup_free_ char *text = NULL;
	unsigned width, height;
	size_t n;
	FILE *f;

	if (!w->tui || !w->dirty || time_steady_ms() - w->drawn_ms < FRAME_MS)
		return;
	term_size(&width, &height);
	f = open_memstream(&text, &n);
	if (!f)
		return;
	view_render(&w->view, width, height, w->colour, f);
	if (fclose(f))
		return;
	term_draw(text);
	w->drawn_ms = time_steady_ms();
	w->dirty = false;
}

static int wait_for(struct watch *w)
{
	struct pollfd p[] = {
		{.fd = follow_fd(w->follow), .events = POLLIN},
		{.fd = w->control.fd, .events = POLLIN},
		{.fd = w->tui && isatty(STDIN_FILENO) ? STDIN_FILENO : -1, .events = POLLIN},
	};
	int64_t ms = w->more ? 0 : w->dirty && w->tui ? FRAME_MS : STATUS_MS / 2;
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};
	int r = ppoll(p, ARRAY_SIZE(p), &t, &w->mask);

	if (r < 0 && errno != EINTR)
		return -errno;
	if (r > 0 && p[2].revents & (POLLHUP | POLLERR | POLLNVAL))
		w->done = true;
	else if (r > 0 && p[2].revents)
		keys(w);
	return 0;
}

static int loop(struct watch *w)
{
	int r = 0;

	while (!r && !w->done && !term_quit()) {
		if (term_resized()) {
			term_forget();
			w->dirty = true;
		}
		if (term_stopped()) {
			if (w->tui)
				term_suspend();
			else
				raise(SIGSTOP);
			w->dirty = true;
		}
		r = take_new(w);
		answer(w);
		ask(w);
		draw(w);
		if (!r)
			r = wait_for(w);
	}
	return r;
}

static int run(struct watch *w)
{
	int r;

	snprintf(w->dir, sizeof(w->dir), "%s/spool", w->state_dir);
	view_init(&w->view);
	w->colour = cli_colour(stdout);
	r = begin(w); /* an error is said before the screen changes */
	term_signals(&w->mask);
	if (!r && w->tui)
		r = term_enter();
	if (!r)
		r = loop(w);
	if (w->tui)
		term_leave();
	follow_free(w->follow);
	control_done(&w->control);
	if (r && r != -EPIPE)
		return cli_unreadable(w->dir, r);
	if (w->summary && w->json)
		cli_print_json(view_summary_json(&w->view), true, stdout);
	else if (w->summary)
		view_summary(&w->view, stdout);
	return CLI_OK;
}

int cmd_watch(int argc, char **argv)
{
	static struct watch w = {
		.state_dir = CLI_STATE_DIR,
		.run_dir = CLI_RUN_DIR,
		.last = 10,
		.control = CONTROL_INIT,
	};
	const struct cli_option options[] = {
		{"since", 's', CLI_NUMBER, &w.last, "N",
		 "show the newest N records first (default 10)"},
		{"no-tui", 'T', CLI_FLAG, &w.no_tui, NULL, "plain lines, also on a terminal"},
		{"summary", 'S', CLI_FLAG, &w.summary, NULL, "print counts at the end"},
		{"json", 0, CLI_FLAG, &w.json, NULL, "one JSON object per line"},
		CLI_OPT_STATE_DIR(&w.state_dir),
		CLI_OPT_RUN_DIR(&w.run_dir),
		{0},
	};
	const struct cli_usage u = {
		"watch",
		"",
		"Shows the AI calls of this host as they are sealed, until q or Ctrl-C.",
		options,
		"Keys: q quit, p pause. Signs: X kill, ! alert, ? shadow service, ~ not seen whole.",
	};
	int first, r = cli_options(&u, argc, argv, &first);

	if (r < 0 && first < argc)
		r = cli_wrong(&u, "takes no argument '%s'", argv[first]);
	if (r >= 0)
		return r;
	w.tui = !w.json && !w.no_tui && isatty(STDOUT_FILENO);
	return run(&w);
}
