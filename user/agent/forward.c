// SPDX-License-Identifier: Apache-2.0
/*
 * In: the spool, and the collector's answers. Out: batches, and how far the collector has
 * confirmed. The collector's word is the truth about what it holds: a run begins by asking it with
 * an empty batch, and any answer that names another place than expected moves us there.
 *
 * Invariant: what counts as confirmed was named by the collector after its commit. One request is
 * under way at most; it lives in `body` until answered. A refusal for cause (fork, wrong key, bad
 * record) ends forwarding until the agent is restarted: sending on could only hide it. Anything
 * else is an absence: tried again after a pause that doubles from 0.5 s to 30 s, or to 2 s where the
 * collector was reached and only its answer is missing.
 *
 * Pace: after an answer as long a pause as a quarter of its time, so that a backlog after an
 * outage leaves the collector room for other hosts.
 */
#include "forward.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "forward_int.h"

#define CONNECT_S 10L
#define ANSWER_S 60L
#define HINT_MS 1000 /* acked is written at most this often */
#define FRUITLESS_MAX 2
#define FAULT(x) PROBITY__V1__ACK__FAULT__##x

DEFINE_CLEANUP(struct forward, forward_free)

uint64_t forward_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

static size_t on_body(char *p, size_t one, size_t n, void *ctx)
{
	struct forward *f = ctx;

	if (n > sizeof(f->answer) - f->answer_len) {
		f->answer_long = true;
		return 0;
	}
	memcpy(f->answer + f->answer_len, p, n);
	f->answer_len += n;
	return n;
}

static bool blob(CURL *e, CURLoption o, const struct forward_pem *p)
{
	struct curl_blob b = {(void *)p->text, p->n, CURL_BLOB_COPY};

	return curl_easy_setopt(e, o, &b) == CURLE_OK;
}

/* Every option that carries the trust must take; an old libcurl that cannot must not connect. */
static bool setup(struct forward *f)
{
	const struct forward_config *c = &f->c;
	CURL *e = f->easy;
	char url[400];
	bool v6 = strchr(c->host, ':');

	snprintf(f->st.target, sizeof(f->st.target), v6 ? "[%s]:%u" : "%s:%u", c->host, c->port);
	snprintf(url, sizeof(url), "https://%s/v1/records", f->st.target);
	f->headers = curl_slist_append(NULL, "Content-Type: application/x-protobuf");
	f->headers = curl_slist_append(f->headers, "Expect:");
#define SET(o, v) (curl_easy_setopt(e, CURLOPT_##o, v) == CURLE_OK)
	return f->headers && SET(URL, url) && SET(PROTOCOLS_STR, "https") && SET(POST, 1L) &&
	       SET(SSLVERSION, (long)(CURL_SSLVERSION_TLSv1_3 | CURL_SSLVERSION_MAX_TLSv1_3)) &&
	       SET(SSL_VERIFYPEER, 1L) && SET(SSL_VERIFYHOST, 2L) && SET(CAPATH, NULL) &&
	       SET(CAINFO, NULL) && blob(e, CURLOPT_CAINFO_BLOB, &c->ca) &&
	       blob(e, CURLOPT_SSLCERT_BLOB, &c->cert) && blob(e, CURLOPT_SSLKEY_BLOB, &c->key) &&
	       SET(SSLCERTTYPE, "PEM") && SET(SSLKEYTYPE, "PEM") && SET(FOLLOWLOCATION, 0L) &&
	       SET(PROXY, "") && SET(NOSIGNAL, 1L) && SET(TCP_KEEPALIVE, 1L) &&
	       SET(CONNECTTIMEOUT, CONNECT_S) && SET(TIMEOUT, ANSWER_S) &&
	       SET(HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) && SET(HTTPHEADER, f->headers) &&
	       SET(USERAGENT, "probityd/" PROBITY_VERSION) && SET(ERRORBUFFER, f->curl_error) &&
	       SET(WRITEFUNCTION, on_body) && SET(WRITEDATA, f);
#undef SET
}

