/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A collector that does what a test tells it to: TLS with client certificates on a thread of its
 * own, HTTP/1.1, Batch in, Ack out. It keeps only numbers, and checks order and signatures.
 */
#ifndef TEST_FAKE_COLLECTOR_H
#define TEST_FAKE_COLLECTOR_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "proto/forward.pb-c.h"
#include "proto/record.pb-c.h"
#include "record/segment.h"

struct identity {
	EVP_PKEY *key;
	X509 *cert;
	char *key_pem, *cert_pem;
};

static inline char *bio_text(BIO *b)
{
	char *p, *text;
	long n = BIO_get_mem_data(b, &p);

	text = strndup(p, n);
	BIO_free(b);
	return text;
}

/* issuer NULL: a CA of its own. san: "DNS:localhost,IP:127.0.0.1" or NULL. */
static inline struct identity identity_new(const char *cn, const struct identity *issuer,
					   const char *san)
{
	struct identity i = {.key = EVP_EC_gen("P-256"), .cert = X509_new()};
	X509_NAME *n = X509_get_subject_name(i.cert);
	static long serial = 1;
	X509V3_CTX ctx;
	BIO *b;

	X509_set_version(i.cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(i.cert), serial++);
	X509_gmtime_adj(X509_getm_notBefore(i.cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(i.cert), 3600);
	X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC, (const uint8_t *)cn, -1, -1, 0);
	X509_set_issuer_name(i.cert, issuer ? X509_get_subject_name(issuer->cert) : n);
	X509_set_pubkey(i.cert, i.key);
	X509V3_set_ctx(&ctx, issuer ? issuer->cert : i.cert, i.cert, NULL, NULL, 0);
	for (int k = 0; k < 2; k++) {
		const char *value = k ? san : issuer ? "critical,CA:FALSE" : "critical,CA:TRUE";
		X509_EXTENSION *e = value ? X509V3_EXT_conf_nid(NULL, &ctx,
								k ? NID_subject_alt_name
								  : NID_basic_constraints,
								value)
					  : NULL;

		if (e)
			X509_add_ext(i.cert, e, -1);
		X509_EXTENSION_free(e);
	}
	X509_sign(i.cert, issuer ? issuer->key : i.key, EVP_sha256());
	b = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(b, i.cert);
	i.cert_pem = bio_text(b);
	b = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(b, i.key, NULL, NULL, 0, NULL, NULL);
	i.key_pem = bio_text(b);
	return i;
}

static inline void identity_free(struct identity *i)
{
	EVP_PKEY_free(i->key);
	X509_free(i->cert);
	free(i->key_pem);
	free(i->cert_pem);
}

enum fake_mode {
	FAKE_NORMAL,
	FAKE_FAULT,    /* answers `fault` to batches with records */
	FAKE_DROP,     /* commits, then closes without an answer */
	FAKE_HTTP_500, /* no body */
	FAKE_GARBAGE,  /* 200 and bytes that are no Ack */
	FAKE_LONG,     /* 200 and a megabyte */
	FAKE_OTHER_CHAIN,
	FAKE_NOTHING_NEW, /* fine, but last_seq stays */
};

struct fake {
	int fd;
	uint16_t port;
	pthread_t thread;
	SSL_CTX *tls;
	_Atomic int mode, fault,
		mode_left; /* mode for so many answers, then NORMAL; 0 = for ever */
	_Atomic bool stop, held, need_start;
	_Atomic uint64_t last_seq, requests, handshakes, batches, empties, again, holes, bad;
	_Atomic size_t most_records, most_bytes;
	uint8_t leaf[32], public[32];
	bool wrong_leaf;
};

static inline bool fake_loss_covers(struct fake *f, const Probity__V1__SealedRecord *l,
				    uint64_t first, uint64_t last)
{
	struct verifier *v = NULL;
	struct record r;
	const char *why;
	Probity__V1__Control *c = NULL;
	bool ok = l && l->signature.len == 64 && !verifier_new(f->public, &v) &&
		  verifier_ok(v, l->record.data, l->record.len, l->signature.data) &&
		  !record_decode(l->record.data, l->record.len, &r, &why) &&
		  (c = probity__v1__control__unpack(NULL, r.payload_len, r.payload)) &&
		  c->kind == PROBITY__V1__CONTROL__KIND__LOSS && c->first_seq <= first &&
		  c->last_seq >= last && r.seq > last;

	probity__v1__control__free_unpacked(c, NULL);
	verifier_free(v);
	return ok;
}

static inline void fake_take(struct fake *f, const Probity__V1__Batch *b, Probity__V1__Ack *a)
{
	for (size_t i = 0; i < b->n_records; i++) {
		const Probity__V1__SealedRecord *s = b->records[i];
		uint64_t want = f->held ? f->last_seq + 1 : 0;
		struct record r;
		const char *why;

		if (record_decode(s->record.data, s->record.len, &r, &why)) {
			f->bad++;
			a->fault = PROBITY__V1__ACK__FAULT__BAD_RECORD;
			return;
		}
		if (f->held && r.seq < want) {
			f->again++;
			continue;
		}
		if (r.seq > want && f->held && fake_loss_covers(f, b->loss, want, r.seq - 1)) {
			f->holes++;
		} else if (r.seq > want && (f->held || f->need_start)) {
			a->fault = PROBITY__V1__ACK__FAULT__GAP;
			a->fault_seq = want;
			return;
		} else if (f->held && memcmp(r.prev, f->leaf, 32)) {
			f->bad++;
		}
		record_leaf(s->record.data, f->leaf);
		f->last_seq = r.seq;
		f->held = true;
	}
}

