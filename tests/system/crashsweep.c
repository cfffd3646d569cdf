// SPDX-License-Identifier: Apache-2.0
/*
 * Fails one file system call of the recorder after the other. A session (start, records over three short
 * epochs, checkpoints, removal of old segments, orderly end) runs in a child under ptrace; occurrence k of
 * a kind of system call is made to fail with EIO or ENOSPC, to write half, or the child is killed before
 * it; or the power goes: every file loses what was not synced, an unsynced new one all of it. Then a clean
 * start must succeed, the chain must verify, each record that was reported durable must be there once, and
 * nothing twice. A file of the spool whose fsync failed must not be asked again.
 *
 *   crashsweep FOLDER [direct|power|role]   FOLDER: an empty one, best in memory
 *
 * direct: epochs and spool, driven as the recorder drives them; from an empty folder and from one with a
 * torn tail. power: of these only the power cuts. role: recorder_main itself.
 * Prints what was tried, by call.
 *
 * Long because the tracer, the sessions it strikes and what must hold afterwards know one another's steps.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/epochs.h"
#include "agent/notes.h"
#include "agent/recorder.h"
#include "agent/role.h"
#include "agent/spool.h"
#include "agent/spool_erase.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "record/verify.h"

#define RECORDS 1000
#define ROLE_RECORDS 60
#define TRIES 6
#define WHY 600

static const struct call {
	int nr;
	const char *name;
	bool space, part; /* it can run out of space; it can write a part */
} calls[] = {
	{SYS_openat, "openat", true, false},
	{SYS_write, "write", true, true},
	{SYS_pwrite64, "pwrite64", true, true},
	{SYS_fsync, "fsync", true, false},
	{SYS_fdatasync, "fdatasync", true, false},
	{SYS_ftruncate, "ftruncate", true, false},
	{SYS_fallocate, "fallocate", true, false},
	{SYS_unlinkat, "unlinkat", false, false},
	{SYS_mkdirat, "mkdirat", true, false},
	{SYS_renameat, "renameat", true, false},
	{SYS_close, "close", true, false},
	{SYS_pread64, "pread64", false, false},
	{SYS_getdents64, "getdents64", false, false},
#ifdef SYS_open
	{SYS_open, "open", true, false},
	{SYS_mkdir, "mkdir", true, false},
	{SYS_rename, "rename", true, false},
	{SYS_unlink, "unlink", false, false},
#endif
};
enum fault { COUNT, EIO_, ENOSPC_, SHORT, KILL, POWER, FAULTS };
static const char *const fault_names[] = {"",	     "EIO",	 "ENOSPC", "short write",
					  "SIGKILL", "power cut"};

/* What the session has been told is durable; shared with the child. */
static struct told {
	bool id[RECORDS + 1];
	uint64_t drop_id; /* records with an id below may be gone: the session removes them */
	bool done;
} * told;
static bool power_only;
static bool wide; /* enough records for whole tiles; signed by checkpoints, to be quick */
static char base[256], state[300], keys[320], spool[320];
static unsigned long tried[ARRAY_SIZE(calls)][FAULTS], hit, failures;

/* --- the session ---------------------------------------------------------------------------------- */

struct run {
	struct epochs *epochs;
	struct spool *s;
	uint64_t next_id;
};

static int commit(struct run *r)
{
	const struct spool_state *s = spool_state(r->s);
	int e = -EAGAIN;

	for (int i = 0; i < TRIES && e; i++)
		e = spool_commit(r->s);
	for (uint64_t id = 1; !e && id <= s->durable_id && id <= RECORDS; id++)
		told->id[id] = true;
	return e;
}

static int note(struct run *r, size_t n, const uint8_t *p)
{
	int e = -EAGAIN;

	for (int i = 0; i < TRIES && e; i++)
		e = spool_seal(r->s, RECORD_CONTROL, 0, p, n, true);
	return e;
}

