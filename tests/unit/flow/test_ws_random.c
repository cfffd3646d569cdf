// SPDX-License-Identifier: Apache-2.0
/*
 * Differential: conversations made at random, sent in random framing and chunks, with and without
 * lost bytes. What comes out equals what was sent, or the loss is declared: a turn that is called
 * complete is exactly one that was sent, and whoever is missing is followed or replaced by one
 * that says so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/cleanup.h"
#include "rig.h"
#include "wsgen.h"

#define CONVERSATIONS 400
#define TURNS_MAX 8
#define TEXT_MAX 3000

enum kind { RESPONSES, REALTIME, GEMINI, KINDS };

struct sent {
	char model[32], id[32], tool[32];
	int64_t input, output;
	size_t asked, answered; /* bytes of messages */
	uint8_t request_sha256[32], response_sha256[32];
};

struct talk {
	uint64_t seed;
	enum kind kind;
	struct rig *r;
	struct wsgen g[2];
	EVP_MD_CTX *md[2];
	struct sent sent[TURNS_MAX];
	unsigned turns, number;
	bool lossy, lost; /* bytes may be lost; some were */
};

static uint32_t pick(struct talk *t, uint32_t n)
{
	return rnd(&t->seed) % n;
}

/* What waits in one direction is sent in chunks of any size, of which some are lost. */
static void flush(struct talk *t, enum flow_dir dir)
{
	struct wsgen *g = &t->g[dir];
	bool whole = pick(t, 3);

	for (size_t at = 0, len; at < g->n; at += len) {
		len = whole ? g->n - at : 1 + pick(t, pick(t, 4) ? 40 : 4000);
		if (len > g->n - at)
			len = g->n - at;
		if (t->lossy && !pick(t, 12)) {
			t->lost = true;
			t->r->next[dir] += len;
		} else {
			rig_feed(t->r, dir, g->p + at, len, 0);
		}
	}
	g->n = 0;
}

static void say(struct talk *t, enum flow_dir dir, const char *json, bool counts)
{
	struct sent *s = &t->sent[t->number];

	wsgen_message(&t->g[dir], t->kind == GEMINI && dir == FLOW_RESPONSE ? 2 : 1, json,
		      strlen(json));
	if (counts) {
		*(dir == FLOW_REQUEST ? &s->asked : &s->answered) += strlen(json);
		EVP_DigestUpdate(t->md[dir], json, strlen(json));
	}
	if (pick(t, 3)) /* else together with the next one */
		flush(t, dir);
}

/* Text that compresses like text. */
static const char *words(struct talk *t, char *buf)
{
	static const char *const some[] = {"the ", "model ", "says ", "\\u00e9",
					   "no ",  "{ } ",   "42 "};
	size_t n = 0, want = pick(t, pick(t, 10) ? 60 : TEXT_MAX - 100);

	*buf = '\0';
	while (n < want)
		n += (size_t)sprintf(buf + n, "%s", some[pick(t, ARRAY_SIZE(some))]);
	return buf;
}

static void responses_turn(struct talk *t, struct sent *s)
{
	char json[TEXT_MAX + 1024], text[TEXT_MAX];

	sprintf(json,
		"{\"type\":\"response.create\",\"model\":\"%s\",\"input\":[{\"role\":\"user\",\"content\":\"%s\"}]}",
		s->model, words(t, text));
	say(t, FLOW_REQUEST, json, true);
	flush(t, FLOW_REQUEST);
	sprintf(json,
		"{\"type\":\"response.created\",\"response\":{\"id\":\"%s\",\"model\":\"%s\"}}",
		s->id, s->model);
	say(t, FLOW_RESPONSE, json, true);
	for (uint32_t i = pick(t, 6); i--;) {
		sprintf(json, "{\"type\":\"response.output_text.delta\",\"delta\":\"%s\"}",
			words(t, text));
		say(t, FLOW_RESPONSE, json, true);
	}
	if (*s->tool) {
		sprintf(json,
			"{\"type\":\"response.output_item.done\",\"item\":{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"%s\"}}",
			s->tool);
		say(t, FLOW_RESPONSE, json, true);
	}
	sprintf(json,
		"{\"type\":\"response.completed\",\"response\":{\"id\":\"%s\",\"model\":\"%s\",\"status\":\"completed\",\"usage\":{\"input_tokens\":%d,\"output_tokens\":%d}}}",
		s->id, s->model, (int)s->input, (int)s->output);
	say(t, FLOW_RESPONSE, json, true);
}

