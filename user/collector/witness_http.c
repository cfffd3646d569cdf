// SPDX-License-Identifier: Apache-2.0
/*
 * In: requests of strangers. Out: cosignatures, and the collector's own log. Invariant: a cosignature
 * leaves after the commit of the tree it is of, and judging, storing and cosigning are one transaction, so
 * no two answers can roll a log back. Limits: BODY_MAX a request, CONNECTION_S of silence, STRANGERS_FDS
 * connections, in which strangers can only keep each other out; what a foreign log is refused for is kept as
 * a finding where it is evidence (fork: 422), which the store bounds.
 */
#include "witness_http.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <event2/buffer.h>

#include "base/log.h"
#include "http.h"

#define BODY_MAX (64 * 1024)
#define HEADERS_MAX 8192
#define CONNECTION_S 15
#define KEPT_FDS (SERVER_CONNECTIONS + 128)
#define STRANGERS_FDS 1024
#define AGAIN_S 60 /* the same checkpoint is cosigned anew at most so often */

struct witness_http {
	struct evhttp *http;
	struct evconnlistener *listener;
	bool owned, rests; /* the listener: by http; until the next tick */
	int fd_max;
	struct store *store;
	struct witness *witness;
	struct ledger *ledger;
};
DEFINE_CLEANUP(struct witness_http, witness_http_free)

/* --- add-checkpoint -------------------------------------------------------------------------------- */

struct submission {
	struct witness_request q;
	struct note note;
	struct checkpoint c;
	const struct note_key *key;
};

/* 0, or what to answer. */
static int open_submission(struct witness_http *w, const char *p, size_t n, struct submission *s)
{
	const struct note_key *k;
	const char *why;
	int r = -ENOKEY;

	if (witness_request_parse(p, n, &s->q, &why) ||
	    note_parse(s->q.note, s->q.note_n, &s->note, &why) ||
	    checkpoint_parse(s->note.text, s->note.text_n, &s->c, &why))
		return 400;
	if (!witness_log_key(w->witness, s->c.origin, 0))
		return 404;
	for (size_t i = 0; (k = witness_log_key(w->witness, s->c.origin, i)); i++) {
		r = note_verify(&s->note, k, NULL);
		if (r == -EBADMSG)
			return 403;
		if (!r)
			s->key = k;
	}
	return s->key ? 0 : 403;
}

static int keep_fork(struct witness_http *w, const struct submission *s, int64_t now_ns)
{
	struct store_finding f = {.at_ns = now_ns,
				  .severity = STORE_CRITICAL,
				  .kind = "fork",
				  .seq = s->c.size,
				  .evidence = (const uint8_t *)s->q.note,
				  .evidence_len = s->q.note_n};

	snprintf(f.cn, sizeof(f.cn), "%.64s", s->c.origin);
	snprintf(f.detail, sizeof(f.detail),
		 "FORK ALARM: log %.100s signed two trees of the same size", s->c.origin);
	log_err("critical finding fork: %s", f.detail);
	return store_finding_add(w->store, &f);
}

/* Anybody may send a public checkpoint again and again: the same answer, and no new entry each time. */
static bool again(const struct submission *s, const struct store_witness *row, int64_t now_ns)
{
	return s->c.size == row->edge.size && now_ns / 1000000000 - row->unix_s < AGAIN_S &&
	       !strncmp(row->note, s->note.text, s->note.text_n);
}

/* In a transaction. The status; 200 with the cosignature's line in row->note. */
static int judge(struct witness_http *w, const struct submission *s, int64_t now_ns,
		 struct store_witness *row, uint64_t *ret_held, int *ret_error)
{
	int r = store_witness_get(w->store, s->c.origin, row);
	bool held = !r;

	*ret_error = r == -ENOENT ? 0 : r;
	if (*ret_error)
		return 503;
	*ret_held = held ? row->edge.size : 0;
	switch (witness_judge(held ? row : NULL, s->q.old, &s->c, s->q.path, s->q.n)) {
	case WITNESS_TOO_OLD:
		return 400;
	case WITNESS_CONFLICT:
		return 409;
	case WITNESS_FORK:
		if (held && row->edge.size == s->c.size) /* not: of no records, and another root */
			*ret_error = keep_fork(w, s, now_ns);
		return 422;
	case WITNESS_BAD_PROOF:
		return 422;
	case WITNESS_FINE:
		break;
	}
	if (held && again(s, row, now_ns))
		return 200;
	if (!held)
		*row = (struct store_witness){0};
	snprintf(row->name, sizeof(row->name), "%s", s->c.origin);
	*ret_error = witness_cosign(w->witness, w->store, &s->note, s->key, NULL, &s->c,
				    now_ns / 1000000000, row);
	return *ret_error ? 503 : 200;
}

