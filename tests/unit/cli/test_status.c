// SPDX-License-Identifier: Apache-2.0
/* The status page for whole, partial and nonsensical answers; the control socket's client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "cli/control.h"
#include "cli/status_page.h"
#include "fixture.h"

static char *page(const char *json)
{
	json_t *o = json_loads(json, 0, NULL);
	char *text;

	assert_non_null(o);
	text = CAPTURE(f, status_page(o, FIXTURE_T0 + 90 * 1000000000ull, false, f));
	json_decref(o);
	return text;
}

static void test_pages(void **state)
{
	static const struct {
		const char *json, *want;
	} rows[] = {
		{"{}", "probityd is running\n"},
		{"{\"version\":\"1.2\",\"host\":\"h\",\"pid\":7,\"since_unix_ns\":1795248000000000000}",
		 "probityd is running\n  version        1.2\n  host           h\n"
		 "  pid            7\n  since          2026-11-21 08:00:00 (1 min 30 s)\n"},
		{"{\"policy\":{\"set\":\"p\",\"version\":\"2\",\"generation\":4,\"rules\":5,"
		 "\"kernel_rules\":1,\"last_error\":\"p.yaml:3: no\"}}",
		 "probityd is running\n\nPolicy\n  pack           p 2, generation 4\n"
		 "  rules          5, 1 of them decided in the kernel\n"
		 "  refused        p.yaml:3: no\n"},
		{"{\"drops\":{\"ring_full\":0,\"read_fault\":3}}",
		 "probityd is running\n\nCapture\n  drops          read_fault 3\n"},
		{"{\"drops\":{\"ring_full\":0}}",
		 "probityd is running\n\nCapture\n  drops          none\n"},
		{"{\"recorder\":{\"chain\":\"ab\",\"seq\":9,\"synced_seq\":8,\"spool\":{\"dir\":\"/s\","
		 "\"bytes\":2048,\"max_bytes\":1048576,\"segments\":2,\"first_seq\":1,\"last_seq\":9},"
		 "\"forward\":{\"state\":\"down\",\"target\":\"c\",\"acked_seq\":3,\"lag_records\":6,"
		 "\"last_error\":\"refused\"},\"lost\":{\"spool_full\":2}}}",
		 "probityd is running\n\nEvidence\n  chain          ab\n"
		 "  seq            9, durable up to 8\n  spool          /s\n"
		 "                 2.0 KiB of 1.0 MiB, 2 segments, seq 1 to 9\n"
		 "  forward        down to c, acked 3, 6 behind\n"
		 "                 refused\n  lost           spool_full 2\n"},
		{"{\"recorder\":{\"epoch\":{\"epoch\":4,\"first_seq\":90,\"seal_due_s\":600},"
		 "\"forward\":{\"state\":\"ok\",\"seed_held\":true,\"witness\":{\"key\":\"first use\","
		 "\"size\":80,\"unix_s\":1795248030,\"lag_records\":7,\"finding\":\"it\\u001b went back\"}}}}",
		 "probityd is running\n\nEvidence\n  forward        ok, 0 behind\n"
		 "  epoch          4 since seq 90, sealed in 10 min 0 s\n"
		 "  witness        the first 80 records, 1 min 0 s ago, 7 behind, key: first use; it has the "
		 "MAC seed\n                 it? went back\n"},
		{"{\"recorder\":{\"epoch\":{\"epoch\":4,\"first_seq\":90,\"seal_due_s\":-5},"
		 "\"forward\":{\"state\":\"away\",\"witness\":{\"key\":\"none yet\"}}}}",
		 "probityd is running\n\nEvidence\n  forward        away, 0 behind\n"
		 "  epoch          4 since seq 90, its seal is overdue by 5 s\n"
		 "  witness        nothing cosigned yet, key: none yet; it has no MAC seed yet\n"},
		{"{\"libraries\":[{\"path\":\"/l\\u001b[2J.so\",\"dev\":\"8:1\",\"inode\":5,\"stack\":"
		 "\"openssl\",\"sites\":14,\"processes\":2,\"entries\":3,\"bytes\":99,\"silent\":false,"
		 "\"late\":true}]}",
		 "probityd is running\n\nFiles with TLS\n"
		 "  LIBRARY    STACK    SITES  PROCS  CALLS  BYTES  SILENT  LATE\n"
		 "  /l?[2J.so  openssl     14      2      3     99      no   yes\n"},
		{"{\"prescan\":{\"files\":7,\"changes\":\"fanotify\"},\"probes\":{\"attach\":\"adaptive\","
		 "\"with_probes\":3,\"on_probation\":2,\"ai\":1,\"removed\":4,\"resolver\":{\"remembered\":9,"
		 "\"asked\":8,\"with_tls\":2,\"refused\":1,\"waited_for\":1,\"longest_ms\":250,"
		 "\"in_hand\":\"/b\\u001bn\"},\"processes\":[{\"pid\":5,\"name\":\"x\",\"probes\":\"in place\","
		 "\"why\":\"ai\",\"reason\":\"\"}],\"refused_files\":[{\"path\":\"/e\",\"reason\":\"lies\"}]}}",
		 "probityd is running\n\nProbes\n  attach         adaptive\n"
		 "  processes      3 with probes, 2 of them on probation; 1 talk to AI; removed from 4\n"
		 "  resolver       9 files remembered, 8 asked, 2 with TLS, 1 refused, 1 waited for, "
		 "longest 250 ms\n"
		 "  looking at     /b?n\n  looked ahead   7 files, changes by fanotify\n"
		 "  PID  NAME  PROBES    WHY  REASON\n  5    x     in place  ai   \n"
		 "  FILE REFUSED  REASON\n  /e            lies\n"},
		/* wrong types everywhere: a page, and nothing invented */
		{"{\"version\":1,\"policy\":[],\"recorder\":7,\"drops\":\"x\",\"features\":{},"
		 "\"backends\":null,\"worker\":[1],\"since_unix_ns\":\"x\"}",
		 "probityd is running\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *got = page(rows[i].json);

		assert_string_equal(got, rows[i].want);
	}
}