static int end_epoch(struct run *r, const char *why, bool late)
{
	int e = -EAGAIN;

	for (int i = 0; i < TRIES && e; i++)
		e = spool_end_epoch(r->s, why, late);
	return e ? e : commit(r);
}

static int note_erased(struct run *r, uint64_t first, uint64_t last)
{
	const struct note_erase n = {.first = first,
				     .last = last,
				     .reason = "sweep",
				     .operator= "o" };
	uint8_t b[NOTE_BYTES_MAX];

	return note(r, note_erase(&n, b), b);
}

static int erase_steps(struct run *r)
{
	int e = 1;

	for (int i = 0; e && i < 100; i++)
		e = spool_erase_step(r->s);
	return e;
}

/* Payloads of the middle of what is there. */
static int erase(struct run *r)
{
	const struct spool_state *s = spool_state(r->s);
	uint64_t first = s->first_seq + 3, last = s->durable_seq - 3;
	int e = -EAGAIN;

	for (int i = 0; i < TRIES && e; i++)
		e = spool_erase_begin(r->s, first, last);
	if (!e)
		e = note_erased(r, first, last);
	if (!e)
		e = commit(r);
	return e ? e : erase_steps(r);
}

static int start(struct run *r)
{
	static const struct recorder_config host = {.host = "h",
						    .agent_version = "t",
						    .kernel = "k",
						    .config_sha256 = ""};
	struct spool_config c = {.dir = spool,
				 .segment_bytes = wide ? 20000 : 2500,
				 .origin = "sweep/host",
				 .by_checkpoint = wide};
	const struct spool_state *s;
	uint8_t b[NOTE_BYTES_MAX];
	uint64_t first, last;
	char err[512] = "";
	bool open;
	int e = epochs_open(keys, &r->epochs, err, sizeof(err));

	c.epochs = r->epochs;
	e = e ? e : spool_open(&c, &r->s, err, sizeof(err));
	if (e) {
		log_info("start: %s", err);
		return e;
	}
	s = spool_state(r->s);
	open = s->epoch_first < s->next_seq;
	r->next_id = s->last_id + 1;
	e = note(r,
		 note_start(&host, signer_public(epochs_signer(r->epochs)), b, 8, SPOOL_EPOCH_NS, 0,
			    b),
		 b);
	for (size_t i = 0; !e && i < s->repairs_count; i++) {
		const struct spool_repair *p = &s->repairs[i];

		e = note(r, note_repair(p, b), b);
		if (!e && p->lost)
			e = note(r,
				 note_loss(p->reason, "damaged", p->lost_last - p->lost_first + 1,
					   p->lost_first, p->lost_last, b),
				 b);
	}
	if (!e && spool_erase_unsure(r->s, &first, &last)) {
		e = note_erased(r, first, last);
		if (!e)
			spool_erase_sure(r->s);
	}
	e = e ? e : open ? end_epoch(r, "no seal before", true) : commit(r);
	return e ? e : erase_steps(r);
}

static int records(struct run *r, int n)
{
	int e = 0;

	for (int i = 0; i < n && !e && r->next_id <= RECORDS; i++) {
		uint64_t id = r->next_id++;

		e = spool_seal(r->s, RECORD_AI_CALL, id, &id, sizeof(id), false);
		if (!e && i % (wide ? 60 : 3) == 2)
			e = commit(r);
	}
	return e ? e : commit(r);
}

static int stop(struct run *r)
{
	uint8_t b[NOTE_BYTES_MAX];
	int e = note(r, note_stop("end", b), b);

	e = e ? e : end_epoch(r, "stop", false);
	spool_checkpoint(r->s);
	return e;
}

static void stop_hard(struct run *r)
{
	spool_free(r->s);
	epochs_free(r->epochs);
}

static void drop(struct run *r)
{
	uint64_t end = spool_oldest_end(r->s);
	static uint8_t b[1 << 20];
	size_t n, at = 0;
	ssize_t all = spool_read(r->s, end, b, sizeof(b), 512, &n);
	struct frame f;
	struct record rec = {0};
	const char *why;

	for (; all > 0 && (ssize_t)at < all && !rec.id; at += f.len)
		if (frame_parse(b + at, all - at, &f, &why) <= 0 ||
		    record_decode(f.record, f.record_len, &rec, &why))
			return;
	if (!rec.id)
		return;
	told->drop_id = rec.id;
	spool_drop(r->s, end);
}

