/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker without its process: records of the ring go in by events_record, what it would tell the
 * keeper and the recorder is kept here. Included by one test file each.
 */
#ifndef PROBITY_TEST_WORLD_H
#define PROBITY_TEST_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/worker/conns.h"
#include "agent/worker/events.h"
#include "agent/worker/evidence.h"
#include "agent/worker/halves.h"
#include "agent/worker/judge.h"
#include "agent/worker/known.h"
#include "agent/worker/outcome.h"
#include "agent/worker/socks.h"
#include "base/cleanup.h"
#include "flow/flow.h"
#include "proto/record.pb-c.h"
#include "record/record.h"

#define MS 1000000ull
#define SECOND (1000 * MS)
#define PID 4242
#define START (77 * SECOND + 123456)
#define AI_HOST "api.anthropic.com"

#define CALLS_MAX 64
#define WATCHES_MAX 256

static struct worker w;
static Probity__V1__AiCall *calls[CALLS_MAX];
static size_t calls_n;
static uint64_t losses;
static struct role_watch watched[WATCHES_MAX];
static size_t watched_n;
static uint64_t now = 1000 * SECOND; /* of the events, and what boot_now says */

/* --- what the worker's process gives ------------------------------------------------------------ */

uint64_t boot_now(void)
{
	return now;
}

void worker_listen(struct worker *wk, int ms)
{
	now += ms * MS;
}

#ifdef WORLD_HEARS /* a test that wants more of what is said defines these */
static void heard(enum role_kind kind, const void *p, size_t n);
static void sealed(uint32_t schema, const uint8_t *payload, size_t n);
#else
static void heard(enum role_kind kind, const void *p, size_t n) {}
static void sealed(uint32_t schema, const uint8_t *payload, size_t n) {}
#endif

void tell_keeper(struct worker *wk, enum role_kind kind, const void *p, size_t n)
{
	heard(kind, p, n);
	if (kind != ROLE_WATCH)
		return;
	assert_int_equal(n, sizeof(watched[0]));
	assert_true(watched_n < WATCHES_MAX);
	memcpy(&watched[watched_n++], p, n);
}

int handover_add(struct handover *h, uint64_t id, uint64_t boot_ns, uint32_t schema,
		 const uint8_t *payload, size_t n)
{
	if (schema != RECORD_AI_CALL) {
		sealed(schema, payload, n);
		losses++;
		return 0;
	}
	assert_true(calls_n < CALLS_MAX);
	calls[calls_n] = probity__v1__ai_call__unpack(NULL, n, payload);
	assert_non_null(calls[calls_n++]);
	return 0;
}

/* --- one worker ---------------------------------------------------------------------------------- */

/* A process the keeper has told of. */
static void tell_of(uint32_t pid, const char *exe, const char *argv, size_t argv_len)
{
	struct role_proc r = {.pid = pid,
			      .ppid = 1,
			      .start_ns = START,
			      .uid = 1000,
			      .loginuid = 1000,
			      .user = "alice",
			      .argv_len = argv_len};
	struct proc *p;

	snprintf(r.exe, sizeof(r.exe), "%s", exe);
	memcpy(r.argv, argv, argv_len);
	p = procs_told(w.procs, &r);
	assert_non_null(p);
	evidence_process(&w, p);
}

static int world_new(void **state)
{
	static struct catalog *catalog;
	static struct dataclass_db *classes;
	char err[256] = "";
	int fd = inflight_make();

	catalog = catalog ?: catalog_new();
	classes = classes ?: dataclass_db_new(err, sizeof(err));
	if (fd < 0 || !catalog || !classes)
		return -1;
	w = (struct worker){.keeper = -1, .catalog = catalog, .classes = classes};
	inflight_map(fd, &w.inflight);
	close(fd);
	inflight_start_ids(w.inflight, 1);
	w.verdicts = calloc(VERDICT_SLOTS, sizeof(*w.verdicts));
	w.procs = procs_new();
	w.conns = conns_new(&w);
	w.halves = halves_new(&w);
	w.socks = socks_new(&w);
	w.known = known_new();
	w.outcomes = outcomes_new(&w);
	watched_n = 0;
	losses = 0;
	tell_of(PID, "/usr/bin/python3", "python3\0job.py", 15);
	return 0;
}

static void world_clear(void)
{
	while (calls_n)
		probity__v1__ai_call__free_unpacked(calls[--calls_n], NULL);
	watched_n = 0;
}

static int world_free(void **state)
{
	world_clear();
	conns_free(w.conns);
	halves_free(w.halves);
	socks_free(w.socks);
	known_free(w.known);
	procs_free(w.procs);
	free(w.outcomes);
	free(w.verdicts);
	return 0;
}