static void test_features(void **state)
{
	_cleanup_free_ char *got =
		page("{\"features\":[{\"name\":\"ringbuf\",\"state\":\"yes\",\"note\":\"\"},"
		     "{\"name\":\"lsm\",\"state\":\"no\",\"note\":\"kill at exec\"},5],"
		     "\"backends\":[{\"for\":\"kill\",\"backend\":\"signal\",\"note\":\"n\"}]}");

	assert_non_null(strstr(got, "\n  lsm      no     kill at exec\n"));
	assert_non_null(strstr(got, "\nBackends in force\n"));
	assert_non_null(strstr(got, "\n  kill  signal   n\n"));
}

/* --- the socket ------------------------------------------------------------------------------ */

struct server {
	char dir[64], path[108];
	int fd;
	const char *answer;
	char asked[32];
	bool hang; /* answers and does not close */
};

static void *serve(void *arg)
{
	struct server *s = arg;
	int c = accept(s->fd, NULL, NULL);
	size_t n = strlen(s->answer);

	assert(c >= 0);
	assert(read(c, s->asked, sizeof(s->asked) - 1) > 0);
	/* in two pieces: the client must not take the first for the whole */
	/* The client that gives up may have gone before this, on a busy machine. */
	assert(send(c, s->answer, n / 2, MSG_NOSIGNAL) == (ssize_t)(n / 2) || s->hang);
	usleep(20000);
	assert(send(c, s->answer + n / 2, n - n / 2, MSG_NOSIGNAL) == (ssize_t)(n - n / 2) ||
	       s->hang);
	if (s->hang)
		poll(&(struct pollfd){.fd = c, .events = POLLIN}, 1,
		     60000); /* until the client goes */
	close(c);
	return NULL;
}

static void test_call(void **state)
{
	static const struct {
		const char *answer;
		bool hang;
		int want;
	} rows[] = {
		{"{\"pid\": 7}", false, 0},	    {"{\"pid\": 7", false, -EBADMSG},
		{"[1, 2]", false, -EBADMSG},	    {"", false, -EBADMSG},
		{"{\"pid\": 7}", true, -ETIMEDOUT}, {"{} {}", false, -EBADMSG},
	};
	struct server s = {.fd = -1};
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	json_t *got = NULL;

	snprintf(s.dir, sizeof(s.dir), "/tmp/probity-test-XXXXXX");
	assert_non_null(mkdtemp(s.dir));
	assert_int_equal(control_call(s.dir, "status\n", 100, &got), -ENOENT);
	snprintf(s.path, sizeof(s.path), "%s/control.sock", s.dir);
	memcpy(a.sun_path, s.path, sizeof(a.sun_path));
	s.fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(s.fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(control_call(s.dir, "status\n", 100, &got), -ECONNREFUSED);
	assert_int_equal(listen(s.fd, 4), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		pthread_t t;

		s.answer = rows[i].answer;
		s.hang = rows[i].hang;
		memset(s.asked, 0, sizeof(s.asked));
		assert_int_equal(pthread_create(&t, NULL, serve, &s), 0);
		assert_int_equal(control_call(s.dir, "status\n", rows[i].hang ? 200 : 60000, &got),
				 rows[i].want);
		pthread_join(t, NULL);
		assert_string_equal(s.asked, "status\n");
		if (rows[i].want)
			continue;
		assert_int_equal(json_integer_value(json_object_get(got, "pid")), 7);
		json_decref(got);
	}
	close(s.fd);
	unlink(s.path);
	rmdir(s.dir);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_features),
		cmocka_unit_test(test_call),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
