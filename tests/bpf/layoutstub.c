// SPDX-License-Identifier: Apache-2.0
/*
 * Functions with the argument layouts of real TLS stacks, that move nothing and answer what they are
 * told to (stub_ret as in sslstub.c). AEADs do in place what ciphers do to their input, so that who
 * reads too late reads nonsense. Go's conventions are spoken by assembly: go_call puts the values
 * where Go has them, on a stack of its own, and lets the "goroutine" grow its stack in the call.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

long stub_ret;
const void *stub_plain; /* what an opened record says */
size_t stub_plain_len;

#define PROBED __attribute__((noinline, noipa))
#define KEEP __asm__ volatile("" ::: "memory")

int permuted(const void *buf, int x, int y, void *h, int z, size_t n);
int on_stack(void *h, long a, long b, long c, long d, long e, size_t n, const void *buf);
ssize_t send64(void *h, const void *buf, size_t n);
ssize_t recv64(void *h, void *buf, size_t n);
int al_only(void *h, const void *buf, size_t n, unsigned flags, size_t *done);
int blind_write(void *h, const void *buf, int n);
int blind_read(void *h, void *buf, int n);
void *nss_import(void *model, void *fd);
int nss_write(void *fd, const void *buf, int n);
int seal(void *ctx, uint8_t *out, size_t *out_len, size_t max, const void *nonce, size_t nn,
	 const uint8_t *in, size_t n, const uint8_t *ad, size_t adn);
int open_gather(void *ctx, uint8_t *out, const void *nonce, size_t nn, const uint8_t *in, size_t n,
		const uint8_t *tag, size_t tn, const uint8_t *ad, size_t adn);
int open_record(void *ctx, uint8_t *out, size_t *out_len, size_t max, const void *nonce, size_t nn,
		const uint8_t *in, size_t n, const uint8_t *ad, size_t adn);
void ring_seal(void *ret, void *key, const void *nonce, const uint8_t *ad, size_t adn,
	       uint8_t *in_out, size_t n);
void ring_open(void *ret, void *key, const void *nonce, const uint8_t *ad, size_t adn,
	       uint8_t *in_out, size_t n, size_t start);

PROBED int permuted(const void *buf, int x, int y, void *h, int z, size_t n)
{
	KEEP;
	return stub_ret ? (int)stub_ret : (int)n;
}

PROBED int on_stack(void *h, long a, long b, long c, long d, long e, size_t n, const void *buf)
{
	KEEP;
	return stub_ret ? (int)stub_ret : (int)n;
}

PROBED ssize_t send64(void *h, const void *buf, size_t n)
{
	KEEP;
	return stub_ret ? stub_ret : (ssize_t)n;
}

PROBED ssize_t recv64(void *h, void *buf, size_t n)
{
	KEEP;
	return stub_ret ? stub_ret : (ssize_t)n;
}

/* A bool of which only the lowest byte is defined. */
PROBED int al_only(void *h, const void *buf, size_t n, unsigned flags, size_t *done)
{
	int r;

	*done = stub_ret < 0 ? 0 : stub_ret ?: n;
	r = (int)(0xabcdef00u | (*done > 0));
	KEEP;
	return r;
}

PROBED int blind_write(void *h, const void *buf, int n)
{
	KEEP;
	return stub_ret ? (int)stub_ret : n;
}

PROBED int blind_read(void *h, void *buf, int n)
{
	KEEP;
	return stub_ret ? (int)stub_ret : n;
}

PROBED void *nss_import(void *model, void *fd)
{
	KEEP;
	return fd;
}

PROBED int nss_write(void *fd, const void *buf, int n)
{
	KEEP;
	return stub_ret ? (int)stub_ret : n;
}

PROBED int seal(void *ctx, uint8_t *out, size_t *out_len, size_t max, const void *nonce, size_t nn,
		const uint8_t *in, size_t n, const uint8_t *ad, size_t adn)
{
	memset((uint8_t *)in, 0xee, n);
	*out_len = n + 16;
	KEEP;
	return 1;
}

