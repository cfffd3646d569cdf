// SPDX-License-Identifier: Apache-2.0
/*
 * In: a collector's answers. Out: segments on disk, as a spool has them, for verify to judge; nothing is
 * judged here. A page is held whole (PAGE_MAX) and split into frames; a frame that does not follow the one
 * before begins a new piece, in a folder of its own, with every SEAL seen so far beside it, since the keys
 * behind a hole are named before it. Records that go back, a page that brings nothing new, a frame that is
 * none: an error, for then there is nothing to verify. Disk as much as the chain takes, below TMPDIR.
 */
#include "collector_read.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/reader.h"
#include "record/render.h"
#include "record/segment_io.h"

#define PAGE_MAX (16u << 20)
#define FILE_BYTES (64u << 20) /* then a new segment begins */
#define TIMEOUT_S 60L

struct collector_read {
	CURL *curl;
	char base[300], error[CURL_ERROR_SIZE];
	uint8_t *page;
	size_t n;
	bool too_long;
};
DEFINE_CLEANUP(struct collector_read, collector_read_free)

static size_t on_data(char *p, size_t one, size_t n, void *ctx)
{
	struct collector_read *c = ctx;

	if (n > PAGE_MAX - c->n) {
		c->too_long = true;
		return 0;
	}
	memcpy(c->page + c->n, p, n);
	c->n += n;
	return n;
}

int collector_read_open(const char *url, const char *ca, const char *cert, const char *key,
			struct collector_read **ret, char *err, size_t err_len)
{
	_cleanup_(collector_read_freep) struct collector_read *c = calloc(1, sizeof(*c));
	CURL *e = c ? curl_easy_init() : NULL;
	size_t n = strlen(url);

	if (!e)
		return -ENOMEM;
	c->curl = e;
	c->page = malloc(PAGE_MAX);
	if (!c->page)
		return -ENOMEM;
	while (n && url[n - 1] == '/')
		n--;
	if (strncmp(url, "https://", 8) || n < 9 || n >= sizeof(c->base)) {
		snprintf(err, err_len, "%.100s: expected https://HOST:PORT", url);
		return -EINVAL;
	}
	memcpy(c->base, url, n);
#define SET(o, v) (curl_easy_setopt(e, CURLOPT_##o, v) == CURLE_OK)
	if (!(SET(PROTOCOLS_STR, "https") && SET(SSL_VERIFYPEER, 1L) && SET(SSL_VERIFYHOST, 2L) &&
	      SET(SSLVERSION, (long)CURL_SSLVERSION_TLSv1_3) && SET(CAPATH, NULL) &&
	      SET(CAINFO, ca) && SET(SSLCERT, cert) && SET(SSLKEY, key) && SET(PROXY, "") &&
	      SET(FOLLOWLOCATION, 0L) && SET(NOSIGNAL, 1L) && SET(TIMEOUT, TIMEOUT_S) &&
	      SET(USERAGENT, "probity/" PROBITY_VERSION) && SET(ERRORBUFFER, c->error) &&
	      SET(WRITEFUNCTION, on_data) && SET(WRITEDATA, c))) {
		snprintf(err, err_len, "libcurl cannot be set up");
		return -EINVAL;
	}
#undef SET
	*ret = TAKE_PTR(c);
	return 0;
}

void collector_read_free(struct collector_read *c)
{
	if (!c)
		return;
	curl_easy_cleanup(c->curl);
	free(c->page);
	free(c);
}

static int get(struct collector_read *c, const char *path, char *err, size_t err_len)
{
	char url[600];
	long http = 0;
	CURLcode code;

	snprintf(url, sizeof(url), "%s%s", c->base, path);
	c->n = 0;
	c->too_long = false;
	c->error[0] = '\0';
	if (curl_easy_setopt(c->curl, CURLOPT_URL, url) != CURLE_OK)
		return -ENOMEM;
	code = curl_easy_perform(c->curl);
	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &http);
	if (c->too_long)
		snprintf(err, err_len, "%s: an answer of more than %u MiB", url, PAGE_MAX >> 20);
	else if (code != CURLE_OK)
		snprintf(err, err_len, "%s: %s", url,
			 c->error[0] ? c->error : curl_easy_strerror(code));
	else if (http == 403)
		snprintf(err, err_len, "%s: refused: it wants an operator's certificate", url);
	else if (http != 200)
		snprintf(err, err_len, "%s: HTTP %ld", url, http);
	else
		return 0;
	return -EIO;
}

int collector_read_chains(struct collector_read *c, json_t **ret, char *err, size_t err_len)
{
	json_t *o, *list;
	int r = get(c, "/v1/chains", err, err_len);

	if (r)
		return r;
	o = json_loadb((char *)c->page, c->n, JSON_REJECT_DUPLICATES, NULL);
	list = json_object_get(o, "chains");
	if (!json_is_array(list)) {
		json_decref(o);
		snprintf(err, err_len, "%s/v1/chains: not a list of chains", c->base);
		return -EBADMSG;
	}
	*ret = json_incref(list);
	json_decref(o);
	return 0;
}

/* --- records into pieces --------------------------------------------------------------------------- */

struct sink {
	struct collector_pieces *out;
	int dir, fd;
	uint64_t bytes; /* in the file that is open */
	uint8_t *seals; /* frames of all SEALs so far */
	size_t seals_n, seals_cap;
};

