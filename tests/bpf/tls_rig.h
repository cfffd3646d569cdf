/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For bpf_check.c and layout_check.c: probes on functions of a library this process has loaded, by
 * their addresses and decoded RETs, and a reader of the ring. The process is both the traced program
 * and the reader: probes run inside the calls, so after a call its records are there and nothing has
 * to be waited for. What other processes of the host cause is left out by pid.
 */
#ifndef PROBITY_TESTS_TLS_RIG_H
#define PROBITY_TESTS_TLS_RIG_H

#include <Zydis/Zydis.h>
#include <bpf/bpf.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/attach/links.h"
#include "agent/bpf.h"
#include "agent/ring.h"
#include "proto/event.h"
#include "proto/gate.h"
#include "tap.h"

#define CHUNK (64u << 10)
#define SEEN_MAX 4096
#define SITES_MAX 512

/* --- what the kernel told ------------------------------------------------------------------------- */

struct seen {
	uint16_t kind;
	uint8_t dir;
	bool good; /* the bytes are those of their place in the stream */
	uint32_t flags, pid, tid, uid, size;
	uint64_t conn, start_ns, offset, rules, bytes, policy, cookie;
	uint64_t seq, waited_ns; /* of the gate */
	uint32_t how, told, verdict, mechanism, refused;
	uint16_t peer_port;
	char text[256]; /* host, file name; the first bytes */
	char argv[64];
	uint32_t ppid;
};

static struct bpf *b;
static struct ring *ring;
static struct seen seen[SEEN_MAX];
static unsigned seen_n;
static pid_t only; /* whose records are kept, 0 = this process's */

static uint8_t byte_at(uint64_t offset)
{
	return (offset * 167 + (offset >> 9)) & 0xff;
}

static inline void fill(uint8_t *p, uint64_t offset, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = byte_at(offset + i);
}

static bool good(const struct event_data *e)
{
	for (uint32_t i = 0; i < e->size; i++)
		if (e->bytes[i] != byte_at(e->offset + i))
			return false;
	return true;
}

static void note(void *ctx, const void *record, size_t n)
{
	const struct event *e = record;
	const struct event_data *d = record;
	const struct event_host *h = record;
	const struct event_kill *k = record;
	const struct event_exec *x = record;
	const struct event_conn *c = record;
	const struct event_gate *g = record;
	const struct event_gate_end *z = record;
	const struct event_deny *y = record;
	struct seen *s = &seen[seen_n];

	if (e->version != EVENT_VERSION || e->pid != (uint32_t)(only ?: getpid()))
		return;
	if (seen_n == SEEN_MAX - 1)
		die("more records than the test has room for", ENOSPC);
	*s = (struct seen){.kind = e->kind,
			   .flags = e->flags,
			   .pid = e->pid,
			   .tid = e->tid,
			   .uid = e->uid,
			   .conn = e->conn,
			   .start_ns = e->start_ns};
	if (e->kind == EVENT_DATA) {
		s->dir = d->dir;
		s->offset = d->offset;
		s->size = d->size;
		s->good = d->size <= n - sizeof(*d) && good(d);
		memcpy(s->text, d->bytes, d->size < sizeof(s->text) ? d->size : sizeof(s->text));
	} else if (e->kind == EVENT_HOST) {
		snprintf(s->text, sizeof(s->text), "%s", h->host);
	} else if (e->kind == EVENT_KILL) {
		s->rules = k->rules;
		s->bytes = k->bytes;
		s->policy = k->policy;
	} else if (e->kind == EVENT_EXEC || e->kind == EVENT_FORK) {
		s->ppid = x->ppid;
		snprintf(s->text, sizeof(s->text), "%s", x->filename);
		if (x->argv_len <= n - sizeof(*x))
			memcpy(s->argv, x->text,
			       x->argv_len < sizeof(s->argv) ? x->argv_len : sizeof(s->argv));
	} else if (e->kind == EVENT_CONN || e->kind == EVENT_CONNECT || e->kind == EVENT_ACCEPT ||
		   e->kind == EVENT_SOCK_CLOSE) {
		s->cookie = c->cookie;
		s->peer_port = c->peer.port;
	}
	if (e->kind == EVENT_GATE) {
		s->seq = g->seq;
		s->offset = g->offset;
		s->bytes = g->size;
		s->cookie = g->cookie;
		s->rules = g->rules;
		s->how = g->how;
		s->told = g->told;
	} else if (e->kind == EVENT_GATE_END) {
		s->seq = z->seq;
		s->waited_ns = z->waited_ns;
		s->verdict = z->verdict;
		s->mechanism = z->mechanism;
		s->refused = z->refused;
	} else if (e->kind == EVENT_DENY) {
		s->rules = y->rules;
		s->policy = y->policy;
		s->cookie = y->cookie;
		s->mechanism = y->mechanism;
		s->bytes = y->count;
	}
	seen_n++;
}

