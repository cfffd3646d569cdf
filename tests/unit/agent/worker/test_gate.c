/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes that wait: their bytes and the question go in as the kernel tells them, the verdict is read
 * from the slot as the kernel does, and the keeper's part is played here. The record is compared
 * with what happened. Secrets are made up and joined from parts.
 */
#define WORLD_HEARS
#include "world.h"

#include <errno.h>
#include <openssl/evp.h>
#include <zlib.h>

#include "agent/worker/denials.h"
#include "agent/worker/gate.h"
#include "agent/worker/held.h"
#include "agent/worker/users.h"

#define CONN 7
#define COOKIE 900
#define PAN "4111111111111111"
#define KEY    \
	"AKIA" \
	"ABCDEFGHIJKLMNOP"

static struct gate_slot slots[GATE_SLOTS];
static struct role_refuse refusal;
static struct role_sock said;
static struct role_pending pending;
static struct role_continue going;
static struct role_gate rules;
static struct {
	struct role_mask head;
	struct role_span span[MASK_SPANS_MAX];
} masks;
static unsigned refusals, maskings, pendings, goings, socks_said, denials_n;
static Probity__V1__Denial *denial;
static uint64_t seq;

static void heard(enum role_kind kind, const void *p, size_t n)
{
	if (kind == ROLE_REFUSE && ++refusals)
		memcpy(&refusal, p, sizeof(refusal));
	else if (kind == ROLE_MASK && ++maskings)
		memcpy(&masks, p, n);
	else if (kind == ROLE_PENDING && ++pendings)
		memcpy(&pending, p, sizeof(pending));
	else if (kind == ROLE_CONTINUE && ++goings)
		memcpy(&going, p, sizeof(going));
	else if (kind == ROLE_SOCK && ++socks_said)
		memcpy(&said, p, sizeof(said));
	else if (kind == ROLE_GATE)
		memcpy(&rules, p, sizeof(rules));
	else if (kind == ROLE_ASK)
		users_told(&w, &(struct role_user){.uid = ((const struct role_ask *)p)->uid,
						   .user = "bob",
						   .groups = "bob,dev",
						   .groups_len = 7});
}

static void sealed(uint32_t schema, const uint8_t *payload, size_t n)
{
	if (schema != RECORD_DENIAL)
		return;
	if (denial)
		probity__v1__denial__free_unpacked(denial, NULL);
	denial = probity__v1__denial__unpack(NULL, n, payload);
	assert_non_null(denial);
	denials_n++;
}

#define RULES                                                                                  \
	"pack: t\nversion: 1.0.0\nmode: %s\nrules:\n"                                          \
	"  - {id: no-keys, match: {data_class: private_key}, disposition: deny, fail: closed," \
	" controls: [A.9.2]}\n"                                                                \
	"  - {id: no-opus, match: {model: \"*opus*\"}, disposition: deny}\n"                   \
	"  - {id: kill-aws, match: {data_class: aws_access_key}, disposition: kill}\n"         \
	"  - {id: mask, match: {data_class: [pan, email]}, disposition: redact, else: deny}\n" \
	"  - {id: ask, match: {model: \"*haiku*\"}, disposition: hold}\n"

static void use_pack(const char *text)
{
	char err[256] = "";

	pack_free(w.pack);
	w.pack = NULL;
	if (pack_parse("t.yaml", text, strlen(text), &w.pack, err, sizeof(err)))
		fail_msg("%s", err);
	w.generation++;
	w.enforce = pack_enforce(w.pack);
	w.krules = pack_krules(w.pack, w.krule);
	gate_pack(w.gate);
}

static void use_rules(const char *mode)
{
	char text[2048];

	snprintf(text, sizeof(text), RULES, mode);
	use_pack(text);
}

static int gate_world(void **state)
{
	if (world_new(state))
		return -1;
	w.gate = gate_new(&w, slots);
	w.denials = denials_new(&w);
	memset(slots, 0, sizeof(slots));
	refusals = maskings = pendings = goings = socks_said = denials_n = 0;
	use_rules("enforce");
	connected(COOKIE);
	return 0;
}

static int gate_world_free(void **state)
{
	world_free(state);
	gate_free(w.gate);
	denials_free(w.denials);
	pack_free(w.pack);
	if (denial)
		probity__v1__denial__free_unpacked(denial, NULL);
	denial = NULL;
	return 0;
}

/* --- what the kernel does ------------------------------------------------------------------------- */

/* Rules that concern the next question. */
static uint64_t asked_rules = ~0ull;

static void ask(uint64_t conn, uint64_t offset, uint64_t size, enum gate_wait how, uint32_t told)
{
	struct event_gate e = {.h = head_of(PID, EVENT_GATE, sizeof(e), conn, 0),
			       .seq = ++seq,
			       .offset = offset,
			       .size = size,
			       .cookie = COOKIE,
			       .rules = asked_rules,
			       .how = how,
			       .told = told};

	events_record(&w, &e, sizeof(e));
}

static void ended(uint64_t conn, enum gate_verdict v, enum gate_mechanism m, bool refused)
{
	struct event_gate_end e = {.h = head_of(PID, EVENT_GATE_END, sizeof(e), conn, 0),
				   .seq = seq,
				   .waited_ns = 50000,
				   .verdict = v,
				   .mechanism = m,
				   .refused = refused};

	events_record(&w, &e, sizeof(e));
}

static enum gate_verdict verdict(uint64_t conn)
{
	const struct gate_slot *s = &slots[conn & (GATE_SLOTS - 1)];

	return s->conn == conn && s->seq == seq ? (enum gate_verdict)s->verdict : GATE_ASKED;
}

/* One write: its bytes, then the question. */
static enum gate_verdict write_at(uint64_t offset, const char *text, size_t n, enum gate_wait how)
{
	data_of(PID, CONN, EVENT_F_GATED, EVENT_WRITE, offset, text, n);
	ask(CONN, offset, n, how, n);
	return verdict(CONN);
}

static void keeper_says(enum role_kind kind, int result, enum gate_mechanism m)
{
	struct role_done d = {.seq = seq, .cookie = COOKIE, .result = result, .mechanism = m};

	if (kind == ROLE_REFUSED)
		gate_refused(w.gate, &d);
	else if (kind == ROLE_CONTINUED)
		gate_continued(w.gate, &d);
	else
		gate_masked(w.gate, &d);
}

static char text_[65536];

static size_t post(const char *model, const char *content)
{
	char body[32768];

	snprintf(body, sizeof(body),
		 "{\"model\":\"%s\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\","
		 "\"content\":\"%s\"}]}",
		 model, content);
	return snprintf(text_, sizeof(text_),
			"POST /v1/messages HTTP/1.1\r\nHost: " AI_HOST
			"\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
			strlen(body), body);
}

static const Probity__V1__Decision *only_call(void)
{
	assert_int_equal(calls_n, 1);
	return calls[0]->decision;
}

static void sha_of(const char *p, size_t n, uint8_t ret[32])
{
	assert_true(EVP_Digest(p, n, ret, NULL, EVP_sha256(), NULL));
}

/* --- tests ----------------------------------------------------------------------------------------- */

static void test_rules_are_told(void **state)
{
	assert_true(rules.on);
	assert_true(rules.todo.content);
	assert_false(rules.todo.deny);
	use_rules("monitor");
	assert_false(rules.on);
	assert_false(rules.todo.content);
}

static void test_pass(void **state)
{
	size_t n = post("claude-sonnet-4-5", "hi");

	assert_int_equal(write_at(0, text_, n, GATE_HELD), GATE_PASS);
	ended(CONN, GATE_PASS, GATE_NONE, false);
	assert_int_equal(refusals + maskings + pendings, 0);
	data(CONN, 0, EVENT_READ, 0, answer());
	assert_string_equal(only_call()->disposition, "allow");
	assert_string_equal(only_call()->effect, "none");
	assert_string_equal(calls[0]->completeness, "complete");
}

static void test_deny_asks_the_keeper(void **state)
{
	size_t n = post("claude-opus-4-1", "hi");

	assert_int_equal(write_at(0, text_, n, GATE_HELD), GATE_ASKED);
	assert_int_equal(refusals, 1);
	assert_int_equal(refusal.seq, seq);
	assert_int_equal(refusal.cookie, COOKIE);
	assert_string_equal(refusal.rule, "no-opus");
	assert_int_equal(refusal.may, REFUSE_ERROR | REFUSE_SHUTDOWN);
	keeper_says(ROLE_REFUSED, 0, GATE_SHUTDOWN);
	assert_int_equal(verdict(CONN), GATE_REFUSE);
	assert_int_equal(calls_n, 0);
	ended(CONN, GATE_REFUSE, GATE_EGRESS,
	      true); /* marked as well: its socket was dead by then */
	assert_string_equal(only_call()->effect, "denied");
	assert_string_equal(only_call()->mechanism, "socket_shutdown");
	assert_true(only_call()->before_effect);
	assert_int_equal(only_call()->waited_ns, 50000);
	assert_string_equal(calls[0]->request_model, "claude-opus-4-1");
	assert_string_equal(calls[0]->incomplete_reason, "refused before the request could leave");
	/* The same on the same handle: refused again, and no other call. */
	assert_int_equal(write_at(n, text_, n, GATE_REEXEC), GATE_REFUSE);
	ended(CONN, GATE_REFUSE, GATE_OVERRIDE, true);
	assert_int_equal(calls_n, 1);
	/* Another one is. */
	assert_int_equal(write_at(2 * n, text_, post("claude-opus-4-1", "ho!"), GATE_REEXEC),
			 GATE_REFUSE);
	ended(CONN, GATE_REFUSE, GATE_OVERRIDE, true);
	assert_int_equal(calls_n, 2);
}

