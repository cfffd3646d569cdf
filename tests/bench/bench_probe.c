// SPDX-License-Identifier: Apache-2.0
/*
 * What a probed SSL_write costs, as a multiple of an empty uprobe at the same sites (entry and
 * RET). A stub library takes encryption out of the picture; the programs, the attachment and the
 * ring are the agent's own. Rounds are interleaved and the median ratio is printed, because the
 * machine's speed drifts; within a round each figure is the best of three runs, because a
 * disturbance only ever adds.
 *
 * Then bodies written as fast as the stub goes (it encrypts nothing and sends nothing, so no real
 * program is as fast), while the reader hashes what it gets: bytes lost when a full ring is a gap,
 * and when the call waits for room.
 *
 * usage: bench_probe STUB.so EMPTY.bpf.o
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "agent/attach/links.h"
#include "agent/bpf.h"
#include "agent/ring.h"
#include "base/cleanup.h"
#include "base/log.h"

#define ROUNDS 9
#define CALLS 20000
#define RUNS 3
#define PAYLOAD 4096
#define BODIES_MIB 512
#define WAIT_US 20000 /* what the agent asks for */

enum { NONE, EMPTY, IGNORED, CAPTURED, KINDS };

static int (*ssl_write)(void *, const void *, int);
static void (*ssl_client)(void *);
static struct verdict_slot *verdicts;
static struct ring *ring;
static volatile int stop;
static volatile uint64_t last_conn, records;
static volatile uint64_t bytes_read;
static pid_t self;
static EVP_MD_CTX *hash;    /* not NULL: the reader hashes, which is the least a worker does */
static uint64_t lost, sent; /* captured records that found no room: the figure would flatter */

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void on_record(void *ctx, const void *p, size_t n)
{
	const struct event *e = p;

	if (e->kind == EVENT_DATA && e->pid == (uint32_t)self) { /* others may speak in the clear */
		const struct event_data *d = p;

		records++;
		bytes_read += d->size;
		if (hash)
			EVP_DigestUpdate(hash, d->bytes, d->size);
		last_conn = e->conn; /* who waits for it sets the others */
	}
}

/* The worker's way of waiting, on the other core. */
static void *consumer(void *p)
{
	struct timespec ms = {.tv_nsec = 1000000};

	while (!stop)
		if (!ring_consume(ring, on_record, NULL, 512))
			nanosleep(&ms, NULL);
	return NULL;
}

static double run(void *ssl)
{
	static char buf[PAYLOAD];
	double best = 1e18;

	memset(buf, 'x', sizeof(buf));
	for (int r = 0; r < RUNS; r++) {
		uint64_t t = now();

		for (int i = 0; i < CALLS; i++)
			ssl_write(ssl, buf, sizeof(buf));
		t = now() - t;
		if (t < best * CALLS)
			best = (double)t / CALLS;
		usleep(20000); /* the ring runs dry */
	}
	return best;
}

static double run_empty(struct bpf_program *prog, const char *stub, uint64_t entry, uint64_t ret)
{
	struct bpf_link *a = bpf_program__attach_uprobe(prog, false, -1, stub, entry);
	struct bpf_link *b = bpf_program__attach_uprobe(prog, false, -1, stub, ret);
	double t;

	if (!a || !b) {
		perror("empty uprobe");
		exit(1);
	}
	t = run((void *)0x1000);
	bpf_link__destroy(a);
	bpf_link__destroy(b);
	return t;
}

static double run_agent(const struct linker *linker, int fd, const uint64_t offset[static 3],
			bool ignore)
{
	static const uint64_t cookie[3] = {TLS_WRITE, TLS_RETURN, TLS_CLIENT};
	static uintptr_t handle = 0x10000;
	struct links *probes;
	void *ssl = (void *)(handle += 64);
	char buf[PAYLOAD] = "";
	double t;

	if (links_open(linker, fd, offset, cookie, 3, 0, "", &probes))
		exit(1);
	ssl_client(ssl);
	last_conn = 0;
	ssl_write(ssl, buf, sizeof(buf));
	for (int i = 0; !last_conn && i < 2000; i++)
		usleep(1000);
	if (!last_conn) {
		fprintf(stderr, "the probe does not fire\n");
		exit(1);
	}
	if (ignore) {
		struct verdict_slot *v = &verdicts[last_conn & (VERDICT_SLOTS - 1)];

		v->conn = last_conn;
		v->verdict = VERDICT_IGNORE;
	}
	records = 0;
	t = run(ssl);
	usleep(50000);
	if (ignore && records) {
		fprintf(stderr, "the ignored connection was captured\n");
		exit(1);
	}
	if (!ignore) {
		sent += (uint64_t)CALLS * RUNS;
		lost += (uint64_t)CALLS * RUNS - records;
	}
	links_close(probes);
	return t;
}

