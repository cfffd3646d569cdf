// SPDX-License-Identifier: Apache-2.0
/*
 * How streams end, and what hostile or unusual frames do: frame by frame.
 *
 * Long because it is mostly rows: cases that share one rig stay in one file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "h2frames.h"

/* Rows leave out what they do not need. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define ASK ":method POST\n:scheme https\n:path /v1/chat/completions?x=1\n:authority "
#define BODY "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"
#define OK ":status 200\ncontent-type text/event-stream\n"
#define EVENT \
	"data: {\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n"
#define DONE "data: [DONE]\n\n"
#define PATH "/v1/chat/completions"

/*
 * what: P preface and settings, S settings of the server, Q head of a request (text: host), A head
 * of an answer, with D and B bytes of their contents; q a b: the last frame of the message; I 103;
 * T trailers; R r reset by client, server; G GOAWAY; C close; X x raw bytes of client, server;
 * L l bytes are lost (stream: how many).
 */
struct step {
	char what;
	uint32_t stream;
	const char *text;
	size_t n; /* of raw bytes */
};

static void play_step(struct rig *r, const struct step *s, size_t piece)
{
	static struct frames b;
	const char *text = s->text ? s->text : "";
	enum flow_dir dir = strchr("PQqDdRXL", s->what) ? FLOW_REQUEST : FLOW_RESPONSE;
	uint8_t code[8] = {0, 0, 0, 8, 0, 0, 0, 0};
	char fields[400];

	b.n = 0;
	switch (s->what) {
	case 'P':
		memcpy(b.p, PREFACE, 24);
		b.n = 24;
		/* fallthrough */
	case 'S':
		frames_add(&b, 4, 0, 0, NULL, 0);
		break;
	case 'Q':
	case 'q':
		snprintf(fields, sizeof(fields), ASK "%s\n", text);
		frames_head(&b, s->what == 'q', s->stream, fields);
		break;
	case 'D':
	case 'd':
	case 'B':
	case 'b':
		frames_add(&b, 0, s->what >= 'a', s->stream, text, strlen(text));
		break;
	case 'A':
	case 'a':
		frames_head(&b, s->what == 'a', s->stream, s->text ? text : OK);
		break;
	case 'I':
		frames_head(&b, false, s->stream, ":status 103\n");
		break;
	case 'T':
		frames_head(&b, true, s->stream, text);
		break;
	case 'R':
	case 'r':
		frames_add(&b, 3, 0, s->stream, code, 4);
		break;
	case 'G':
		code[3] = s->stream;
		frames_add(&b, 7, 0, 0, code, 8);
		break;
	case 'C':
		rig_close(r);
		return;
	case 'L':
	case 'l':
		r->next[dir] += s->stream;
		return;
	default:
		memcpy(b.p, text, s->n);
		b.n = s->n;
	}
	rig_feed(r, dir, b.p, b.n, piece);
}

#define ASKED(id)                \
	{'Q', id, "ai", 0},      \
	{                        \
		'd', id, BODY, 0 \
	}
#define HR "H:ai" PATH " R:m "
#define NO "H:no" PATH " "
#define NO4 NO NO NO NO
#define RAW(s) s, sizeof(s) - 1

