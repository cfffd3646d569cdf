/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A collector that does what a test tells it to: TLS with client certificates on a thread of its
 * own, HTTP/1.1, Batch in, Ack out. It keeps no records, and checks all of them: chain, keys of epochs,
 * signatures, MACs, the tree, what proves a hole, and checkpoints with their proofs, which it cosigns.
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
#include "record/checkpoint.h"
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
	FAKE_NOTHING_NEW,   /* fine, but last_seq stays */
	FAKE_NO_CHECKPOINT, /* fault CHECKPOINT to each */
	FAKE_OTHER_TREE,    /* cosigns another size */
	FAKE_OTHER_WITNESS, /* cosigns with a key that is not the one it names */
};

struct fake_memory {
	struct chain_state st; /* without verifier */
	struct mac_key mac;
	uint64_t witnessed;
	struct tree_hash witnessed_root;
};
struct fake {
	int fd;
	uint16_t port;
	pthread_t thread;
	SSL_CTX *tls;
	_Atomic int mode, fault,
		mode_left; /* mode for so many answers, then NORMAL; 0 = for ever */
	_Atomic bool stop, held, need_start, no_holes, no_vkey;
	_Atomic uint64_t last_seq, requests, handshakes, batches, empties, again, holes, bad;
	_Atomic uint64_t seeds, macs, checkpoints, keep_at;
	_Atomic size_t most_records, most_bytes, most_seals;
	uint8_t leaf[32], public[32];
	bool wrong_leaf;
	char bad_why[128];

	struct fake_memory now, kept; /* kept: when it held keep_at records */
	bool seed_held;
	struct mac_key seed;
	struct signer *witness, *other;
	char dir[64], vkey[256], note[4096];
};
#define FAKE_WITNESS "collector.example/witness"

#define fake_why(f, ...) snprintf((f)->bad_why, sizeof((f)->bad_why), __VA_ARGS__)
static inline void fake_wrong(struct fake *f, const char *why)
{
	f->bad++;
	fake_why(f, "%s", why);
}

/* Was set back to when it held keep_at records. */
static inline void fake_restore(struct fake *f)
{
	chain_state_done(&f->now.st);
	f->now = f->kept;
	f->last_seq = f->now.st.next_seq - 1;
	memcpy(f->leaf, f->now.st.prev, 32);
}

static inline Probity__V1__Control *fake_control(const Probity__V1__SealedRecord *s,
						 const uint8_t *public, struct record *r)
{
	struct verifier *v = NULL;
	const char *why;
	Probity__V1__Control *c = NULL;

	if (s->signature.len == 64 && !verifier_new(public, &v) &&
	    verifier_ok(v, s->record.data, RECORD_HEADER_LEN, s->signature.data) &&
	    !record_decode(s->record.data, s->record.len, r, &why))
		c = probity__v1__control__unpack(NULL, r->payload_len, r->payload);
	verifier_free(v);
	return c;
}

static inline bool fake_loss_covers(const uint8_t *public, const Probity__V1__SealedRecord *l,
				    uint64_t first, uint64_t last)
{
	struct record r;
	Probity__V1__Control *c = l ? fake_control(l, public, &r) : NULL;
	bool ok = c && c->kind == PROBITY__V1__CONTROL__KIND__LOSS && c->first_seq <= first &&
		  c->last_seq >= last && r.seq > last;

	probity__v1__control__free_unpacked(c, NULL);
	return ok;
}

/* The edge named in the batch, and that it goes on from what is held. */
static inline bool fake_edge(struct fake *f, const Probity__V1__Batch *b, uint64_t size,
			     struct tree_edge *ret)
{
	struct tree_hash path[TREE_PATH_MAX], old, root;
	size_t k = 0;

	memset(ret, 0, sizeof(*ret));
	ret->size = size;
	for (int i = 63; i >= 0; i--)
		if (size >> i & 1) {
			if (k == b->n_edge || b->edge[k].len != 32)
				return false;
			memcpy(ret->peak[i].b, b->edge[k++].data, 32);
		}
	if (k != b->n_edge || b->n_edge_consistency > TREE_PATH_MAX)
		return false;
	for (size_t i = 0; i < b->n_edge_consistency; i++)
		memcpy(path[i].b, b->edge_consistency[i].data, 32);
	tree_root(&f->now.st.tree, &old);
	tree_root(ret, &root);
	return tree_consistency_ok(f->held ? f->now.st.next_seq : 0, &old, size, &root, path,
				   b->n_edge_consistency);
}