static int session(bool to_its_end)
{
	struct run r = {0};
	int e = start(&r);

	if (!e)
		spool_reserve(r.s);
	for (int epoch = 0; epoch < 3 && !e; epoch++) {
		e = records(&r, wide ? 290 : 7);
		spool_checkpoint(r.s);
		for (int i = 0; i < 2;
		     i++) /* and what is not synced by then stays so for a while */
			spool_tiles_step(r.s);
		spool_acked_write(r.s, spool_state(r.s)->durable_seq - 1);
		if (!e && epoch == 1 && spool_oldest_end(r.s))
			drop(&r);
		if (!e && epoch == 2)
			e = erase(&r);
		if (!e && epoch < 2)
			e = end_epoch(&r, "time", false);
	}
	if (!e && to_its_end)
		e = stop(&r);
	told->done = !e;
	stop_hard(&r);
	return e;
}

/* --- the role ------------------------------------------------------------------------------------- */

/* Our ends, the recorder's ends. */
static int worker[2], keeper[2];

/* All the worker and the keeper ever say waits in the sockets already. */
static void role_words(void)
{
	struct role_ack hello = {.id = ROLE_RECORDS};

	if (role_pair(worker) || role_pair(keeper) ||
	    role_send(worker[0], ROLE_HELLO, &hello, sizeof(hello)))
		abort();
	for (uint64_t id = 1; id <= ROLE_RECORDS; id++) {
		struct role_record h = {.id = id,
					.boot_ns = id,
					.schema = RECORD_AI_CALL,
					.len = 8};

		if (role_sendv(worker[0], ROLE_RECORD, &h, sizeof(h), &id, sizeof(id)))
			abort();
	}
	if (role_send(keeper[0], ROLE_STOP, NULL, 0))
		abort();
}

static void role_acks(void)
{
	static uint64_t b[ROLE_BODY_MAX / 8];
	struct role_msg m;

	while (role_recv(worker[0], &m, b, sizeof(b)) >= 0)
		if (m.kind == ROLE_ACK || m.kind == ROLE_HELLO)
			for (uint64_t id = 1; id <= b[0] && id <= RECORDS; id++)
				told->id[id] = true;
	for (int i = 0; i < 2; i++) {
		close(worker[i]);
		close(keeper[i]);
	}
}

static int role_run(void)
{
	const struct recorder_config c = {.state_dir = state,
					  .collector_host = "",
					  .ca_file = "",
					  .cert_file = "",
					  .key_file = "",
					  .segment_bytes = 4096,
					  .user = "",
					  .host = "h",
					  .agent_version = "t",
					  .kernel = "k",
					  .config_sha256 = "",
					  .no_seccomp = true};
	int e = recorder_main(&c, worker[1], keeper[1]);

	told->done = !e;
	return e;
}

/* --- one failed call ------------------------------------------------------------------------------ */

#if defined(__x86_64__)
typedef struct user_regs_struct regs;
#define NR(r) ((r).orig_rax)
#define RET(r) ((r).rax)
#define ARG(r, i) (*((unsigned long long *[]){&(r).rdi, &(r).rsi, &(r).rdx}[i]))
#elif defined(__aarch64__)
typedef struct user_regs_struct regs;
#define NR(r) ((r).regs[8])
#define RET(r) ((r).regs[0])
#define ARG(r, i) ((r).regs[i])
#endif

static void regs_get(pid_t pid, regs *r)
{
	struct iovec v = {r, sizeof(*r)};

	if (ptrace(PTRACE_GETREGSET, pid, (void *)1, &v))
		abort();
}

static void regs_set(pid_t pid, regs *r)
{
	struct iovec v = {r, sizeof(*r)};

	if (ptrace(PTRACE_SETREGSET, pid, (void *)1, &v))
		abort();
}