/* The socket's end is told on the ring before the keeper's answer is read. */
static void test_socket_ends_first(void **state)
{
	size_t n = post("claude-opus-4-1", "hi");

	bound(CONN, 0, COOKIE);
	assert_int_equal(write_at(0, text_, n, GATE_HELD), GATE_ASKED);
	assert_int_equal(refusals, 1);
	plain_event(EVENT_CLOSE, CONN);
	assert_int_equal(verdict(CONN), GATE_REFUSE);
	keeper_says(ROLE_REFUSED, 0, GATE_SHUTDOWN);
	ended(CONN, GATE_REFUSE, GATE_EGRESS, true);
	assert_string_equal(only_call()->disposition, "deny");
	assert_string_equal(only_call()->effect, "denied");
	assert_string_equal(only_call()->mechanism, "socket_shutdown");
	assert_true(only_call()->before_effect);
}

static void test_deny_by_override(void **state)
{
	size_t n = post("claude-opus-4-1", "hi");

	assert_int_equal(write_at(0, text_, n, GATE_REEXEC), GATE_REFUSE);
	ended(CONN, GATE_REFUSE, GATE_OVERRIDE, true);
	assert_string_equal(only_call()->effect, "denied");
	assert_string_equal(only_call()->mechanism, "uprobe_override");
}

static void test_keeper_cannot(void **state)
{
	size_t n = post("claude-opus-4-1", "hi");

	write_at(0, text_, n, GATE_HELD);
	keeper_says(ROLE_REFUSED, -ESRCH, GATE_NONE);
	assert_int_equal(verdict(CONN), GATE_PASS);
	ended(CONN, GATE_PASS, GATE_NONE, false);
	data(CONN, 0, EVENT_READ, 0, answer());
	assert_string_equal(only_call()->effect, "deny_failed");
	assert_false(only_call()->before_effect);
}

static void test_kill(void **state)
{
	size_t n = post("claude-sonnet-4-5", "my " KEY " key");

	assert_int_equal(write_at(0, text_, n, GATE_HELD), GATE_KILL);
	ended(CONN, GATE_KILL, GATE_SIGNAL, true);
	assert_string_equal(only_call()->effect, "killed");
	assert_string_equal(only_call()->mechanism, "uprobe_send_signal");
}

/* The body comes after its head, in writes of its own. */
static void test_sent_before(void **state)
{
	size_t n = post("claude-opus-4-1", "hi");
	size_t head = strstr(text_, "\r\n\r\n") + 4 - text_;

	assert_int_equal(write_at(0, text_, head, GATE_HELD), GATE_PASS);
	ended(CONN, GATE_PASS, GATE_NONE, false);
	assert_int_equal(write_at(head, text_ + head, n - head, GATE_REEXEC), GATE_REFUSE);
	ended(CONN, GATE_REFUSE, GATE_OVERRIDE, true);
	assert_int_equal(only_call()->sent_before, head);
	assert_true(only_call()->before_effect); /* not a byte of the content left */
}

/* What was seen decides, before the end of the request. */
static void test_partial(void **state)
{
	size_t n = post("claude-opus-4-1", "a long text that is sent in parts");

	assert_int_equal(write_at(0, text_, n - 20, GATE_REEXEC), GATE_REFUSE);
	ended(CONN, GATE_REFUSE, GATE_OVERRIDE, true);
	assert_string_equal(only_call()->effect, "denied");
}

static void masked_text(const char *from, size_t n, char *to)
{
	memcpy(to, from, n);
	to[n] = '\0';
	for (uint32_t i = 0; i < masks.head.spans; i++) {
		assert_true(masks.span[i].at + masks.span[i].n <= n);
		assert_int_equal(masks.span[i].frame, SPAN_PLAIN);
		memset(to + masks.span[i].at, MASK_CHAR, masks.span[i].n);
	}
}

/* --- keys of one direction -------------------------------------------------------------------------- */

#define WKEY 11
#define RKEY 12

static enum gate_verdict half_write(uint64_t key, uint64_t offset, const char *text, size_t n)
{
	struct event_gate e;

	data_of(PID, key, EVENT_F_HALF | EVENT_F_GATED, EVENT_WRITE, offset, text, n);
	e = (struct event_gate){.h = head_of(PID, EVENT_GATE, sizeof(e), key, EVENT_F_HALF),
				.seq = ++seq,
				.offset = offset,
				.size = n,
				.cookie = COOKIE,
				.rules = ~0ull,
				.how = GATE_HELD,
				.told = n};
	events_record(&w, &e, sizeof(e));
	return verdict(key);
}

static void half_ended(uint64_t key, enum gate_verdict v, enum gate_mechanism m, bool refused)
{
	struct event_gate_end e = {.h = head_of(PID, EVENT_GATE_END, sizeof(e), key, EVENT_F_HALF),
				   .seq = seq,
				   .verdict = v,
				   .mechanism = m,
				   .refused = refused};

	events_record(&w, &e, sizeof(e));
}

/* The write is judged under its own key, whether its socket is known by then or not, and the answer
 * comes by another key over the same socket. */
static void test_halves(void **state)
{
	for (unsigned late = 0; late < 2; late++) {
		size_t n = post("claude-sonnet-4-5", "hi");

		if (!late)
			bound(WKEY, EVENT_F_HALF, COOKIE);
		assert_int_equal(half_write(WKEY, 0, text_, n), GATE_PASS);
		half_ended(WKEY, GATE_PASS, GATE_NONE, false);
		if (late)
			bound(WKEY, EVENT_F_HALF, COOKIE);
		bound(RKEY, EVENT_F_HALF, COOKIE);
		data(RKEY, EVENT_F_HALF, EVENT_READ, 0, answer());
		assert_string_equal(only_call()->effect, "none");
		assert_string_equal(calls[0]->completeness, "complete");
		assert_int_equal(calls[0]->response_body_bytes, strlen(ANSWER_BODY));
		plain_event(EVENT_CLOSE, WKEY);
		plain_event(EVENT_CLOSE, RKEY);
		world_clear();
	}
}

/* A value under the second key of a direction is masked where it stands in that key's write. */
static void test_halves_mask(void **state)
{
	size_t n = post("claude-sonnet-4-5", "hi"), m;
	char masked[4096];

	bound(WKEY, EVENT_F_HALF, COOKIE);
	assert_int_equal(half_write(WKEY, 0, text_, n), GATE_PASS);
	half_ended(WKEY, GATE_PASS, GATE_NONE, false);
	bound(RKEY, EVENT_F_HALF, COOKIE);
	data(RKEY, EVENT_F_HALF, EVENT_READ, 0, answer());
	bound(21, EVENT_F_HALF, COOKIE); /* a new key, from 0 on */
	m = post("claude-sonnet-4-5", "card " PAN);
	assert_int_equal(half_write(21, 0, text_, m), GATE_ASKED);
	assert_int_equal(maskings, 1);
	masked_text(text_, m, masked);
	assert_null(strstr(masked, PAN));
	assert_non_null(strstr(masked, "card XXXXXXXXXXXXXXXX"));
	keeper_says(ROLE_MASKED, 0, GATE_PROCESS_VM);
	assert_int_equal(verdict(21), GATE_PASS);
	half_ended(21, GATE_PASS, GATE_NONE, false);
	data(RKEY, EVENT_F_HALF, EVENT_READ, strlen(answer()), answer());
	assert_int_equal(calls_n, 2);
	assert_string_equal(calls[1]->decision->effect, "redacted");
}

static void test_halves_deny(void **state)
{
	size_t n = post("claude-opus-4-1", "hi");

	/* Its socket is not known: the question names it. */
	assert_int_equal(half_write(WKEY, 0, text_, n), GATE_ASKED);
	assert_int_equal(refusals, 1);
	assert_int_equal(refusal.cookie, COOKIE);
	keeper_says(ROLE_REFUSED, 0, GATE_SHUTDOWN);
	assert_int_equal(verdict(WKEY), GATE_REFUSE);
	half_ended(WKEY, GATE_REFUSE, GATE_EGRESS, true);
	assert_string_equal(only_call()->effect, "denied");
	assert_true(only_call()->before_effect);
	plain_event(EVENT_CLOSE, WKEY);
	assert_int_equal(calls_n, 1);
	assert_int_equal(halves_count(w.halves), 0);
}

static void test_redact(void **state)
{
	size_t n = post("claude-sonnet-4-5", "card " PAN " of jane@example.com, ok");
	size_t head = strstr(text_, "\r\n\r\n") + 4 - text_;
	char masked[65536];
	uint8_t sha[32];

	assert_int_equal(write_at(0, text_, n, GATE_HELD), GATE_ASKED);
	assert_int_equal(maskings, 1);
	assert_int_equal(masks.head.seq, seq);
	masked_text(text_, n, masked);
	assert_non_null(strstr(masked, "card XXXXXXXXXXXXXXXX of XXXXXXXXXXXXXXXX, ok"));
	keeper_says(ROLE_MASKED, 0, GATE_PROCESS_VM);
	assert_int_equal(verdict(CONN), GATE_PASS);
	ended(CONN, GATE_PASS, GATE_NONE, false);
	data(CONN, 0, EVENT_READ, 0, answer());
	assert_string_equal(only_call()->disposition, "redact");
	assert_string_equal(only_call()->effect, "redacted");
	assert_string_equal(only_call()->mechanism, "process_vm_writev");
	assert_true(only_call()->before_effect);
	assert_int_equal(only_call()->n_redactions, 2);
	for (size_t i = 0; i < 2; i++) {
		const Probity__V1__Redaction *r = only_call()->redactions[i];

		assert_int_equal(r->count, 1);
		assert_int_equal(r->bytes, 16);
		assert_int_equal(r->n_offsets, 1);
		assert_memory_equal(masked + head + r->offsets[0], "XXXXXXXXXXXXXXXX", 16);
	}
	sha_of(masked + head, n - head, sha);
	assert_int_equal(calls[0]->request_sha256.len, 32);
	assert_memory_equal(calls[0]->request_sha256.data, sha, 32);
}

