// SPDX-License-Identifier: Apache-2.0
/*
 * Lines by a key in a TPM, with a real one in software (swtpm): made once and the same at each start; another
 * TPM, one that stands still, one that ends. Skipped as a whole where there is no swtpm.
 */
#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/tpm.h"
#include "base/cleanup.h"
#include "base/fs.h"

#define TEXT "test/host/00\n7\nroot\n"

static struct bench {
	char dir[64], keys[80], tcti[128];
	pid_t pid;
	struct tpm *t;
} b;

static int remove_one(const char *p, const struct stat *st, int type, struct FTW *w)
{
	return remove(p);
}

static int bound(uint16_t port)
{
	const struct sockaddr_in a = {.sin_family = AF_INET,
				      .sin_port = htons(port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* The TPM's port and the one behind it, which its library takes for the control channel. */
static uint16_t two_ports(void)
{
	for (;;) {
		struct sockaddr_in a;
		socklen_t n = sizeof(a);
		int one = bound(0), two;

		assert_true(one >= 0 && !getsockname(one, (struct sockaddr *)&a, &n));
		two = bound(ntohs(a.sin_port) + 1);
		close(one);
		if (two < 0)
			continue;
		close(two);
		return ntohs(a.sin_port);
	}
}

static bool answers(uint16_t port)
{
	const struct sockaddr_in a = {.sin_family = AF_INET,
				      .sin_port = htons(port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool is = connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0;

	close(fd);
	return is;
}

/* name: of its state; another name is another TPM. */
static void tpm_begins(const char *name)
{
	char state[160], server[80], ctrl[80];
	uint16_t port = two_ports();

	snprintf(state, sizeof(state), "%s/%s", b.dir, name);
	mkdir(state, 0700);
	snprintf(state, sizeof(state), "dir=%s/%s", b.dir, name);
	snprintf(server, sizeof(server), "type=tcp,port=%u,bindaddr=127.0.0.1", port);
	snprintf(ctrl, sizeof(ctrl), "type=tcp,port=%u,bindaddr=127.0.0.1", port + 1);
	snprintf(b.tcti, sizeof(b.tcti), "swtpm:host=127.0.0.1,port=%u", port);
	b.pid = fork();
	if (!b.pid) {
		execlp("swtpm", "swtpm", "socket", "--tpm2", "--tpmstate", state, "--server",
		       server, "--ctrl", ctrl, "--flags", "startup-clear,not-need-init", NULL);
		_exit(127);
	}
	for (int i = 0; i < 500 && !answers(port + 1); i++)
		nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}

static void tpm_ends(void)
{
	if (!b.pid)
		return;
	kill(b.pid, SIGKILL);
	waitpid(b.pid, NULL, 0);
	b.pid = 0;
}

static int setup(void **state)
{
	memset(&b, 0, sizeof(b));
	strcpy(b.dir, "/tmp/probity-tpm-XXXXXX");
	if (!mkdtemp(b.dir))
		return -1;
	snprintf(b.keys, sizeof(b.keys), "%s/keys", b.dir);
	return 0;
}

static int teardown(void **state)
{
	tpm_free(b.t);
	tpm_ends();
	nftw(b.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return 0;
}

static int open_now(void)
{
	const struct tpm_config c = {.tcti = b.tcti,
				     .key_dir = b.keys,
				     .user = "",
				     .no_seccomp = true};
	char err[512];

	tpm_free(TAKE_PTR(b.t));
	return tpm_open(&c, &b.t, err, sizeof(err));
}

/* Until it answers, or time is up. now: what the clock says at the question. */
static int line(char *out, size_t cap, size_t *n)
{
	uint64_t now = 1000;
	int r;

	if (!tpm_ask(b.t, TEXT, strlen(TEXT), now))
		return -EBUSY;
	while ((r = tpm_answer(b.t, "test/host/00", now, out, cap, n)) == -EAGAIN) {
		poll(&(struct pollfd){.fd = tpm_fd(b.t), .events = POLLIN}, 1, 10);
		now += 10;
	}
	return r;
}

static void is_signed(void)
{
	char all[1024] = TEXT "\n";
	const char *why;
	struct note n;
	size_t k;

	assert_int_equal(line(all + strlen(all), sizeof(all) - strlen(all), &k), 0);
	assert_int_equal(note_parse(all, strlen(all), &n, &why), 0);
	assert_int_equal(note_ecdsa_verify(&n, "test/host/00", tpm_public(b.t)), 0);
	assert_null(tpm_trouble(b.t, NULL));
}

static void in_trouble(enum tpm_cause want)
{
	enum tpm_cause cause = TPM_CAUSES;
	const char *why = tpm_trouble(b.t, &cause);

	if (!why || cause != want)
		fail_msg("%d: %s", cause, why ?: "none");
}

static void made_once(void **state)
{
	uint8_t public[ECDSA_PUBLIC_LEN], file[ECDSA_PUBLIC_LEN];
	char path[160], err[256];
	struct stat st;

	tpm_begins("a");
	assert_int_equal(open_now(), 0);
	assert_null(tpm_trouble(b.t, NULL));
	memcpy(public, tpm_public(b.t), sizeof(public));
	for (int i = 0; i < 5; i++)
		is_signed();
	assert_int_equal(tpm_counts(b.t)->lines, 5);
	snprintf(path, sizeof(path), "%s/tpm.pub", b.keys);
	assert_int_equal(ecdsa_public_read(path, file, err, sizeof(err)), 0);
	assert_memory_equal(file, public, sizeof(public));
	snprintf(path, sizeof(path), "%s/tpm.key", b.keys);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* More often than a TPM has room for keys: each is given back. */
	for (int i = 0; i < 5; i++) {
		assert_int_equal(open_now(), 0);
		assert_memory_equal(tpm_public(b.t), public, sizeof(public));
		is_signed();
		nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
	}
}

static void another_tpm(void **state)
{
	uint8_t public[ECDSA_PUBLIC_LEN];
	_cleanup_free_ char *before = NULL, *after = NULL;
	char path[160], text[256];
	size_t n, m, k;

	tpm_begins("a");
	assert_int_equal(open_now(), 0);
	memcpy(public, tpm_public(b.t), sizeof(public));
	snprintf(path, sizeof(path), "%s/tpm.key", b.keys);
	assert_int_equal(fs_read(path, 4096, &before, &n), 0);
	tpm_ends();
	tpm_begins("b");
	assert_int_equal(open_now(), 0);
	in_trouble(TPM_OTHER);
	/* It is still the first one's that is looked for, and its file is as it was. */
	assert_memory_equal(tpm_public(b.t), public, sizeof(public));
	assert_int_equal(line(text, sizeof(text), &k), -EBUSY);
	assert_int_equal(tpm_counts(b.t)->missing[TPM_OTHER], 1);
	assert_int_equal(fs_read(path, 4096, &after, &m), 0);
	assert_int_equal(n, m);
	assert_memory_equal(before, after, n);
	/* Taken away by an operator: this one's then. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(open_now(), 0);
	assert_memory_not_equal(tpm_public(b.t), public, sizeof(public));
	is_signed();
}

static void no_tpm(void **state)
{
	char text[256];
	size_t n;

	snprintf(b.tcti, sizeof(b.tcti), "swtpm:host=127.0.0.1,port=%u", two_ports());
	assert_int_equal(open_now(), 0);
	in_trouble(TPM_OPEN);
	assert_null(tpm_public(b.t));
	assert_int_equal(tpm_fd(b.t), -1);
	assert_int_equal(line(text, sizeof(text), &n), -EBUSY);
	assert_int_equal(tpm_counts(b.t)->missing[TPM_OPEN], 1);
	snprintf(b.tcti, sizeof(b.tcti), "device:%s/none", b.dir);
	assert_int_equal(open_now(), 0);
	in_trouble(TPM_OPEN);
	snprintf(b.tcti, sizeof(b.tcti), "nonsense");
	assert_int_equal(open_now(), 0);
	in_trouble(TPM_OPEN);
}

/* It stands still: what was asked is given up in time, and its late answer is nobody's. */
static void slow(void **state)
{
	char text[256];
	size_t n;
	int r = 0;

	tpm_begins("a");
	assert_int_equal(open_now(), 0);
	is_signed();
	kill(b.pid, SIGSTOP);
	assert_int_equal(line(text, sizeof(text), &n), -EIO);
	in_trouble(TPM_TIMEOUT);
	assert_int_equal(line(text, sizeof(text), &n), -EBUSY);
	assert_int_equal(tpm_counts(b.t)->missing[TPM_TIMEOUT], 2);
	kill(b.pid, SIGCONT);
	for (int i = 0; i < 100 && !r; i++) {
		r = poll(&(struct pollfd){.fd = tpm_fd(b.t), .events = POLLIN}, 1, 100);
	}
	assert_int_equal(r, 1);
	assert_int_equal(tpm_answer(b.t, "test/host/00", 0, text, sizeof(text), &n), -EAGAIN);
	is_signed();
	assert_int_equal(tpm_counts(b.t)->lines, 2);
}

static void gone(void **state)
{
	char text[256];
	size_t n;

	tpm_begins("a");
	assert_int_equal(open_now(), 0);
	is_signed();
	tpm_ends();
	assert_int_equal(line(text, sizeof(text), &n), -EIO);
	in_trouble(TPM_GONE);
	assert_int_equal(tpm_counts(b.t)->missing[TPM_GONE], 1);
	assert_int_equal(line(text, sizeof(text), &n), -EIO); /* asked again, as it may come back */
	assert_int_equal(tpm_counts(b.t)->missing[TPM_GONE], 2);
}

/* Each byte of tpm.key, and each length: refused by name, or the TPM's to refuse; never another key. */
static void damaged(void **state)
{
	_cleanup_free_ char *good = NULL;
	char path[160], err[512];
	size_t n;

	tpm_begins("a");
	assert_int_equal(open_now(), 0);
	snprintf(path, sizeof(path), "%s/tpm.key", b.keys);
	assert_int_equal(fs_read(path, 4096, &good, &n), 0);
	for (size_t i = 0; i < 2 * n; i++) {
		const struct tpm_config c = {.tcti = b.tcti,
					     .key_dir = b.keys,
					     .user = "",
					     .no_seccomp = true};

		if (i < n)
			good[i] ^= 1;
		assert_int_equal(fs_write_atomic(path, good, i < n ? n : i - n, 0600), 0);
		if (i < n)
			good[i] ^= 1;
		tpm_free(TAKE_PTR(b.t));
		assert_int_equal(tpm_open(&c, &b.t, err, sizeof(err)), -EINVAL);
		assert_non_null(strstr(err, path));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(made_once, setup, teardown),
		cmocka_unit_test_setup_teardown(another_tpm, setup, teardown),
		cmocka_unit_test_setup_teardown(no_tpm, setup, teardown),
		cmocka_unit_test_setup_teardown(slow, setup, teardown),
		cmocka_unit_test_setup_teardown(gone, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged, setup, teardown),
	};

	if (system("command -v swtpm > /dev/null")) {
		puts("# SKIP no swtpm");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