static void call_leave_out(pid_t pid, regs *r)
{
#if defined(__aarch64__)
	int none = -1;
	struct iovec v = {&none, sizeof(none)};

	ptrace(PTRACE_SETREGSET, pid, (void *)0x404, &v); /* NT_ARM_SYSTEM_CALL */
#else
	NR(*r) = -1;
#endif
}

/* The calls of the list, and no others, stop at the tracer. */
static void trace_me(void)
{
	struct sock_filter f[2 * ARRAY_SIZE(calls) + 2];
	struct sock_fprog p = {.filter = f};
	size_t n = 0;

	f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					      offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i].nr, 0, 1);
		f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
	}
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	p.len = n;
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) || raise(SIGSTOP) ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p))
		_exit(99);
}

static const struct call *call_of(unsigned long long nr)
{
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if (calls[i].nr == (int)nr)
			return &calls[i];
	return NULL;
}

/* --- what a disk has ------------------------------------------------------------------------------ */

#define FILES 4096
static struct file { /* as it was when it was synced last */
	ino_t ino;
	bool dirty, failed;
	uint8_t *p;
	size_t n;
} files[FILES];
static size_t files_n;

static void files_clear(void)
{
	while (files_n)
		free(files[--files_n].p);
}

static struct file *file_of(ino_t ino)
{
	for (size_t i = 0; i < files_n; i++)
		if (files[i].ino == ino)
			return &files[i];
	return NULL;
}

static void file_take(struct file *f, const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	free(f->p);
	f->n = fd < 0 || fstat(fd, &st) ? 0 : st.st_size;
	f->p = malloc(f->n + 1);
	if (!f->p || pread(fd, f->p, f->n, 0) != (ssize_t)f->n)
		abort();
	close(fd);
}

/* A regular file the child has open; its path in path[64]. Met first, it is as it was before the child. */
static struct file *file_at(pid_t pid, unsigned long long fd, char path[static 64])
{
	struct file *f;
	struct stat st;

	snprintf(path, 64, "/proc/%d/fd/%llu", (int)pid, fd);
	if (stat(path, &st) || !S_ISREG(st.st_mode))
		return NULL;
	f = file_of(st.st_ino);
	if (f)
		return f;
	if (files_n == FILES)
		abort();
	f = &files[files_n++];
	*f = (struct file){.ino = st.st_ino};
	file_take(f, path);
	return f;
}

static bool is_sync(const struct call *c)
{
	return c->nr == SYS_fsync || c->nr == SYS_fdatasync;
}

/* Before a call that will be made. */
static void disk_follows(pid_t pid, unsigned long long fd, const struct call *c)
{
	bool writes = c->nr == SYS_write || c->nr == SYS_pwrite64 || c->nr == SYS_ftruncate;
	char path[64];
	struct file *f = writes || is_sync(c) ? file_at(pid, fd, path) : NULL;

	if (!f)
		return;
	f->dirty = writes;
	if (!writes)
		file_take(f, path);
}

static int lose_one(const char *p, const struct stat *st, int type, struct FTW *w)
{
	struct file *f = type == FTW_F ? file_of(st->st_ino) : NULL;
	int fd = f && f->dirty ? open(p, O_WRONLY | O_TRUNC | O_CLOEXEC) : -1;

	if (fd >= 0 && pwrite(fd, f->p, f->n, 0) != (ssize_t)f->n)
		abort();
	if (fd >= 0)
		close(fd);
	return 0;
}

struct plan {
	const struct call *call; /* NULL: any of them */
	unsigned k;		 /* which occurrence, from 0 */
	enum fault fault;
	unsigned long seen[ARRAY_SIZE(calls)], all;
	char asked_again[400]; /* a file whose fsync failed */
};

/* A file of the spool; keys are written anew in place, all of them, and so is what erasure deletes. */
static struct file *synced_file(pid_t pid, const regs *r, char name[static 400])
{
	char path[64];
	struct file *f = file_at(pid, ARG(*(regs *)r, 0), path);
	ssize_t n = readlink(path, name, 399);