static int advance(struct witness_http *w, const struct submission *s, struct store_witness *row,
		   uint64_t *ret_held)
{
	int64_t now = server_now_ns();
	int r = store_begin(w->store), error = r, status = 503;

	if (!r)
		status = judge(w, s, now, row, ret_held, &error);
	if (!error && store_commit(w->store) == 0)
		return status;
	store_rollback(w->store);
	log_err("%s; a checkpoint of %s is not cosigned", store_error(w->store), s->c.origin);
	return 503;
}

static void on_add(struct evhttp_request *req, void *ctx)
{
	static const char *const words[] = {"the checkpoint is not signed by a key of this log\n",
					    "unknown log\n"};
	struct evbuffer *in = evhttp_request_get_input_buffer(req);
	size_t n = evbuffer_get_length(in);
	const char *body = n ? (const char *)evbuffer_pullup(in, -1) : "", *line;
	struct submission s = {.key = NULL};
	struct witness_http *w = ctx;
	struct store_witness row;
	uint64_t held = 0;
	char text[32];
	int status;

	if (evhttp_request_get_command(req) != EVHTTP_REQ_POST) {
		http_text(req, 405, "POST only\n");
		return;
	}
	status = body ? open_submission(w, body, n, &s) : 503;
	if (!status)
		status = advance(w, &s, &row, &held);
	switch (status) {
	case 200: /* ours is the last line */
		row.note[strlen(row.note) - 1] = '\0';
		line = strrchr(row.note, '\n') + 1;
		row.note[strlen(row.note)] = '\n';
		http_text(req, 200, line);
		break;
	case 409:
		snprintf(text, sizeof(text), "%" PRIu64 "\n", held);
		http_reply(req, 409, "text/x.tlog.size", text, strlen(text));
		break;
	case 403:
	case 404:
		http_text(req, status, words[status - 403]);
		break;
	case 422:
		http_text(req, 422, "not consistent with what was cosigned before\n");
		break;
	case 400:
		http_text(req, 400, "not an add-checkpoint request\n");
		break;
	default:
		http_text(req, 503, "the store cannot commit now\n");
	}
}

/* --- the collector's own log ------------------------------------------------------------------------ */

static void on_checkpoint(struct evhttp_request *req, void *ctx)
{
	const struct witness_http *w = ctx;
	const char *note = ledger_checkpoint(w->ledger);

	http_text(req, note[0] ? 200 : 404, note[0] ? note : "nothing was cosigned yet\n");
}

static int add_entry(void *ctx, const struct tree_hash *leaf, const void *entry, size_t n)
{
	uint8_t len[2] = {n >> 8, n};

	return evbuffer_add(ctx, len, sizeof(len)) || evbuffer_add(ctx, entry, n) ? -ENOMEM : 0;
}

/* Entries, each with its length before it. */
static void entries(struct evhttp_request *req, struct witness_http *w, uint64_t index,
		    unsigned width)
{
	uint64_t first = index * TILE_WIDTH, size = ledger_size(w->ledger);
	struct evbuffer *out = evbuffer_new();

	if (!out || index > size / TILE_WIDTH || first + width > size)
		http_text(req, 404, "no such tile\n");
	else if (store_ledger(w->store, first, first + width, add_entry, out))
		http_text(req, 503, "the store cannot be read now\n");
	else
		evhttp_send_reply(req, 200, NULL, out);
	if (out)
		evbuffer_free(out);
}

static void tile(struct evhttp_request *req, struct witness_http *w, const char *path)
{
	static const char bundle[] = "tile/entries/";
	struct tree_hash h[TILE_WIDTH];
	char as_level[TILE_PATH_MAX + 8];
	unsigned level, width;
	uint64_t index;

	/* Bundles of entries are numbered like the tiles of level 0. */
	if (!strncmp(path, bundle, strlen(bundle))) {
		snprintf(as_level, sizeof(as_level), "tile/0/%.60s", path + strlen(bundle));
		if (strlen(path) < TILE_PATH_MAX &&
		    tile_path_parse(as_level, &level, &index, &width))
			entries(req, w, index, width);
		else
			http_text(req, 404, "no such tile\n");
		return;
	}
	if (!tile_path_parse(path, &level, &index, &width) ||
	    ledger_tile(w->ledger, level, index, width, h))
		http_text(req, 404, "no such tile\n");
	else
		http_reply(req, 200, "application/octet-stream", h, width * sizeof(*h));
}

