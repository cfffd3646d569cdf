// SPDX-License-Identifier: Apache-2.0
/*
 * Flows in: dpkg's file lists, the lists of wheels (RECORD). Flows out: names of packages. All of it is
 * searched as bytes, nothing is executed. dpkg's lists are root's; a wheel's are of who installed it.
 *
 * Of dpkg's some hundred thousand paths only those where programs lie are kept, as a hash of 64 bits
 * each and the number of their package: two paths with one hash would be one in 10^9 hosts. The lists
 * are read again, when their folder has changed, no more often than every LISTS_S.
 */
#include "exec_ident.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "classify/package.h"

#define LISTS "/var/lib/dpkg/info"
#define LISTS_S 10
#define LIST_MAX (8 << 20)
#define RECORD_MAX (4 << 20)
#define DISTS_MAX 512
#define PATHS_MAX (1 << 20)

struct listed {
	uint64_t hash;
	uint32_t package; /* offset of its name */
};
static struct {
	struct listed *path;
	size_t n, room;
	char *names;
	size_t names_len;
	struct timespec mtime;
	time_t looked;
} dpkg;

static uint64_t hash_of(const char *s, size_t n)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)s[i]) * 0x100000001b3ull;
	return h;
}

/* Where /usr is merged, both names lead to one file. */
static uint64_t path_hash(const char *s, size_t n)
{
	if (n > 5 && !memcmp(s, "/usr/", 5)) {
		s += 4;
		n -= 4;
	}
	return hash_of(s, n);
}

static bool of_programs(const char *s, size_t n)
{
	static const char *const in[] = {"/bin/",	"/sbin/",      "/usr/bin/", "/usr/sbin/",
					 "/usr/games/", "/usr/lib/",   "/lib/",	    "/usr/libexec/",
					 "/usr/share/", "/usr/local/", "/opt/"};
	const char *base = memrchr(s, '/', n);

	if (!base || memmem(s, n, "/doc/", 5) || memmem(s, n, "/man/", 5) ||
	    memmem(s, n, "/locale/", 8) || memmem(s, n, "/icons/", 7))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(in); i++)
		if (n > strlen(in[i]) && !memcmp(s, in[i], strlen(in[i])))
			return true;
	return false;
}

static void add_path(const char *s, size_t n, uint32_t package)
{
	if (dpkg.n == PATHS_MAX)
		return;
	if (dpkg.n == dpkg.room) {
		size_t room = dpkg.room ? dpkg.room * 2 : 16384;
		struct listed *p = reallocarray(dpkg.path, room, sizeof(*p));

		if (!p)
			return;
		dpkg.path = p;
		dpkg.room = room;
	}
	dpkg.path[dpkg.n++] = (struct listed){path_hash(s, n), package};
}

/* Not a pipe or a device that its owner put there: the keeper must not wait for one. */
static int read_regular(const char *path, size_t max, char **ret, size_t *ret_n)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	return S_ISREG(st.st_mode) ? fs_read_fd(fd, max, ret, ret_n) : -EACCES;
}

/* "bash.list", "libc6:amd64.list" */
static void add_list(const char *file)
{
	size_t name = strcspn(file, ":"), len = strlen(file), n = 0;
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX], *names;
	uint32_t package = dpkg.names_len;

	if (len < 6 || strcmp(file + len - 5, ".list"))
		return;
	if (name > len - 5)
		name = len - 5;
	snprintf(path, sizeof(path), LISTS "/%s", file);
	names = realloc(dpkg.names, dpkg.names_len + name + 1);
	if (!names)
		return;
	dpkg.names = names;
	memcpy(names + package, file, name);
	names[package + name] = '\0';
	dpkg.names_len += name + 1;
	if (read_regular(path, LIST_MAX, &text, &n))
		return;
	for (const char *s = text, *end = text + n; s < end;) {
		const char *stop = memchr(s, '\n', end - s) ?: end;

		if (of_programs(s, stop - s))
			add_path(s, stop - s, package);
		s = stop + 1;
	}
}

static int by_hash(const void *a, const void *b)
{
	uint64_t x = ((const struct listed *)a)->hash, y = ((const struct listed *)b)->hash;

	return x < y ? -1 : x > y;
}

static void read_lists(void)
{
	DIR *d = opendir(LISTS);
	struct dirent *e;

	dpkg.n = dpkg.names_len = 0;
	while (d && (e = readdir(d)))
		add_list(e->d_name);
	if (d)
		closedir(d);
	if (dpkg.n)
		qsort(dpkg.path, dpkg.n, sizeof(dpkg.path[0]), by_hash);
}

const char *exec_debian_package(const char *path)
{
	struct listed key = {.hash = path_hash(path, strlen(path))};
	time_t now = time(NULL);
	const struct listed *l;
	struct stat st;

	if (now >= dpkg.looked + LISTS_S && !stat(LISTS, &st)) {
		if (memcmp(&st.st_mtim, &dpkg.mtime, sizeof(st.st_mtim))) {
			dpkg.mtime = st.st_mtim;
			read_lists();
		}
		dpkg.looked = now;
	}
	l = dpkg.n ? bsearch(&key, dpkg.path, dpkg.n, sizeof(key), by_hash) : NULL;
	return l ? dpkg.names + l->package : "";
}

/* --- Python -------------------------------------------------------------------------------------- */