	if (n < 0)
		return NULL;
	name[n] = '\0';
	return strstr(name, "/spool/") && !strstr(name, " (deleted)") ? f : NULL;
}

/* True: the child is to be let go; false: it was killed. */
static bool strike(struct plan *p, pid_t pid, regs *r, const struct call *c)
{
	int e = p->fault == EIO_ ? EIO : ENOSPC;

	hit++;
	if (p->fault == KILL || p->fault == POWER) {
		kill(pid, SIGKILL);
		return false;
	}
	if (is_sync(c)) {
		char name[400];
		struct file *f = synced_file(pid, r, name);

		if (f)
			f->failed = true;
	}
	if (p->fault == SHORT) {
		ARG(*r, 2) = ARG(*r, 2) > 1 ? ARG(*r, 2) / 2 : ARG(*r, 2);
		regs_set(pid, r);
		return true;
	}
	if (c->nr == SYS_close) { /* it fails, and is closed all the same */
		int status;

		ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
		waitpid(pid, &status, 0);
		regs_get(pid, r);
	} else {
		call_leave_out(pid, r);
	}
	RET(*r) = -e;
	regs_set(pid, r);
	return true;
}

/* The child's wait status. */
static int follow(pid_t pid, struct plan *p)
{
	int status;

	waitpid(pid, &status, 0);
	ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL);
	ptrace(PTRACE_CONT, pid, NULL, NULL);
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		int signal = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
		const struct call *c;
		regs r;

		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8)) {
			regs_get(pid, &r);
			c = call_of(NR(r));
			if (c && is_sync(c)) {
				char name[400];
				const struct file *f = synced_file(pid, &r, name);

				if (f && f->failed)
					snprintf(p->asked_again, sizeof(p->asked_again), "%s",
						 name);
			}
			if (c && p->fault != COUNT && (!p->call || p->call == c) &&
			    (p->call ? p->seen[c - calls] : p->all) == p->k &&
			    !strike(p, pid, &r, c)) {
				waitpid(pid, &status, 0);
				return status;
			}
			if (c && p->fault == POWER)
				disk_follows(pid, ARG(r, 0), c);
			if (c)
				p->seen[c - calls]++;
			p->all++;
		}
		ptrace(PTRACE_CONT, pid, NULL, signal);
	}
	return status;
}

/* --- folders -------------------------------------------------------------------------------------- */

static int remove_one(const char *p, const struct stat *st, int type, struct FTW *w)
{
	return remove(p);
}

