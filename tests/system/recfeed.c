// SPDX-License-Identifier: Apache-2.0
/*
 * The real recorder, fed by a program that plays worker and keeper, for tests that need many records and
 * no AI traffic. Lines in on stdin, lines out on stdout.
 *
 *   recfeed STATE-DIR HOST PORT TLS-DIR EPOCH-SECONDS [SPOOL-MIB]
 *
 *   start      a recorder: "pid N"; when it ends: "exit N" (below 0: signal)
 *   add N      N records more, as fast as it takes them
 *   rate N     and N a second, until the next `rate`
 *   wait       "acked ID" once all so far are durable
 *   latency    "latency COUNT P50 P99 MAX": from sending to durable, in µs, since the last time
 *   stop       ROLE_STOP
 *
 * Each record is an AI call whose input_tokens is its id, from 1. As a worker it keeps what is not acked
 * and sends it again to the next recorder. Each status of the recorder is a line "status JSON".
 *
 * FEED_AGE_DAYS in the environment: the recorder's wall clock is so many days behind.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/recorder.h"
#include "agent/role.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "proto/record.pb-c.h"

#define TIMES (1u << 20) /* sent and not acked: the socket and the recorder hold fewer */

static struct {
	struct recorder_config cfg;
	int worker[2], keeper[2]; /* ours, the recorder's */
	pid_t pid;
	uint64_t acked, sent, wanted; /* ids */
	uint64_t waiting;	      /* `wait` for this id; 0 = nobody waits */
	uint64_t rate, rate_ns;
	bool hello_owed;
	uint64_t at[TIMES]; /* when id % TIMES was sent first */
	uint32_t *took;
	size_t took_n, took_cap;
} f;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static time_t age_s;

/* In the place of libc's, for the recorder that this program is as well. */
int clock_gettime(clockid_t clock, struct timespec *ret)
{
	int r = syscall(SYS_clock_gettime, clock, ret);

	if (!r && clock == CLOCK_REALTIME)
		ret->tv_sec -= age_s;
	return r;
}

static void start(void)
{
	f.pid = fork();
	if (!f.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(f.worker[0]);
		close(f.keeper[0]);
		close(0);
		log_init("recorder", LOG_L_INFO);
		_exit(recorder_main(&f.cfg, f.worker[1], f.keeper[1]));
	}
	printf("pid %d\n", (int)f.pid);
}

static bool send_one(uint64_t id)
{
	Probity__V1__AiCall c = PROBITY__V1__AI_CALL__INIT;
	Probity__V1__Usage u = PROBITY__V1__USAGE__INIT;
	uint8_t buf[1024];
	struct role_record h = {.id = id, .boot_ns = id, .schema = 1};

	u.has_input_tokens_case = PROBITY__V1__USAGE__HAS_INPUT_TOKENS_INPUT_TOKENS;
	u.input_tokens = id;
	c.usage = &u;
	c.operation = "chat";
	c.dialect = "anthropic_messages";
	c.request_model = "model-of-a-test";
	c.server_address = "api.example";
	c.http_path = "/v1/messages";
	c.completeness = "complete";
	h.len = probity__v1__ai_call__pack(&c, buf);
	return role_sendv(f.worker[0], ROLE_RECORD, &h, sizeof(h), buf, h.len) == 0;
}

static uint64_t first_time; /* the highest id that was ever sent */

static void send_some(void)
{
	struct role_ack a = {.id = f.sent < first_time ? first_time : 0};

	if (f.rate) {
		uint64_t n = (now_ns() - f.rate_ns) * f.rate / 1000000000;

		f.wanted += n;
		f.rate_ns += n * 1000000000 / f.rate;
	}
	if (f.hello_owed) {
		if (role_send(f.worker[0], ROLE_HELLO, &a, sizeof(a)))
			return;
		f.hello_owed = false;
	}
	while (f.sent < f.wanted && f.sent - f.acked < TIMES && send_one(f.sent + 1)) {
		f.sent++;
		if (f.sent <= first_time)
			continue;
		first_time = f.sent;
		f.at[f.sent % TIMES] = now_ns();
	}
}

static void note_time(uint64_t ns)
{
	if (f.took_n == f.took_cap) {
		f.took_cap = f.took_cap ? 2 * f.took_cap : 4096;
		f.took = realloc(f.took, f.took_cap * sizeof(*f.took));
		if (!f.took)
			exit(1);
	}
	f.took[f.took_n++] = ns / 1000;
}

static void on_acked(uint64_t id)
{
	uint64_t now = now_ns();

	for (uint64_t k = f.acked + 1; k <= id; k++)
		note_time(now - f.at[k % TIMES]);
	if (id > f.acked)
		f.acked = id;
}