static inline size_t fake_answer(struct fake *f, const uint8_t *body, size_t n, uint8_t *out)
{
	Probity__V1__Batch *b = probity__v1__batch__unpack(NULL, n, body);
	Probity__V1__Ack a = PROBITY__V1__ACK__INIT;
	uint8_t leaf[32];
	size_t len;

	if (!b || b->version != 1 || b->chain.len != 16) {
		f->bad++;
		probity__v1__batch__free_unpacked(b, NULL);
		return 0;
	}
	if (b->n_records)
		f->batches++;
	else
		f->empties++;
	if (b->n_records > f->most_records)
		f->most_records = b->n_records;
	if (n > f->most_bytes)
		f->most_bytes = n;
	a.version = 1;
	a.chain = b->chain;
	if (f->mode == FAKE_FAULT && b->n_records) {
		a.fault = f->fault;
		a.error = "as told\n\x1b[31m";
	} else if (f->mode != FAKE_NOTHING_NEW) {
		fake_take(f, b, &a);
	}
	a.empty = !f->held;
	a.last_seq = f->last_seq;
	memcpy(leaf, f->leaf, 32);
	leaf[0] ^= f->wrong_leaf;
	a.last_leaf = (ProtobufCBinaryData){32, leaf};
	if (f->mode == FAKE_OTHER_CHAIN)
		a.chain = (ProtobufCBinaryData){16, leaf};
	len = probity__v1__ack__pack(&a, out);
	probity__v1__batch__free_unpacked(b, NULL);
	return len;
}

/* One request of an open connection; false when it is over. */
static inline bool fake_request(struct fake *f, SSL *s, uint8_t *buf, size_t cap)
{
	static uint8_t out[1 << 20];
	char head[200];
	size_t n = 0, want = 0, body = 0, len = 0;
	int mode, k;

	while (!body || n < body + want) {
		char *end, *length;

		k = SSL_read(s, buf + n, cap - 1 - n);
		if (k <= 0)
			return false;
		n += k;
		buf[n] = '\0';
		end = body ? NULL : strstr((char *)buf, "\r\n\r\n");
		if (end) {
			body = end + 4 - (char *)buf;
			length = strcasestr((char *)buf, "content-length:");
			want = length ? strtoul(length + 15, NULL, 10) : 0;
			if (strncmp((char *)buf, "POST /v1/records HTTP/1.1\r\n", 27) ||
			    !strcasestr((char *)buf, "content-type: application/x-protobuf\r\n"))
				f->bad++;
		}
	}
	f->requests++;
	len = fake_answer(f, buf + body, want, out);
	mode = f->mode;
	if (f->mode_left && !--f->mode_left)
		f->mode = FAKE_NORMAL;
	if (mode == FAKE_DROP)
		return false;
	if (mode == FAKE_HTTP_500)
		len = 0;
	if (mode == FAKE_GARBAGE) {
		memset(out, 0xff, 100);
		len = 100;
	}
	if (mode == FAKE_LONG)
		len = sizeof(out);
	k = snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n",
		     mode == FAKE_HTTP_500 ? "500 no" : "200 OK", len);
	return SSL_write(s, head, k) == k && (!len || SSL_write(s, out, len) == (int)len);
}

static inline void *fake_run(void *ctx)
{
	struct fake *f = ctx;
	uint8_t *buf = malloc(4 << 20);

	while (!f->stop) {
		int fd = accept(f->fd, NULL, NULL);
		struct timeval t = {.tv_sec = 60};
		SSL *s;

		if (fd < 0)
			break;
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
		s = SSL_new(f->tls);
		SSL_set_fd(s, fd);
		if (SSL_accept(s) == 1) {
			f->handshakes++;
			while (!f->stop && fake_request(f, s, buf, 4 << 20))
				;
		}
		ERR_clear_error();
		SSL_free(s);
		close(fd);
	}
	free(buf);
	return NULL;
}

/* port 0: any. Binds; answers from fake_start on. */
static inline void fake_new(struct fake *f, const struct identity *ca, const struct identity *me,
			    const uint8_t *public)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);

	memset(f, 0, sizeof(*f));
	memcpy(f->public, public, 32);
	f->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(f->fd, (void *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(f->fd, (void *)&a, &len), 0);
	f->port = ntohs(a.sin_port);
	f->tls = SSL_CTX_new(TLS_server_method());
	SSL_CTX_use_certificate(f->tls, me->cert);
	SSL_CTX_use_PrivateKey(f->tls, me->key);
	X509_STORE_add_cert(SSL_CTX_get_cert_store(f->tls), ca->cert);
	SSL_CTX_set_verify(f->tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
}

static inline void fake_start(struct fake *f)
{
	assert_int_equal(listen(f->fd, 16), 0);
	assert_int_equal(pthread_create(&f->thread, NULL, fake_run, f), 0);
}

static inline void fake_free(struct fake *f)
{
	f->stop = true;
	shutdown(f->fd, SHUT_RDWR);
	if (f->thread)
		pthread_join(f->thread, NULL);
	close(f->fd);
	SSL_CTX_free(f->tls);
}

#endif
