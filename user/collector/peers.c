// SPDX-License-Identifier: Apache-2.0
/*
 * In: new TLS connections, the end of their handshakes, whole requests, the clock. Out: which are cut.
 *
 * A connection without a finished handshake has PEERS_HANDSHAKE_S; when all places are taken, the oldest of
 * these gives way at once. One with a certificate must bring a whole request every PEERS_REQUEST_S: whoever
 * sends a byte now and then is cut, however alive he looks. A name has PEERS_PER_NAME places; the newest
 * counts, since a host that was restarted comes back before its old connections are noticed to be dead.
 *
 * Cutting is shutdown(2): libevent sees the end and frees as always. OpenSSL calls on_free from SSL_free, the
 * one place every connection passes at its end.
 */
#include "peers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "base/log.h"
#include "pki.h"

struct peer {
	TAILQ_ENTRY(peer) link; /* the oldest first */
	struct peers *all;
	SSL *ssl;
	int64_t since_s; /* accepted, or the last whole request */
	char cn[PKI_NAME_MAX + 1];
	bool named, cut;
};

struct peers {
	TAILQ_HEAD(, peer) list;
	unsigned n, max;
	int slot; /* of SSL ex_data */
	void (*full)(void *ctx, bool full);
	void *ctx;
};

static void cut(struct peer *k)
{
	k->cut = true;
	shutdown(SSL_get_fd(k->ssl), SHUT_RDWR);
}

static void on_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
	struct peer *k = ptr;
	struct peers *c;

	if (!k)
		return;
	c = k->all;
	TAILQ_REMOVE(&c->list, k, link);
	free(k);
	if (c->n-- == c->max)
		c->full(c->ctx, false);
}

int peers_new(unsigned max, void (*full)(void *ctx, bool full), void *ctx, struct peers **ret)
{
	struct peers *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	TAILQ_INIT(&c->list);
	c->max = max;
	c->full = full;
	c->ctx = ctx;
	c->slot = SSL_get_ex_new_index(0, NULL, NULL, NULL, on_free);
	if (c->slot < 0) {
		free(c);
		return -ENOMEM;
	}
	*ret = c;
	return 0;
}

void peers_free(struct peers *c)
{
	free(c);
}

unsigned peers_count(const struct peers *c)
{
	return c->n;
}

/* Of this name the oldest goes, when there are too many. */
static void make_room(struct peers *c, const struct peer *now)
{
	struct peer *k, *oldest = NULL;
	unsigned n = 0;

	TAILQ_FOREACH(k, &c->list, link)
	{
		if (!k->named || k->cut || strcmp(k->cn, now->cn))
			continue;
		if (!n++)
			oldest = k;
	}
	if (n <= PEERS_PER_NAME)
		return;
	log_warn("certificate %s has more than %d connections: the oldest is ended", now->cn,
		 PEERS_PER_NAME);
	cut(oldest);
}

/* TLS 1.3 says more than once that it is done. */
static void on_info(const SSL *ssl, int where, int value)
{
	struct peers *c;
	struct peer *k;
	uint8_t sha256[32];

	if (!(where & SSL_CB_HANDSHAKE_DONE))
		return;
	c = SSL_get_app_data(ssl);
	k = SSL_get_ex_data(ssl, c->slot);
	if (!k || k->named || pki_peer((SSL *)ssl, k->cn, sha256))
		return;
	k->named = true;
	make_room(c, k);
}

bool peers_add(struct peers *c, SSL *ssl, int64_t now_s)
{
	struct peer *k = calloc(1, sizeof(*k)), *old;

	if (!k || !SSL_set_ex_data(ssl, c->slot, k)) {
		free(k);
		return false;
	}
	k->all = c;
	k->ssl = ssl;
	k->since_s = now_s;
	SSL_set_app_data(ssl, c);
	SSL_set_info_callback(ssl, on_info);
	TAILQ_INSERT_TAIL(&c->list, k, link);
	if (++c->n != c->max)
		return true;
	c->full(c->ctx, true);
	TAILQ_FOREACH(old, &c->list, link)
	if (!old->named && !old->cut && old != k) {
		cut(old);
		break;
	}
	return true;
}

void peers_request(struct peers *c, SSL *ssl, int64_t now_s)
{
	struct peer *k = SSL_get_ex_data(ssl, c->slot);

	if (k)
		k->since_s = now_s;
}

void peers_tick(struct peers *c, int64_t now_s)
{
	struct peer *k;

	TAILQ_FOREACH(k, &c->list, link)
	{
		if (k->cut || now_s - k->since_s < (k->named ? PEERS_REQUEST_S : PEERS_HANDSHAKE_S))
			continue;
		log_warn("connection of %s is ended: no whole request came in time",
			 k->named ? k->cn : "nobody");
		cut(k);
	}
}