int forward_new(const struct forward_config *c, struct forward **ret, char *err, size_t err_len)
{
	_cleanup_(forward_freep) struct forward *f = calloc(1, sizeof(*f));
	uint8_t seed[MAC_LEN];
	int r;

	if (!f)
		return -ENOMEM;
	f->c = *c;
	snprintf(f->host_name, sizeof(f->host_name), "%s", c->host_name);
	r = epochs_chain_public(c->epochs, f->public);
	if (r) {
		snprintf(err, err_len, "keys: chain.pub: %s", strerror(-r));
		return r;
	}
	f->st.state = FORWARD_AWAY;
	snprintf(f->st.last_error, sizeof(f->st.last_error), "not asked yet");
	f->st.acked = spool_acked_read(c->spool, &f->st.acked_seq) == 0;
	f->hint_seq = f->st.acked ? f->st.acked_seq : UINT64_MAX;
	f->acked_end = f->said_end = f->st.acked ? f->st.acked_seq + 1 : 0;
	f->st.seed_held = !epochs_seed(c->epochs, seed);
	OPENSSL_cleanse(seed, sizeof(seed));
	f->backoff_ms = FORWARD_BACKOFF_MIN_MS;
	f->multi = curl_multi_init();
	f->easy = curl_easy_init();
	if (!f->multi || !f->easy || !setup(f)) {
		snprintf(err, err_len, "collector %s:%u: libcurl cannot be set up", c->host,
			 c->port);
		return -EINVAL;
	}
	r = forward_witness_open(f, err, err_len);
	if (r)
		return r;
	/* The texts are copied into libcurl; the caller may wipe its own. */
	f->c.ca = f->c.cert = f->c.key = (struct forward_pem){0};
	*ret = TAKE_PTR(f);
	return 0;
}

void forward_free(struct forward *f)
{
	if (!f)
		return;
	if (f->busy)
		curl_multi_remove_handle(f->multi, f->easy);
	curl_easy_cleanup(f->easy);
	curl_multi_cleanup(f->multi);
	curl_slist_free_all(f->headers);
	if (f->hint_seq != f->st.acked_seq && f->st.acked)
		spool_acked_write(f->c.spool, f->st.acked_seq);
	forward_body_free(f);
	forward_checkpoint_drop(f);
	free(f);
}

const struct forward_status *forward_status(const struct forward *f)
{
	static const struct forward_status off = {.state = FORWARD_OFF};

	return f ? &f->st : &off;
}

static void state_set(struct forward *f, enum forward_state s, const char *why)
{
	bool change = f->st.state != s || (s == FORWARD_AWAY && !f->asked && !f->again_ms);

	snprintf(f->st.last_error, sizeof(f->st.last_error), "%s", why);
	f->st.state = s;
	if (!change)
		return;
	if (s == FORWARD_AWAY)
		log_warn("collector %s is away (%s); records stay in the spool; retrying",
			 f->st.target, why);
	else if (s == FORWARD_REFUSED)
		log_err("collector %s REFUSES this host's records: %s; forwarding has stopped, "
			"records stay in the spool",
			f->st.target, why);
	else
		log_info("collector %s answers; forwarding", f->st.target);
}

/* Half to one and a half of the pause, so that a fleet does not come back all at once. */
void forward_back_off(struct forward *f, const char *why)
{
	uint16_t random = 0;

	state_set(f, FORWARD_AWAY, why);
	RAND_bytes((unsigned char *)&random, sizeof(random));
	f->again_ms =
		forward_now_ms() + f->backoff_ms / 2 + (uint64_t)f->backoff_ms * random / 65536;
	f->backoff_ms *= 2;
	if (f->backoff_ms > FORWARD_BACKOFF_MAX_MS)
		f->backoff_ms = FORWARD_BACKOFF_MAX_MS;
	f->asked = false; /* much may have happened meanwhile */
}

static void acked(struct forward *f, uint64_t seq)
{
	uint64_t now = forward_now_ms();

	if (!f->confirmed || seq > f->st.acked_seq) {
		f->fruitless = 0;
		f->backoff_ms = FORWARD_BACKOFF_MIN_MS;
	}
	f->st.acked = f->confirmed = true;
	f->st.acked_seq = seq;
	if (seq >= f->acked_end)
		f->acked_end = seq + 1;
	if (seq == f->hint_seq || now - f->hint_ms < HINT_MS)
		return;
	f->hint_ms = now;
	if (spool_acked_write(f->c.spool, seq) == 0)
		f->hint_seq = seq;
}