/* What the worker does once a second. */
static inline void pass(uint64_t ns)
{
	now += ns;
	halves_sweep(w.halves, now);
	conns_sweep(w.conns, now);
	socks_sweep(w.socks, now);
	evidence_sweep(&w);
}

/* --- events --------------------------------------------------------------------------------------- */

static struct event head_of(uint32_t pid, enum event_kind kind, size_t n, uint64_t conn,
			    uint32_t flags)
{
	now += MS;
	return (struct event){.version = EVENT_VERSION,
			      .kind = kind,
			      .len = n,
			      .boot_ns = now,
			      .conn = conn,
			      .start_ns = START,
			      .cgroup = 1,
			      .pid = pid,
			      .tid = pid,
			      .uid = 1000,
			      .flags = flags};
}

static void data_of(uint32_t pid, uint64_t conn, uint32_t flags, enum event_dir dir,
		    uint64_t offset, const void *bytes, size_t n)
{
	_cleanup_free_ struct event_data *e = malloc(sizeof(*e) + n);

	*e = (struct event_data){.h = head_of(pid, EVENT_DATA, sizeof(*e) + n, conn, flags),
				 .offset = offset,
				 .size = n,
				 .dir = dir};
	memcpy(e->bytes, bytes, n);
	events_record(&w, e, sizeof(*e) + n);
}

static inline void data(uint64_t conn, uint32_t flags, enum event_dir dir, uint64_t offset,
			const char *text)
{
	data_of(PID, conn, flags, dir, offset, text, strlen(text));
}

static inline struct event_conn conn_event(uint32_t pid, enum event_kind kind, uint64_t conn,
					   uint32_t flags, uint64_t cookie)
{
	return (struct event_conn){.h = head_of(pid, kind, sizeof(struct event_conn), conn, flags),
				   .local = {.family = 2, .port = 50000, .addr = {127, 0, 0, 1}},
				   .peer = {.family = 2, .port = 443, .addr = {192, 0, 2, 7}},
				   .cookie = cookie};
}

static inline void bound(uint64_t conn, uint32_t flags, uint64_t cookie)
{
	struct event_conn e = conn_event(PID, EVENT_CONN, conn, flags, cookie);

	events_record(&w, &e, sizeof(e));
}

static inline void connected(uint64_t cookie)
{
	struct event_conn e = conn_event(PID, EVENT_CONNECT, 0, 0, cookie);

	events_record(&w, &e, sizeof(e));
}

/* sent: what the kernel counted, -1: it did not. */
static inline void sock_closed(uint64_t cookie, int64_t sent)
{
	struct event_sock_end e = {.c = conn_event(PID, EVENT_SOCK_CLOSE, 0, 0, cookie),
				   .sent = sent,
				   .received = 1};

	events_record(&w, &e, sent < 0 ? sizeof(e.c) : sizeof(e));
}

static inline void plain_event(enum event_kind kind, uint64_t conn)
{
	struct event e = head_of(PID, kind, sizeof(e), conn, 0);

	events_record(&w, &e, sizeof(e));
}

static void hello_part(uint32_t pid, uint64_t cookie, uint32_t flags, enum event_dir dir,
		       size_t offset, const uint8_t *bytes, size_t n)
{
	_cleanup_free_ struct event_hello *e = calloc(1, sizeof(*e) + EVENT_HELLO_MAX);

	*e = (struct event_hello){.h = head_of(pid, EVENT_HELLO, sizeof(*e) + EVENT_HELLO_MAX, 0,
					       flags),
				  .peer = {.family = 2, .port = 443, .addr = {192, 0, 2, 7}},
				  .cookie = cookie,
				  .size = n,
				  .dir = dir,
				  .offset = offset};
	memcpy(e->bytes, bytes, n);
	events_record(&w, e, sizeof(*e) + EVENT_HELLO_MAX);
}

