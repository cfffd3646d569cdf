// SPDX-License-Identifier: Apache-2.0
/*
 * Recorded connections (converse.js) in, interactions out, one JSON line each. Every recording is
 * read in three ways: as it was recorded, cut into pieces of random size, and so again with pieces
 * left out, as a kernel without room would. The order between the directions is kept. A last line
 * of each reading, with "over", says how many pieces were left out.
 *
 * usage: flowdump SEED DROPS-PER-MILLE FILE.conn…
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "flow/flow.h"

struct reading {
	const char *file, *way;
	unsigned drops; /* pieces left out so far */
};

static uint64_t state;

static uint32_t below(uint32_t n) /* xorshift64*; the same readings for the same seed */
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return n ? (state * 0x2545f4914f6cdd1dull >> 32) % n : 0;
}

static enum flow_interest on_head(void *ctx, const struct interaction *it)
{
	return FLOW_YES;
}

static void on_text(void *ctx, const struct interaction *it, enum flow_dir d, const uint8_t *p,
		    size_t n)
{
}

static void on_request(void *ctx, const struct interaction *it) {}

static json_t *hex(const uint8_t *p)
{
	char s[65] = "";
	bool any = false;

	for (int i = 0; i < 32; i++) {
		snprintf(s + 2 * i, 3, "%02x", p[i]);
		any |= p[i] != 0;
	}
	return json_string(any ? s : "");
}

static void on_done(void *ctx, const struct interaction *it)
{
	const struct reading *r = ctx;
	json_t *calls = json_array();
	char *line;
	json_t *j;

	for (uint32_t i = 0; i < it->tool_calls_count && i < TOOL_CALLS_MAX; i++)
		json_array_append_new(calls, json_string(it->tool_calls[i].name));
	j = json_pack("{ss ss si ss ss ss ss ss ss si si so so so sI sI sI sI sI ss ss}", "file",
		      r->file, "way", r->way, "drops", (int)r->drops, "dialect",
		      dialect_name(it->dialect), "request_model", it->request_model,
		      "response_model", it->response_model, "response_id", it->response_id,
		      "finish_reason", it->finish_reason, "http_version", it->http_version,
		      "status", (int)it->status, "turn", (int)it->turn, "tool_calls", calls,
		      "request_sha256", hex(it->request_sha256), "response_sha256",
		      hex(it->response_sha256), "input", (json_int_t)it->tokens.input, "output",
		      (json_int_t)it->tokens.output, "cached", (json_int_t)it->tokens.cached,
		      "cache_write", (json_int_t)it->tokens.cache_write, "reasoning",
		      (json_int_t)it->tokens.reasoning, "completeness",
		      completeness_name(it->completeness), "reason", it->incomplete_reason);
	line = j ? json_dumps(j, JSON_COMPACT) : NULL;
	if (!line)
		exit(2);
	puts(line);
	free(line);
	json_decref(j);
}

static void on_dropped(void *ctx, const struct interaction *it) {}

static const struct flow_ops ops = {
	.head = on_head,
	.text = on_text,
	.request = on_request,
	.done = on_done,
	.dropped = on_dropped,
};

static void read_one(struct reading *r, const uint8_t *p, size_t n, bool cut, unsigned drops)
{
	struct flow *f = flow_new(&ops, r, false);
	uint64_t next[2] = {0, 0}, ns = 1;

	if (!f)
		exit(2);
	for (size_t at = 0; at + 5 <= n;) {
		enum flow_dir dir = p[at];
		size_t len = (size_t)p[at + 1] << 24 | p[at + 2] << 16 | p[at + 3] << 8 | p[at + 4];

		at += 5;
		for (size_t done = 0, take; done < len; done += take) {
			take = len - done;
			if (cut && take > 1)
				take = 1 + below(below(4) ? take : take < 64 ? take : 64);
			if (drops && below(1000) < drops)
				r->drops++;
			else
				flow_data(f, dir, next[dir], p + at + done, take, ns++);
			next[dir] += take;
		}
		at += len;
	}
	flow_close(f, ns);
	flow_free(f);
	printf("{\"file\":\"%s\",\"way\":\"%s\",\"drops\":%u,\"over\":true}\n", r->file, r->way,
	       r->drops);
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fprintf(stderr, "usage: flowdump SEED DROPS-PER-MILLE FILE.conn...\n");
		return 2;
	}
	state = strtoull(argv[1], NULL, 10) * 2654435761u + 1;
	for (int i = 3; i < argc; i++) {
		_cleanup_fclose_ FILE *file = fopen(argv[i], "re");
		_cleanup_free_ uint8_t *p = NULL;
		const char *name = strrchr(argv[i], '/');
		struct reading r = {.file = name ? name + 1 : argv[i]};
		long n;

		if (!file || fseek(file, 0, SEEK_END) || (n = ftell(file)) < 0 ||
		    !(p = malloc(n + 1)) || fseek(file, 0, SEEK_SET) ||
		    fread(p, 1, n, file) != (size_t)n) {
			fprintf(stderr, "flowdump: cannot read %s\n", argv[i]);
			return 2;
		}
		r.way = "recorded";
		read_one(&r, p, n, false, 0);
		r.way = "cut";
		read_one(&r, p, n, true, 0);
		r.way = "dropped";
		read_one(&r, p, n, true, strtoul(argv[2], NULL, 10));
	}
	return 0;
}