static const struct script {
	const char *name;
	int late;
	struct step step[24];
	const char *log;
	enum flow_state state;
	const char *reason; /* of the first that is done; NULL: none is */
} scripts[] = {
	{"plain",
	 0,
	 {{'P'}, {'S'}, ASKED(1), {'A', 1}, {'B', 1, EVENT}, {'b', 1, DONE}},
	 HR "D:" PATH ":200:complete ",
	 FLOW_MORE,
	 ""},
	{"client leaves after the last event",
	 0,
	 {{'P'}, {'S'}, ASKED(1), {'A', 1}, {'B', 1, EVENT}, {'B', 1, DONE}, {'C'}},
	 HR "D:" PATH ":200:complete ",
	 FLOW_MORE,
	 ""},
	{"client resets after the last event",
	 0,
	 {{'P'}, {'S'}, ASKED(1), {'A', 1}, {'B', 1, EVENT DONE}, {'R', 1}},
	 HR "D:" PATH ":200:complete ",
	 FLOW_MORE,
	 ""},
	{"client resets before it",
	 0,
	 {{'P'}, {'S'}, ASKED(1), {'A', 1}, {'B', 1, EVENT}, {'R', 1}},
	 HR "D:" PATH ":200:truncated ",
	 FLOW_MORE,
	 "stream was reset inside the answer"},
	{"server refuses",
	 0,
	 {{'P'}, {'S'}, ASKED(1), {'r', 1}},
	 HR "D:" PATH ":0:truncated ",
	 FLOW_MORE,
	 "stream was reset before the answer"},
	{"reset inside the request",
	 0,
	 {{'P'}, {'S'}, {'Q', 1, "ai"}, {'D', 1, "{\"model\":"}, {'R', 1}},
	 "H:ai" PATH " D:" PATH ":0:truncated ",
	 FLOW_MORE,
	 "stream was reset inside the request"},
	{"server goes away",
	 0,
	 {{'P'}, {'S'}, ASKED(1), ASKED(3), {'G', 1}, {'A', 1}, {'b', 1, EVENT}},
	 HR HR "D:" PATH ":0:truncated D:" PATH ":200:complete ",
	 FLOW_MORE,
	 "server closed the connection before the answer"},
	{"closed before the answer",
	 0,
	 {{'P'}, {'S'}, ASKED(1), {'C'}},
	 HR "D:" PATH ":0:truncated ",
	 FLOW_MORE,
	 "connection ended before the answer"},
	{"closed inside the answer",
	 0,
	 {{'P'}, {'S'}, ASKED(1), {'A', 1}, {'B', 1, EVENT}, {'C'}},
	 HR "D:" PATH ":200:truncated ",
	 FLOW_MORE,
	 "connection ended inside the answer"},
	{"answer overtakes the request",
	 0,
	 {{'P'}, {'S'}, {'A', 1}, {'b', 1, EVENT DONE}, ASKED(1)},
	 HR "D:" PATH ":200:complete ",
	 FLOW_MORE,
	 ""},
	{"server's settings come first",
	 0,
	 {{'S'}, {'P'}, ASKED(1), {'A', 1}, {'b', 1, EVENT DONE}},
	 HR "D:" PATH ":200:complete ",
	 FLOW_MORE,
	 ""},
	{"all of the server first",
	 0,
	 {{'S'}, {'A', 1}, {'b', 1, EVENT DONE}, {'P'}, ASKED(1)},
	 HR "D:" PATH ":200:complete ",
	 FLOW_MORE,
	 ""},
	{"answer before the end of the request",
	 0,
	 {{'P'},
	  {'Q', 1, "ai"},
	  {'D', 1, "{\"model\""},
	  {'A', 1},
	  {'b', 1, EVENT},
	  {'d', 1, ":\"m\",\"messages\":[{\"role\":\"user\"}]}"}},
	 HR "D:" PATH ":200:complete ",
	 FLOW_MORE,
	 ""},
	{"interleaved",
	 0,
	 {{'P'},
	  {'Q', 1, "ai"},
	  {'Q', 3, "ai"},
	  {'d', 3, BODY},
	  {'A', 3},
	  {'d', 1, BODY},
	  {'A', 1},
	  {'B', 1, EVENT},
	  {'b', 3, EVENT},
	  {'b', 1, DONE}},
	 "H:ai" PATH " H:ai" PATH " R:m R:m D:" PATH ":200:complete D:" PATH ":200:complete ",
	 FLOW_MORE,
	 ""},
	{"hints and trailers",
	 0,
	 {{'P'}, ASKED(1), {'I', 1}, {'I', 1}, {'A', 1}, {'B', 1, EVENT}, {'T', 1, "x y\n"}},
	 HR "D:" PATH ":200:complete ",
	 FLOW_MORE,
	 ""},
	{"answer without content",
	 0,
	 {{'P'}, ASKED(1), {'a', 1, ":status 429\n"}},
	 HR "D:" PATH ":429:complete ",
	 FLOW_MORE,
	 ""},
	{"host of no interest beside one of interest",
	 0,
	 {{'P'}, {'q', 1, "no"}, ASKED(3), {'A', 1}, {'b', 1, "x"}, {'A', 3}, {'b', 3, EVENT}},
	 "H:no" PATH " " HR "D:" PATH ":200:complete ",
	 FLOW_MORE,
	 ""},
	{"maybe, and is",
	 0,
	 {{'P'}, {'Q', 1, "maybe"}, {'d', 1, BODY}, {'A', 1}, {'b', 1, EVENT}},
	 "H:maybe" PATH " R:m D:" PATH ":200:complete ",
	 FLOW_MORE,
	 ""},
	{"maybe, and is not",
	 0,
	 {{'P'}, {'Q', 1, "maybe"}, {'d', 1, "{\"x\":1}"}, {'A', 1}, {'b', 1, "{}"}},
	 "H:maybe" PATH " X:" PATH " ",
	 FLOW_MORE,
	 NULL},
	{"sixteen strangers",
	 0,
	 {{'P'},
	  {'q', 1, "no"},
	  {'q', 3, "no"},
	  {'q', 5, "no"},
	  {'q', 7, "no"},
	  {'q', 9, "no"},
	  {'q', 11, "no"},
	  {'q', 13, "no"},
	  {'q', 15, "no"},
	  {'q', 17, "no"},
	  {'q', 19, "no"},
	  {'q', 21, "no"},
	  {'q', 23, "no"},
	  {'q', 25, "no"},
	  {'q', 27, "no"},
	  {'q', 29, "no"},
	  {'q', 31, "no"}},
	 NO4 NO4 NO4 NO4,
	 FLOW_IGNORE,
	 NULL},
	{"fifteen strangers, then AI",
	 0,
	 {{'P'},	   {'q', 1, "no"},  {'q', 3, "no"},  {'q', 5, "no"},  {'q', 7, "no"},
	  {'q', 9, "no"},  {'q', 11, "no"}, {'q', 13, "no"}, {'q', 15, "no"}, {'q', 17, "no"},
	  {'q', 19, "no"}, {'q', 21, "no"}, {'q', 23, "no"}, {'q', 25, "no"}, {'q', 27, "no"},
	  {'q', 29, "no"}, {'S'},	    ASKED(31),	     {'A', 31},	      {'b', 31, EVENT}},
	 NO4 NO4 NO4 NO NO NO HR "D:" PATH ":200:complete ",
	 FLOW_MORE,
	 ""},
	{"reused handle",
	 0,
	 {{'P'}, {'S'}, ASKED(1), {'P'}, {'S'}, ASKED(1), {'A', 1}, {'b', 1, EVENT}},
	 HR "D:" PATH ":0:truncated " HR "D:" PATH ":200:complete ",
	 FLOW_MORE,
	 "connection began anew"},
	{"HTTP/1 before on the same handle",
	 0,
	 {{'X', 0, RAW("POST /h1 HTTP/1.1\r\nHost: ai\r\nContent-Length: 2\r\n\r\n{}")},
	  {'x', 0, RAW("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")},
	  {'P'},
	  {'S'},
	  ASKED(1),
	  {'A', 1},
	  {'b', 1, EVENT}},
	 "H:ai/h1 R: D:/h1:200:complete " HR "D:" PATH ":200:complete ",
	 FLOW_MORE,
	 ""},
	{"upgrade in clear",
	 0,
	 {{'X', 0,
	   RAW("GET /up HTTP/1.1\r\nHost: ai\r\nConnection: Upgrade, HTTP2-Settings\r\n"
	       "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n")},
	  {'x', 0, RAW("HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")},
	  {'S'},
	  {'P'},
	  {'A', 1},
	  {'b', 1, "{}"},
	  ASKED(3),
	  {'A', 3},
	  {'b', 3, EVENT}},
	 "H:ai/up R: D:/up:200:complete " HR "D:" PATH ":200:complete ",
	 FLOW_MORE,
	 ""},
	{"late, whole frames",
	 1,
	 {{'D', 1, "tail of something"}, ASKED(3), {'A', 3}, {'b', 3, EVENT}},
	 HR "D:" PATH ":200:complete ",
	 FLOW_MORE,
	 ""},
	{"late, answers first",
	 1,
	 {{'B', 1, EVENT}, ASKED(3), {'b', 1, EVENT}, {'A', 3}, {'b', 3, EVENT}},
	 HR "D:" PATH ":200:complete ",
	 FLOW_MORE,
	 ""},
	{"late, but it is the beginning",
	 1,
	 {{'P'}, {'S'}, ASKED(1), {'A', 1}, {'b', 1, EVENT}},
	 HR "D:" PATH ":200:complete ",
	 FLOW_MORE,
	 ""},
	{"lost inside a content",
	 0,
	 {{'P'},
	  {'S'},
	  ASKED(1),
	  {'A', 1},
	  {'x', 0,
	   RAW("\0\0\x0a\0\1\0\0\0\1"
	       "abc")},
	  {'l', 7},
	  ASKED(3),
	  {'A', 3},
	  {'b', 3, EVENT}},
	 HR HR "D:" PATH ":200:gap D:" PATH ":200:complete ",
	 FLOW_MORE,
	 "bytes of the answer are missing"},
	{"lost between frames",
	 0,
	 {{'P'}, {'S'}, ASKED(1), {'A', 1}, {'l', 40}, {'b', 1, EVENT}},
	 HR "D:" PATH ":200:gap ",
	 FLOW_MORE,
	 "bytes of the answer are missing"},
	{"head of an answer lost",
	 0,
	 {{'P'}, {'S'}, ASKED(1), {'l', 40}, {'b', 1, EVENT}},
	 HR "D:" PATH ":0:gap ",
	 FLOW_MORE,
	 "bytes of the answer are missing"},
	{"end of the request lost",
	 0,
	 {{'P'},
	  {'S'},
	  {'Q', 1, "ai"},
	  {'D', 1, BODY},
	  {'L', 9},
	  ASKED(3),
	  {'A', 1},
	  {'b', 1, EVENT},
	  {'A', 3},
	  {'b', 3, EVENT}},
	 "H:ai" PATH " " HR "D:" PATH ":200:gap D:" PATH ":200:complete ",
	 FLOW_MORE,
	 "bytes of the request are missing"},
	{"lost inside a head",
	 0,
	 {{'P'},
	  {'X', 0, RAW("\0\0\x30\1\4\0\0\0\1\0\7:method\4POST\0\5:path\2/p")},
	  {'L', 28 - 4},
	  {'d', 1, BODY},
	  {'A', 1},
	  {'b', 1, EVENT}},
	 "H:/p R:m D:/p:200:gap ",
	 FLOW_MORE,
	 "bytes of the header block are missing"},
	{"push is not read",
	 0,
	 {{'P'},
	  {'S'},
	  ASKED(1),
	  {'x', 0, RAW("\0\0\6\5\4\0\0\0\1\0\0\0\2\x82\x84")},
	  {'x', 0, RAW("\0\0\1\1\4\0\0\0\2\x88\0\0\2\0\1\0\0\0\2hi")},
	  {'A', 1},
	  {'b', 1, EVENT}},
	 HR "D:" PATH ":200:complete ",
	 FLOW_MORE,
	 ""},
	{"unknown frames",
	 0,
	 {{'P'},
	  {'X', 0, RAW("\0\0\3\x4b\xff\0\0\0\0xyz\0\0\0\xee\0\0\0\0\1")},
	  ASKED(1),
	  {'x', 0, RAW("\0\0\4\x0a\0\0\0\0\0\0\2ab\0\0\0\x0c\0\0\0\0\0")},
	  {'A', 1},
	  {'b', 1, EVENT}},
	 HR "D:" PATH ":200:complete ",
	 FLOW_MORE,
	 ""},
	{"broken framing",
	 0,
	 {{'P'},
	  {'S'},
	  ASKED(1),
	  {'A', 1},
	  {'x', 0,
	   RAW("\0\0\7\6\0\0\0\0\0"
	       "1234567")},
	  {'b', 1, EVENT}},
	 HR "D:" PATH ":200:undecodable ",
	 FLOW_MORE,
	 "HTTP/2 framing is broken"},
	{"block inside a block",
	 0,
	 {{'P'},
	  {'X', 0, RAW("\0\0\xf\1\0\0\0\0\1\0\xa:authority\2ai\0\0\1\1\4\0\0\0\3\x82")},
	  ASKED(5),
	  {'A', 5},
	  {'b', 5, EVENT},
	  {'C'}},
	 "H:ai " HR "D:" PATH ":200:complete D::0:undecodable ",
	 FLOW_MORE,
	 ""},
	{"padding longer than the frame",
	 0,
	 {{'P'}, ASKED(1), {'A', 1}, {'x', 0, RAW("\0\0\2\0\x8\0\0\0\1\x9x")}, {'b', 1, EVENT}},
	 HR "D:" PATH ":200:undecodable ",
	 FLOW_MORE,
	 "HTTP/2 framing is broken"},
	{"bad HPACK",
	 0,
	 {{'P'}, {'X', 0, RAW("\0\0\x10\1\5\0\0\0\1\0\xa:authority\2ai\x80")}, {'C'}},
	 "H:ai R: D::0:undecodable ",
	 FLOW_MORE,
	 "header block is not valid HPACK"},
};