/* Chunks of HTTP/1: a value over a border cannot be contiguous, and sizes are left alone. */
static void test_redact_chunked(void **state)
{
	static const char first[] = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
				    "\"content\":\"pay 41111111",
			  second[] = "11111111 now\"}]}";
	char masked[4096];
	size_t n;

	n = snprintf(text_, sizeof(text_),
		     "POST /v1/messages HTTP/1.1\r\nHost: " AI_HOST
		     "\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
		     "%zx\r\n%s\r\n%zx\r\n%s\r\n0\r\n\r\n",
		     strlen(first), first, strlen(second), second);
	assert_int_equal(write_at(0, text_, n, GATE_HELD), GATE_ASKED);
	masked_text(text_, n, masked);
	assert_non_null(strstr(masked, "pay XXXXXXXX\r\n"));
	assert_non_null(strstr(masked, "\r\nXXXXXXXX now"));
	assert_int_equal(masks.head.spans, 2);
}

static size_t frame(uint8_t *to, uint8_t type, uint8_t flags, uint32_t stream, const void *p,
		    size_t n)
{
	const uint8_t head[9] = {0, n >> 8, n, type, flags, 0, 0, 0, stream};

	memcpy(to, head, sizeof(head));
	memcpy(to + sizeof(head), p, n);
	return sizeof(head) + n;
}

static size_t field(uint8_t *to, const char *name, const char *value)
{
	size_t n = strlen(name), v = strlen(value);

	to[0] = 0;
	to[1] = n;
	memcpy(to + 2, name, n);
	to[2 + n] = v;
	memcpy(to + 3 + n, value, v);
	return 3 + n + v;
}

static size_t h2_begin(uint8_t *to)
{
	static const char *const fields[][2] = {
		{":method", "POST"},
		{":scheme", "https"},
		{":path", "/v1/messages"},
		{":authority", AI_HOST},
		{"content-type", "application/json"},
	};
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
	uint8_t head[512];
	size_t n = strlen(preface), h = 0;

	memcpy(to, preface, n);
	n += frame(to + n, 4, 0, 0, "", 0);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		h += field(head + h, fields[i][0], fields[i][1]);
	return n + frame(to + n, 1, 4, 1, head, h);
}

/* HTTP/2: a value over the border of two DATA frames; frame heads stay as they are. */
static void test_redact_h2(void **state)
{
	static const char first[] = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
				    "\"content\":\"pay 41111111",
			  second[] = "11111111 now\"}]}";
	uint8_t *b = (uint8_t *)text_;
	char masked[4096];
	size_t n = h2_begin(b), at;

	at = n + 9;
	n += frame(b + n, 0, 0, 1, first, strlen(first));
	n += frame(b + n, 0, 1, 1, second, strlen(second));
	assert_int_equal(write_at(0, text_, n, GATE_HELD), GATE_ASKED);
	masked_text(text_, n, masked);
	assert_int_equal(masks.head.spans, 2);
	assert_memory_equal(masked, text_, at + strlen(first) - 8);
	assert_memory_equal(masked + at + strlen(first) - 8, "XXXXXXXX", 8);
	assert_memory_equal(masked + at + strlen(first), text_ + at + strlen(first), 9);
	assert_memory_equal(masked + at + strlen(first) + 9, "XXXXXXXX now", 12);
	keeper_says(ROLE_MASKED, 0, GATE_PROCESS_VM);
	assert_int_equal(verdict(CONN), GATE_PASS);
}

/* --- WebSockets ------------------------------------------------------------------------------------ */

static const char ws_up[] =
	"GET /v1/realtime?model=gpt-realtime HTTP/1.1\r\n"
	"Host: api.openai.com\r\n"
	"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
#define ASKS "{\"type\":\"response.create\"}"

static size_t ws_at; /* of the next byte that the client writes */

static void ws_open(const char *extension)
{
	char yes[256];

	ws_at = strlen(ws_up);
	assert_int_equal(write_at(0, ws_up, ws_at, GATE_REEXEC), GATE_PASS);
	ended(CONN, GATE_PASS, GATE_NONE, false);
	snprintf(yes, sizeof(yes),
		 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n%s"
		 "Connection: Upgrade\r\n\r\n",
		 extension);
	data(CONN, 0, EVENT_READ, 0, yes);
}

/* What the client says, as it is written: frames of a message, and other messages. */
struct ws_out {
	uint8_t b[32768];
	char plain[32768]; /* the payloads, one after the other */
	size_t n, plain_n;
	struct {
		size_t head, payload, n;
	} frame[512];
	size_t frames;
};
static struct ws_out out;

static void ws_frame(uint8_t first, const char *p, size_t n)
{
	uint8_t key[4] = {out.n * 7 + 1, 0xA5, 0, out.n}, *b = out.b;

	out.frame[out.frames].head = out.n;
	b[out.n++] = first;
	b[out.n++] = 0x80 | (n < 126 ? n : 126);
	if (n >= 126) {
		b[out.n++] = n >> 8;
		b[out.n++] = n;
	}
	memcpy(b + out.n, key, 4);
	out.n += 4;
	out.frame[out.frames].payload = out.n;
	out.frame[out.frames++].n = n;
	for (size_t i = 0; i < n; i++)
		b[out.n++] = p[i] ^ key[i & 3];
	if (first & 8)
		return;
	memcpy(out.plain + out.plain_n, p, n);
	out.plain_n += n;
}

/* A message in fragments of `step` bytes, a ping between them. */
static void ws_message(const char *text, size_t step)
{
	size_t n = strlen(text);

	for (size_t at = 0; at < n; at += step) {
		size_t k = n - at < step ? n - at : step;

		if (at)
			ws_frame(0x89, "4111111111111111", 16);
		ws_frame((at ? 0 : 1) | (at + k == n ? 0x80 : 0), text + at, k);
	}
}

static const char *ws_item(const char *content)
{
	static char b[16384];

	snprintf(b, sizeof(b),
		 "{\"type\":\"conversation.item.create\",\"item\":{\"type\":\"message\","
		 "\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"%s\"}]}}",
		 content);
	return b;
}

static enum gate_verdict ws_write(size_t from, size_t n)
{
	return write_at(ws_at + from, (char *)out.b + from, n, GATE_HELD);
}

/* What the server reads when the spans are masked as the keeper does. */
static void ws_read(char *ret)
{
	size_t n = 0;

	for (uint32_t i = 0; i < masks.head.spans; i++)
		for (size_t f = 0; f < out.frames; f++) {
			uint32_t at = masks.span[i].at, end = at + masks.span[i].n;

			assert_true(masks.span[i].frame != SPAN_PLAIN);
			assert_true(!i || masks.span[i - 1].at + masks.span[i - 1].n <= at);
			if (masks.span[i].frame != out.frame[f].head)
				continue;
			assert_in_range(at, out.frame[f].payload, out.n);
			assert_true(end <= out.frame[f].payload + out.frame[f].n);
			for (; at < end; at++)
				out.b[at] = 'X' ^ out.b[out.frame[f].payload - 4 +
							((at - out.frame[f].payload) & 3)];
		}
	for (size_t f = 0; f < out.frames; f++)
		for (size_t i = 0; !(out.b[out.frame[f].head] & 8) && i < out.frame[f].n; i++)
			ret[n++] = out.b[out.frame[f].payload + i] ^
				   out.b[out.frame[f].payload - 4 + (i & 3)];
	ret[n] = '\0';
	assert_int_equal(n, out.plain_n);
}

/* In one frame, and in fragments of every size, in one write: the same text at the other end. */
static void test_redact_websocket(void **state)
{
	static char got[32768], want[32768];
	uint8_t sha[32];

	for (size_t step = 1; step < 300; step += step < 40 ? 1 : 97) {
		out = (struct ws_out){0};
		ws_open("");
		ws_message(ws_item("pay " PAN " to jane@example.com, ok"), step);
		ws_message(ASKS, 4096);
		assert_int_equal(ws_write(0, out.n), GATE_ASKED);
		assert_true(maskings);
		snprintf(want, sizeof(want), "%s%s",
			 ws_item("pay XXXXXXXXXXXXXXXX to XXXXXXXXXXXXXXXX, ok"), ASKS);
		ws_read(got);
		assert_string_equal(got, want);
		keeper_says(ROLE_MASKED, 0, GATE_PROCESS_VM);
		assert_int_equal(verdict(CONN), GATE_PASS);
		ended(CONN, GATE_PASS, GATE_NONE, false);
		plain_event(EVENT_CLOSE, CONN);
		assert_int_equal(calls_n, 2); /* the upgrade, and the turn */
		assert_string_equal(calls[1]->decision->effect, "redacted");
		assert_true(calls[1]->decision->before_effect);
		assert_int_equal(calls[1]->decision->n_redactions, 2);
		for (size_t i = 0; i < 2; i++)
			assert_memory_equal(got + calls[1]->decision->redactions[i]->offsets[0],
					    "XXXXXXXXXXXXXXXX", 16);
		sha_of(got, strlen(got), sha);
		assert_int_equal(calls[1]->request_sha256.len, 32);
		assert_memory_equal(calls[1]->request_sha256.data, sha, 32);
		assert_int_equal(calls[1]->request_body_bytes, strlen(got));
		world_clear();
	}
}

