// SPDX-License-Identifier: Apache-2.0
/*
 * The client's half of the control socket. In: bytes of a root-owned daemon; out: a JSON object.
 * Limits: an answer over CONTROL_ANSWER_MAX is refused, so a broken agent cannot fill our memory.
 */
#include "control.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "text.h"

int control_ask(struct control *c, const char *run_dir, const char *request)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = -1;
	size_t n = strlen(request);

	control_done(c);
	if (snprintf(a.sun_path, sizeof(a.sun_path), "%s/control.sock", run_dir) >=
	    (int)sizeof(a.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return -errno;
	/* A request line always fits an empty socket buffer. */
	if (send(fd, request, n, MSG_NOSIGNAL) != (ssize_t)n)
		return errno ? -errno : -EIO;
	c->fd = TAKE_FD(fd);
	return 0;
}

static int answered(struct control *c, json_t **ret)
{
	json_t *o = json_loadb(c->answer ?: "", c->n, JSON_REJECT_DUPLICATES, NULL);

	control_done(c);
	if (!json_is_object(o)) {
		json_decref(o);
		return -EBADMSG;
	}
	*ret = o;
	return 1;
}

static int fail(struct control *c, int err)
{
	control_done(c);
	return err;
}

int control_read(struct control *c, json_t **ret)
{
	char b[16384];

	for (;;) {
		ssize_t n = read(c->fd, b, sizeof(b));
		char *more;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : fail(c, -errno);
		if (!n)
			return answered(c, ret);
		if (c->n + n > CONTROL_ANSWER_MAX)
			return fail(c, -EFBIG);
		more = realloc(c->answer, c->n + n);
		if (!more)
			return fail(c, -ENOMEM);
		c->answer = more;
		memcpy(c->answer + c->n, b, n);
		c->n += n;
	}
}

void control_done(struct control *c)
{
	if (c->fd >= 0)
		close(c->fd);
	free(c->answer);
	*c = (struct control)CONTROL_INIT;
}

int control_call(const char *run_dir, const char *request, int timeout_ms, json_t **ret)
{
	_cleanup_(control_done) struct control c = CONTROL_INIT;
	int64_t end = time_steady_ms() + timeout_ms;
	int r = control_ask(&c, run_dir, request);

	while (!r) {
		struct pollfd p = {.fd = c.fd, .events = POLLIN};
		int64_t left = end - time_steady_ms();

		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(&p, 1, left) < 0 && errno != EINTR)
			return -errno;
		r = control_read(&c, ret);
	}
	return r > 0 ? 0 : r;
}