/* A ClientHello; sni NULL: none. Offers h2 and http/1.1. */
static size_t client_hello(const char *sni, uint8_t b[static 1024])
{
	static const uint8_t alpn[] = {0, 16,  0,   14,	 0,   12,  2,	'h', '2',
				       8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
	size_t n = 0, name = sni ? strlen(sni) : 0, ext = sizeof(alpn) + (sni ? name + 9 : 0);
	size_t body = 2 + 32 + 1 + 4 + 2 + 2 + ext;

	memset(b, 0, 1024);
	memcpy(b, "\x16\x03\x01", 3);
	b[3] = (body + 4) >> 8;
	b[4] = body + 4;
	b[5] = 1;
	b[7] = body >> 8;
	b[8] = body;
	b[9] = b[10] = 3;
	n = 11 + 32 + 1;
	memcpy(b + n, "\0\x02\x13\x01\x01\0", 6);
	n += 6;
	b[n++] = ext >> 8;
	b[n++] = ext;
	if (sni) {
		const uint8_t head[] = {0, 0, 0, name + 5, 0, name + 3, 0, 0, name};

		memcpy(b + n, head, sizeof(head));
		memcpy(b + n + sizeof(head), sni, name);
		n += sizeof(head) + name;
	}
	memcpy(b + n, alpn, sizeof(alpn));
	return n + sizeof(alpn);
}

static inline void hello_of(uint32_t pid, uint64_t cookie, uint32_t flags, const char *sni)
{
	uint8_t b[1024];

	hello_part(pid, cookie, flags, EVENT_WRITE, 0, b, client_hello(sni, b));
}

static inline void hello(uint64_t cookie, const char *sni)
{
	hello_of(PID, cookie, 0, sni);
}

/* A ServerHello: 1.3 says so in an extension. */
static inline void answered(uint64_t cookie, bool tls13)
{
	static const uint8_t version[] = {0, 6, 0, 43, 0, 2, 3, 4};
	uint8_t b[128] = {0x16, 3, 3, 0, 4 + 38 + 8, 2, 0, 0, 38 + 8, 3, 3};
	size_t n = 11 + 32 + 1 + 2 + 1;

	b[n - 3] = 0x13;
	b[n - 2] = 1;
	if (tls13)
		memcpy(b + n, version, sizeof(version));
	else
		memcpy(b + n, "\0\6\0\x17\0\2\0", 8); /* another extension */
	hello_part(PID, cookie, 0, EVENT_READ, 0, b, n + 8);
}

static inline void probes(uint32_t state, uint64_t since_ns, const char *stacks, const char *reason)
{
	struct role_probes r = {.pid = PID,
				.start_ns = START,
				.since_ns = since_ns,
				.state = state};

	snprintf(r.stacks, sizeof(r.stacks), "%s", stacks);
	snprintf(r.reason, sizeof(r.reason), "%s", reason);
	procs_probes(w.procs, &r, now);
}

/* --- HTTP ------------------------------------------------------------------------------------------ */

#define BODY                                                 \
	"{\"model\":\"claude-sonnet-4-5\",\"max_tokens\":9," \
	"\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"
#define ANSWER_BODY                                                                           \
	"{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\","                      \
	"\"model\":\"claude-sonnet-4-5\",\"content\":[{\"type\":\"text\",\"text\":\"yes\"}]," \
	"\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":11,\"output_tokens\":3}}"

static inline const char *request_to(const char *host)
{
	static char b[1024];

	snprintf(b, sizeof(b),
		 "POST /v1/messages HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
		 "Content-Length: %zu\r\n\r\n%s",
		 host, strlen(BODY), BODY);
	return b;
}

static inline const char *answer(void)
{
	static char b[1024];

	snprintf(
		b, sizeof(b),
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
		strlen(ANSWER_BODY), ANSWER_BODY);
	return b;
}

#define NOT_AI "GET /index.html HTTP/1.1\r\nHost: www.example.org\r\n\r\n"
#define NOT_AI_ANSWER "HTTP/1.1 204 No Content\r\n\r\n"

static inline enum verdict verdict_on(uint64_t conn)
{
	const struct verdict_slot *v = &w.verdicts[conn & (VERDICT_SLOTS - 1)];

	return v->conn == conn ? v->verdict : VERDICT_NONE;
}

/* Exchanges that are not AI, one after the other; r: the id reads come with. */
static inline void not_ai_times(uint64_t q, uint64_t r, uint32_t flags, unsigned times)
{
	for (unsigned i = 0; i < times; i++) {
		data(q, flags, EVENT_WRITE, i * strlen(NOT_AI), NOT_AI);
		data(r, flags, EVENT_READ, i * strlen(NOT_AI_ANSWER), NOT_AI_ANSWER);
	}
}

/* A whole call to AI, seen from its beginning to its end. */
static inline void assert_whole(const Probity__V1__AiCall *c)
{
	assert_string_equal(c->completeness, "complete");
	assert_string_equal(c->request_model, "claude-sonnet-4-5");
	assert_string_equal(c->response_id, "msg_1");
	assert_int_equal(c->request_body_bytes, strlen(BODY));
	assert_int_equal(c->response_body_bytes, strlen(ANSWER_BODY));
	assert_int_equal(c->http_status, 200);
}

#endif