/* More in one message than is held until it says what it is, and values all over it. */
static void test_redact_websocket_long(void **state)
{
	static char content[12000], got[32768];
	size_t n = 0;

	while (n < sizeof(content) - 64)
		n += snprintf(content + n, sizeof(content) - n, "%s %s ", "4111111111111111",
			      "words between the cards");
	out = (struct ws_out){0};
	ws_open("");
	ws_message(ws_item(content), 4000);
	assert_int_equal(ws_write(0, out.n), GATE_ASKED);
	assert_int_equal(maskings, 1);
	ws_read(got);
	assert_null(strstr(got, "4111"));
	assert_non_null(strstr(got, "XXXXXXXXXXXXXXXX words between the cards XXXXXXXXXXXXXXXX"));
}

/* Each message is a write of its own; a value in the second one of a turn is not overseen. */
static void test_redact_websocket_second_message(void **state)
{
	static char got[32768];
	size_t first;

	out = (struct ws_out){0};
	ws_open("");
	ws_message(ws_item("hello"), 4096);
	first = out.n;
	assert_int_equal(ws_write(0, first), GATE_PASS);
	ended(CONN, GATE_PASS, GATE_NONE, false);
	out = (struct ws_out){0};
	ws_message(ws_item("jane@example.com"), 4096);
	ws_at += first;
	assert_int_equal(ws_write(0, out.n), GATE_ASKED);
	ws_read(got);
	assert_string_equal(got, ws_item("XXXXXXXXXXXXXXXX"));
}

/* What is said after the question, too. */
static void test_websocket_after_the_question(void **state)
{
	size_t first;

	out = (struct ws_out){0};
	ws_open("");
	ws_message(ws_item("hello"), 4096);
	ws_message(ASKS, 4096);
	first = out.n;
	assert_int_equal(ws_write(0, first), GATE_PASS);
	ended(CONN, GATE_PASS, GATE_NONE, false);
	out = (struct ws_out){0};
	ws_message(
		"{\"type\":\"session.update\",\"session\":{\"instructions\":\"jane@example.com\"}}",
		4096);
	ws_at += first;
	assert_int_equal(ws_write(0, out.n), GATE_ASKED);
	assert_int_equal(maskings, 1);
}

/* What a mask cannot be put to falls to the rule's else. */
static void test_websocket_else(void **state)
{
	static const struct {
		const char *name, *words;
		int split; /* where the first write ends: bytes from the end of the message */
	} rows[] = {
		{"a value over two writes", "mail jane@example.com", 20},
		{"a head in another write", "to jane@example.com", 60},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t n;

		out = (struct ws_out){0};
		maskings = 0;
		ws_open("");
		ws_message(ws_item(rows[i].words), 4096);
		n = out.n - rows[i].split;
		assert_int_equal(ws_write(0, n), GATE_PASS);
		ended(CONN, GATE_PASS, GATE_NONE, false);
		assert_int_equal(ws_write(n, out.n - n), GATE_ASKED);
		if (maskings || !refusals)
			fail_msg("%s", rows[i].name);
		keeper_says(ROLE_REFUSED, 0, GATE_SHUTDOWN);
		ended(CONN, GATE_REFUSE, GATE_EGRESS, true);
		assert_string_equal(calls[calls_n - 1]->decision->effect, "denied");
		assert_false(calls[calls_n - 1]->decision->before_effect); /* its begin had left */
		plain_event(EVENT_CLOSE, CONN);
	}
}

/* Compressed: nothing of it stands in the write as it is read. */
static void test_websocket_deflated(void **state)
{
	static const char up[] = "Sec-WebSocket-Extensions: permessage-deflate; "
				 "client_no_context_takeover\r\n";
	const char *text = ws_item("jane@example.com");
	char packed[1024];
	z_stream z = {.next_in = (Bytef *)text,
		      .avail_in = strlen(text),
		      .next_out = (Bytef *)packed,
		      .avail_out = sizeof(packed)};

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, -15, 8, 0), Z_OK);
	assert_int_equal(deflate(&z, Z_SYNC_FLUSH), Z_OK);
	out = (struct ws_out){0};
	ws_open(up);
	ws_frame(0xC1, packed, z.total_out - 4);
	deflateEnd(&z);
	assert_int_equal(ws_write(0, out.n), GATE_ASKED);
	assert_int_equal(maskings, 0);
	assert_int_equal(refusals, 1);
	keeper_says(ROLE_REFUSED, 0, GATE_SHUTDOWN);
	assert_int_equal(verdict(CONN), GATE_REFUSE);
	ended(CONN, GATE_REFUSE, GATE_EGRESS, true);
	assert_int_equal(calls_n, 2);
	assert_string_equal(calls[1]->decision->disposition, "deny");
	assert_string_equal(calls[1]->decision->effect, "denied");
	assert_true(calls[1]->decision->before_effect);
}

/* Values that lie one in the other are one span, and several requests' are in order. */
static void test_spans_in_order(void **state)
{
	struct role_span s[] = {{50, 10, SPAN_PLAIN}, {10, 5, SPAN_PLAIN}, {52, 3, SPAN_PLAIN},
				{15, 5, SPAN_PLAIN},  {20, 5, 3},	   {58, 9, SPAN_PLAIN}};

	assert_int_equal(held_order(s, ARRAY_SIZE(s)), 3);
	assert_int_equal(s[0].at, 10);
	assert_int_equal(s[0].n, 10);
	assert_int_equal(s[1].frame, 3);
	assert_int_equal(s[2].at, 50);
	assert_int_equal(s[2].n, 17);
	assert_int_equal(held_order(NULL, 0), 0);
}

/* Two requests in one write, the second one's value behind the first one's. */
static void test_redact_pipelined(void **state)
{
	char masked[65536];
	size_t n = post("claude-sonnet-4-5", "card " PAN);

	memcpy(text_ + n, text_, n);
	assert_int_equal(write_at(0, text_, 2 * n, GATE_HELD), GATE_ASKED);
	assert_int_equal(masks.head.spans, 2);
	assert_true(masks.span[0].at < masks.span[1].at);
	masked_text(text_, 2 * n, masked);
	assert_null(strstr(masked, PAN));
}

/* The end of the body is in a write of its own: the value before it is masked all the same. */
static void test_redact_at_the_end(void **state)
{
	static const char body[] = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
				   "\"content\":\"jane@example.com\"}]}";
	char masked[4096];
	size_t n, all;

	all = snprintf(text_, sizeof(text_),
		       "POST /v1/messages HTTP/1.1\r\nHost: " AI_HOST
		       "\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
		       "%zx\r\n%s\r\n0\r\n\r\n",
		       strlen(body), body);
	n = all - 5;
	assert_int_equal(write_at(0, text_, n, GATE_HELD), GATE_ASKED);
	masked_text(text_, n, masked);
	assert_non_null(strstr(masked, "\"XXXXXXXXXXXXXXXX\""));
	keeper_says(ROLE_MASKED, 0, GATE_PROCESS_VM);
	ended(CONN, GATE_PASS, GATE_NONE, false);
	assert_int_equal(write_at(n, text_ + n, 5, GATE_HELD), GATE_PASS);
	ended(CONN, GATE_PASS, GATE_NONE, false);
	data(CONN, 0, EVENT_READ, 0, answer());
	assert_string_equal(only_call()->effect, "redacted");
	assert_int_equal(only_call()->redactions[0]->count, 1);
	assert_int_equal(calls[0]->request_sha256.len, 32);
}

/* Over two writes: the first part left. */
static void test_redact_split(void **state)
{
	size_t n = post("claude-sonnet-4-5", "card " PAN " end");
	size_t cut = strstr(text_, PAN) + 8 - text_;

	assert_int_equal(write_at(0, text_, cut, GATE_HELD), GATE_PASS);
	ended(CONN, GATE_PASS, GATE_NONE, false);
	assert_int_equal(write_at(cut, text_ + cut, n - cut, GATE_REEXEC), GATE_REFUSE);
	ended(CONN, GATE_REFUSE, GATE_OVERRIDE, true);
	assert_int_equal(maskings, 0);
	assert_string_equal(only_call()->effect, "denied");
	assert_int_equal(only_call()->sent_before, cut);
	assert_false(only_call()->before_effect);
}

/* Outside of a string it would be no JSON any more. */
static void test_redact_a_number(void **state)
{
	static const char body[] = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
				   "\"content\":\"x\"}],\"card\":4111111111111111}";
	size_t n = snprintf(text_, sizeof(text_),
			    "POST /v1/messages HTTP/1.1\r\nHost: " AI_HOST
			    "\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
			    strlen(body), body);

	assert_int_equal(write_at(0, text_, n, GATE_REEXEC), GATE_REFUSE);
	assert_int_equal(maskings, 0);
}

static void test_mask_fails(void **state)
{
	size_t n = post("claude-sonnet-4-5", "card " PAN " end");

	assert_int_equal(write_at(0, text_, n, GATE_HELD), GATE_ASKED);
	keeper_says(ROLE_MASKED, -EFAULT, GATE_NONE);
	assert_int_equal(verdict(CONN), GATE_ASKED);
	assert_int_equal(refusals, 1);
	keeper_says(ROLE_REFUSED, 0, GATE_EGRESS);
	assert_int_equal(verdict(CONN), GATE_REFUSE);
	ended(CONN, GATE_REFUSE, GATE_NONE, true);
	assert_string_equal(only_call()->effect, "denied");
	assert_string_equal(only_call()->mechanism, "cgroup_egress");
}