static void clear(const char *dir)
{
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static char copy_to[320];
static size_t copy_from_n;

static int copy_one(const char *p, const struct stat *st, int type, struct FTW *w)
{
	char to[800], b[65536];
	int a, z;
	ssize_t n;

	snprintf(to, sizeof(to), "%s%s", copy_to, p + copy_from_n);
	if (type == FTW_D)
		return mkdir(to, 0700);
	a = open(p, O_RDONLY);
	z = open(to, O_WRONLY | O_CREAT | O_TRUNC, st->st_mode & 07777);
	while ((n = read(a, b, sizeof(b))) > 0)
		if (write(z, b, n) != n)
			abort();
	close(a);
	close(z);
	return 0;
}

static void copy(const char *from, const char *to)
{
	snprintf(copy_to, sizeof(copy_to), "%s", to);
	copy_from_n = strlen(from);
	clear(to);
	nftw(from, copy_one, 16, FTW_PHYS);
}

/* --- afterwards ----------------------------------------------------------------------------------- */

static struct seen {
	uint64_t times[RECORDS + 1], first_seq, wrong, erased;
} seen;

static int one_record(void *ctx, const struct record *r, const struct frame *f)
{
	uint64_t id;

	if (!r->id)
		return 0;
	if (r->id > RECORDS || r->payload_len != SPOOL_SALT_LEN + sizeof(id)) {
		seen.wrong++;
		return 0;
	}
	seen.times[r->id]++;
	if (!r->payload) {
		seen.erased++;
		return 0;
	}
	memcpy(&id, r->payload + SPOOL_SALT_LEN, sizeof(id));
	seen.wrong += id != r->id;
	return 0;
}

static const char *checked(char why[static WHY])
{
	struct verify_options o = {.record = one_record};
	struct verify_result v;
	uint8_t public[RECORD_PUBKEY_LEN];
	char path[400];

	snprintf(path, sizeof(path), "%s/chain-before.0", spool);
	if (!access(path, F_OK))
		return "the chain was given up";
	snprintf(path, sizeof(path), "%s/chain.pub", keys);
	if (public_read(path, public, why, WHY))
		return why;
	o.expect_public = public;
	memset(&seen, 0, sizeof(seen));
	if (verify_dir(spool, &o, &v))
		return "it cannot be read";
	if (!v.ok) {
		snprintf(why, WHY, "%s in %s at %llu, record %llu: %s", v.first.kind, v.first.file,
			 (unsigned long long)v.first.offset, (unsigned long long)v.first.seq,
			 v.first.detail);
		return why;
	}
	for (uint64_t id = 1; id <= RECORDS; id++)
		if (seen.times[id] > 1 || seen.wrong ||
		    (!seen.times[id] && told->id[id] && id >= told->drop_id)) {
			snprintf(why, WHY,
				 "record with id %llu is there %llu times, told %d, wrong %llu",
				 (unsigned long long)id, (unsigned long long)seen.times[id],
				 told->id[id], (unsigned long long)seen.wrong);
			return why;
		}
	return NULL;
}

/* An untroubled start, some records, an orderly end. */
static const char *again(bool role, char why[static WHY])
{
	int status;
	pid_t pid;

	if (role)
		role_words();
	pid = fork();
	if (!pid) {
		struct run r = {0};

		if (role)
			_exit(role_run() != 0);
		_exit(start(&r) || records(&r, 4) || stop(&r));
	}
	waitpid(pid, &status, 0);
	if (role)
		role_acks();
	return status ? "the next start fails" : checked(why);
}

/* --- all of them ---------------------------------------------------------------------------------- */

static unsigned powerless;
static uint64_t was_dropped; /* from the folder with a torn tail */

static void told_clear(void)
{
	memset(told, 0, sizeof(*told));
}

static void one(const char *from, struct plan *p, bool role)
{
	char why[WHY] = "";
	const char *wrong;
	pid_t pid;
	int status;

	if (from)
		copy(from, state);
	else
		clear(state);
	told_clear();
	told->drop_id = from ? was_dropped : 0;
	fflush(stdout);
	if (role)
		role_words();
	pid = fork();
	if (!pid) {
		trace_me();
		_exit(role ? role_run() : session(true) ? 1 : 0);
	}
	files_clear();
	status = follow(pid, p);
	if (role)
		role_acks();
	if (p->fault == POWER)
		nftw(state, lose_one, 16, FTW_PHYS);
	if (p->fault == COUNT)
		return;
	if (WIFSIGNALED(status) && p->fault < KILL)
		snprintf(why, sizeof(why), "ended by signal %d", WTERMSIG(status));
	else if (p->asked_again[0])
		snprintf(why, sizeof(why), "synced again: %s", p->asked_again);
	wrong = *why ? why : again(role, why);
	if (!wrong)
		return;
	failures++;
	printf("# %s of %s number %u, %s: %s\n", fault_names[p->fault],
	       p->call ? p->call->name : "any call", p->k, from ? "torn tail" : "empty folder",
	       wrong);
}

static void power_sweep(const char *from, unsigned long calls_n)
{
	for (unsigned k = 0; k < calls_n; k++, powerless++) {
		struct plan p = {.k = k, .fault = POWER};

		one(from, &p, false);
	}
}

/* Each call that can have that fault; how many. */
static unsigned fault_sweep(const char *from, const struct plan *counted, enum fault f, bool role)
{
	unsigned n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		if ((f == ENOSPC_ && !calls[i].space) || (f == SHORT && !calls[i].part))
			continue;
		for (unsigned k = 0; k < counted->seen[i]; k++, n++) {
			struct plan p = {.call = &calls[i], .k = k, .fault = f};

			one(from, &p, role);
			tried[i][f]++;
		}
	}
	return n;
}