/* --- other logs ------------------------------------------------------------------------------------ */

/* "/<64 hex digits>/checkpoint" */
static bool origin_of(const char *path, uint8_t out[static 32])
{
	if (strlen(path) != 1 + 64 + 11 || strcmp(path + 65, "/checkpoint") != 0 ||
	    strspn(path + 1, "0123456789abcdef") != 64)
		return false;
	for (size_t i = 0; i < 32; i++) {
		char two[3] = {path[1 + 2 * i], path[2 + 2 * i], '\0'};

		out[i] = strtoul(two, NULL, 16);
	}
	return true;
}

static void on_other(struct evhttp_request *req, void *ctx)
{
	const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(req));
	struct witness_http *w = ctx;
	struct store_witness row;
	uint8_t hash[32];

	if (!path || evhttp_request_get_command(req) != EVHTTP_REQ_GET)
		http_text(req, 405, "GET only\n");
	else if (!strncmp(path, "/tile/", 6))
		tile(req, w, path + 1);
	else if (origin_of(path, hash) && !store_witness_by_origin(w->store, hash, &row))
		http_text(req, 200, row.note);
	else
		http_text(req, 404, "no such page\n");
}

/* --- strangers -------------------------------------------------------------------------------------- */

/* Descriptors that strangers may take: what agents and the store need is left. */
static int fd_max(void)
{
	struct rlimit l = {.rlim_cur = 1024};
	rlim_t most;

	getrlimit(RLIMIT_NOFILE, &l);
	most = l.rlim_cur > KEPT_FDS ? l.rlim_cur - KEPT_FDS : 1;
	return most < STRANGERS_FDS ? most : STRANGERS_FDS;
}

/* The kernel gives the lowest free descriptor, so its number tells how many are taken. */
static bool too_many(const struct witness_http *w)
{
	int fd = fcntl(evconnlistener_get_fd(w->listener), F_DUPFD_CLOEXEC, 0);

	if (fd >= 0)
		close(fd);
	return fd < 0 || fd >= w->fd_max;
}

/* libevent makes the connection itself; this only looks at how many there are. */
static struct bufferevent *on_accept(struct event_base *base, void *ctx)
{
	struct witness_http *w = ctx;

	if (!w->rests && too_many(w)) {
		w->rests = true;
		evconnlistener_disable(w->listener);
		log_warn("many connections of strangers: further ones wait");
	}
	return NULL;
}

void witness_http_tick(struct witness_http *w)
{
	if (!w->rests || too_many(w))
		return;
	w->rests = false;
	evconnlistener_enable(w->listener);
}

/* --- opening --------------------------------------------------------------------------------------- */

int witness_http_open(struct event_base *base, const struct server_config *c,
		      struct witness_http **ret, char *err, size_t err_len)
{
	_cleanup_(witness_http_freep) struct witness_http *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->store = c->store;
	w->witness = c->witness;
	w->ledger = c->ledger;
	r = http_listen(base, c->witness_address, c->witness_port, &w->listener, err, err_len);
	if (r)
		return r;
	w->http = evhttp_new(base);
	w->owned = w->http && evhttp_bind_listener(w->http, w->listener);
	if (!w->owned)
		return -ENOMEM;
	evhttp_set_max_headers_size(w->http, HEADERS_MAX);
	evhttp_set_max_body_size(w->http, BODY_MAX);
	evhttp_set_allowed_methods(w->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST);
	evhttp_set_timeout(w->http, CONNECTION_S);
	w->fd_max = fd_max();
	evhttp_set_bevcb(w->http, on_accept, w);
	evhttp_set_cb(w->http, "/add-checkpoint", on_add, w);
	evhttp_set_cb(w->http, "/checkpoint", on_checkpoint, w);
	evhttp_set_gencb(w->http, on_other, w);
	*ret = TAKE_PTR(w);
	return 0;
}

void witness_http_free(struct witness_http *w)
{
	if (!w)
		return;
	if (w->listener && !w->owned)
		evconnlistener_free(w->listener);
	if (w->http)
		evhttp_free(w->http);
	free(w);
}

uint16_t witness_http_port(const struct witness_http *w)
{
	return http_port(w->listener);
}