#define TWO_MASKS                                                                        \
	"pack: t\nversion: 1\nmode: enforce\nrules:\n"                                   \
	"  - {id: mail, match: {data_class: email}, disposition: redact, else: allow}\n" \
	"  - {id: card, match: {data_class: pan}, disposition: redact, else: deny}\n"

/* Each rule's own `else`: a card that cannot be masked does not go because a mail may. */
static void test_two_masks_fail(void **state)
{
	size_t n;

	use_pack(TWO_MASKS);
	n = post("claude-sonnet-4-5", "jane@example.com " PAN);
	assert_int_equal(write_at(0, text_, n, GATE_REEXEC), GATE_ASKED);
	keeper_says(ROLE_MASKED, -EFAULT, GATE_NONE);
	assert_int_equal(verdict(CONN), GATE_REFUSE);
	ended(CONN, GATE_REFUSE, GATE_OVERRIDE, true);
	assert_string_equal(only_call()->effect, "denied");
	world_clear();
	/* Of the mail alone: it goes, and the record says that it did. */
	write_at(n, text_, post("claude-sonnet-4-5", "jane@example.com"), GATE_REEXEC);
	keeper_says(ROLE_MASKED, -EFAULT, GATE_NONE);
	assert_int_equal(verdict(CONN), GATE_PASS);
	ended(CONN, GATE_PASS, GATE_NONE, false);
	data(CONN, 0, EVENT_READ, 0, answer());
	assert_string_equal(only_call()->effect, "redact_failed");
}

static void test_hold(void **state)
{
	struct role_grant g = {.until_unix_ns = 0, .scope = GRANT_CALL, .by = "root"};
	size_t n = post("claude-haiku-4-5", "hi");

	w.wall_offset_ns = 1;
	assert_int_equal(write_at(0, text_, n, GATE_REEXEC), GATE_REFUSE);
	ended(CONN, GATE_REFUSE, GATE_OVERRIDE, true);
	assert_int_equal(pendings, 1);
	assert_string_equal(pending.rule, "ask");
	assert_string_equal(pending.user, "alice");
	assert_string_equal(pending.host, AI_HOST);
	assert_int_equal(strlen(pending.id), 10);
	assert_string_equal(only_call()->effect, "held");
	assert_string_equal(only_call()->approval_id, pending.id);
	world_clear();

	/* Tried again: the same call, and nobody is asked twice in a second. */
	assert_int_equal(write_at(n, text_, n, GATE_REEXEC), GATE_REFUSE);
	ended(CONN, GATE_REFUSE, GATE_OVERRIDE, true);
	assert_int_equal(pendings, 1);
	assert_int_equal(calls_n, 0);

	memcpy(g.key, pending.key, sizeof(g.key));
	memcpy(g.id, pending.id, sizeof(g.id));
	memcpy(g.rule, pending.rule, sizeof(g.rule));
	gate_grants(w.gate, &g, 1);
	assert_int_equal(write_at(2 * n, text_, n, GATE_REEXEC), GATE_PASS);
	ended(CONN, GATE_PASS, GATE_NONE, false);
	assert_int_equal(pendings, 2); /* the grant is used up */
	assert_string_equal(pending.rule, "");
	assert_string_equal(pending.id, g.id);
	data(CONN, 0, EVENT_READ, 0, answer());
	assert_string_equal(only_call()->disposition, "hold");
	assert_string_equal(only_call()->effect, "none");
	assert_string_equal(only_call()->approved_by, "root");
	assert_string_equal(only_call()->approval_id, g.id);
	world_clear();

	assert_int_equal(write_at(3 * n, text_, n, GATE_REEXEC), GATE_REFUSE);
}

static void test_hold_refused_by_operator(void **state)
{
	struct role_grant g = {.until_unix_ns = ~0ull, .denied = 1, .by = "root"};
	size_t n = post("claude-haiku-4-5", "hi");

	write_at(0, text_, n, GATE_REEXEC);
	ended(CONN, GATE_REFUSE, GATE_OVERRIDE, true);
	world_clear();
	memcpy(g.key, pending.key, sizeof(g.key));
	memcpy(g.id, pending.id, sizeof(g.id));
	gate_grants(w.gate, &g, 1);
	now += 5 * SECOND;
	assert_int_equal(write_at(n, text_, n, GATE_REEXEC), GATE_REFUSE);
	assert_int_equal(pendings, 1);
	/* It runs out. */
	g.until_unix_ns = 1;
	gate_grants(w.gate, &g, 1);
	ended(CONN, GATE_REFUSE, GATE_OVERRIDE, true);
	world_clear();
	write_at(2 * n, text_, n, GATE_REEXEC);
	assert_int_equal(pendings, 2);
}

/* --- stopped processes ----------------------------------------------------------------------------- */

static void test_stopped_passes(void **state)
{
	size_t n = post("claude-sonnet-4-5", "hi");

	write_at(0, text_, n, GATE_STOPPED);
	assert_int_equal(goings, 1);
	assert_int_equal(going.seq, seq);
	assert_int_equal(going.pid, PID);
	assert_int_equal(going.start_ns, START);
	assert_int_equal(going.verdict, GATE_PASS);
	keeper_says(ROLE_CONTINUED, 0, GATE_NONE);
	data(CONN, 0, EVENT_READ, 0, answer());
	assert_string_equal(only_call()->effect, "none");
	/* Nothing of it is known: rules that fail closed leave it to the keeper's bound, others let it go. */
	ask(CONN + 1, 0, 10, GATE_STOPPED, 10);
	assert_int_equal(goings, 1);
	asked_rules = 0;
	ask(CONN + 1, 0, 10, GATE_STOPPED, 10);
	asked_rules = ~0ull;
	assert_int_equal(goings, 2);
	assert_int_equal(going.verdict, GATE_PASS);
	assert_int_equal(going.pid, PID);
}

static void test_stopped_is_refused(void **state)
{
	size_t n = post("claude-opus-4-1", "hi");

	write_at(0, text_, n, GATE_STOPPED);
	assert_int_equal(refusals, 1);
	assert_int_equal(refusal.seq, seq);
	assert_int_equal(goings, 0); /* first its socket */
	keeper_says(ROLE_REFUSED, 0, GATE_SHUTDOWN);
	assert_int_equal(going.verdict, GATE_REFUSE);
	assert_int_equal(calls_n, 0);
	now += 5 * MS;
	keeper_says(ROLE_CONTINUED, 0, GATE_NONE);
	assert_string_equal(only_call()->effect, "denied");
	assert_string_equal(only_call()->mechanism, "socket_shutdown");
	assert_string_equal(only_call()->waited_by, "stopped");
	assert_true(only_call()->before_effect);
	assert_true(only_call()->waited_ns >= 5 * MS);
}

/* ROLE_CONTINUED of a wait before the last one. */
static void continued(uint64_t of)
{
	struct role_done d = {.seq = of, .cookie = COOKIE};

	gate_continued(w.gate, &d);
}

/* Its process goes on, and writes, before we have read that it does. */
static void test_stopped_writes_on(void **state)
{
	size_t n = post("claude-sonnet-4-5", "hi");
	size_t head = strstr(text_, "\r\n\r\n") + 4 - text_;
	uint64_t first;

	write_at(0, text_, head, GATE_STOPPED);
	assert_int_equal(goings, 1);
	first = seq;
	now += 5 * MS;
	data_of(PID, CONN, EVENT_F_GATED, EVENT_WRITE, head, text_ + head, n - head);
	continued(first); /* before the question; else it would not be judged */
	ask(CONN, head, n - head, GATE_STOPPED, n - head);
	assert_int_equal(goings, 2);
	assert_int_equal(going.seq, seq);
	now += 5 * MS;
	continued(first);
	continued(seq);
	data(CONN, 0, EVENT_READ, 0, answer());
	assert_string_equal(only_call()->effect, "none");
	/* a wait that is still in the table under its own number */
	n = post("claude-opus-4-1", "hi");
	data_of(PID, CONN, EVENT_F_GATED, EVENT_WRITE, 1 << 20, text_, n);
	ask(CONN, 1 << 20, n, GATE_STOPPED, n);
	ask(CONN, 1 << 20, n, GATE_STOPPED, n);
	keeper_says(ROLE_REFUSED, 0, GATE_SHUTDOWN);
	continued(seq);
	assert_int_equal(calls_n, 2);
	assert_string_equal(calls[1]->decision->effect, "denied");
}

static void test_stopped_is_refused_and_writes_on(void **state)
{
	size_t n = post("claude-opus-4-1", "hi");
	uint64_t first;

	write_at(0, text_, n, GATE_STOPPED);
	keeper_says(ROLE_REFUSED, 0, GATE_SHUTDOWN);
	first = seq;
	now += 5 * MS;
	n = post("claude-opus-4-1", "another");
	write_at(n, text_, n, GATE_STOPPED);
	assert_string_equal(only_call()->effect, "denied");
	assert_string_equal(only_call()->waited_by, "stopped");
	assert_true(only_call()->waited_ns >= 5 * MS);
	assert_true(only_call()->before_effect);
	continued(first);
	assert_int_equal(refusals, 2);
	keeper_says(ROLE_REFUSED, 0, GATE_SHUTDOWN);
	keeper_says(ROLE_CONTINUED, 0, GATE_NONE);
	assert_int_equal(calls_n, 2);
	assert_string_equal(calls[1]->decision->effect, "denied");
}

