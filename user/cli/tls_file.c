// SPDX-License-Identifier: Apache-2.0
/*
 * Reading one file for probity tls, and its result in words. The file is mapped shared: the kernel
 * writes the breakpoints of other probes into private mappings only, and they are not the file's.
 * A file that is cut meanwhile would end the command by a signal; it has no state to lose.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "proto/event.h"
#include "tls_file.h"

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void hash(const void *p, size_t n, char *hex)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (!EVP_Digest(p, n, sum, &len, EVP_sha256(), NULL))
		return;
	for (unsigned i = 0; i < len && i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", sum[i]);
}

int tls_file_read(const char *path, const struct tls_signatures *s, bool with_hash,
		  struct tls_file *ret)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	void *p;

	memset(ret, 0, sizeof(*ret));
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	ret->size = st.st_size;
	if (!st.st_size) {
		ret->result = -ENOEXEC;
		return 0;
	}
	p = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	ret->seconds = now();
	ret->result = tls_resolve(p, st.st_size, s, &ret->found, ret->why, sizeof(ret->why));
	ret->seconds = now() - ret->seconds;
	/* What is not an ELF file is not worth a hash. */
	if (with_hash && ret->result >= 0)
		hash(p, st.st_size, ret->sha256);
	munmap(p, st.st_size);
	return 0;
}

/* --- layouts --------------------------------------------------------------------------------- */

static void location(unsigned loc, const char *arch, char *dst, size_t cap)
{
	static const char *const x86[] = {"",	 "rdi", "rsi", "rdx", "rcx", "r8",  "r9",
					  "rax", "rax", "rbx", "rcx", "rdi", "rsi", "r14"};
	static const char *const arm[] = {"",	"x0", "x1", "x2", "x3", "x4", "x5",
					  "x0", "x0", "x1", "x2", "x3", "x4", "x28"};

	if (loc >= LOC_STACK)
		snprintf(dst, cap, "[sp+%u]", 8 * (loc - LOC_STACK));
	else if (loc == LOC_NONE)
		snprintf(dst, cap, "none");
	else
		snprintf(dst, cap, "%s", (strcmp(arch, "aarch64") ? x86 : arm)[loc]);
}

static const char *site_words(unsigned site)
{
	static const char *const words[TLS_SITE__MAX] = {
		[TLS_RETURN] = "return",
		[TLS_WRITE] = "write(handle, buf, len)",
		[TLS_WRITE_EX] = "write(handle, buf, len, out)",
		[TLS_WRITE_EX2] = "write(handle, buf, len, flags, out)",
		[TLS_READ] = "read(handle, buf, len)",
		[TLS_READ_EX] = "read(handle, buf, len, out)",
		[TLS_HANDSHAKE] = "handshake(handle)",
		[TLS_ACCEPT] = "accept(handle)",
		[TLS_CLIENT] = "client side(handle)",
		[TLS_SERVER] = "server side(handle)",
		[TLS_FREE] = "end(handle)",
		[TLS_CLEAR] = "reuse(handle)",
		[TLS_CTRL] = "server name(handle)",
		[TLS_SEAL] = "seal one record",
		[TLS_OPEN] = "open one record",
		[TLS_GO_WRITE] = "write, Go",
		[TLS_GO_READ] = "read, Go",
		[TLS_GO_RETURN] = "return, Go",
		[TLS_NSS_IMPORT] = "returns a TLS descriptor",
	};

	return site < TLS_SITE__MAX && words[site] ? words[site] : "?";
}

void tls_layout_words(uint64_t c, const char *arch, char *dst, size_t cap)
{
	const struct {
		const char *name;
		unsigned loc;
	} parts[] = {
		{"handle", TLS_COOKIE_HANDLE(c)}, {"buf", TLS_COOKIE_BUF(c)},
		{"len", TLS_COOKIE_LEN(c)},	  {"out", TLS_COOKIE_OUT(c)},
		{"aad", TLS_COOKIE_AAD(c)},	  {"aadlen", TLS_COOKIE_AADLEN(c)},
		{"skip", TLS_COOKIE_SKIP(c)},
	};
	static const char *const flags[] = {"64-bit length", "1 is success", "Rust",
					    "TLS descriptors only", "handshake not seen"};
	size_t n = snprintf(dst, cap, "%s", site_words(TLS_COOKIE_SITE(c)));
	char loc[16];

	for (size_t i = 0; i < ARRAY_SIZE(parts) && n < cap; i++) {
		if (!parts[i].loc)
			continue;
		location(parts[i].loc, arch, loc, sizeof(loc));
		n += snprintf(dst + n, cap - n, ", %s %s", parts[i].name, loc);
	}
	for (size_t i = 0; i < ARRAY_SIZE(flags) && n < cap; i++)
		if (TLS_COOKIE_FLAGS(c) & 1 << i)
			n += snprintf(dst + n, cap - n, ", %s", flags[i]);
}