static void play(const struct script *s, struct rig *r, size_t piece)
{
	for (size_t i = 0; i < 24 && s->step[i].what; i++)
		play_step(r, &s->step[i], piece);
}

static void test_scripts(void **state)
{
	static const size_t pieces[] = {0, 1, 2, 5, 64};

	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
		for (size_t k = 0; k < sizeof(pieces) / sizeof(pieces[0]); k++) {
			const struct script *s = &scripts[i];
			struct rig *r = rig_new(s->late);

			play(s, r, pieces[k]);
			if (strcmp(r->log, s->log) || r->state != s->state ||
			    !s->reason != !r->dones ||
			    (s->reason && strcmp(s->reason, r->done[0].incomplete_reason)))
				fail_msg("%s, pieces of %zu: state %d, '%s'\n  %s\n  %s", s->name,
					 pieces[k], r->state,
					 r->dones ? r->done[0].incomplete_reason : "", r->log,
					 s->log);
			rig_free(r);
		}
}

/* --- bounds --------------------------------------------------------------------------------------- */

static void test_too_many_streams(void **state)
{
	static struct frames b;
	struct rig *r = rig_new(false);
	const unsigned most = 256, more = 4;

	play_step(r, &(struct step){'P'}, 0);
	b.n = 0;
	for (unsigned i = 0; i < most + more; i++)
		frames_head(&b, true, 2 * i + 1,
			    ":method POST\n:scheme https\n:path /e\n:authority ai\n");
	r->log_n = 0;
	for (size_t at = 0; at < b.n; at += 700) {
		r->log_n = 0; /* it is long */
		rig_feed(r, FLOW_REQUEST, b.p + at, b.n - at < 700 ? b.n - at : 700, 0);
	}
	assert_int_equal(r->dones, more);
	assert_string_equal(r->done[0].incomplete_reason, "too many streams at once");
	r->dones = 0;
	play_step(r, &(struct step){'a', 1, ":status 200\n"}, 0);
	assert_int_equal(r->dones, 1);
	assert_int_equal(r->done[0].completeness, COMPLETE);
	flow_free(r->f); /* with the others open: tells nothing */
	r->f = NULL;
	rig_free(r);
}

