// SPDX-License-Identifier: Apache-2.0
// covers: user/flow/grpc.c user/flow/protopeek.c
/* Three bytes choose kind, coding and size of the pieces; the rest is a content, asked and answered. */
#include <string.h>

#include "flow/body.h"
#include "fuzz.h"

static void text(void *c, const struct interaction *i, enum flow_dir d, const uint8_t *p, size_t n)
{
}

static void run(const struct http1_head *h, enum flow_dir dir, unsigned piece, const uint8_t *p,
		size_t n)
{
	static const struct flow_ops ops = {.text = text};
	static struct interaction it;
	struct body_out out = {.ops = &ops, .it = &it, .dir = dir};
	struct body *b;

	interaction_init(&it);
	strcpy(it.path, "/google.ai.generativelanguage.v1.GenerativeService/GenerateContent");
	out.extract = extract_new(&it);
	b = body_new(&out, h->content_type, "");
	body_messages(b, h);
	for (size_t at = 0, len; at < n; at += len) {
		len = piece && piece < n - at ? piece : n - at;
		if (piece == 7 && at == 14)
			body_gap(b, len);
		else
			body_data(b, p + at, len, 1);
	}
	body_end(b, n % 2);
	body_free(b);
	extract_free(out.extract);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const char *const types[] = {
		"application/grpc",	     "application/grpc-web+proto",
		"application/grpc-web-text", "application/connect+json",
		"application/connect+proto", "application/proto",
	};
	static const char *const codings[] = {"gzip", "zstd", "", "br"};
	struct http1_head h = {0};

	if (n < 3)
		return 0;
	h.content_type.p = types[p[0] % 6];
	h.content_type.n = strlen(h.content_type.p);
	h.message_coding.p = codings[p[1] % 4];
	h.message_coding.n = strlen(h.message_coding.p);
	run(&h, FLOW_REQUEST, p[2] % 16, p + 3, n - 3);
	run(&h, FLOW_RESPONSE, p[2] % 16, p + 3, n - 3);
	return 0;
}