static void test_stopped_is_masked(void **state)
{
	size_t n = post("claude-sonnet-4-5", "card " PAN " ok");

	write_at(0, text_, n, GATE_STOPPED);
	assert_int_equal(maskings, 1);
	assert_int_equal(goings, 0);
	keeper_says(ROLE_MASKED, 0, GATE_PROCESS_VM);
	assert_int_equal(going.verdict, GATE_PASS);
	keeper_says(ROLE_CONTINUED, 0, GATE_NONE);
	data(CONN, 0, EVENT_READ, 0, answer());
	assert_string_equal(only_call()->effect, "redacted");
	assert_string_equal(only_call()->waited_by, "stopped");
}

static void test_stopped_is_killed(void **state)
{
	size_t n = post("claude-sonnet-4-5", "my " KEY " key");

	write_at(0, text_, n, GATE_STOPPED);
	assert_int_equal(going.verdict, GATE_KILL);
	keeper_says(ROLE_CONTINUED, 0, GATE_PIDFD);
	assert_string_equal(only_call()->effect, "killed");
	assert_string_equal(only_call()->mechanism, "pidfd_send_signal");
	world_clear();
	/* One that is spared. */
	write_at(n, text_, n, GATE_STOPPED);
	keeper_says(ROLE_CONTINUED, -EACCES, GATE_NONE);
	assert_string_equal(only_call()->effect, "kill_failed");
}

/* The keeper's bound was first. */
static void test_stopped_times_out(void **state)
{
	static const struct {
		enum gate_mechanism m;
		const char *effect;
	} rows[] = {{GATE_SHUTDOWN, "denied"}, {GATE_NONE, "deny_failed"}};
	size_t n = post("claude-opus-4-1", "hi"), at = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		write_at(at, text_, n, GATE_STOPPED);
		keeper_says(ROLE_CONTINUED, -ETIMEDOUT, rows[i].m);
		keeper_says(ROLE_REFUSED, -ESRCH, GATE_NONE);
		if (rows[i].m == GATE_NONE)
			data(CONN, 0, EVENT_READ, 0, answer());
		assert_string_equal(only_call()->effect, rows[i].effect);
		assert_int_equal(goings, 0);
		world_clear();
		at += n;
		n = post("claude-opus-4-1", "another");
	}
}

/* --- waiting for an operator ------------------------------------------------------------------------ */

#define BLOCK_RULES                                                                           \
	"pack: t\nversion: 1.0.0\nmode: enforce\ngate: {full: stop}\nrules:\n"                \
	"  - {id: ask, match: {model: \"*haiku*\"}, disposition: hold, hold: {block: 30s}}\n" \
	"  - {id: mask, match: {data_class: pan}, disposition: redact, else: deny}\n"

static void operator_says(bool denied)
{
	struct role_grant g = {.until_unix_ns = ~0ull, .denied = denied, .by = "root"};

	memcpy(g.key, pending.key, sizeof(g.key));
	memcpy(g.id, pending.id, sizeof(g.id));
	gate_grants(w.gate, &g, 1);
}

static size_t blocked(enum gate_wait how, const char *content)
{
	size_t n;

	use_pack(BLOCK_RULES);
	assert_int_equal(rules.full, GATE_FULL_STOP);
	assert_true(rules.blocks);
	n = post("claude-haiku-4-5", content);
	assert_int_equal(write_at(0, text_, n, how), how == GATE_STOPPED ? GATE_ASKED : GATE_BLOCK);
	assert_int_equal(pendings, 1);
	assert_int_equal(refusals, 0);
	assert_int_equal(goings, 1);
	assert_int_equal(going.verdict, GATE_BLOCK);
	assert_int_equal(going.block_ms, 30000);
	assert_string_equal(going.id, pending.id);
	now += 20 * SECOND;
	gate_tick(w.gate, now);
	assert_int_equal(refusals + calls_n, 0);
	return n;
}

static void test_block_granted(void **state)
{
	static const enum gate_wait hows[] = {GATE_REEXEC, GATE_HELD, GATE_STOPPED};

	for (size_t i = 0; i < ARRAY_SIZE(hows); i++) {
		pendings = goings = 0;
		blocked(hows[i], "hi");
		operator_says(false);
		assert_int_equal(verdict(CONN), GATE_PASS); /* before the keeper continues it */
		assert_int_equal(goings, 2);
		assert_int_equal(going.verdict, GATE_PASS);
		assert_int_equal(pendings, 1);
		keeper_says(ROLE_CONTINUED, 0, GATE_NONE);
		if (hows[i] == GATE_REEXEC)
			ended(CONN, GATE_PASS, GATE_NONE, false);
		data(CONN, 0, EVENT_READ, 0, answer());
		assert_string_equal(only_call()->disposition, "hold");
		assert_string_equal(only_call()->effect, "none");
		assert_string_equal(only_call()->approved_by, "root");
		assert_string_equal(only_call()->waited_by, "blocked");
		if (hows[i] != GATE_REEXEC)
			assert_true(only_call()->waited_ns >= 20 * SECOND);
		gate_world_free(state);
		gate_world(state);
	}
}

static void test_block_denied(void **state)
{
	blocked(GATE_HELD, "hi");
	operator_says(true);
	assert_int_equal(refusals, 1);
	keeper_says(ROLE_REFUSED, 0, GATE_SHUTDOWN);
	assert_int_equal(going.verdict, GATE_REFUSE);
	keeper_says(ROLE_CONTINUED, 0, GATE_NONE);
	assert_string_equal(only_call()->effect, "held");
	assert_string_equal(only_call()->approved_by, "root"); /* who said no */
	assert_string_equal(only_call()->mechanism, "socket_shutdown");
	assert_true(only_call()->before_effect);
}

static void test_block_denied_by_override(void **state)
{
	blocked(GATE_REEXEC, "hi");
	operator_says(true);
	assert_int_equal(verdict(CONN), GATE_REFUSE);
	assert_int_equal(going.verdict, GATE_REFUSE);
	keeper_says(ROLE_CONTINUED, 0, GATE_NONE);
	assert_int_equal(calls_n, 0); /* its program says how it ended */
	ended(CONN, GATE_REFUSE, GATE_OVERRIDE, true);
	assert_string_equal(only_call()->effect, "held");
	assert_string_equal(only_call()->mechanism, "uprobe_override");
}

/* Its bound: here, or the keeper's. The retry is still asked for. */
static void test_block_over(void **state)
{
	size_t n = blocked(GATE_HELD, "hi");

	now += 10 * SECOND;
	gate_tick(w.gate, now);
	assert_int_equal(refusals, 1);
	keeper_says(ROLE_REFUSED, 0, GATE_SHUTDOWN);
	keeper_says(ROLE_CONTINUED, 0, GATE_NONE);
	assert_string_equal(only_call()->effect, "held");
	assert_string_equal(only_call()->approved_by, "");
	world_clear();
	write_at(n, text_, post("claude-haiku-4-5", "another"), GATE_STOPPED);
	keeper_says(ROLE_CONTINUED, -ETIMEDOUT, GATE_EGRESS);
	assert_string_equal(only_call()->effect, "held");
	assert_string_equal(only_call()->mechanism, "cgroup_egress");
}

/* A terminal: the kernel does not stop it and refuses. */
static void test_block_with_a_terminal(void **state)
{
	use_pack(BLOCK_RULES);
	write_at(0, text_, post("claude-haiku-4-5", "hi"), GATE_HELD);
	ended(CONN, GATE_REFUSE, GATE_EGRESS, true);
	assert_string_equal(only_call()->effect, "held");
	assert_string_equal(only_call()->mechanism, "cgroup_egress");
	assert_true(only_call()->before_effect);
	operator_says(false); /* of a wait that is over */
	assert_int_equal(goings, 1);
}

/* Another pack, or a connection that is gone: nobody waits for an answer that does not come. */
static void test_block_is_given_up(void **state)
{
	blocked(GATE_HELD, "hi");
	use_rules("enforce");
	assert_int_equal(refusals, 1);
	keeper_says(ROLE_REFUSED, 0, GATE_SHUTDOWN);
	keeper_says(ROLE_CONTINUED, 0, GATE_NONE);
	assert_int_equal(calls_n, 1);
	gate_world_free(state);
	gate_world(state);
	pendings = goings = 0;
	blocked(GATE_STOPPED, "hi");
	plain_event(EVENT_EXIT, 0);
	now += 60 * SECOND;
	conns_sweep(w.conns, now);
	keeper_says(ROLE_CONTINUED, -ESRCH, GATE_NONE);
	gate_tick(w.gate, now);
}

/* Two calls in one write: the one that is held counts before the one that is masked, and both are done
 * when it may go. */
static void test_block_and_mask(void **state)
{
	char both[8192];
	size_t n, m;

	use_pack(BLOCK_RULES);
	n = post("claude-haiku-4-5", "hi");
	memcpy(both, text_, n);
	m = post("claude-sonnet-4-5", "card " PAN);
	memcpy(both + n, text_, m);
	assert_int_equal(write_at(0, both, n + m, GATE_HELD), GATE_BLOCK);
	assert_int_equal(maskings, 0);
	operator_says(false);
	assert_int_equal(maskings, 1);
	keeper_says(ROLE_MASKED, 0, GATE_PROCESS_VM);
	assert_int_equal(going.verdict, GATE_PASS);
	assert_int_equal(verdict(CONN), GATE_PASS);
}

