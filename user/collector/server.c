// SPDX-License-Identifier: Apache-2.0
/*
 * Requests in, answers out; what a batch means is ingest.c's.
 *
 * Invariants: no request is looked at whose connection has no verified client certificate; an
 * answer leaves after its commit; a signal is taken between two requests, never inside one, so a
 * transaction is always finished.
 *
 * Limits: SERVER_CONNECTIONS at once, each with one body of at most INGEST_BODY_MAX in memory.
 * When full, the listener rests until one closes and further peers wait in the kernel's queue; who may
 * hold a connection for how long is peers.h's.
 * libevent's plain connections are never used: if TLS cannot be set up for one, it is cut.
 */
#include "server.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "chains_http.h"
#include "peers.h"
#include "http.h"
#include "ingest.h"
#include "pki.h"
#include "record/look.h"
#include "silence.h"
#include "witness_http.h"

#define HEADERS_MAX 8192

struct server {
	struct event_base *base;
	struct evhttp *http;
	struct evconnlistener *listener;
	bool http_owns; /* the listener */
	struct event *term, *intr;
	SSL_CTX *tls; /* borrowed */
	struct store *store;
	struct peers *peers;
	uint16_t port;
	bool store_ok; /* the last batch could be committed */
	struct looks *looks;
	struct witness *witness; /* borrowed, as is the ledger */
	struct ledger *ledger;
	struct witness_http *public; /* the second listener; NULL: none */
	struct event *tick;
	unsigned ticks;
	bool ledger_failed;
};
DEFINE_CLEANUP(struct server, server_free)
enum who { ANYBODY, AGENT, OPERATOR };

static SSL *ssl_of(struct evhttp_request *req)
{
	struct evhttp_connection *c = evhttp_request_get_connection(req);
	struct bufferevent *b = c ? evhttp_connection_get_bufferevent(c) : NULL;

	return b ? bufferevent_openssl_get_ssl(b) : NULL;
}

static int64_t now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* Who is asking; answers the request itself when that is nobody, or not who may ask for this. */
static bool peer_of(struct server *s, struct evhttp_request *req, enum who who,
		    char cn[static PKI_NAME_MAX + 1], struct ingest_peer *ret)
{
	SSL *ssl = ssl_of(req);

	if (ssl)
		peers_request(s->peers, ssl, now_s());
	if (!ssl || pki_peer(ssl, cn, ret->cert_sha256)) {
		log_warn("request refused: client certificate without a usable common name");
		http_text(req, 403, "client certificate without a usable common name\n");
		return false;
	}
	if (who != ANYBODY && pki_operator(cn) != (who == OPERATOR)) {
		log_warn("request refused: certificate %s is %s", cn,
			 who == OPERATOR ? "no operator's"
					 : "an operator's, which sends no records");
		http_text(req, 403,
			  who == OPERATOR ? "an operator's certificate is needed\n"
					  : "an operator sends no records\n");
		return false;
	}
	ret->cn = cn;
	return true;
}

int64_t server_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static bool is_protobuf(struct evhttp_request *req)
{
	const char *type =
		evhttp_find_header(evhttp_request_get_input_headers(req), "Content-Type");

	return type && !strncasecmp(type, "application/x-protobuf", 22) &&
	       (type[22] == '\0' || type[22] == ';' || type[22] == ' ');
}

static void on_records(struct evhttp_request *req, void *ctx)
{
	struct server *s = ctx;
	struct evbuffer *in = evhttp_request_get_input_buffer(req);
	size_t n = evbuffer_get_length(in);
	char cn[PKI_NAME_MAX + 1];
	struct ingest_result res;
	struct ingest_peer peer;
	const uint8_t *body;

	if (!peer_of(s, req, AGENT, cn, &peer))
		return;
	if (evhttp_request_get_command(req) != EVHTTP_REQ_POST) {
		evhttp_add_header(evhttp_request_get_output_headers(req), "Allow", "POST");
		http_text(req, 405, "POST only\n");
		return;
	}
	if (!is_protobuf(req)) {
		http_text(req, 415, "expected application/x-protobuf\n");
		return;
	}
	body = n ? evbuffer_pullup(in, -1) : (const uint8_t *)"";
	if (!body) {
		http_text(req, 503, "out of memory\n");
		return;
	}
	s->store_ok = ingest_batch(s->store, s->witness, s->looks, &peer, body, n, server_now_ns(),
				   &res) == 0;
	if (res.alarm[0])
		log_line(res.http == 503 || res.fault == PROBITY__V1__ACK__FAULT__FORK ? LOG_L_ERR
										       : LOG_L_WARN,
			 "%s", res.alarm);
	if (res.http == 503)
		evhttp_add_header(evhttp_request_get_output_headers(req), "Retry-After", "5");
	http_reply(req, res.http, "application/x-protobuf", res.ack, res.ack_len);
}

static void on_health(struct evhttp_request *req, void *ctx)
{
	struct server *s = ctx;
	char cn[PKI_NAME_MAX + 1];
	struct ingest_peer peer;

	if (!peer_of(s, req, ANYBODY, cn, &peer))
		return;
	if (s->store_ok)
		http_text(req, 200, "ok\n");
	else
		http_text(req, 503, "the store could not commit the last batch\n");
}

static void on_other(struct evhttp_request *req, void *ctx)
{
	const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(req));
	struct server *s = ctx;
	char cn[PKI_NAME_MAX + 1];
	struct ingest_peer peer;

	if (!path || (strcmp(path, "/v1/chains") != 0 && strncmp(path, "/v1/chains/", 11) != 0))
		http_text(req, 404, "no such page\n");
	else if (peer_of(s, req, OPERATOR, cn, &peer))
		chains_answer(req, s->store, s->ledger, path + 10);
}

