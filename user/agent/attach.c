// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: files mapped executable (from mapwatch and from /proc). Flows out: uprobes. Invariant:
 * at most one set of probes per (device, inode, size, mtime), attached for all processes, so a
 * library shared by a thousand processes is probed once and an event is told once.
 *
 * Backend: one uprobe_multi link per file where the kernel has it (6.6), raw bpf(2) because the
 * library of our base distribution does not know it yet; else one perf event per site.
 * Detaching waits for the kernel's readers (100 ms and more), so it runs in a thread of its own,
 * the only one in this process, which touches nothing but its file descriptors.
 *
 * Files without TLS functions are remembered too (that is nearly all of them). When the table is
 * full the oldest of those are forgotten, and looked at again when they come by.
 */
#include "attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "discover/elf_tls.h"

#define IMAGES_MAX 8192 /* files remembered */
#define BUCKETS 4096

/* Not in the kernel headers of our base distribution. */
#define ATTACH_UPROBE_MULTI 48

struct image {
	struct image *next; /* in its bucket */
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
	uint64_t used; /* when last seen, in scans */
	uint32_t functions;
	unsigned sites;
	bool tls, late;
	bool failed; /* has TLS functions but could not be probed: tried again at the next scan */
	int multi;   /* uprobe_multi link, or -1 */
	struct bpf_link **links; /* else one per site */
	unsigned nlinks;
	char path[256], stack[16];
};

struct attach {
	struct bpf_program *prog;
	void (*user)(void *ctx, pid_t pid);
	void *ctx;
	struct image *bucket[BUCKETS];
	unsigned images, tls_images, sites;
	uint64_t tick;
	bool multi; /* the kernel has uprobe_multi */
};

static int link_multi(int prog_fd, const char *path, const struct tls_sites *s)
{
	struct {
		uint32_t prog_fd, target_fd, attach_type, flags;
		uint64_t path, offsets, ref_ctr_offsets, cookies;
		uint32_t cnt, multi_flags, pid, pad;
	} attr = {
		.prog_fd = prog_fd,
		.attach_type = ATTACH_UPROBE_MULTI,
		.path = (uintptr_t)path,
		.offsets = (uintptr_t)s->offset,
		.cookies = (uintptr_t)s->cookie,
		.cnt = s->n,
	};
	int fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));

	return fd < 0 ? -errno : fd;
}

/* Asked once, with a file that cannot be probed: a kernel that knows uprobe_multi says so of the
 * file, one that does not calls the request invalid. A user's file must not decide it. */
static bool has_multi(int prog_fd)
{
	struct tls_sites s = {.n = 1};
	int r = link_multi(prog_fd, "/", &s);

	if (r >= 0)
		close(r);
	return r != -EINVAL && r != -EOPNOTSUPP;
}

struct attach *attach_new(struct bpf_program *prog, void (*user)(void *ctx, pid_t pid), void *ctx)
{
	struct attach *a = calloc(1, sizeof(*a));

	if (a) {
		a->prog = prog;
		a->user = user;
		a->ctx = ctx;
		a->multi = has_multi(bpf_program__fd(prog));
	}
	return a;
}

static void links_close(struct image *im)
{
	if (im->multi >= 0)
		close(im->multi);
	for (unsigned i = 0; i < im->nlinks; i++)
		bpf_link__destroy(im->links[i]);
	free(im->links);
	im->multi = -1;
	im->nlinks = 0;
	im->links = NULL;
}

static void image_close(struct image *im)
{
	links_close(im);
	free(im);
}

void attach_free(struct attach *a)
{
	if (!a)
		return;
	for (unsigned b = 0; b < BUCKETS; b++)
		for (struct image *im = a->bucket[b], *next; im; im = next) {
			next = im->next;
			image_close(im);
		}
	free(a);
}

static unsigned bucket_of(dev_t dev, ino_t ino)
{
	return ((uint64_t)ino * 0x9e3779b97f4a7c15ull + dev) >> 52;
}

static bool same(const struct image *im, const struct stat *st)
{
	return im->dev == st->st_dev && im->ino == st->st_ino && im->size == st->st_size &&
	       im->mtime.tv_sec == st->st_mtim.tv_sec && im->mtime.tv_nsec == st->st_mtim.tv_nsec;
}