static void sweep(const char *from)
{
	struct plan counted = {.fault = COUNT};
	char why[WHY] = "";

	one(from, &counted, false);
	if (!told->done || again(false, why) || !seen.erased) {
		failures++;
		printf("# the session without a fault: %s\n", why);
	}
	for (int f = EIO_; f <= KILL && !power_only; f++)
		fault_sweep(from, &counted, f, false);
	power_sweep(from, counted.all);
}

static void wide_sweep(void)
{
	struct plan counted = {.fault = COUNT};
	char why[WHY] = "";

	wide = true;
	one(NULL, &counted, false);
	if (!told->done || again(false, why)) {
		failures++;
		printf("# the wide session without a fault: %s\n", why);
	}
	power_sweep(NULL, counted.all);
	wide = false;
}

static void role_sweep(void)
{
	struct plan counted = {.fault = COUNT};

	one(NULL, &counted, true);
	printf("# recorder role: %lu calls;", counted.all);
	for (int f = EIO_; f <= KILL; f++) {
		unsigned n = fault_sweep(NULL, &counted, f, true);

		printf(" %s at %u%s", fault_names[f], n, f == KILL ? "\n" : ",");
		failures += !n;
	}
}

static void torn(const char *dir)
{
	char path[800];
	pid_t pid;
	int status, fd;

	clear(state);
	told_clear();
	pid = fork();
	if (!pid) {
		struct run r = {0};

		if (start(&r) || records(&r, 9) || end_epoch(&r, "time", false) || records(&r, 5) ||
		    spool_checkpoint(r.s))
			_exit(1);
		drop(&r); /* their leaves are in tiles only */
		_exit(records(&r, 3));
	}
	waitpid(pid, &status, 0);
	was_dropped = told->drop_id;
	if (status || !was_dropped)
		abort();
	for (uint64_t n = 40; n--;) { /* the last segment */
		snprintf(path, sizeof(path), "%s/%020llu.seg", spool, (unsigned long long)n);
		fd = open(path, O_WRONLY | O_APPEND);
		if (fd < 0)
			continue;
		if (write(fd, "PBR1\0\0\1\1torn", 12) != 12)
			abort();
		close(fd);
		break;
	}
	copy(state, dir);
}

int main(int argc, char **argv)
{
	char with_torn[320];
	bool role = argc > 2 && !strcmp(argv[2], "role");
	power_only = argc > 2 && !strcmp(argv[2], "power");

	if (argc < 2)
		return 2;
	log_init("crashsweep", getenv("SAY") ? LOG_L_INFO : LOG_L_ERR + 0);
	snprintf(base, sizeof(base), "%s", argv[1]);
	snprintf(state, sizeof(state), "%s/state", base);
	snprintf(with_torn, sizeof(with_torn), "%s/torn", base);
	snprintf(keys, sizeof(keys), "%s/keys", state);
	snprintf(spool, sizeof(spool), "%s/spool", state);
	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (told == MAP_FAILED)
		return 2;
	if (role) {
		role_sweep();
	} else {
		torn(with_torn);
		sweep(NULL);
		sweep(with_torn);
		wide_sweep();
	}
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if (tried[i][EIO_])
			printf("# %-10s EIO %lu, ENOSPC %lu, short write %lu, SIGKILL %lu\n",
			       calls[i].name, tried[i][EIO_], tried[i][ENOSPC_], tried[i][SHORT],
			       tried[i][KILL]);
	if (powerless)
		printf("# power cut at each of %u calls\n", powerless);
	printf("# struck %lu times, %lu failures\n", hit, failures);
	clear(state);
	clear(with_torn);
	return failures != 0;
}