static void sink_close(struct sink *s)
{
	if (s->fd >= 0)
		close(s->fd);
	if (s->dir >= 0)
		close(s->dir);
	s->fd = s->dir = -1;
}

static int new_piece(struct sink *s, uint64_t first)
{
	struct collector_piece *p;
	const char *tmp = getenv("TMPDIR");
	int r = 0;

	sink_close(s);
	if (s->out->n == COLLECTOR_PIECES_MAX)
		return -E2BIG;
	p = realloc(s->out->p, (s->out->n + 1) * sizeof(*p));
	if (!p)
		return -ENOMEM;
	s->out->p = p;
	p += s->out->n;
	*p = (struct collector_piece){.first = first, .next = first};
	if (snprintf(p->dir, sizeof(p->dir), "%s/probity-verify-XXXXXX",
		     tmp && *tmp ? tmp : "/tmp") >= (int)sizeof(p->dir) ||
	    !mkdtemp(p->dir))
		return errno ? -errno : -ENAMETOOLONG;
	s->out->n++;
	s->dir = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir < 0)
		return -errno;
	if (s->seals_n) {
		_cleanup_close_ int fd =
			openat(s->dir, "seals", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

		r = fd < 0 ? -errno : fs_write_all(fd, s->seals, s->seals_n);
	}
	return r;
}

static int new_file(struct sink *s, uint64_t first)
{
	char file[SEGMENT_NAME_LEN + 1];

	if (s->fd >= 0)
		close(s->fd);
	segment_name(first, file);
	s->bytes = 0;
	s->fd = openat(s->dir, file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return s->fd < 0 ? -errno : 0;
}

static uint64_t seq_of(const struct frame *f)
{
	struct reader in = reader_of(f->record, f->record_len);

	reader_take(&in, 48);
	return reader_u64(&in);
}

static int keep_seal(struct sink *s, const struct frame *f, const uint8_t *whole)
{
	_cleanup_sealed_ struct sealed open = {0};
	const char *why;

	if (sealed_open(f->record, f->record_len, f->sig, &open, &why) || !open.control ||
	    open.control->kind != PROBITY__V1__CONTROL__KIND__SEAL)
		return 0;
	if (f->len > s->seals_cap - s->seals_n) {
		size_t cap = 2 * s->seals_cap + f->len + 4096;
		uint8_t *more = realloc(s->seals, cap);

		if (!more)
			return -ENOMEM;
		s->seals = more;
		s->seals_cap = cap;
	}
	memcpy(s->seals + s->seals_n, whole, f->len);
	s->seals_n += f->len;
	return 0;
}

static int take(struct sink *s, const struct frame *f, const uint8_t *whole)
{
	struct collector_piece *p = s->out->n ? &s->out->p[s->out->n - 1] : NULL;
	uint64_t seq = seq_of(f);
	int r = 0;

	if (p && seq < p->next)
		return -EBADMSG;
	if (!p || seq > p->next) {
		r = new_piece(s, seq);
		if (!r)
			r = new_file(s, seq);
	} else if (s->bytes > FILE_BYTES) {
		r = new_file(s, seq);
	}
	if (!r)
		r = fs_write_all(s->fd, whole, f->len);
	if (r)
		return r;
	s->bytes += f->len;
	s->out->p[s->out->n - 1].next = seq + 1;
	return keep_seal(s, f, whole);
}

static int page(struct collector_read *c, struct sink *s, const char **ret_why)
{
	size_t at = 0;

	while (at < c->n) {
		struct frame f;
		long used = frame_parse(c->page + at, c->n - at, &f, ret_why);
		int r;

		if (used <= 0) {
			if (!used)
				*ret_why = "its answer ends inside a frame";
			return -EBADMSG;
		}
		*ret_why = "its records go back";
		r = take(s, &f, c->page + at);
		if (r)
			return r;
		at += used;
	}
	return 0;
}

int collector_read_records(struct collector_read *c, const char *chain_hex,
			   struct collector_pieces *ret,
			   void (*progress)(void *ctx, uint64_t records), void *ctx, char *err,
			   size_t err_len)
{
	struct collector_pieces out = {0};
	struct sink s = {.out = &out, .dir = -1, .fd = -1};
	uint64_t from = 0, records = 0;
	const char *why = "";
	char path[128];
	int r = 0;

	do {
		snprintf(path, sizeof(path), "/v1/chains/%.32s/records?from=%" PRIu64, chain_hex,
			 from);
		r = get(c, path, err, err_len);
		if (r || !c->n)
			break;
		r = page(c, &s, &why);
		if (r)
			snprintf(err, err_len, "%s%s: %s", c->base, path,
				 r == -EBADMSG ? why : strerror(-r));
		else
			from = out.p[out.n - 1].next;
		records = from;
		if (progress && !r)
			progress(ctx, records);
	} while (!r);
	sink_close(&s);
	free(s.seals);
	if (r)
		collector_pieces_free(&out);
	else
		*ret = out;
	return r;
}

static int remove_one(const char *p, const struct stat *st, int type, struct FTW *w)
{
	return remove(p);
}

void collector_pieces_free(struct collector_pieces *p)
{
	for (size_t i = 0; i < p->n; i++)
		nftw(p->p[i].dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(p->p);
	*p = (struct collector_pieces){0};
}