/* --- the clock ------------------------------------------------------------------------------------- */

static void say_silent(const char *line)
{
	log_warn("%s", line);
}

/* What was cosigned becomes visible in the collector's own log, and who is silent is looked for. */
static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
	struct server *s = ctx;
	int r = ledger_publish(s->ledger);

	if (r && !s->ledger_failed)
		log_err("the collector's own log cannot be written: %s; tried again", strerror(-r));
	s->ledger_failed = r;
	peers_tick(s->peers, now_s());
	if (s->public)
		witness_http_tick(s->public);
	if (s->ticks++ % SILENCE_CHECK_S == 0 &&
	    silence_check(s->store, server_now_ns(), say_silent))
		log_err("%s", store_error(s->store));
}

static void on_full(void *ctx, bool full)
{
	struct server *s = ctx;

	if (!s->listener)
		return;
	if (full) {
		log_warn("%d connections: further ones wait", SERVER_CONNECTIONS);
		evconnlistener_disable(s->listener);
	} else {
		evconnlistener_enable(s->listener);
	}
}

static struct bufferevent *on_accept(struct event_base *base, void *ctx)
{
	struct server *s = ctx;
	SSL *ssl = SSL_new(s->tls);
	struct bufferevent *b;

	b = ssl && peers_add(s->peers, ssl, now_s())
		    ? bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING,
						     BEV_OPT_CLOSE_ON_FREE)
		    : NULL;
	if (!b) {
		/* NULL would make libevent serve this peer in the clear. */
		log_err("out of memory for a TLS connection: ending, to be started again");
		abort();
	}
	bufferevent_openssl_set_allow_dirty_shutdown(b, 1);
	return b;
}

static void on_signal(evutil_socket_t sig, short what, void *ctx)
{
	struct server *s = ctx;

	log_info("signal %d: ending", (int)sig);
	event_base_loopexit(s->base, NULL);
}

static int set_up_http(struct server *s)
{
	const struct timeval second = {.tv_sec = 1};

	s->http = evhttp_new(s->base);
	s->term = evsignal_new(s->base, SIGTERM, on_signal, s);
	s->intr = evsignal_new(s->base, SIGINT, on_signal, s);
	if (!s->http || !s->term || !s->intr || event_add(s->term, NULL) ||
	    event_add(s->intr, NULL))
		return -ENOMEM;
	s->tick = event_new(s->base, -1, EV_PERSIST, on_tick, s);
	if (!s->tick || event_add(s->tick, &second))
		return -ENOMEM;
	s->http_owns = evhttp_bind_listener(s->http, s->listener) != NULL;
	if (!s->http_owns)
		return -ENOMEM;
	evhttp_set_bevcb(s->http, on_accept, s);
	evhttp_set_max_headers_size(s->http, HEADERS_MAX);
	evhttp_set_max_body_size(s->http, INGEST_BODY_MAX);
	evhttp_set_allowed_methods(s->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST);
	evhttp_set_timeout(s->http, SERVER_TIMEOUT);
	/* So that a peer that sends too much reads its 413 instead of a reset. */
	evhttp_set_flags(s->http, EVHTTP_SERVER_LINGERING_CLOSE);
	evhttp_set_cb(s->http, "/v1/records", on_records, s);
	evhttp_set_cb(s->http, "/healthz", on_health, s);
	evhttp_set_gencb(s->http, on_other, s);
	return 0;
}

int server_open(const struct server_config *c, struct server **ret, char *err, size_t err_len)
{
	_cleanup_(server_freep) struct server *s = calloc(1, sizeof(*s));
	int r;

	snprintf(err, err_len, "out of memory");
	if (!s || !(s->base = event_base_new()))
		return -ENOMEM;
	s->tls = c->tls;
	s->store = c->store;
	s->witness = c->witness;
	s->ledger = c->ledger;
	s->store_ok = true;
	if (peers_new(SERVER_CONNECTIONS, on_full, s, &s->peers) ||
	    looks_new(looks_cpus(), &s->looks))
		return -ENOMEM;
	signal(SIGPIPE, SIG_IGN);
	r = http_listen(s->base, c->address, c->port, &s->listener, err, err_len);
	if (!r)
		r = set_up_http(s);
	if (!r && c->witness_address)
		r = witness_http_open(s->base, c, &s->public, err, err_len);
	if (r)
		return r;
	s->port = http_port(s->listener);
	*ret = TAKE_PTR(s);
	return 0;
}

uint16_t server_witness_port(const struct server *s)
{
	return s->public ? witness_http_port(s->public) : 0;
}

uint16_t server_port(const struct server *s)
{
	return s->port;
}

int server_run(struct server *s)
{
	int r;

	on_tick(-1, 0, s);
	r = event_base_dispatch(s->base) < 0 ? -EIO : 0;
	if (ledger_publish(s->ledger))
		log_err("the collector's own log cannot be written; it is made up at the next start");
	return r;
}

void server_free(struct server *s)
{
	if (!s)
		return;
	if (s->term)
		event_free(s->term);
	if (s->intr)
		event_free(s->intr);
	if (s->tick)
		event_free(s->tick);
	witness_http_free(s->public);
	/* Once bound the listener is evhttp's; its connections still count down while they end. */
	if (s->listener && !s->http_owns)
		evconnlistener_free(s->listener);
	s->listener = NULL;
	if (s->http)
		evhttp_free(s->http);
	if (s->base)
		event_base_free(s->base);
	peers_free(s->peers);
	looks_free(s->looks);
	free(s);
}