/* Bodies of size bytes on a captured connection, as fast as it goes. */
static void run_bodies(struct bpf *bpf, const struct linker *linker, int fd,
		       const uint64_t offset[static 3], size_t size, uint32_t wait_us)
{
	static const uint64_t cookie[3] = {TLS_WRITE, TLS_RETURN, TLS_CLIENT};
	static uintptr_t handle = 0x800000;
	uint64_t total = BODIES_MIB << 20, waited = bpf_waited(bpf), t;
	void *ssl = (void *)(handle += 64);
	char *body = malloc(size);
	struct links *probes;

	if (!body || links_open(linker, fd, offset, cookie, 3, 0, "", &probes))
		exit(1);
	memset(body, 'x', size);
	bpf_set_wait(bpf, wait_us);
	ssl_client(ssl);
	usleep(20000);
	bytes_read = 0;
	t = now();
	for (uint64_t n = 0; n < total; n += size)
		ssl_write(ssl, body, (int)size);
	t = now() - t;
	usleep(200000);
	printf("  %2zu KiB bodies, %-17s %6.2f %% of %d MiB lost, %5.0f MB/s, %lu calls waited\n",
	       size >> 10, wait_us ? "the call waits" : "full ring is a gap",
	       100.0 * (double)(total - bytes_read) / (double)total, BODIES_MIB,
	       (double)total * 1e3 / (double)t, bpf_waited(bpf) - waited);
	links_close(probes);
	free(body);
}

static void bodies(struct bpf *bpf, const struct linker *linker, int fd,
		   const uint64_t offset[static 3])
{
	hash = EVP_MD_CTX_new();
	if (!hash || !EVP_DigestInit_ex(hash, EVP_sha256(), NULL))
		exit(1);
	printf("Bodies at full speed, to a reader that hashes them\n");
	for (size_t size = 16 << 10; size <= 64 << 10; size *= 4) {
		run_bodies(bpf, linker, fd, offset, size, 0);
		if (bpf_waits(bpf))
			run_bodies(bpf, linker, fd, offset, size, WAIT_US);
	}
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void report(const char *what, const double *ratio, double ns, double limit)
{
	double r[ROUNDS];

	memcpy(r, ratio, sizeof(r));
	qsort(r, ROUNDS, sizeof(r[0]), by_value);
	printf("%-42s %5.2f  (%.2f to %.2f; %.0f ns a call; target <= %.2f)%s\n", what,
	       r[ROUNDS / 2], r[0], r[ROUNDS - 1], ns, limit,
	       r[ROUNDS / 2] <= limit ? "" : "  MISSED");
}

/* Offsets of entry and RET of SSL_write in the stub. Its code is two instructions; read from the
 * file, because in memory somebody's probes may stand in it. */
static void sites(int fd, uint64_t at, uint64_t *entry, uint64_t *ret)
{
	uint8_t code[64] = {};
	const uint8_t *p;

	if (pread(fd, code, sizeof(code), at) <= 0 || !(p = memchr(code, 0xc3, sizeof(code)))) {
		fprintf(stderr, "no RET in the stub\n");
		exit(1);
	}
	*entry = at;
	*ret = at + (p - code);
}

int main(int argc, char **argv)
{
	double t[KINDS], ignored[ROUNDS], captured[ROUNDS];
	struct bpf_object *empty;
	struct bpf_program *prog;
	uint64_t offset[3]; /* SSL_write: entry, RET; SSL_set_connect_state */
	struct linker linker;
	struct bpf *bpf;
	pthread_t thread;
	Dl_info info;
	void *lib;
	int fd;

	if (argc != 3)
		return 2;
	log_init("bench", LOG_L_WARN);
	self = getpid();
	lib = dlopen(argv[1], RTLD_NOW);
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (!lib || fd < 0 || bpf_open(0, &bpf))
		return 1;
	ssl_write = (int (*)(void *, const void *, int))dlsym(lib, "SSL_write");
	ssl_client = (void (*)(void *))dlsym(lib, "SSL_set_connect_state");
	dladdr((void *)ssl_write, &info);
	sites(fd, (uint8_t *)ssl_write - (uint8_t *)info.dli_fbase, &offset[0], &offset[1]);
	offset[2] = (uint8_t *)ssl_client - (uint8_t *)info.dli_fbase;
	linker_init(&linker, bpf_tls_program(bpf), NULL);
	empty = bpf_object__open_file(argv[2], NULL);
	if (!empty || bpf_object__load(empty))
		return 1;
	prog = bpf_object__find_program_by_name(empty, "empty");
	verdicts = mmap(NULL, VERDICT_SLOTS * sizeof(*verdicts), PROT_READ | PROT_WRITE, MAP_SHARED,
			bpf_verdicts_fd(bpf), 0);
	if (verdicts == MAP_FAILED || ring_open(bpf_events_fd(bpf), bpf_events_size(bpf), &ring) ||
	    pthread_create(&thread, NULL, consumer, NULL))
		return 1;
	for (int r = 0; r < ROUNDS; r++) {
		t[NONE] = run((void *)0x1000);
		t[EMPTY] = run_empty(prog, argv[1], offset[0], offset[1]);
		t[IGNORED] = run_agent(&linker, fd, offset, true);
		t[CAPTURED] = run_agent(&linker, fd, offset, false);
		ignored[r] = t[IGNORED] / t[EMPTY];
		captured[r] = t[CAPTURED] / t[EMPTY];
	}
	printf("%-42s %5.2f  (%.0f ns a call; no probe: %.1f ns)\n", "empty uprobe, entry and RET",
	       1.0, t[EMPTY], t[NONE]);
	report("write on an ignored connection", ignored, t[IGNORED], 1.15);
	report("captured write of 4 KiB", captured, t[CAPTURED], 1.40);
	printf("  %lu of %lu captured records found no room in the ring\n", lost, sent);
	bodies(bpf, &linker, fd, offset);
	stop = 1;
	pthread_join(thread, NULL);
	bpf_close(bpf);
	return 0;
}
