// SPDX-License-Identifier: Apache-2.0
/* Flows in: names. Flows out: packs, or the line that says why not. A folder is read one level deep; what
 * in it is no pack by its looks (a catalog, a price list) is nobody's mistake and is left out. */
#include "pack_file.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "cli.h"
#include "record/printable.h"

int pack_file_load(const char *path, struct pack **ret, char *err, size_t err_len)
{
	_cleanup_free_ char *yaml = NULL;
	char shown[512];
	size_t n = 0;
	int k = fs_read(path, PACK_FILE_MAX, &yaml, &n);

	printable_copy(shown, sizeof(shown), path);
	if (k == -EFBIG) {
		snprintf(err, err_len, "%s:1: larger than %d bytes; expected a policy pack", shown,
			 PACK_FILE_MAX);
		return CLI_NEGATIVE;
	}
	if (k) {
		snprintf(err, err_len, "%s: cannot be read: %s", shown, strerror(-k));
		return CLI_UNREACHABLE;
	}
	return pack_parse(shown, yaml, n, ret, err, err_len) ? CLI_NEGATIVE : CLI_OK;
}

void pack_files_done(struct pack_files *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->v[i]);
	free(f->v);
	*f = (struct pack_files){};
}

/* Takes the text, also when it fails. */
static int add(struct pack_files *f, char *path)
{
	char **more = path ? realloc(f->v, (f->n + 1) * sizeof(*more)) : NULL;

	if (!more) {
		free(path);
		return -ENOMEM;
	}
	f->v = more;
	f->v[f->n++] = path;
	return 0;
}

static int is_yaml(const struct dirent *e)
{
	return e->d_name[0] != '.' &&
	       (!fnmatch("*.yaml", e->d_name, 0) || !fnmatch("*.yml", e->d_name, 0));
}

static bool is_pack(const char *path)
{
	_cleanup_free_ char *yaml = NULL;
	size_t n;
	int r = fs_read(path, PACK_FILE_MAX, &yaml, &n);

	/* What cannot be read is for its reader to complain of; a large file is something else. */
	return r ? r != -EFBIG : pack_looks_like(yaml, n);
}

int pack_files_add(struct pack_files *f, const char *path)
{
	struct dirent **names;
	struct stat st;
	int n, r = 0;

	if (stat(path, &st) || !S_ISDIR(st.st_mode))
		return add(f, strdup(path));
	n = scandir(path, &names, is_yaml, alphasort);
	if (n < 0)
		return add(f, strdup(path));
	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *one = NULL;

		if (!r && asprintf(&one, "%s/%s", path, names[i]->d_name) < 0)
			r = -ENOMEM;
		if (!r && is_pack(one))
			r = add(f, TAKE_PTR(one));
		free(names[i]);
	}
	free(names);
	return r;
}

void hex_text(const unsigned char *p, size_t n, char *dst)
{
	for (size_t i = 0; i < n; i++)
		sprintf(dst + 2 * i, "%02x", p[i]);
	dst[2 * n] = '\0';
}