void forward_words(const char *s, char *ret, size_t cap)
{
	size_t n = 0;

	for (; *s && n + 1 < cap; s++)
		ret[n++] = *s >= ' ' && *s <= '~' ? *s : '?';
	ret[n] = '\0';
}

/* The collector's leaf against ours where we still have the record; false = two histories. */
static bool same_history(struct forward *f, const Probity__V1__Ack *a)
{
	uint8_t leaf[RECORD_HASH_LEN];
	const char *why;
	struct frame fr;
	ssize_t n;
	size_t one;

	n = spool_read(f->c.spool, a->last_seq, f->frames, sizeof(f->frames), 1, &one);
	if (n <= 0 || a->last_leaf.len != sizeof(leaf))
		return true;
	if (frame_parse(f->frames, n, &fr, &why) <= 0)
		return true;
	record_leaf(fr.record, leaf);
	return !memcmp(leaf, a->last_leaf.data, sizeof(leaf));
}

static void refused(struct forward *f, const Probity__V1__Ack *a)
{
	static const char *const names[] = {
		[FAULT(BAD_RECORD)] = "bad record",
		[FAULT(FORK)] = "fork",
		[FAULT(WRONG_KEY)] = "wrong key",
	};
	char why[256], said[160];

	forward_words(a->error, said, sizeof(said));
	snprintf(why, sizeof(why), "%s at record %" PRIu64 ": %s", names[a->fault], a->fault_seq,
		 said);
	state_set(f, FORWARD_REFUSED, why);
}

/* Two histories: nothing more is sent, but for what shows the collector where they part. */
static void diverged(struct forward *f, const char *why)
{
	state_set(f, FORWARD_REFUSED, why);
	f->evidence = true;
}

static void position(struct forward *f, const Probity__V1__Ack *a)
{
	const struct spool_state *s = spool_state(f->c.spool);
	bool first = !f->asked;
	char why[160];

	f->asked = true;
	if (a->empty) {
		f->st.acked = f->confirmed = false;
		f->next = 0;
	} else if (a->last_seq >= s->durable_seq) {
		snprintf(why, sizeof(why),
			 "it holds record %" PRIu64 ", this host only up to %" PRIu64
			 ": the host was set back",
			 a->last_seq, s->durable_seq - 1);
		diverged(f, why);
		return;
	} else if (a->witnessed_size > s->durable_seq) {
		snprintf(why, sizeof(why),
			 "it has cosigned a tree of %" PRIu64 " records, this host has %" PRIu64
			 ": the host was set back",
			 a->witnessed_size, s->durable_seq);
		diverged(f, why);
		return;
	} else if (first && !same_history(f, a)) {
		snprintf(why, sizeof(why), "it holds another record %" PRIu64 " than this host",
			 a->last_seq);
		diverged(f, why);
		return;
	} else {
		acked(f, a->last_seq);
		f->next = a->last_seq + 1;
	}
	if (f->sent_end && ++f->fruitless > FRUITLESS_MAX)
		forward_back_off(f, f->proof_sent ? "it asks for records that have left the spool"
						  : "it confirms nothing of what it is sent");
	else
		state_set(f, FORWARD_OK, "");
}

static void on_ack(struct forward *f, const Probity__V1__Ack *a)
{
	switch (a->fault) {
	case FAULT(NONE):
	case FAULT(GAP):
	case FAULT(CHECKPOINT):
		forward_said(f, a);
		position(f, a);
		forward_checkpoint_answer(f, a);
		return;
	case FAULT(FORK):
	case FAULT(WRONG_KEY):
	case FAULT(BAD_RECORD):
		refused(f, a);
		return;
	default:
		forward_back_off(f, a->fault == FAULT(STORE)
					    ? "its store cannot commit"
					    : "it does not understand the request");
	}
}

