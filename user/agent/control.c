// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: a request line of at most LINE_MAX_BYTES from root or the group of the agent's user.
 * Flows out: JSON. It only tells; nothing can be changed here. At most CLIENTS_MAX at a time, and
 * a client that neither asks nor reads for 5 s is let go.
 */
#include "control.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

#define LINE_MAX_BYTES 256
#define CLIENTS_MAX 32

struct control {
	struct evconnlistener *listener;
	json_t *(*status)(void *ctx);
	void *ctx;
	unsigned clients;
	struct sockaddr_un addr;
};

struct client {
	struct control *control;
	struct bufferevent *b;
	bool answered;
};

static void client_done(struct client *c)
{
	c->control->clients--;
	bufferevent_free(c->b);
	free(c);
}

static void answer(struct client *c, const char *line)
{
	struct evbuffer *out = bufferevent_get_output(c->b);
	json_t *j = NULL;
	_cleanup_free_ char *text = NULL;

	if (!strcmp(line, "status"))
		j = c->control->status(c->control->ctx);
	else
		j = json_pack("{s:s}", "error", "unknown request; ask \"status\"");
	text = j ? json_dumps(j, JSON_COMPACT) : NULL;
	json_decref(j);
	c->answered = true;
	evbuffer_add_printf(out, "%s\n", text ?: "{}");
}

static void on_read(struct bufferevent *b, void *p)
{
	struct client *c = p;
	struct evbuffer *in = bufferevent_get_input(b);
	char *line = evbuffer_readln(in, NULL, EVBUFFER_EOL_LF);

	if (line && !c->answered)
		answer(c, line);
	else if (!line && evbuffer_get_length(in) > LINE_MAX_BYTES)
		client_done(c);
	free(line);
}

static void on_written(struct bufferevent *b, void *p)
{
	struct client *c = p;

	if (c->answered)
		client_done(c);
}

static void on_event(struct bufferevent *b, short what, void *p)
{
	client_done(p);
}

static void on_client(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len,
		      void *p)
{
	struct control *ctl = p;
	struct timeval limit = {.tv_sec = 5};
	struct client *c = ctl->clients < CLIENTS_MAX ? calloc(1, sizeof(*c)) : NULL;

	if (c)
		c->b = bufferevent_socket_new(evconnlistener_get_base(l), fd,
					      BEV_OPT_CLOSE_ON_FREE);
	if (!c || !c->b) {
		free(c);
		close(fd);
		return;
	}
	c->control = ctl;
	ctl->clients++;
	bufferevent_setcb(c->b, on_read, on_written, on_event, c);
	bufferevent_set_timeouts(c->b, &limit, &limit);
	bufferevent_enable(c->b, EV_READ | EV_WRITE);
}

static void allow_group(const char *path)
{
	struct group *g = getgrnam("probity");

	if (g && chown(path, 0, g->gr_gid) < 0)
		log_debug("cannot give %s to group probity: %s", path, strerror(errno));
	chmod(path, g ? 0660 : 0600);
}

static bool answered(const struct sockaddr_un *a)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && !connect(fd, (const struct sockaddr *)a, sizeof(*a));
}

int control_open(struct event_base *base, const char *run_dir, json_t *(*status)(void *ctx),
		 void *ctx, struct control **ret)
{
	_cleanup_free_ struct control *c = calloc(1, sizeof(*c));
	int n;

	if (!c)
		return -ENOMEM;
	c->status = status;
	c->ctx = ctx;
	c->addr.sun_family = AF_UNIX;
	n = snprintf(c->addr.sun_path, sizeof(c->addr.sun_path), "%s/control.sock", run_dir);
	if (n >= (int)sizeof(c->addr.sun_path)) {
		log_err("%s/control.sock: path is too long for a socket", run_dir);
		return -ENAMETOOLONG;
	}
	if (answered(&c->addr)) {
		log_err("%s: another probityd is running", c->addr.sun_path);
		return -EADDRINUSE;
	}
	unlink(c->addr.sun_path);
	c->listener = evconnlistener_new_bind(base, on_client, c,
					      LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 16,
					      (struct sockaddr *)&c->addr, sizeof(c->addr));
	if (!c->listener) {
		int r = -errno;

		log_err("%s: %s", c->addr.sun_path, strerror(-r));
		return r;
	}
	allow_group(c->addr.sun_path);
	*ret = TAKE_PTR(c);
	return 0;
}

void control_free(struct control *c)
{
	if (!c)
		return;
	evconnlistener_free(c->listener);
	unlink(c->addr.sun_path);
	free(c);
}