/* Records from next_seq to below `to` are left out: from here on as if they had been there. */
static inline bool fake_jump(struct fake *f, const Probity__V1__Batch *b, const struct record *r)
{
	struct chain_state st = {.started = true, .tree_known = true, .epoch_first = UINT64_MAX};
	const struct chain_state *was = &f->now.st;
	uint8_t key[32];
	uint32_t epoch = f->held ? was->epoch + was->sealed : 0;

	memcpy(key, !f->held ? f->public : was->sealed ? was->next_public : was->public, 32);
	memcpy(st.public, key, 32);
	st.epoch = epoch;
	for (size_t i = 0; i < b->n_seals; i++) {
		struct record at;
		Probity__V1__Control *c = fake_control(b->seals[i], key, &at);
		bool ok = c && c->kind == PROBITY__V1__CONTROL__KIND__SEAL && at.epoch == epoch &&
			  c->next_public_key.len == 32;

		if (ok) {
			epoch++;
			memcpy(key, c->next_public_key.data, 32);
		}
		if (ok && at.seq < r->seq) {
			memcpy(st.public, key, 32);
			memcpy(st.next_public, key, 32);
			st.sealed = at.seq == r->seq - 1;
			st.epoch = st.sealed ? at.epoch : epoch;
		}
		probity__v1__control__free_unpacked(c, NULL);
		if (!ok) {
			fake_why(f, "seal %zu of %zu", i, b->n_seals);
			return false;
		}
	}
	if (f->held && !fake_loss_covers(key, b->loss, was->next_seq, r->seq - 1)) {
		fake_why(f, "loss for %llu", (unsigned long long)was->next_seq);
		return false;
	}
	if (!fake_edge(f, b, r->seq, &st.tree)) {
		fake_why(f, "edge of %llu from %llu", (unsigned long long)r->seq,
			 (unsigned long long)was->next_seq);
		return false;
	}
	memcpy(st.chain, r->chain, 16);
	memcpy(st.prev, r->prev, 32);
	st.next_seq = r->seq;
	chain_state_done(&f->now.st);
	f->now.st = st;
	if (f->seed_held && mac_at(&f->seed, r->epoch, &f->now.mac))
		f->now.st.mac = &f->now.mac;
	if (b->n_seals > f->most_seals)
		f->most_seals = b->n_seals;
	f->holes += f->held;
	return true;
}

static inline void fake_seed(struct fake *f, const Probity__V1__Batch *b)
{
	if (b->mac_seed.len != MAC_LEN)
		return;
	f->seeds++;
	if (f->seed_held && memcmp(f->seed.k, b->mac_seed.data, MAC_LEN))
		fake_wrong(f, "another seed");
	memcpy(f->seed.k, b->mac_seed.data, MAC_LEN);
	f->seed_held = true;
	if (!f->held) {
		f->now.mac = f->seed;
		f->now.st.mac = &f->now.mac;
	}
}

static inline void fake_take(struct fake *f, const Probity__V1__Batch *b, Probity__V1__Ack *a)
{
	struct chain_state *st = &f->now.st;

	fake_seed(f, b);
	if (b->n_records && !f->held && !st->started)
		memcpy(st->public, f->public, 32);
	for (size_t i = 0; i < b->n_records; i++) {
		const Probity__V1__SealedRecord *s = b->records[i];
		const struct chain_sealed by = {s->signature.len ? s->signature.data : NULL,
						s->mac.data};
		uint64_t want = f->held ? st->next_seq : 0;
		struct record r;
		const char *why;

		if (s->mac.len != MAC_LEN ||
		    record_decode(s->record.data, s->record.len, &r, &why)) {
			fake_wrong(f, "no record");
			a->fault = PROBITY__V1__ACK__FAULT__BAD_RECORD;
			return;
		}
		if (f->held && r.seq < want) {
			f->again++;
			continue;
		}
		if (r.seq > want &&
		    (f->no_holes || (f->need_start && !f->held) || !fake_jump(f, b, &r))) {
			a->fault = PROBITY__V1__ACK__FAULT__GAP;
			a->fault_seq = want;
			return;
		}
		if (chain_append(st, s->record.data, s->record.len, &by, &r, &why)) {
			fake_wrong(f, why);
			a->fault = PROBITY__V1__ACK__FAULT__BAD_RECORD;
			return;
		}
		memcpy(f->leaf, st->prev, 32);
		f->last_seq = r.seq;
		f->held = true;
		f->macs = st->macs;
		if (f->keep_at && st->next_seq == f->keep_at) {
			f->kept = f->now;
			f->kept.st.verifier = NULL;
		}
	}
}