static void hear(void)
{
	static uint64_t buf[ROLE_BODY_MAX / 8];
	struct role_msg m;
	int n;

	while ((n = role_recv(f.worker[0], &m, buf, sizeof(buf))) >= 0) {
		if (m.kind != ROLE_ACK && m.kind != ROLE_HELLO)
			continue;
		on_acked(buf[0]);
		if (m.kind == ROLE_HELLO) { /* what is behind comes again, once that is said */
			f.sent = f.acked;
			f.hello_owed = true;
		}
	}
	while ((n = role_recv(f.keeper[0], &m, buf, sizeof(buf))) >= 0)
		if (m.kind == ROLE_STATUS)
			printf("status %s\n", (char *)buf);
	if (f.waiting && f.acked >= f.waiting) {
		printf("acked %llu\n", (unsigned long long)f.acked);
		f.waiting = 0;
	}
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void latency(void)
{
	size_t n = f.took_n;

	qsort(f.took, n, sizeof(*f.took), by_value);
	printf("latency %zu %u %u %u\n", n, n ? f.took[n / 2] : 0, n ? f.took[n - 1 - n / 100] : 0,
	       n ? f.took[n - 1] : 0);
	f.took_n = 0;
}

static void command(const char *line)
{
	unsigned long long n = 0;
	char word[16] = "";

	sscanf(line, "%15s %llu", word, &n);
	if (!strcmp(word, "start")) {
		start();
	} else if (!strcmp(word, "add")) {
		f.wanted += n;
	} else if (!strcmp(word, "rate")) {
		f.rate = n;
		f.rate_ns = now_ns();
	} else if (!strcmp(word, "wait")) {
		f.waiting = f.wanted ? f.wanted : 1;
	} else if (!strcmp(word, "latency")) {
		latency();
	} else if (!strcmp(word, "stop")) {
		role_send(f.keeper[0], ROLE_STOP, NULL, 0);
	}
}

/* False at the end of stdin. */
static bool commands(void)
{
	static char buf[4096];
	static size_t n;
	ssize_t k = read(0, buf + n, sizeof(buf) - 1 - n);
	char *line = buf, *end;

	if (k <= 0)
		return false;
	n += k;
	buf[n] = '\0';
	while ((end = strchr(line, '\n'))) {
		*end = '\0';
		command(line);
		line = end + 1;
	}
	n -= line - buf;
	memmove(buf, line, n);
	return true;
}

static void reap(void)
{
	int status;

	if (f.pid <= 0 || waitpid(f.pid, &status, WNOHANG) != f.pid)
		return;
	f.pid = 0;
	printf("exit %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
}

static char *in_dir(const char *dir, const char *name)
{
	char *p;

	return asprintf(&p, "%s/%s", dir, name) < 0 ? NULL : p;
}

int main(int argc, char **argv)
{
	if (argc != 6 && argc != 7) {
		fprintf(stderr,
			"usage: recfeed STATE-DIR HOST PORT TLS-DIR EPOCH-SECONDS [SPOOL-MIB]\n");
		return 2;
	}
	age_s = 86400 * strtol(getenv("FEED_AGE_DAYS") ?: "0", NULL, 10);
	f.cfg = (struct recorder_config){
		.state_dir = argv[1],
		.collector_host = argv[2],
		.collector_port = strtoul(argv[3], NULL, 10),
		.ca_file = in_dir(argv[4], "ca.pem"),
		.cert_file = in_dir(argv[4], "agent.pem"),
		.key_file = in_dir(argv[4], "agent.key"),
		.epoch_s = strtoul(argv[5], NULL, 10),
		.spool_max_bytes = argc == 7 ? strtoull(argv[6], NULL, 10) << 20 : 0,
		.user = "",
		.host = "feed-host",
		.agent_version = "test",
		.kernel = "k",
		.config_sha256 = "",
	};
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	if (role_pair(f.worker) || role_pair(f.keeper))
		return 1;
	for (bool more = true; more;) {
		bool full = f.sent < f.wanted || f.hello_owed;
		struct pollfd p[3] = {
			{.fd = 0, .events = POLLIN},
			{.fd = f.worker[0], .events = POLLIN | (full && f.pid ? POLLOUT : 0)},
			{.fd = f.keeper[0], .events = POLLIN},
		};

		poll(p, 3, f.rate ? 2 : 20);
		if (p[0].revents)
			more = commands();
		hear();
		if (f.pid)
			send_some();
		reap();
	}
	if (f.pid > 0) {
		kill(f.pid, SIGKILL);
		waitpid(f.pid, NULL, 0);
	}
	return 0;
}
