// SPDX-License-Identifier: Apache-2.0
/*
 * A libssl that moves nothing and answers what it is told to: so that bpf_check can have any result
 * of any call. SSL_write also says that it ran, and with what. stub_ret: 0 = all of it was moved, > 0 = that much, < 0 = failed. stub_nest: how deep
 * the calls go through one another, as OpenSSL's own do.
 */
#include <stddef.h>

#include <string.h>
#include <unistd.h>

long stub_ret;
int stub_nest;

/* Of writes that ran: how many, and where stub_looks is set, the beginning of the last. stub_fd: where
 * they go, or -1. */
long stub_ran;
int stub_looks;
char stub_last[256];
int stub_fd = -1;

#define PROBED __attribute__((noinline, noipa))
#define KEEP __asm__ volatile("" ::: "memory") /* no tail calls, nothing merged */

int SSL_write(void *ssl, const void *buf, int n);
int SSL_write_ex(void *ssl, const void *buf, size_t n, size_t *done);
int SSL_write_ex2(void *ssl, const void *buf, size_t n, unsigned long flags, size_t *done);
int SSL_read(void *ssl, void *buf, int n);
int SSL_read_ex(void *ssl, void *buf, size_t n, size_t *done);
int SSL_do_handshake(void *ssl);
int SSL_connect(void *ssl);
int SSL_accept(void *ssl);
void SSL_set_connect_state(void *ssl);
void SSL_set_accept_state(void *ssl);
void SSL_free(void *ssl);
int SSL_clear(void *ssl);
long SSL_ctrl(void *ssl, int cmd, long larg, void *parg);

static void ran(const void *buf, size_t n)
{
	stub_ran++;
	if (stub_looks)
		memcpy(stub_last, buf, n < sizeof(stub_last) ? n : sizeof(stub_last));
	if (stub_fd >= 0 && write(stub_fd, buf, n) < 0)
		stub_ran = -1;
}

static size_t moved(size_t n)
{
	return stub_ret < 0 ? 0 : stub_ret ? (size_t)stub_ret : n;
}

PROBED int SSL_write(void *ssl, const void *buf, int n)
{
	KEEP;
	if (n > 0)
		ran(buf, n);
	return stub_ret < 0 ? (int)stub_ret : (int)moved(n);
}

PROBED int SSL_write_ex2(void *ssl, const void *buf, size_t n, unsigned long flags, size_t *done)
{
	if (stub_nest > 1)
		SSL_write(ssl, buf, n);
	KEEP;
	*done = moved(n);
	return *done > 0;
}

PROBED int SSL_write_ex(void *ssl, const void *buf, size_t n, size_t *done)
{
	int r = 1;

	if (stub_nest)
		r = SSL_write_ex2(ssl, buf, n, 0, done);
	else
		*done = moved(n);
	KEEP;
	return r && *done > 0;
}

PROBED int SSL_read(void *ssl, void *buf, int n)
{
	KEEP;
	return stub_ret < 0 ? (int)stub_ret : (int)moved(n);
}

PROBED int SSL_read_ex(void *ssl, void *buf, size_t n, size_t *done)
{
	if (stub_nest)
		SSL_read(ssl, buf, n);
	KEEP;
	*done = moved(n);
	return *done > 0;
}

PROBED int SSL_do_handshake(void *ssl)
{
	KEEP;
	return 1;
}
PROBED int SSL_connect(void *ssl)
{
	KEEP;
	return 1;
}
PROBED int SSL_accept(void *ssl)
{
	KEEP;
	return 1;
}
PROBED void SSL_set_connect_state(void *ssl)
{
	KEEP;
}
PROBED void SSL_set_accept_state(void *ssl)
{
	KEEP;
}
PROBED void SSL_free(void *ssl)
{
	KEEP;
}
PROBED int SSL_clear(void *ssl)
{
	KEEP;
	return 1;
}
PROBED long SSL_ctrl(void *ssl, int cmd, long larg, void *parg)
{
	/* As the copy that OpenSSL makes: the text may not be in memory before. */
	for (volatile const char *c = parg; cmd == 55 && *c;)
		c++;
	KEEP;
	return 1;
}