/* 64 KiB of answers wait for their request; then they are read without it. */
static void test_answer_long_before_request(void **state)
{
	static uint8_t zeros[16000];
	static struct frames b;
	struct rig *r = rig_new(false);

	play_step(r, &(struct step){'P'}, 0);
	play_step(r, &(struct step){'A', 1}, 0);
	for (unsigned i = 0; i < 5; i++) {
		b.n = 0;
		frames_add(&b, 0, i == 4, 1, zeros, sizeof(zeros));
		rig_feed(r, FLOW_RESPONSE, b.p, b.n, 0);
	}
	play_step(r, &(struct step){'Q', 1, "ai"}, 0);
	play_step(r, &(struct step){'d', 1, BODY}, 0);
	play_step(r, &(struct step){'Q', 3, "ai"}, 0);
	play_step(r, &(struct step){'d', 3, BODY}, 0);
	play_step(r, &(struct step){'A', 3}, 0);
	play_step(r, &(struct step){'b', 3, EVENT}, 0);
	rig_close(r);
	assert_int_equal(r->dones, 2);
	assert_int_equal(r->done[0].completeness, COMPLETE);
	assert_int_equal(r->done[0].stream_id, 3);
	assert_int_equal(r->done[1].completeness, GAP);
	assert_string_equal(r->done[1].incomplete_reason,
			    "answer came too long before the request");
	rig_free(r);
}