PROBED int open_gather(void *ctx, uint8_t *out, const void *nonce, size_t nn, const uint8_t *in,
		       size_t n, const uint8_t *tag, size_t tn, const uint8_t *ad, size_t adn)
{
	if (stub_ret >= 0)
		memcpy(out, stub_plain, stub_plain_len);
	KEEP;
	return stub_ret >= 0;
}

PROBED int open_record(void *ctx, uint8_t *out, size_t *out_len, size_t max, const void *nonce,
		       size_t nn, const uint8_t *in, size_t n, const uint8_t *ad, size_t adn)
{
	int r = open_gather(ctx, out, nonce, nn, in, n - 16, in + n - 16, 16, ad, adn);

	*out_len = r ? stub_plain_len : 0;
	KEEP;
	return r;
}

PROBED void ring_seal(void *ret, void *key, const void *nonce, const uint8_t *ad, size_t adn,
		      uint8_t *in_out, size_t n)
{
	memset(in_out, 0xee, n);
	KEEP;
}

PROBED void ring_open(void *ret, void *key, const void *nonce, const uint8_t *ad, size_t adn,
		      uint8_t *in_out, size_t n, size_t start)
{
	memcpy(in_out, stub_plain, stub_plain_len);
	KEEP;
}

#ifdef __x86_64__
/*
 * go_call(fn, struct go *): rax rbx rcx and r14 as Go from 1.17 has them, arguments and result on
 * the stack and the goroutine below the thread's segment base as before. go_new and go_old return
 * go.ret; when go.grow is not 0 the goroutine's stack is at another place when they do.
 */
__asm__(".text\n"
	".globl go_call, go_new, go_old\n"
	".type go_call, @function\n.type go_new, @function\n.type go_old, @function\n"
	"go_call:\n"
	"	push %rbp\n	push %rbx\n	push %r12\n	push %r13\n	push %r14\n	push %r15\n"
	"	mov %rsi, %r12\n"
	"	mov %rsp, %r13\n"
	"	mov %fs:-8, %r15\n"
	"	mov 0(%r12), %r14\n" /* g */
	"	mov %r14, %fs:-8\n"
	"	mov 8(%r14), %rsp\n" /* the end of its stack */
	"	sub $256, %rsp\n"
	"	mov 8(%r12), %rax\n"  /* conn */
	"	mov 16(%r12), %rbx\n" /* buf */
	"	mov 24(%r12), %rcx\n" /* n */
	"	mov %rax, 0(%rsp)\n"
	"	mov %rbx, 8(%rsp)\n"
	"	mov %rcx, 16(%rsp)\n"
	"	call *%rdi\n"
	"	mov %r15, %fs:-8\n"
	"	mov %r13, %rsp\n"
	"	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %rbx\n	pop %rbp\n"
	"	ret\n"
	".size go_call, .-go_call\n"
	/* The stack's last KiB moves to its new place, whose end is go.grow. */
	"go_grow:\n"
	"	mov 40(%r12), %rdx\n"
	"	test %rdx, %rdx\n"
	"	jz 1f\n"
	"	mov 8(%r14), %rsi\n"
	"	mov %rsi, %r8\n"
	"	sub %rsp, %r8\n" /* how far we are from the end */
	"	mov %rdx, %rdi\n"
	"	mov $1024, %ecx\n"
	"	sub %rcx, %rsi\n"
	"	sub %rcx, %rdi\n"
	"	rep movsb\n"
	"	mov %rdx, 8(%r14)\n"
	"	mov %rdx, %rsp\n"
	"	sub %r8, %rsp\n"
	"1:	ret\n"
	"go_new:\n"
	"	call go_grow\n"
	"	mov 32(%r12), %rax\n"
	"	ret\n"
	".size go_new, .-go_new\n"
	"go_old:\n"
	"	call go_grow\n"
	"	mov 32(%r12), %rax\n"
	"	mov %rax, 40(%rsp)\n"
	"	xor %eax, %eax\n"
	"	ret\n"
	".size go_old, .-go_old\n");
#endif