/* Nobody answered in time; what the kernel did is the truth. */
static void test_timeout(void **state)
{
	size_t n = post("claude-opus-4-1", "hi");

	write_at(0, text_, n, GATE_HELD);
	ended(CONN, GATE_TIMEOUT, GATE_NONE, false);
	keeper_says(ROLE_REFUSED, 0, GATE_SHUTDOWN); /* too late */
	data(CONN, 0, EVENT_READ, 0, answer());
	assert_string_equal(only_call()->effect, "deny_failed");
	assert_string_equal(only_call()->mechanism, "");
	assert_false(only_call()->before_effect);
}

static void test_timeout_closed(void **state)
{
	size_t n = post("claude-sonnet-4-5", "hi " PAN);

	write_at(0, text_, n, GATE_HELD); /* to be masked */
	ended(CONN, GATE_TIMEOUT, GATE_EGRESS, true);
	assert_string_equal(only_call()->effect, "denied");
	assert_string_equal(only_call()->mechanism, "cgroup_egress");
	assert_string_equal(calls[0]->incomplete_reason, "refused: no decision in time");
	assert_int_equal(only_call()->n_redactions, 0);
}

/* A part could not be read: rules that fail closed refuse. */
static void test_unread(void **state)
{
	size_t n = post("claude-sonnet-4-5", "hi");

	data_of(PID, CONN, EVENT_F_GATED, EVENT_WRITE, 0, text_, n - 10);
	ask(CONN, 0, n, GATE_REEXEC, n - 10);
	assert_int_equal(verdict(CONN), GATE_REFUSE);
	ended(CONN, GATE_REFUSE, GATE_OVERRIDE, true);
	assert_string_equal(only_call()->effect, "denied");
}

static void test_no_wait_was_possible(void **state)
{
	size_t n = post("claude-opus-4-1", "hi");

	/* It went: told at its return. */
	ask(CONN, 0, n, GATE_FULL, 0);
	bound(CONN, 0, COOKIE);
	data(CONN, 0, EVENT_WRITE, 0, text_);
	assert_int_equal(refusals, 1);
	assert_int_equal(refusal.seq, 0);
	assert_int_equal(refusal.cookie, COOKIE);
	gate_refused(w.gate, &(struct role_done){.cookie = COOKIE, .mechanism = GATE_SHUTDOWN});
	sock_closed(COOKIE, 1000);
	plain_event(EVENT_CLOSE, CONN);
	assert_string_equal(only_call()->effect, "denied");
	assert_false(only_call()->before_effect);
	assert_int_equal(only_call()->sent_before, n);
	assert_string_equal(only_call()->not_judged, "no wait was possible");
}

/* The next call on that connection was asked for: the reason is that write's alone. */
static void test_no_agent_was_there(void **state)
{
	size_t n = post("claude-sonnet-4-5", "hi");

	bound(CONN, 0, COOKIE);
	ask(CONN, 0, n, GATE_AWAY, 0);
	data(CONN, 0, EVENT_WRITE, 0, text_);
	data(CONN, 0, EVENT_READ, 0, answer());
	assert_string_equal(only_call()->effect, "none");
	assert_string_equal(only_call()->not_judged, "no agent was there to answer");
	world_clear();
	data(CONN, EVENT_F_GATED, EVENT_WRITE, n, text_);
	ask(CONN, n, n, GATE_HELD, n);
	data(CONN, 0, EVENT_READ, strlen(answer()), answer());
	assert_string_equal(only_call()->not_judged, "");
}

static void test_refused_without_a_wait(void **state)
{
	size_t n = post("claude-sonnet-4-5", "hi");

	data_of(PID, CONN, EVENT_F_REFUSED, EVENT_WRITE, 0, text_, n);
	ask(CONN, 0, n, GATE_FULL, n);
	ended(CONN, GATE_REFUSE, GATE_EGRESS, true);
	assert_string_equal(only_call()->effect, "denied");
	assert_string_equal(only_call()->mechanism, "cgroup_egress");
	assert_true(only_call()->before_effect);
}

static void test_monitor(void **state)
{
	post("claude-opus-4-1", "hi " PAN);
	use_rules("monitor");
	data(CONN, 0, EVENT_WRITE, 0, text_);
	data(CONN, 0, EVENT_READ, 0, answer());
	assert_int_equal(refusals + maskings, 0);
	assert_string_equal(only_call()->effect, "would_deny");
	assert_string_equal(only_call()->mode, "monitor");
}

/* In the kernel, by its name alone. */
static void test_denied_in_kernel(void **state)
{
	struct event_deny e = {.rules = 1,
			       .count = 3,
			       .hook = GATE_AT_WRITE,
			       .mechanism = GATE_EGRESS,
			       .evidence = GATE_BY_SNI,
			       .cookie = COOKIE};
	size_t n;

	use_pack("pack: t\nversion: 1.0.0\nmode: enforce\nrules:\n"
		 "  - {id: no-anthropic, match: {host: " AI_HOST "}, disposition: deny}\n");
	assert_false(rules.on);
	assert_int_equal(rules.todo.deny, 1);
	assert_int_equal(rules.todo.no_kill, 1);
	n = post("claude-sonnet-4-5", "hi");
	data_of(PID, CONN, EVENT_F_REFUSED, EVENT_WRITE, 0, text_, n);
	e.h = head_of(PID, EVENT_DENY, sizeof(e), CONN, 0);
	e.policy = w.generation;
	events_record(&w, &e, sizeof(e));
	assert_string_equal(only_call()->effect, "denied");
	assert_string_equal(only_call()->disposition, "deny");
	assert_string_equal(only_call()->mechanism, "cgroup_egress");
	assert_true(only_call()->rules[0]->triggered);
	assert_int_equal(denials_n, 1); /* the two that were folded */
	assert_int_equal(denial->count, 2);
	assert_int_equal(refusals, 1); /* so that the client notices */
}