/* A header block without end, and one that is only long. */
static void test_giant_blocks(void **state)
{
	static struct frames b;
	static uint8_t block[16000];
	size_t n;

	for (unsigned endless = 0; endless < 2; endless++) {
		struct rig *r = rig_new(false);

		n = fields_put(block, ASK "ai\n");
		memset(block + n, 0x82, sizeof(block) - n);
		play_step(r, &(struct step){'P'}, 0);
		b.n = 0;
		frames_add(&b, 1, 0, 1, block, sizeof(block));
		for (unsigned i = 0; i < 20; i++)
			frames_add(&b, 9, i == 19 && !endless ? 4 : 0, 1, block + n, 15000);
		rig_feed(r, FLOW_REQUEST, b.p, b.n, 0);
		if (!endless) {
			play_step(r, &(struct step){'d', 1, BODY}, 0);
			play_step(r, &(struct step){'A', 1}, 0);
			play_step(r, &(struct step){'b', 1, EVENT}, 0);
			assert_int_equal(r->dones, 1);
			assert_string_equal(r->done[0].host, "ai");
			assert_string_equal(r->done[0].request_model, "m");
			assert_string_equal(r->done[0].incomplete_reason,
					    "header block is larger than 64 KiB");
		}
		rig_close(r);
		rig_free(r);
	}
}

