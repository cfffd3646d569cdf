// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: a path, the BPF object. Flows out: a folder in a bpffs, locked, and the digest that says
 * whether the maps in it can be gone on with.
 *
 * The lock is flock(2) on the folder: it ends with its owner, however that ends, so an agent that was
 * killed never keeps the next one out. What it had forked (who reads programs) may hold it for a moment
 * longer, on a busy host for a second; so it is waited for. The digest covers the agent's own file, because it holds the
 * programs and gives the rules' bits their meaning; and which maps there are, their sizes, and the C
 * text of their types, which options change. PINS_LAYOUT (proto/gate.h) is in it for builds of the
 * same bytes that are to be told apart.
 *
 * Maps are kept but for those of the hooks on pipes, whose programs end with the agent, and constants.
 */
#include "pins_dir.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/log.h"
#include "proto/gate.h"

#define BPFFS "/sys/fs/bpf"
#define DEPTH_MAX 4
#define LOCK_TRIES 150
#define LOCK_STEP_US 20000

/* --- the folder -------------------------------------------------------------------------------- */

static bool is_bpffs(const char *path)
{
	struct statfs s;

	return !statfs(path, &s) && s.f_type == BPF_FS_MAGIC;
}

static bool own_mounts(void)
{
	struct stat a, b;

	return !stat("/proc/self/ns/mnt", &a) && !stat("/proc/1/ns/mnt", &b) &&
	       (a.st_ino != b.st_ino || a.st_dev != b.st_dev);
}

static int mount_at(const char *path)
{
	if (mount("bpf", path, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0)
		return -errno;
	if (own_mounts())
		log_warn(
			"%s was mounted in a mount namespace that ends with this agent: what it pins "
			"there ends as well",
			path);
	return 0;
}

static int make_dir(const char *dir)
{
	_cleanup_free_ char *parent = strdup(dir);
	char *slash = parent ? strrchr(parent, '/') : NULL;

	if (!slash || slash == parent)
		return -EINVAL;
	*slash = '\0';
	if (is_bpffs(dir))
		return 0;
	if (!strcmp(parent, BPFFS) && !is_bpffs(parent)) {
		int r = mount_at(parent);

		if (r)
			return r;
	}
	if (is_bpffs(parent))
		return mkdir(dir, 0700) < 0 && errno != EEXIST ? -errno : 0;
	return fs_mkdirs(dir, 0700) ?: mount_at(dir);
}

static int lock(int fd)
{
	for (unsigned tries = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; tries++) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (tries == LOCK_TRIES)
			return -EBUSY;
		usleep(LOCK_STEP_US);
	}
	return 0;
}

int pins_dir_open(const char *dir, int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	int r = make_dir(dir);

	if (r)
		return r;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	r = lock(fd);
	if (r)
		return r;
	if (fchmod(fd, 0700) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int remove_at(int at, const char *name, unsigned depth)
{
	_cleanup_close_ int fd = -1;
	struct dirent *e;
	int r = 0;
	DIR *d;

	if (!unlinkat(at, name, 0) || errno == ENOENT)
		return 0;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || depth == DEPTH_MAX)
		return -errno;
	d = fdopendir(dup(fd));
	if (!d)
		return -errno;
	while (!r && (e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			r = remove_at(fd, e->d_name, depth + 1);
	closedir(d);
	return r ?: unlinkat(at, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int pins_dir_remove(const char *path)
{
	return remove_at(AT_FDCWD, path, 0);
}

int pins_dir_put(int fd, const char *dir, const char *name)
{
	_cleanup_free_ char *to = NULL, *tmp = NULL;

	if (asprintf(&to, "%s/%s", dir, name) < 0 || asprintf(&tmp, "%s/new", dir) < 0)
		return -ENOMEM;
	unlink(tmp);
	if (bpf_obj_pin(fd, tmp))
		return -errno;
	if (rename(tmp, to) < 0) {
		int r = -errno;

		unlink(tmp);
		return r;
	}
	return 0;
}

/* --- maps -------------------------------------------------------------------------------------- */

bool pins_map_kept(const struct bpf_map *m)
{
	const char *name = bpf_map__name(m);

	if (bpf_map__is_internal(m)) /* variables are kept */
		return strstr(name, ".bss") || (strstr(name, ".data") && !strstr(name, ".rodata"));
	return strncmp(name, "pipe_", 5) && strncmp(name, "old_", 4) && strcmp(name, "stdios");
}

static void into(void *ctx, const char *fmt, va_list ap)
{
	char text[512];
	int n = vsnprintf(text, sizeof(text), fmt, ap);

	EVP_DigestUpdate(ctx, text,
			 n < 0			 ? 0
			 : n < (int)sizeof(text) ? (size_t)n
						 : sizeof(text) - 1);
}

static void into_f(EVP_MD_CTX *ctx, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	into(ctx, fmt, ap);
	va_end(ap);
}

static int types_into(EVP_MD_CTX *ctx, const struct btf *btf, const struct bpf_map *m)
{
	struct btf_dump *d = btf_dump__new(btf, into, ctx, NULL);
	int r = libbpf_get_error(d);

	if (r)
		return r;
	if (bpf_map__btf_key_type_id(m))
		r = btf_dump__dump_type(d, bpf_map__btf_key_type_id(m));
	if (!r && bpf_map__btf_value_type_id(m))
		r = btf_dump__dump_type(d, bpf_map__btf_value_type_id(m));
	btf_dump__free(d);
	return r;
}

static int program_into(EVP_MD_CTX *ctx)
{
	_cleanup_close_ int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	static uint8_t part[1 << 16];
	ssize_t n = -1;

	while (fd >= 0 && (n = read(fd, part, sizeof(part))) > 0)
		EVP_DigestUpdate(ctx, part, n);
	return n ? -EIO : 0;
}

int pins_digest(const struct bpf_object *obj, uint8_t ret[static PINS_DIGEST])
{
	const struct btf *btf = bpf_object__btf(obj);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	const struct bpf_map *m;
	int r = 0;

	if (!ctx || !btf || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
		EVP_MD_CTX_free(ctx);
		return -ENOMEM;
	}
	into_f(ctx, "layout %d\n", PINS_LAYOUT);
	r = program_into(ctx);
	bpf_object__for_each_map(m, obj)
	{
		if (r || !pins_map_kept(m))
			continue;
		into_f(ctx, "%s %d %u %u %u %u\n", bpf_map__name(m), bpf_map__type(m),
		       bpf_map__key_size(m), bpf_map__value_size(m), bpf_map__max_entries(m),
		       bpf_map__map_flags(m));
		r = types_into(ctx, btf, m);
	}
	if (!r && EVP_DigestFinal_ex(ctx, ret, NULL) != 1)
		r = -EIO;
	EVP_MD_CTX_free(ctx);
	return r;
}
