// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: a request line of at most LINE_MAX_BYTES from root or the group of the agent's user.
 * Flows out: JSON, from the verb's own function. What changes something is for operators alone; who
 * asks is the kernel's word. At most CLIENTS_MAX at a time, and a client that neither asks nor reads
 * for 5 s is let go.
 *
 * The names of users and groups come from NSS: a slow directory would hold the keeper up, so only
 * for a request.
 */
#include "control.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
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

#define LINE_MAX_BYTES 4096
#define OPERATORS "probity-operators"
#define CLIENTS_MAX 32
#define BACKLOG 16
#define CONTROL_PRIORITY 0 /* before all work that can wait: an answer comes after one turn of it */

struct control {
	struct event *listener;
	const struct control_verb *verbs;
	void *ctx;
	unsigned clients;
	struct sockaddr_un addr;
};

struct control_call {
	struct control *control;
	struct bufferevent *b; /* NULL: gone before its answer was there */
	json_t *request;
	struct ucred who;
	char user[64];
	bool asked, answered;
};

static void call_free(struct control_call *c)
{
	c->control->clients--;
	json_decref(c->request);
	free(c);
}

/* One whose answer is still to come is kept without its connection. */
static void hang_up(struct control_call *c)
{
	bufferevent_free(c->b);
	c->b = NULL;
	if (!c->asked || c->answered)
		call_free(c);
}

const json_t *control_request(const struct control_call *c)
{
	return c->request;
}

uid_t control_uid(const struct control_call *c)
{
	return c->who.uid;
}

pid_t control_pid(const struct control_call *c)
{
	return c->who.pid;
}

const char *control_user(const struct control_call *c)
{
	return c->user;
}

void control_reply(struct control_call *c, json_t *answer)
{
	_cleanup_free_ char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;

	json_decref(answer);
	c->answered = true;
	if (!c->b)
		call_free(c);
	else
		evbuffer_add_printf(bufferevent_get_output(c->b), "%s\n",
				    text ?: "{\"error\":\"out of memory\"}");
}

void control_fail(struct control_call *c, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	control_reply(c, json_pack("{s:s}", "error", text));
}

/* --- who may ------------------------------------------------------------------------------------ */

static bool in_group(const struct ucred *who, const char *name)
{
	struct group *g = getgrnam(name);
	struct passwd *p;
	gid_t gids[64];
	int n = ARRAY_SIZE(gids);
	gid_t gid;

	if (!g)
		return false;
	gid = g->gr_gid;
	p = getpwuid(who->uid);
	if (who->gid == gid)
		return true;
	if (!p || getgrouplist(p->pw_name, p->pw_gid, gids, &n) < 0)
		return false;
	while (n-- > 0)
		if (gids[n] == gid)
			return true;
	return false;
}

static bool may_change(const struct ucred *who)
{
	return !who->uid || in_group(who, OPERATORS);
}

static bool identify(struct control_call *c, int fd)
{
	socklen_t n = sizeof(c->who);
	struct passwd *p;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c->who, &n))
		return false;
	p = getpwuid(c->who.uid);
	if (p)
		snprintf(c->user, sizeof(c->user), "%s", p->pw_name);
	else
		snprintf(c->user, sizeof(c->user), "%u", c->who.uid);
	return true;
}

/* --- requests ----------------------------------------------------------------------------------- */

static const struct control_verb *verb_of(const struct control *ctl, const char *name)
{
	const struct control_verb *v = ctl->verbs;

	while (v->name && strcmp(v->name, name))
		v++;
	return v->name ? v : NULL;
}

static void ask(struct control_call *c, const char *line)
{
	const struct control_verb *v;
	const char *name;

	c->asked = true;
	c->request = line[0] == '{' ? json_loads(line, JSON_REJECT_DUPLICATES, NULL)
				    : json_pack("{s:s}", "do", line);
	name = json_string_value(json_object_get(c->request, "do"));
	v = name ? verb_of(c->control, name) : NULL;
	if (!v)
		control_fail(c, "unknown request: %.64s", name ?: "not an object with \"do\"");
	else if (v->changes && !may_change(&c->who))
		control_fail(c, "%s is for root and the members of group " OPERATORS, name);
	else
		v->fn(c->control->ctx, c);
}

static void on_read(struct bufferevent *b, void *p)
{
	struct control_call *c = p;
	struct evbuffer *in = bufferevent_get_input(b);
	_cleanup_free_ char *line = evbuffer_readln(in, NULL, EVBUFFER_EOL_LF);

	if (line && !c->asked)
		ask(c, line);
	else if (!line && evbuffer_get_length(in) > LINE_MAX_BYTES)
		hang_up(c);
}

static void on_written(struct bufferevent *b, void *p)
{
	struct control_call *c = p;

	if (c->answered)
		hang_up(c);
}

static void on_event(struct bufferevent *b, short what, void *p)
{
	hang_up(p);
}

static void on_client(evutil_socket_t listener, short what, void *p)
{
	struct control *ctl = p;
	struct timeval limit = {.tv_sec = 5};
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct control_call *c;

	if (fd < 0)
		return;
	c = ctl->clients < CLIENTS_MAX ? calloc(1, sizeof(*c)) : NULL;
	if (c)
		c->b = bufferevent_socket_new(event_get_base(ctl->listener), fd,
					      BEV_OPT_CLOSE_ON_FREE);
	if (!c || !c->b || bufferevent_priority_set(c->b, CONTROL_PRIORITY) || !identify(c, fd)) {
		if (c && c->b)
			bufferevent_free(c->b);
		else
			close(fd);
		free(c);
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

static int listen_at(const struct sockaddr_un *a)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	unlink(a->sun_path);
	if (fd < 0 || bind(fd, (const struct sockaddr *)a, sizeof(*a)) || listen(fd, BACKLOG))
		return -errno;
	return TAKE_FD(fd);
}

int control_open(struct event_base *base, const char *run_dir, const struct control_verb *verbs,
		 void *ctx, struct control **ret)
{
	_cleanup_free_ struct control *c = calloc(1, sizeof(*c));
	_cleanup_close_ int fd = -1;
	int n;

	if (!c)
		return -ENOMEM;
	c->verbs = verbs;
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
	fd = listen_at(&c->addr);
	if (fd < 0) {
		log_err("%s: %s", c->addr.sun_path, strerror(-fd));
		return fd;
	}
	c->listener = event_new(base, fd, EV_READ | EV_PERSIST, on_client, c);
	if (!c->listener || event_priority_set(c->listener, CONTROL_PRIORITY) ||
	    event_add(c->listener, NULL)) {
		if (c->listener)
			event_free(c->listener);
		return -ENOMEM;
	}
	TAKE_FD(fd);
	allow_group(c->addr.sun_path);
	*ret = TAKE_PTR(c);
	return 0;
}

void control_free(struct control *c)
{
	if (!c)
		return;
	close(event_get_fd(c->listener));
	event_free(c->listener);
	unlink(c->addr.sun_path);
	free(c);
}