static void test_facts(void **state)
{
	struct rig *r = rig_new(false);
	const struct interaction *it = &r->done[0];

	play_step(r, &(struct step){'P'}, 0);
	play_step(r, &(struct step){'Q', 7, "AI.example.:8443"}, 0);
	play_step(r, &(struct step){'d', 7, BODY}, 0);
	play_step(r, &(struct step){'A', 7}, 0);
	play_step(r, &(struct step){'b', 7, EVENT}, 0);
	/* "AI" is of interest only in lower case, which hosts are put into. */
	assert_int_equal(r->dones, 1);
	assert_string_equal(it->host, "ai.example");
	assert_int_equal(it->port, 8443);
	assert_string_equal(it->path, PATH);
	assert_string_equal(it->http_version, "2");
	assert_string_equal(it->wire, "http");
	assert_int_equal(it->stream_id, 7);
	assert_int_equal(it->request_offset, 24 + 9);
	assert_int_equal(it->start_ns, 2);
	assert_int_equal(it->request_end_ns, 3);
	assert_int_equal(it->first_byte_ns, 4);
	assert_int_equal(it->end_ns, 5);
	assert_true(it->stream_answered);
	rig_free(r);
}

/* --- memory --------------------------------------------------------------------------------------- */

/* Of the sanitizer's runtime; gcc brings the functions but not the header. */
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
					      void (*on_free)(const volatile void *));
size_t __sanitizer_get_allocated_size(const volatile void *p);