static void realtime_turn(struct talk *t, struct sent *s)
{
	char json[TEXT_MAX + 1024], text[TEXT_MAX];
	bool asked = pick(t, 2);

	sprintf(json,
		"{\"type\":\"session.update\",\"session\":{\"model\":\"%s\",\"instructions\":\"%s\"}}",
		s->model, words(t, text));
	say(t, FLOW_REQUEST, json, true);
	say(t, FLOW_REQUEST, "{\"type\":\"input_audio_buffer.append\",\"audio\":\"AAAA\"}", true);
	if (asked)
		say(t, FLOW_REQUEST, "{\"type\":\"response.create\"}", true);
	flush(t, FLOW_REQUEST);
	sprintf(json,
		"{\"type\":\"response.created\",\"response\":{\"object\":\"realtime.response\",\"id\":\"%s\"}}",
		s->id);
	say(t, FLOW_RESPONSE, json, true);
	for (uint32_t i = pick(t, 6); i--;) {
		sprintf(json,
			"{\"type\":\"response.audio.delta\",\"response_id\":\"%s\",\"delta\":\"%s\"}",
			s->id, words(t, text));
		say(t, FLOW_RESPONSE, json, true);
	}
	if (*s->tool) {
		sprintf(json,
			"{\"type\":\"response.output_item.done\",\"response_id\":\"%s\",\"item\":{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"%s\"}}",
			s->id, s->tool);
		say(t, FLOW_RESPONSE, json, true);
	}
	sprintf(json,
		"{\"type\":\"response.done\",\"response\":{\"object\":\"realtime.response\",\"id\":\"%s\",\"status\":\"completed\",\"usage\":{\"input_tokens\":%d,\"output_tokens\":%d}}}",
		s->id, (int)s->input, (int)s->output);
	say(t, FLOW_RESPONSE, json, true);
}

static void gemini_turn(struct talk *t, struct sent *s)
{
	char json[TEXT_MAX + 1024], text[TEXT_MAX];

	strcpy(s->model, "models/g");
	*s->id = *s->tool = '\0';
	if (!t->number)
		say(t, FLOW_REQUEST, "{\"setup\":{\"model\":\"models/g\"}}", true);
	sprintf(json,
		"{\"clientContent\":{\"turns\":[{\"parts\":[{\"text\":\"%s\"}]}],\"turnComplete\":true}}",
		words(t, text));
	say(t, FLOW_REQUEST, json, true);
	flush(t, FLOW_REQUEST);
	for (uint32_t i = pick(t, 6); i--;) {
		sprintf(json, "{\"serverContent\":{\"modelTurn\":{\"parts\":[{\"text\":\"%s\"}]}}}",
			words(t, text));
		say(t, FLOW_RESPONSE, json, true);
	}
	sprintf(json,
		"{\"serverContent\":{\"turnComplete\":true},\"usageMetadata\":{\"promptTokenCount\":%d,\"responseTokenCount\":%d}}",
		(int)s->input, (int)s->output);
	say(t, FLOW_RESPONSE, json, true);
}

static void begin(struct talk *t, uint64_t seed, bool lossy)
{
	static const char *const targets[] = {"/v1/responses", "/v1/realtime?model=x",
					      "/ws/BidiGenerateContent"};
	bool deflate, no_context[2];
	char text[512];

	*t = (struct talk){.seed = seed, .lossy = lossy};
	t->kind = pick(t, KINDS);
	t->turns = 1 + pick(t, TURNS_MAX);
	t->r = rig_new(false);
	deflate = pick(t, 2);
	for (int i = 0; i < 2; i++) {
		no_context[i] = pick(t, 2);
		t->g[i] = (struct wsgen){.client = i == 0,
					 .deflate = deflate,
					 .no_context = no_context[i],
					 .fragment = pick(t, 3) ? 0 : 1 + pick(t, 600),
					 .pings = pick(t, 2),
					 .level = 1 + (int)pick(t, 9),
					 .seed = &t->seed};
		t->md[i] = EVP_MD_CTX_new();
	}
	snprintf(text, sizeof(text),
		 "GET %s HTTP/1.1\r\nHost: ai\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
		 targets[t->kind]);
	rig_say(t->r, FLOW_REQUEST, text);
	snprintf(text, sizeof(text), "HTTP/1.1 101 x\r\nUpgrade: websocket\r\n%s%s%s%s\r\n",
		 deflate ? "Sec-WebSocket-Extensions: permessage-deflate" : "",
		 deflate && no_context[0] ? "; client_no_context_takeover" : "",
		 deflate && no_context[1] ? "; server_no_context_takeover" : "",
		 deflate ? "\r\n" : "");
	rig_say(t->r, FLOW_RESPONSE, text);
}