/* Of a tree it has itself and that goes on from the last one; else fault CHECKPOINT. */
static inline bool fake_checkpoint_ok(struct fake *f, const Probity__V1__Batch *b,
				      struct note *note, struct checkpoint *c)
{
	struct tree_hash path[TREE_PATH_MAX], own;
	const char *why;

	if (note_parse(b->checkpoint, strlen(b->checkpoint), note, &why) ||
	    checkpoint_parse(note->text, note->text_n, c, &why) || !note->n ||
	    b->witnessed_size != f->now.witnessed || b->n_consistency > TREE_PATH_MAX ||
	    c->size > f->now.st.next_seq)
		return false;
	for (size_t i = 0; i < b->n_consistency; i++)
		memcpy(path[i].b, b->consistency[i].data, 32);
	tree_root(&f->now.st.tree, &own);
	if (c->size == f->now.st.next_seq && memcmp(&own, &c->root, 32))
		return false;
	return tree_consistency_ok(f->now.witnessed, &f->now.witnessed_root, c->size, &c->root,
				   path, b->n_consistency);
}

static inline void fake_witness(struct fake *f, const Probity__V1__Batch *b, Probity__V1__Ack *a)
{
	struct checkpoint c;
	struct note note;
	char text[1024];
	size_t n, k;

	f->note[0] = '\0';
	a->witness_vkey = f->no_vkey ? "" : f->vkey;
	if (*b->checkpoint &&
	    (f->mode == FAKE_NO_CHECKPOINT || !fake_checkpoint_ok(f, b, &note, &c))) {
		if (f->mode != FAKE_NO_CHECKPOINT)
			fake_wrong(f, "checkpoint");
		a->fault = PROBITY__V1__ACK__FAULT__CHECKPOINT;
		a->error = "no\x1b";
	} else if (*b->checkpoint) {
		f->now.witnessed = c.size;
		f->now.witnessed_root = c.root;
		f->checkpoints++;
		if (f->mode == FAKE_OTHER_TREE)
			c.size++;
		k = checkpoint_text(&c, text, sizeof(text));
		n = f->mode == FAKE_OTHER_TREE
			    ? (size_t)snprintf(f->note, sizeof(f->note), "%s\n", text)
			    : (size_t)snprintf(f->note, sizeof(f->note), "%s", b->checkpoint);
		n += cosign(text, k, 1700000000 + f->checkpoints, FAKE_WITNESS,
			    f->mode == FAKE_OTHER_WITNESS ? f->other : f->witness, f->note + n,
			    sizeof(f->note) - n);
		f->note[n] = '\0';
		a->cosigned = f->note;
	}
	a->witnessed_size = f->now.witnessed;
	a->seed_held = f->seed_held;
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
		if (!a.fault)
			fake_witness(f, b, &a);
	}
	a.empty = !f->held;
	a.last_seq = f->last_seq;
	memcpy(leaf, f->leaf, 32);
	leaf[0] ^= f->wrong_leaf;
	a.last_leaf = (ProtobufCBinaryData){32, leaf};
	if (b->public_key.len != 32 || memcmp(b->public_key.data, f->public, 32))
		fake_wrong(f, "public key");
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

static inline void fake_keys(struct fake *f)
{
	struct note_key k = {.name = FAKE_WITNESS};
	char path[96], err[200];

	strcpy(f->dir, "/tmp/probity-fake-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(path, sizeof(path), "%s/witness", f->dir);
	assert_int_equal(signer_open(path, true, &f->witness, err, sizeof(err)), 0);
	snprintf(path, sizeof(path), "%s/other", f->dir);
	assert_int_equal(signer_open(path, true, &f->other, err, sizeof(err)), 0);
	memcpy(k.public, signer_public(f->witness), 32);
	assert_int_equal(note_vkey_of(&k, NOTE_COSIGNATURE, f->vkey, sizeof(f->vkey)), 0);
}

/* port 0: any. Binds; answers from fake_start on. */
static inline void fake_new(struct fake *f, const struct identity *ca, const struct identity *me,
			    const uint8_t *public)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);

	memset(f, 0, sizeof(*f));
	memcpy(f->public, public, 32);
	fake_keys(f);
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
	chain_state_done(&f->now.st);
	signer_free(f->witness);
	signer_free(f->other);
	nftw(f->dir, chainlet_remove_one, 4, FTW_DEPTH | FTW_PHYS);
}

#endif