/* What the record of a write that the kernel refused says, by what it could do. */
static void test_refused_by(void **state)
{
	static const struct {
		enum gate_mechanism by;
		const char *disposition, *effect, *mechanism;
		bool before;
	} rows[] = {
		{GATE_OVERRIDE, "deny", "denied", "uprobe_override", true},
		{GATE_LSM_SENDMSG, "deny", "denied", "lsm_socket_sendmsg", true},
		{GATE_EGRESS, "deny", "denied", "cgroup_egress", true},
		{GATE_SIGNAL, "kill", "killed", "uprobe_send_signal", true},
		{GATE_NONE, "deny", "deny_failed", "", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct event_deny e = {.rules = 1,
				       .count = 1,
				       .hook = GATE_AT_WRITE,
				       .mechanism = rows[i].by,
				       .cookie = COOKIE};
		size_t n;

		use_pack("pack: t\nversion: 1.0.0\nmode: enforce\nrules:\n"
			 "  - {id: no-anthropic, match: {host: " AI_HOST "}, disposition: deny}\n");
		n = post("claude-sonnet-4-5", "hi");
		data_of(PID, CONN + i, EVENT_F_REFUSED, EVENT_WRITE, 0, text_, n);
		e.h = head_of(PID, EVENT_DENY, sizeof(e), CONN + i, 0);
		e.policy = w.generation;
		events_record(&w, &e, sizeof(e));
		assert_string_equal(only_call()->disposition, rows[i].disposition);
		assert_string_equal(only_call()->effect, rows[i].effect);
		assert_string_equal(only_call()->mechanism, rows[i].mechanism);
		assert_int_equal(only_call()->before_effect, rows[i].before);
		world_clear();
	}
}

static void deny_event(enum gate_hook hook, uint32_t pid, const char *what, uint64_t count)
{
	struct event_deny e = {.h = head_of(pid, EVENT_DENY, sizeof(e), 0, 0),
			       .rules = 1,
			       .policy = w.generation,
			       .count = count,
			       .hook = hook,
			       .mechanism = GATE_LSM_CONNECT,
			       .evidence = GATE_BY_DNS};

	snprintf(e.what, sizeof(e.what), "%s", what);
	events_record(&w, &e, sizeof(e));
}

/* One record at once, the rest of a flood once a second, and not a verdict is lost. */
static void test_floods(void **state)
{
	uint64_t sum = 0;

	deny_event(GATE_AT_CONNECT, PID, AI_HOST, 1);
	assert_int_equal(denials_n, 1);
	assert_string_equal(denial->kind, "connect");
	assert_string_equal(denial->evidence, "dns");
	assert_string_equal(denial->server_address, AI_HOST);
	assert_string_equal(denial->service->id, "anthropic");
	assert_string_equal(denial->decision->effect, "denied");
	assert_string_equal(denial->decision->mechanism, "lsm_socket_connect");
	sum += denial->count;
	for (unsigned i = 0; i < 999; i++)
		deny_event(GATE_AT_CONNECT, PID + i, AI_HOST, 1 + i % 3);
	assert_int_equal(denials_n, 1);
	denials_tick(w.denials);
	assert_int_equal(denials_n, 2);
	sum += denial->count;
	assert_int_equal(sum, 1 + 999 + 999);
	assert_true(denial->first_unix_ns < denial->last_unix_ns);
	denials_tick(w.denials);
	assert_int_equal(denials_n, 2);
	deny_event(GATE_AT_CONNECT, PID, "other.example", 1);
	assert_int_equal(denials_n, 3);
}

#define UNKNOWN(what)                                                                \
	"pack: t\nversion: 1.0.0\nmode: enforce\nrules:\n"                           \
	"  - {id: no-opus, match: {model: \"*opus*\"}, disposition: deny" what "}\n" \
	"  - {id: no-keys, match: {data_class: private_key}, disposition: deny}\n"   \
	"  - {id: tell, match: {tool_call: bash}, disposition: alert}\n"

/* A body in a coding nobody knows: what the rules ask for is never known. */
static size_t post_coded(void)
{
	return snprintf(text_, sizeof(text_),
			"POST /v1/messages HTTP/1.1\r\nHost: " AI_HOST
			"\r\nContent-Type: application/json\r\nContent-Encoding: x-own\r\n"
			"Content-Length: 5\r\n\r\n\1\2\3\4\5");
}

static const Probity__V1__RuleResult *rule_of(const char *id)
{
	for (size_t i = 0; i < only_call()->n_rules; i++)
		if (!strcmp(only_call()->rules[i]->id, id))
			return only_call()->rules[i];
	fail_msg("no rule %s", id);
	return NULL;
}

static void test_unread_request_is_denied(void **state)
{
	size_t n = post_coded();

	use_pack(UNKNOWN(", unknown: deny"));
	assert_int_equal(write_at(0, text_, n, GATE_REEXEC), GATE_REFUSE);
	ended(CONN, GATE_REFUSE, GATE_OVERRIDE, true);
	assert_string_equal(only_call()->disposition, "deny");
	assert_string_equal(only_call()->effect, "denied");
	assert_true(only_call()->before_effect);
	assert_true(rule_of("no-opus")->unknown);
	assert_false(rule_of("no-opus")->triggered);
}

static void test_unread_request_is_told(void **state)
{
	size_t n = post_coded();

	use_pack(UNKNOWN(", unknown: alert"));
	assert_int_equal(write_at(0, text_, n, GATE_REEXEC), GATE_PASS);
	ended(CONN, GATE_PASS, GATE_NONE, false);
	data(CONN, 0, EVENT_READ, 0, answer());
	assert_string_equal(only_call()->disposition, "alert");
	assert_string_equal(only_call()->effect, "none");
	assert_true(rule_of("no-keys")->unknown);
}

static void test_unread_request_passes(void **state)
{
	size_t n = post_coded();

	use_pack(UNKNOWN(""));
	assert_int_equal(write_at(0, text_, n, GATE_REEXEC), GATE_PASS);
	ended(CONN, GATE_PASS, GATE_NONE, false);
	data(CONN, 0, EVENT_READ, 0, answer());
	assert_string_equal(only_call()->disposition, "allow");
	assert_true(rule_of("no-keys")->unknown);
}

/* What is not on a list: known when the request is over, and not before. */
static void test_not_on_the_list(void **state)
{
	size_t n = post("claude-sonnet-4-5", "hi");

	use_pack("pack: t\nversion: 1\nmode: enforce\nrules:\n"
		 "  - {id: list, match: {not: {model: \"claude-haiku*\"}}, disposition: deny}\n");
	assert_int_equal(write_at(0, text_, n - 5, GATE_REEXEC), GATE_PASS);
	ended(CONN, GATE_PASS, GATE_NONE, false);
	assert_int_equal(write_at(n - 5, text_ + n - 5, 5, GATE_REEXEC), GATE_REFUSE);
	ended(CONN, GATE_REFUSE, GATE_OVERRIDE, true);
	assert_string_equal(only_call()->effect, "denied");
	assert_false(only_call()->before_effect);
}

/* What was read of it decides, and an answer that stops early says nothing of the request. */
static void test_unknown_is_only_what_was_not_read(void **state)
{
	size_t n = post("claude-sonnet-4-5", "hi");

	use_pack(UNKNOWN(", unknown: deny"));
	assert_int_equal(write_at(0, text_, n, GATE_REEXEC), GATE_PASS);
	ended(CONN, GATE_PASS, GATE_NONE, false);
	data_of(PID, CONN, 0, EVENT_READ, 0, answer(), 90);
	plain_event(EVENT_CLOSE, CONN);
	assert_string_not_equal(calls[0]->completeness, "complete");
	assert_string_equal(only_call()->disposition, "allow");
	assert_false(rule_of("no-opus")->unknown);
	assert_true(rule_of("tell")->unknown); /* the answer might have had it */
}

/* Root's helper that became somebody else, and ran a program before the keeper had a word. */
static void test_denial_names_the_uid_of_the_event(void **state)
{
	struct event_exec run = {.h = head_of(PID, EVENT_EXEC, sizeof(run), 0, 0), .ppid = 1};
	struct event_deny e = {.rules = 1, .count = 1, .hook = GATE_AT_CONNECT};

	run.h.uid = 2002;
	events_record(&w, &run, sizeof(run));
	e.h = head_of(PID, EVENT_DENY, sizeof(e), 0, 0);
	e.h.uid = 2002;
	events_record(&w, &e, sizeof(e));
	assert_int_equal(denials_n, 1);
	assert_int_equal(denial->process->uid, 2002);
	assert_string_equal(denial->process->user, "bob");
	assert_int_equal(denial->process->n_groups, 2);
}

/* A name in the second packet of its hello. */
static void test_name_in_pieces(void **state)
{
	uint8_t b[1024];
	size_t n = client_hello(AI_HOST, b);

	use_pack("pack: t\nversion: 1.0.0\nmode: enforce\nrules:\n"
		 "  - {id: no-anthropic, match: {host: " AI_HOST "}, disposition: deny}\n");
	hello_part(PID, COOKIE, 0, EVENT_WRITE, 0, b, 50);
	assert_int_equal(socks_said, 0);
	hello_part(PID, COOKIE, 0, EVENT_WRITE, 50, b + 50, n - 50);
	assert_int_equal(socks_said, 1);
	assert_int_equal(said.verdict, SOCK_DENY);
	assert_int_equal(said.flags, SOCK_END);
	assert_int_equal(said.rules, 1);
	assert_int_equal(denials_n, 1);
	assert_string_equal(denial->kind, "hello");

	n = client_hello("www.example.org", b);
	hello_part(PID, COOKIE + 1, 0, EVENT_WRITE, 0, b, 50);
	hello_part(PID, COOKIE + 1, 0, EVENT_WRITE, 50, b + 50, n - 50);
	assert_int_equal(said.verdict, SOCK_PASS);
	assert_int_equal(said.cookie, COOKIE + 1);
	assert_int_equal(denials_n, 1);
}

static void plain(uint64_t offset, const char *text)
{
	data_of(PID, CONN_ID_PLAIN | COOKIE, EVENT_F_PLAIN, EVENT_WRITE, offset, text,
		strlen(text));
}

static void test_clear_http(void **state)
{
	size_t n = post("claude-sonnet-4-5", "hi");

	plain(0, text_);
	assert_int_equal(said.verdict, SOCK_PASS);
	assert_int_equal(said.cookie, COOKIE);
	assert_int_equal(said.upto, n);
	post("claude-opus-4-1", "hi");
	plain(n, text_);
	assert_int_equal(said.verdict, SOCK_DENY);
	assert_int_equal(said.flags, SOCK_END);
	sock_closed(COOKIE, -1);
	assert_int_equal(calls_n, 2);
	for (unsigned i = 0; i < 2; i++)
		if (!strcmp(calls[i]->request_model, "claude-opus-4-1"))
			assert_string_equal(calls[i]->decision->effect, "denied");
		else
			assert_string_equal(calls[i]->decision->effect, "none");
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, gate_world, gate_world_free)
	const struct CMUnitTest tests[] = {
		CASE(test_rules_are_told),
		CASE(test_pass),
		CASE(test_deny_asks_the_keeper),
		CASE(test_socket_ends_first),
		CASE(test_halves),
		CASE(test_halves_mask),
		CASE(test_halves_deny),
		CASE(test_deny_by_override),
		CASE(test_keeper_cannot),
		CASE(test_kill),
		CASE(test_sent_before),
		CASE(test_partial),
		CASE(test_redact),
		CASE(test_redact_chunked),
		CASE(test_redact_at_the_end),
		CASE(test_redact_h2),
		CASE(test_redact_websocket),
		CASE(test_redact_websocket_long),
		CASE(test_redact_websocket_second_message),
		CASE(test_websocket_after_the_question),
		CASE(test_websocket_else),
		CASE(test_websocket_deflated),
		CASE(test_spans_in_order),
		CASE(test_redact_pipelined),
		CASE(test_redact_split),
		CASE(test_redact_a_number),
		CASE(test_mask_fails),
		CASE(test_two_masks_fail),
		CASE(test_hold),
		CASE(test_hold_refused_by_operator),
		CASE(test_stopped_passes),
		CASE(test_stopped_is_refused),
		CASE(test_stopped_writes_on),
		CASE(test_stopped_is_refused_and_writes_on),
		CASE(test_stopped_is_masked),
		CASE(test_stopped_is_killed),
		CASE(test_stopped_times_out),
		CASE(test_block_granted),
		CASE(test_block_denied),
		CASE(test_block_denied_by_override),
		CASE(test_block_over),
		CASE(test_block_with_a_terminal),
		CASE(test_block_is_given_up),
		CASE(test_block_and_mask),
		CASE(test_timeout),
		CASE(test_timeout_closed),
		CASE(test_unread),
		CASE(test_not_on_the_list),
		CASE(test_unread_request_is_denied),
		CASE(test_unread_request_is_told),
		CASE(test_unread_request_passes),
		CASE(test_unknown_is_only_what_was_not_read),
		CASE(test_no_wait_was_possible),
		CASE(test_no_agent_was_there),
		CASE(test_refused_without_a_wait),
		CASE(test_monitor),
		CASE(test_denied_in_kernel),
		CASE(test_refused_by),
		CASE(test_floods),
		CASE(test_denial_names_the_uid_of_the_event),
		CASE(test_name_in_pieces),
		CASE(test_clear_http),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