static int link_perf(struct attach *a, struct image *im, const char *path,
		     const struct tls_sites *s)
{
	im->links = calloc(s->n, sizeof(*im->links));
	if (!im->links)
		return -ENOMEM;
	for (size_t i = 0; i < s->n; i++) {
		LIBBPF_OPTS(bpf_uprobe_opts, o, .bpf_cookie = s->cookie[i]);

		im->links[i] = bpf_program__attach_uprobe_opts(a->prog, -1, path, s->offset[i], &o);
		if (!im->links[i])
			return -errno;
		im->nlinks++;
	}
	return 0;
}

static int link_image(struct attach *a, struct image *im, int fd, const struct tls_sites *s)
{
	char path[64];
	int r;

	/* Resolved by the kernel to the open file's inode, whatever its path means to us. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (!a->multi)
		return link_perf(a, im, path, s);
	r = link_multi(bpf_program__fd(a->prog), path, s);
	if (r < 0)
		return r;
	im->multi = r;
	return 0;
}

/* False when every image known is in use. */
static bool forget_one(struct attach *a)
{
	struct image **oldest = NULL, *im;

	for (unsigned b = 0; b < BUCKETS; b++)
		for (struct image **p = &a->bucket[b]; *p; p = &(*p)->next)
			if (!(*p)->tls && (!oldest || (*p)->used < (*oldest)->used))
				oldest = p;
	if (!oldest)
		return false;
	im = *oldest;
	*oldest = im->next;
	a->images--;
	free(im);
	return true;
}

static struct image *remember(struct attach *a, unsigned b, const struct stat *st, const char *path)
{
	struct image *im = a->images < IMAGES_MAX || forget_one(a) ? calloc(1, sizeof(*im)) : NULL;

	if (!im)
		return NULL;
	*im = (struct image){.dev = st->st_dev,
			     .ino = st->st_ino,
			     .size = st->st_size,
			     .mtime = st->st_mtim,
			     .used = a->tick,
			     .multi = -1};
	snprintf(im->path, sizeof(im->path), "%s", path);
	im->next = a->bucket[b];
	a->bucket[b] = im;
	a->images++;
	return im;
}

static int probe(struct attach *a, struct image *im, int fd, const struct tls_sites *s)
{
	int r = link_image(a, im, fd, s);

	im->failed = r < 0;
	if (r < 0) {
		links_close(im); /* entries without their returns are worse than none */
		log_warn("cannot probe %s (%s); its TLS calls are not seen", im->path,
			 strerror(-r));
		return r;
	}
	im->functions = s->functions;
	memcpy(im->stack, s->stack, sizeof(im->stack));
	im->sites = s->n;
	a->sites += s->n;
	a->tls_images++;
	log_info("probing %s: %zu sites%s", im->path, s->n,
		 s->refused ? ", some functions could not be decoded" : "");
	return 2;
}

int attach_file(struct attach *a, int fd, const char *path, bool late)
{
	struct image *im;
	struct tls_sites s;
	struct stat st;
	unsigned b;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return 0;
	b = bucket_of(st.st_dev, st.st_ino) % BUCKETS;
	for (im = a->bucket[b]; im && !same(im, &st);)
		im = im->next;
	if (im && !(im->failed && im->used != a->tick)) {
		im->used = a->tick;
		return im->tls && !im->failed;
	}
	r = elf_tls_find(fd, &s);
	if (r < 0 && r != -ENOEXEC)
		return r;
	if (!im)
		im = remember(a, b, &st, path);
	if (!im) {
		log_warn("%s is not looked at: %d files with TLS are probed already", path,
			 IMAGES_MAX);
		return -ENOSPC;
	}
	im->used = a->tick;
	if (r <= 0)
		return 0;
	im->tls = true;
	im->late = late;
	return probe(a, im, fd, &s);
}

int attach_map(struct attach *a, pid_t pid, uint64_t start, uint64_t end, const char *path,
	       bool late)
{
	_cleanup_close_ int fd = -1;
	char p[PATH_MAX];
	int r;

	snprintf(p, sizeof(p), "/proc/%d/map_files/%lx-%lx", pid, start, end);
	fd = open(p, O_RDONLY | O_CLOEXEC);
	if (fd < 0) { /* merged or split mapping */
		snprintf(p, sizeof(p), "/proc/%d/root%s", pid, path);
		fd = open(p, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	}
	if (fd < 0)
		return -errno;
	r = attach_file(a, fd, path, late);
	if (r > 0 && a->user)
		a->user(a->ctx, pid);
	return r;
}

static void scan_maps(struct attach *a, pid_t pid)
{
	_cleanup_fclose_ FILE *f = NULL;
	char p[64], line[PATH_MAX + 128];

	snprintf(p, sizeof(p), "/proc/%d/maps", pid);
	f = fopen(p, "re");
	while (f && fgets(line, sizeof(line), f)) {
		uint64_t from, to, ino;
		char perm[5];
		int at = 0;

		if (sscanf(line, "%lx-%lx %4s %*x %*x:%*x %lu %n", &from, &to, perm, &ino, &at) < 4)
			continue;
		line[strcspn(line, "\n")] = '\0';
		if (perm[2] == 'x' && ino && line[at] == '/')
			attach_map(a, pid, from, to, line + at, true);
	}
}

static void scan_usual_places(struct attach *a)
{
	static const char *const patterns[] = {
		"/usr/lib/*/libssl.so.*",     "/usr/lib/libssl.so.*",
		"/usr/lib64/libssl.so.*",     "/lib/*/libssl.so.*",
		"/usr/local/lib/libssl.so.*", "/usr/local/lib64/libssl.so.*",
		"/opt/*/lib/libssl.so.*",     "/usr/bin/node",
		"/usr/local/bin/node",
	};

	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
		glob_t g = {};

		if (!glob(patterns[i], 0, NULL, &g))
			for (size_t k = 0; k < g.gl_pathc; k++) {
				_cleanup_close_ int fd = open(g.gl_pathv[k], O_RDONLY | O_CLOEXEC);
				char real[PATH_MAX];

				if (fd >= 0)
					attach_file(a, fd,
						    realpath(g.gl_pathv[k], real) ?: g.gl_pathv[k],
						    false);
			}
		globfree(&g);
	}
}

void attach_scan(struct attach *a)
{
	DIR *d = opendir("/proc");
	struct dirent *e;

	a->tick++;
	while (d && (e = readdir(d)))
		if (e->d_name[0] >= '0' && e->d_name[0] <= '9')
			scan_maps(a, atoi(e->d_name));
	if (d)
		closedir(d);
	scan_usual_places(a);
}

static void *closer(void *p)
{
	image_close(p);
	return NULL;
}

static void close_aside(struct image *im)
{
	pthread_t t;

	if (!im->tls || pthread_create(&t, NULL, closer, im))
		image_close(im);
	else
		pthread_detach(t);
}

static bool reachable(const struct image *im)
{
	struct stat st;

	return !stat(im->path, &st) && same(im, &st);
}

unsigned attach_sweep(struct attach *a)
{
	unsigned gone = 0;

	attach_scan(a);
	for (unsigned b = 0; b < BUCKETS; b++)
		for (struct image **p = &a->bucket[b], *im; (im = *p);) {
			if (im->used == a->tick || reachable(im)) {
				p = &im->next;
				continue;
			}
			*p = im->next;
			a->images--;
			if (im->tls && !im->failed) {
				a->sites -= im->sites;
				a->tls_images--;
				gone++;
				log_info("no process maps %s any more: probes removed", im->path);
			}
			close_aside(im);
		}
	return gone;
}

unsigned attach_images(const struct attach *a)
{
	return a->tls_images;
}
unsigned attach_sites(const struct attach *a)
{
	return a->sites;
}

const char *attach_backend(const struct attach *a)
{
	return a->multi ? "uprobe_multi" : "uprobe perf events";
}

json_t *attach_status(const struct attach *a)
{
	json_t *all = json_array();

	for (unsigned b = 0; b < BUCKETS; b++)
		for (const struct image *im = a->bucket[b]; im; im = im->next) {
			json_t *names = json_array();
			char dev[32];

			if (!im->tls || im->failed) {
				json_decref(names);
				continue;
			}
			snprintf(dev, sizeof(dev), "%u:%u", major(im->dev), minor(im->dev));
			for (size_t i = 0; elf_tls_function(i); i++)
				if (im->functions & 1u << i)
					json_array_append_new(names,
							      json_string(elf_tls_function(i)));
			json_array_append_new(all,
					      json_pack("{s:s, s:s, s:I, s:s, s:o, s:I, s:b}",
							"path", im->path, "dev", dev, "inode",
							(json_int_t)im->ino, "stack", im->stack,
							"functions", names, "sites",
							(json_int_t)im->sites, "late", im->late));
		}
	return all;
}
