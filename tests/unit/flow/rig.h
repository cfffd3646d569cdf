/* SPDX-License-Identifier: Apache-2.0 */
/* A flow with callbacks that write down what they are told. */
#ifndef PROBITY_TESTS_FLOW_RIG_H
#define PROBITY_TESTS_FLOW_RIG_H

#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "flow/flow.h"
#include "feed.h"

#define RIG_DONE_MAX 40
struct rig {
	struct flow *f;
	char log[4096]; /* H(head) R(equest) D(one) X(dropped), one word each */
	size_t log_n;
	char text[2][8192]; /* as given to text(), of the whole flow, cut */
	size_t text_n[2];
	struct interaction done[RIG_DONE_MAX];
	unsigned dones;
	uint64_t next[2], now;
	enum flow_state state;
};

__attribute__((format(printf, 2, 3))) static inline void rig_log(struct rig *r, const char *fmt,
								 ...)
{
	va_list ap;

	va_start(ap, fmt);
	r->log_n += vsnprintf(r->log + r->log_n, sizeof(r->log) - r->log_n, fmt, ap);
	va_end(ap);
	if (r->log_n >= sizeof(r->log))
		abort();
}

/* "ai…" is a known service, "maybe…" or no name may be one, anything else is not. */
static inline enum flow_interest rig_head(void *ctx, const struct interaction *it)
{
	rig_log(ctx, "H:%s%s%s ", it->host, it->websocket ? "+ws" : "", it->path);
	if (!strncmp(it->host, "ai", 2))
		return FLOW_YES;
	return !strncmp(it->host, "maybe", 5) || !*it->host ? FLOW_MAYBE : FLOW_NO;
}

static inline void rig_text(void *ctx, const struct interaction *it, enum flow_dir dir,
			    const uint8_t *p, size_t n)
{
	struct rig *r = ctx;

	if (n > sizeof(r->text[dir]) - r->text_n[dir])
		n = sizeof(r->text[dir]) - r->text_n[dir];
	memcpy(r->text[dir] + r->text_n[dir], p, n);
	r->text_n[dir] += n;
}

static inline void rig_request(void *ctx, const struct interaction *it)
{
	rig_log(ctx, "R:%s ", it->request_model);
}

static inline void rig_done(void *ctx, const struct interaction *it)
{
	struct rig *r = ctx;

	rig_log(r, "D:%s:%u:%s ", it->path, it->status, completeness_name(it->completeness));
	if (r->dones < RIG_DONE_MAX)
		r->done[r->dones++] = *it;
}

static inline void rig_dropped(void *ctx, const struct interaction *it)
{
	rig_log(ctx, "X:%s ", it->path);
}

static const struct flow_ops rig_ops = {.head = rig_head,
					.text = rig_text,
					.request = rig_request,
					.done = rig_done,
					.dropped = rig_dropped};

static inline struct rig *rig_new(bool late)
{
	struct rig *r = calloc(1, sizeof(*r));

	r->f = flow_new(&rig_ops, r, late);
	return r;
}

static inline void rig_free(struct rig *r)
{
	flow_free(r->f);
	free(r);
}

/* The next bytes of a direction, in pieces (0 = whole), each a moment later. */
static inline void rig_feed(struct rig *r, enum flow_dir dir, const void *p, size_t n, size_t piece)
{
	for (size_t at = 0, len; at < n; at += len) {
		const uint8_t *from = (const uint8_t *)p + at;
		struct guarded g = {0};
		uint8_t *copy;

		/* Against a guard page, or, as that is slow, in a block of exactly its size. */
		len = piece && piece < n - at ? piece : n - at;
		if (len > 256)
			g = guarded_copy(from, len);
		copy = g.p ? g.p : memcpy(malloc(len), from, len);
		r->state = flow_data(r->f, dir, r->next[dir], copy, len, ++r->now);
		r->next[dir] += len;
		if (g.p)
			guarded_free(&g);
		else
			free(copy);
	}
}

static inline void rig_say(struct rig *r, enum flow_dir dir, const char *s)
{
	rig_feed(r, dir, s, strlen(s), 0);
}

static inline void rig_close(struct rig *r)
{
	flow_close(r->f, ++r->now);
}

static inline void sha256(const void *p, size_t n, uint8_t out[32])
{
	EVP_Digest(p, n, out, NULL, EVP_sha256(), NULL);
}

#endif
