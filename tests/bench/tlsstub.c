// SPDX-License-Identifier: Apache-2.0
/* A libssl that does nothing, so that the probe benchmark measures probes and not encryption. */
#include <stddef.h>

int SSL_write(void *ssl, const void *buf, int n);
int SSL_read(void *ssl, void *buf, int n);
void SSL_free(void *ssl);
void SSL_set_connect_state(void *ssl);
long SSL_ctrl(void *ssl, int cmd, long larg, void *parg);

int __attribute__((noinline)) SSL_write(void *ssl, const void *buf, int n)
{
	__asm__ volatile("" : : "r"(ssl), "r"(buf) : "memory");
	return n;
}
int __attribute__((noinline)) SSL_read(void *ssl, void *buf, int n)
{
	__asm__ volatile("" : : "r"(ssl), "r"(buf) : "memory");
	return n;
}
void __attribute__((noinline)) SSL_free(void *ssl)
{
	__asm__ volatile("" : : "r"(ssl) : "memory");
}
void __attribute__((noinline)) SSL_set_connect_state(void *ssl)
{
	__asm__ volatile("" : : "r"(ssl) : "memory");
}
long __attribute__((noinline)) SSL_ctrl(void *ssl, int cmd, long larg, void *parg)
{
	__asm__ volatile("" : : "r"(ssl), "r"(parg) : "memory");
	return 1;
}