/* Everything told since the last time. */
static inline unsigned hear(void)
{
	seen_n = 0;
	while (ring_consume(ring, note, NULL, 1024))
		;
	return seen_n;
}

static const struct seen *first(uint16_t kind)
{
	for (unsigned i = 0; i < seen_n; i++)
		if (seen[i].kind == kind)
			return &seen[i];
	return NULL;
}

static unsigned count(uint16_t kind)
{
	unsigned n = 0;

	for (unsigned i = 0; i < seen_n; i++)
		n += seen[i].kind == kind;
	return n;
}

/* The data records are exactly [offset, offset + n) of one connection, in order, in full chunks. */
static inline bool covers(uint64_t conn, uint8_t dir, uint64_t offset, size_t n)
{
	uint64_t at_byte = offset;

	for (unsigned i = 0; i < seen_n; i++) {
		const struct seen *s = &seen[i];
		uint64_t left = offset + n - at_byte;

		if (s->kind != EVENT_DATA)
			continue;
		if (s->conn != conn || s->dir != dir || s->offset != at_byte || !s->good ||
		    s->size != (left < CHUNK ? left : CHUNK))
			return false;
		at_byte += s->size;
	}
	return at_byte == offset + n;
}

static inline uint64_t drops(enum event_drop cause)
{
	uint64_t v[DROP__MAX];

	bpf_drops(b, v);
	return v[cause];
}

/* --- probes ----------------------------------------------------------------------------------------- */

static struct {
	struct linker linker;
	char path[4096];
	uint64_t offset[SITES_MAX], cookie[SITES_MAX];
	size_t n;
} rig;

/* The offset in its file of an address in a mapped one. */
static uint64_t file_offset(uint64_t address)
{
	uint64_t from, to, offset;
	char line[4352];
	FILE *f = fopen("/proc/self/maps", "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx %*s %lx", &from, &to, &offset) == 3 && from <= address &&
		    address < to) {
			fclose(f);
			return address - from + offset;
		}
	die("address of a function", ENOENT);
	return 0;
}

static void add_site(uint64_t address, uint64_t cookie)
{
	if (rig.n == SITES_MAX)
		die("sites", ENOSPC);
	rig.offset[rig.n] = file_offset(address);
	rig.cookie[rig.n++] = cookie;
}

/* The code as it is in the file: in memory somebody's probes may stand in it. */
static void add_returns(uint64_t address, size_t size, uint64_t cookie)
{
	uint8_t code[8192];
	int fd = open(rig.path, O_RDONLY | O_CLOEXEC);
	ZydisDecoder d;
	ZydisDecodedInstruction in;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	unsigned found = 0;

	if (fd < 0 || size > sizeof(code) ||
	    pread(fd, code, size, file_offset(address)) != (ssize_t)size)
		die("code of a function", EIO);
	close(fd);
	ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	for (size_t i = 0; i < size; i += in.length) {
		if (ZYAN_FAILED(ZydisDecoderDecodeFull(&d, code + i, size - i, &in, ops)))
			break;
		if (in.mnemonic == ZYDIS_MNEMONIC_RET) {
			add_site(address + i, cookie);
			found++;
		}
	}
	if (!found)
		die("no RET decoded", ENOENT);
}

/* entry, returns: cookies; 0 = not probed there. */
static void add_function(void *lib, const char *name, uint64_t entry, uint64_t returns)
{
	void *p = dlsym(lib, name);
	ElfW(Sym) *sym = NULL;
	Dl_info i;

	if (!p || !dladdr1(p, &i, (void **)&sym, RTLD_DL_SYMENT) || !sym)
		die(name, ENOENT);
	snprintf(rig.path, sizeof(rig.path), "%s", i.dli_fname);
	if (entry)
		add_site((uintptr_t)p, entry);
	if (returns)
		add_returns((uintptr_t)p, sym->st_size, returns);
}

/* Attaches what was added since, to every process or to one. */
static struct links *attach(pid_t pid)
{
	int fd = open(rig.path, O_RDONLY | O_CLOEXEC), r;
	struct links *l = NULL;

	if (fd < 0)
		die(rig.path, errno);
	r = links_open(&rig.linker, fd, rig.offset, rig.cookie, rig.n, pid, "", &l);
	close(fd);
	if (r)
		die("attaching the probes", r);
	printf("# %s: %zu sites, %s\n", strrchr(rig.path, '/') + 1, rig.n,
	       linker_backend(&rig.linker, pid));
	rig.n = 0;
	return l;
}

static void rig_open(size_t ring_bytes)
{
	int r = bpf_open(ring_bytes, &b);

	if (r)
		die("bpf_open", r);
	linker_init(&rig.linker, bpf_tls_program(b), NULL);
	r = ring_open(bpf_events_fd(b), bpf_events_size(b), &ring);
	if (r)
		die("ring_open", r);
}

static void *symbol(void *lib, const char *name)
{
	void *p = dlsym(lib, name);

	if (!p)
		die(name, ENOENT);
	return p;
}

#endif