static bool counting;
static size_t heap, peak, allocations;

static void on_malloc(const volatile void *p, size_t n)
{
	if (!counting)
		return;
	allocations++;
	heap += n;
	if (heap > peak)
		peak = heap;
}

static void on_free(const volatile void *p)
{
	if (counting && p)
		heap -= __sanitizer_get_allocated_size(p);
}

static void give(struct rig *r, enum flow_dir dir, const struct frames *b)
{
	counting = true;
	flow_data(r->f, dir, r->next[dir], b->p, b->n, ++r->now);
	counting = false;
	r->next[dir] += b->n;
}

/* As many calls as are read at once, all in progress, with both tables and blocks full. */
static void test_memory_at_its_worst(void **state)
{
	static struct frames b;
	static uint8_t block[65000];
	struct rig *r = rig_new(false);

	heap = peak = 0;
	play_step(r, &(struct step){'P'}, 0);
	for (unsigned i = 0; i < 256; i++) {
		b.n = 0;
		frames_head(&b, false, 2 * i + 1, ASK "ai\n");
		frames_add(&b, 0, 0, 2 * i + 1, BODY, 10);
		r->log_n = 0;
		give(r, FLOW_REQUEST, &b);
		b.n = 0;
		frames_head(&b, false, 2 * i + 1, OK);
		frames_add(&b, 0, 0, 2 * i + 1, EVENT, 20);
		give(r, FLOW_RESPONSE, &b);
	}
	memcpy(block, "\x3f\xe1\xff\x03", 4); /* a table of 64 KiB, full of the smallest entries */
	for (size_t n = 4; n + 3 <= sizeof(block); n += 3)
		memcpy(block + n, "\x40\x00\x00", 3);
	for (unsigned dir = 0; dir < 2; dir++)
		for (unsigned end = 0; end < 2; end++) {
			b.n = 0;
			frames_add(&b, 1, end ? 0 : 4, 511, block, sizeof(block));
			give(r, dir, &b);
		}
	print_message("heap %zu of %d\n", peak, FLOW_H2_MEM_MAX);
	assert_true(flow_busy(r->f));
	assert_true(peak > 256 * sizeof(struct interaction));
	assert_true(peak <= FLOW_H2_MEM_MAX);
	counting = true;
	flow_free(r->f);
	counting = false;
	r->f = NULL;
	rig_free(r);
}

/* Contents go through without an allocation, whoever they are for. */
static void test_no_allocation_per_frame(void **state)
{
	static struct frames b;
	static char spaces[16384];
	struct rig *r = rig_new(false);

	memset(spaces, ' ', sizeof(spaces));
	play_step(r, &(struct step){'P'}, 0);
	play_step(r, &(struct step){'Q', 1, "ai"}, 0);
	play_step(r, &(struct step){'D', 1, BODY}, 0);
	play_step(r, &(struct step){'q', 3, "no"}, 0);
	play_step(r, &(struct step){'A', 3}, 0);
	allocations = 0;
	for (unsigned i = 0; i < 100; i++) {
		b.n = 0;
		frames_add(&b, 0, 0, 1, spaces, sizeof(spaces));
		give(r, FLOW_REQUEST, &b);
		b.n = 0;
		frames_add(&b, 0, 0, 3, spaces, sizeof(spaces));
		give(r, FLOW_RESPONSE, &b);
	}
	assert_int_equal(allocations, 0);
	rig_close(r);
	assert_int_equal(r->done[0].request_body, strlen(BODY) + 100 * sizeof(spaces));
	rig_free(r);
}

static int warm_up(void **state)
{
	test_facts(state); /* what sets itself up on first use does it before anything is counted */
	return __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free) ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scripts),
		cmocka_unit_test(test_too_many_streams),
		cmocka_unit_test(test_answer_long_before_request),
		cmocka_unit_test(test_giant_blocks),
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_memory_at_its_worst),
		cmocka_unit_test(test_no_allocation_per_frame),
	};

	return cmocka_run_group_tests(tests, warm_up, NULL);
}