/* In one site-packages: the wheel that lists `file`. */
static bool by_record(const char *site, const char *file, char ret[static PACKAGE_NAME_MAX])
{
	char path[PATH_MAX];
	unsigned seen = 0;
	DIR *d = opendir(site);
	struct dirent *e;
	bool found = false;

	while (!found && d && (e = readdir(d)) && seen < DISTS_MAX) {
		_cleanup_free_ char *text = NULL;
		size_t n = 0;
		char name[PACKAGE_NAME_MAX];

		if (!package_dist_name(e->d_name, name))
			continue;
		seen++;
		snprintf(path, sizeof(path), "%s/%s/RECORD", site, e->d_name);
		if (read_regular(path, RECORD_MAX, &text, &n) || !package_record_has(text, n, file))
			continue;
		memcpy(ret, name, sizeof(name));
		found = true;
	}
	if (d)
		closedir(d);
	return found;
}

/* The folders of packages that a program in PREFIX/bin sees. */
static void sites_of(const char *bin, glob_t *g)
{
	char pattern[PATH_MAX];
	const char *slash = strrchr(bin, '/');

	memset(g, 0, sizeof(*g));
	while (slash && slash > bin && slash[-1] != '/')
		slash--; /* the folder's own name */
	if (!slash || slash - bin < 2)
		return;
	if (snprintf(pattern, sizeof(pattern), "%.*s/lib/python3*/site-packages",
		     (int)(slash - 1 - bin), bin) < (int)sizeof(pattern))
		glob(pattern, GLOB_NOSORT, NULL, g);
	if (!strncmp(bin, "/usr/", 5)) {
		int how = GLOB_NOSORT | (g->gl_pathc ? GLOB_APPEND : 0);

		glob("/usr/lib/python3/dist-packages", how, NULL, g);
		glob("/usr/local/lib/python3*/dist-packages", GLOB_NOSORT | GLOB_APPEND, NULL, g);
	}
}

/* Of a file that lies in a folder of packages: the wheel that lists its first part. */
static bool by_place(const char *path, char ret[static PACKAGE_NAME_MAX])
{
	static const char *const folders[] = {"/site-packages/", "/dist-packages/"};
	char site[PATH_MAX], file[NAME_MAX + 2];

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		const char *at = strstr(path, folders[i]), *top;
		size_t n;

		if (!at)
			continue;
		top = at + strlen(folders[i]);
		n = strcspn(top, "/");
		if ((size_t)(top - path) >= sizeof(site) || n > NAME_MAX || !n)
			return false;
		snprintf(site, sizeof(site), "%.*s", (int)(top - path - 1), path);
		snprintf(file, sizeof(file), "%.*s%s", (int)n, top, top[n] ? "/" : "");
		return by_record(site, file, ret);
	}
	return false;
}

bool exec_python_package(const char *script, const char *module, char ret[static 127])
{
	const char *base = strrchr(script, '/');
	char file[PATH_MAX];
	bool found = false;
	glob_t g;

	if (!base)
		return false;
	if (by_place(script, ret))
		return true;
	sites_of(script, &g);
	for (size_t i = 0; i < g.gl_pathc && !found; i++) {
		snprintf(file, sizeof(file), "../../../bin%s", base);
		found = by_record(g.gl_pathv[i], file, ret);
		if (!found && module[0]) {
			snprintf(file, sizeof(file), "%s/", module);
			found = by_record(g.gl_pathv[i], file, ret);
		}
	}
	globfree(&g);
	return found;
}

static size_t modules_in(const char *site, const char *name, char (*ret)[PACKAGE_NAME_MAX])
{
	DIR *d = opendir(site);
	struct dirent *e;
	size_t found = 0;

	for (unsigned seen = 0; !found && d && (e = readdir(d)) && seen < DISTS_MAX;) {
		_cleanup_free_ char *text = NULL;
		char path[PATH_MAX], of[PACKAGE_NAME_MAX];
		size_t n = 0;

		if (!package_dist_name(e->d_name, of))
			continue;
		seen++;
		snprintf(path, sizeof(path), "%s/%s/RECORD", site, e->d_name);
		if (!strcmp(of, name) && !read_regular(path, RECORD_MAX, &text, &n))
			found = package_record_modules(text, n, ret);
	}
	if (d)
		closedir(d);
	return found;
}

size_t exec_python_modules(const char *site, const char *name, char (*ret)[127])
{
	static const char *const everywhere[] = {
		"/usr/lib/python3/dist-packages",
		"/usr/lib/python3*/site-packages",
		"/usr/local/lib/python3*/dist-packages",
		"/usr/local/lib/python3*/site-packages",
		"/root/.local/lib/python3*/site-packages",
		"/home/*/.local/lib/python3*/site-packages",
	};
	size_t found = 0;
	glob_t g = {};

	if (site)
		return modules_in(site, name, ret);
	for (size_t i = 0; i < ARRAY_SIZE(everywhere); i++)
		glob(everywhere[i], GLOB_NOSORT | (i ? GLOB_APPEND : 0), NULL, &g);
	for (size_t i = 0; i < g.gl_pathc && !found; i++)
		found = modules_in(g.gl_pathv[i], name, ret);
	globfree(&g);
	return found;
}

static bool is_file(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode);
}

bool exec_python_module(const char *exe, const char *module, char *ret, size_t cap)
{
	char at[PATH_MAX];
	bool found = false;
	glob_t g;

	if (strlen(module) >= sizeof(at) || module[0] == '.' || strchr(module, '/'))
		return false;
	strcpy(at, module);
	for (char *s = at; *s; s++)
		if (*s == '.')
			*s = '/';
	sites_of(exe, &g);
	for (size_t i = 0; i < g.gl_pathc && !found; i++) {
		found = snprintf(ret, cap, "%s/%s/__main__.py", g.gl_pathv[i], at) < (int)cap &&
			is_file(ret);
		if (!found)
			found = snprintf(ret, cap, "%s/%s.py", g.gl_pathv[i], at) < (int)cap &&
				is_file(ret);
	}
	globfree(&g);
	return found;
}