static void answered(struct forward *f, CURLcode code)
{
	Probity__V1__Ack *a = NULL;
	uint64_t now = forward_now_ms();
	long http = 0, sent = 0;
	char why[128];

	if (f->st.state == FORWARD_REFUSED)
		return; /* to the evidence: it changes nothing here */
	curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &http);
	if (f->answer_long)
		code = CURLE_OK; /* the answer is there, and is nothing we know */
	if (code != CURLE_OK) {
		f->st.failures++;
		curl_easy_getinfo(f->easy, CURLINFO_REQUEST_SIZE, &sent);
		if (sent > 0 && f->backoff_ms > FORWARD_BACKOFF_CUT_MS)
			f->backoff_ms = FORWARD_BACKOFF_CUT_MS;
		forward_back_off(f, f->curl_error[0] ? f->curl_error : curl_easy_strerror(code));
		return;
	}
	if (!f->answer_long && f->answer_len)
		a = probity__v1__ack__unpack(NULL, f->answer_len, f->answer);
	if (!a || a->version != 1 ||
	    (a->chain.len &&
	     (a->chain.len != 16 || memcmp(a->chain.data, spool_state(f->c.spool)->chain, 16)))) {
		snprintf(why, sizeof(why), "HTTP %ld without an answer this agent knows", http);
		f->st.failures++;
		forward_back_off(f, why);
	} else {
		f->again_ms = now + (now - f->sent_ms) / 4;
		/* It is there: only what it does not confirm may make the next pause longer. */
		if (!f->fruitless)
			f->backoff_ms = FORWARD_BACKOFF_MIN_MS;
		on_ack(f, a);
	}
	probity__v1__ack__free_unpacked(a, NULL);
}

static void finish(struct forward *f)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(f->multi, &left))) {
		CURLcode code = m->data.result;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_multi_remove_handle(f->multi, f->easy);
		f->busy = false;
		answered(f, code);
		forward_body_free(f);
		return;
	}
}

int forward_step(struct forward *f, uint64_t now_ms)
{
	int running;
	long ms = -1;

	if (!f || (f->st.state == FORWARD_REFUSED && !f->busy && !f->evidence))
		return -1;
	if (f->busy) {
		curl_multi_perform(f->multi, &running);
		finish(f);
	}
	if (f->evidence) {
		forward_evidence(f);
		if (f->busy)
			curl_multi_perform(f->multi, &running);
	}
	if (f->st.state != FORWARD_REFUSED)
		forward_checkpoint_look(f);
	if (!f->busy && f->st.state != FORWARD_REFUSED && now_ms >= f->again_ms &&
	    forward_wanted(f)) {
		forward_send(f);
		if (f->busy) {
			curl_multi_perform(f->multi, &running);
			finish(f);
		}
	}
	if (f->st.state == FORWARD_REFUSED && !f->busy)
		return f->evidence ? 0 : -1;
	if (f->busy) {
		curl_multi_timeout(f->multi, &ms);
		return ms < 0 ? 1000 : ms;
	}
	if (!forward_wanted(f))
		return -1;
	now_ms = forward_now_ms();
	return f->again_ms > now_ms ? f->again_ms - now_ms : 0;
}

bool forward_idle(const struct forward *f)
{
	return !f || f->st.state != FORWARD_OK || (!f->busy && !forward_wanted(f));
}

int forward_wait(struct forward *f, struct pollfd *fds, unsigned n, int timeout_ms)
{
	struct curl_waitfd w[8];
	int ready = 0;

	if (!f || n > ARRAY_SIZE(w)) {
		ready = poll(fds, n, timeout_ms);
		return ready < 0 ? -errno : ready;
	}
	for (unsigned i = 0; i < n; i++)
		w[i] = (struct curl_waitfd){.fd = fds[i].fd, .events = CURL_WAIT_POLLIN};
	/* Hang-ups are not reported for these, so the caller reads whenever it wakes. */
	if (curl_multi_poll(f->multi, w, n, timeout_ms, &ready) != CURLM_OK)
		return -EIO;
	for (unsigned i = 0; i < n; i++)
		fds[i].revents = w[i].revents ? POLLIN : 0;
	return ready;
}