static void converse(struct talk *t)
{
	static void (*const turn[])(struct talk * t,
				    struct sent * s) = {responses_turn, realtime_turn, gemini_turn};

	for (t->number = 0; t->number < t->turns; t->number++) {
		struct sent *s = &t->sent[t->number];

		sprintf(s->model, "m-%u", pick(t, 1000));
		sprintf(s->id, "resp_%u_%u", t->number, pick(t, 1000));
		if (pick(t, 2))
			sprintf(s->tool, "tool%u", pick(t, 9));
		s->input = pick(t, 100000);
		s->output = pick(t, 1000);
		EVP_DigestInit_ex(t->md[0], EVP_sha256(), NULL);
		EVP_DigestInit_ex(t->md[1], EVP_sha256(), NULL);
		turn[t->kind](t, s);
		flush(t, FLOW_RESPONSE);
		EVP_DigestFinal_ex(t->md[0], s->request_sha256, NULL);
		EVP_DigestFinal_ex(t->md[1], s->response_sha256, NULL);
	}
	/* What is lost at the very end nobody could ever see. */
	t->lossy = false;
	for (int i = 0; i < 2; i++) {
		wsgen_frame(&t->g[i], 0x89, NULL, 0);
		flush(t, (enum flow_dir)i);
	}
	rig_close(t->r);
}

static bool equal(const struct interaction *it, const struct sent *s)
{
	return !strcmp(it->request_model, s->model) && !strcmp(it->response_id, s->id) &&
	       it->tokens.input == s->input && it->tokens.output == s->output &&
	       it->tool_calls_count == (*s->tool != 0) &&
	       !strcmp(it->tool_calls[0].name, s->tool) && it->request_body == s->asked &&
	       it->response_body == s->answered &&
	       !memcmp(it->request_sha256, s->request_sha256, 32) &&
	       !memcmp(it->response_sha256, s->response_sha256, 32);
}

/* All but the end of what was asked, where the loss shows when the client speaks again: then the
 * next turn says so. */
static bool nearly(const struct rig *r, unsigned i, const struct sent *s)
{
	const struct interaction *it = &r->done[i];

	return !strcmp(it->response_id, s->id) && it->tokens.input == s->input &&
	       it->response_body == s->answered && it->request_body < s->asked &&
	       !memcmp(it->response_sha256, s->response_sha256, 32) && i + 1 < r->dones &&
	       it[1].completeness != COMPLETE;
}

static int by_turn(const void *a, const void *b)
{
	return (int)((const struct interaction *)a)->turn -
	       (int)((const struct interaction *)b)->turn;
}

/* Gives how many turns came out whole. */
static unsigned compare(const struct talk *t, uint64_t seed)
{
	unsigned next = 0, whole = 0;
	bool declared = false;

	/* In the order they began: what has a hole may end after the next. */
	qsort(t->r->done, t->r->dones, sizeof(t->r->done[0]), by_turn);
	for (unsigned i = 1; i < t->r->dones; i++) { /* the first one is the upgrade */
		const struct interaction *it = &t->r->done[i];
		unsigned k = next;

		if (it->completeness != COMPLETE) {
			declared = true;
			continue;
		}
		while (k < t->turns && !equal(it, &t->sent[k]) && !nearly(t->r, i, &t->sent[k]))
			k++;
		if (k == t->turns)
			fail_msg("seed %llu: turn %u (%s %s) was not sent like this",
				 (unsigned long long)seed, it->turn, it->request_model,
				 it->response_id);
		if (k > next && !declared)
			fail_msg("seed %llu: turn %u is missing and nobody says so",
				 (unsigned long long)seed, next + 1);
		next = k + 1;
		whole += equal(it, &t->sent[k]);
		declared = false;
	}
	if (next < t->turns && !declared)
		fail_msg("seed %llu: the last turns are missing and nobody says so",
			 (unsigned long long)seed);
	if (!t->lost && whole != t->turns)
		fail_msg("seed %llu: nothing was lost and %u of %u turns came out:\n%s",
			 (unsigned long long)seed, whole, t->turns, t->r->log);
	return whole;
}

static void end(struct talk *t)
{
	for (int i = 0; i < 2; i++) {
		wsgen_free(&t->g[i]);
		EVP_MD_CTX_free(t->md[i]);
	}
	rig_free(t->r);
}

static void run(bool lossy)
{
	unsigned sent = 0, whole = 0, hurt = 0;

	for (uint64_t i = 1; i <= CONVERSATIONS; i++) {
		uint64_t seed = i * 0x9e3779b97f4a7c15ull;
		static struct talk t;

		begin(&t, seed, lossy);
		converse(&t);
		whole += compare(&t, i);
		sent += t.turns;
		hurt += t.lost;
		end(&t);
	}
	print_message("%u conversations, %u with losses: %u turns sent, %u whole\n", CONVERSATIONS,
		      hurt, sent, whole);
	assert_true(lossy ? whole > sent / 8 && hurt > CONVERSATIONS / 4 : whole == sent);
}

static void test_nothing_lost(void **state)
{
	run(false);
}

static void test_losses_declared(void **state)
{
	run(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_lost),
		cmocka_unit_test(test_losses_declared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
