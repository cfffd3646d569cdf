// SPDX-License-Identifier: Apache-2.0
/*
 * In: a collector's answers. Out: segments on disk, as a spool has them, for verify to judge; nothing is
 * judged here. A page is held whole (PAGE_MAX) and split into frames; a frame that does not follow the one
 * before begins a new piece, in a folder of its own, with every SEAL seen so far beside it and those the
 * collector gives for the hole, since the keys behind it are named before and in it. Records that go back, a
 * page that brings nothing new, a frame that is none: an error, for then there is nothing to verify. Disk as
 * much as the chain takes, below TMPDIR.
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
#define HOLE 1

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
	char path[128] = "/v1/chains", last[33] = "";
	json_t *all = json_array();
	const char *next;
	bool more;
	int r = all ? 0 : -ENOMEM;

	while (!r) {
		json_t *o = NULL;

		r = get(c, path, err, err_len);
		if (r)
			break;
		o = json_loadb((char *)c->page, c->n, JSON_REJECT_DUPLICATES, NULL);
		next = json_string_value(json_object_get(o, "next"));
		if (!json_is_array(json_object_get(o, "chains")) ||
		    (next && (strlen(next) != 32 || strcmp(next, last) <= 0))) {
			snprintf(err, err_len, "%s%s: not a list of chains", c->base, path);
			r = -EBADMSG;
		} else {
			json_array_extend(all, json_object_get(o, "chains"));
			if (next)
				snprintf(last, sizeof(last), "%s", next);
		}
		snprintf(path, sizeof(path), "/v1/chains?after=%s", last);
		more = next;
		json_decref(o);
		if (!more)
			break;
	}
	if (r)
		json_decref(all);
	else
		*ret = all;
	return r;
}

int collector_read_stamp(struct collector_read *c, const char *chain_hex, json_t **ret, char *err,
			 size_t err_len)
{
	char path[128];
	json_t *o;
	int r;

	snprintf(path, sizeof(path), "/v1/chains/%.32s/stamp", chain_hex);
	r = get(c, path, err, err_len);
	if (r)
		return r;
	o = json_loadb((char *)c->page, c->n, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(o)) {
		json_decref(o);
		snprintf(err, err_len, "%s%s: not a time stamp", c->base, path);
		return -EBADMSG;
	}
	*ret = json_object_size(o) ? o : NULL;
	if (!*ret)
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
	uint64_t sealed; /* the next one is not before */

	bool asked;
	uint64_t hole_at,
		hole_end; /* a hole that was asked for: its first record, and the one behind */
	struct collector_hole *hole; /* what was given for it */
};

static void sink_close(struct sink *s)
{
	if (s->fd >= 0)
		close(s->fd);
	if (s->dir >= 0)
		close(s->dir);
	s->fd = s->dir = -1;
}

/* The SEAL before the hole's LOSS record names the key it is under. */
static void loss_key(const struct sink *s, struct collector_piece *p)
{
	const char *why;
	struct frame f;
	long used;

	for (size_t at = 0; at < s->seals_n; at += used) {
		_cleanup_sealed_ struct sealed open = {0};

		used = frame_parse(s->seals + at, s->seals_n - at, &f, &why);
		if (used <= 0 || sealed_open(f.record, f.record_len, f.sig, &open, &why) ||
		    !open.control || open.head.seq >= s->hole->loss_seq ||
		    open.control->next_public_key.len != RECORD_PUBKEY_LEN)
			return;
		memcpy(p->loss_key, open.control->next_public_key.data, RECORD_PUBKEY_LEN);
		p->loss_keyed = true;
	}
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
	if (s->hole)
		loss_key(s, p);
	p->hole = TAKE_PTR(s->hole);
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

static int add_seal(struct sink *s, uint64_t seq, const uint8_t *whole, size_t n)
{
	if (seq < s->sealed)
		return 0; /* with the hole before */
	if (n > s->seals_cap - s->seals_n) {
		size_t cap = 2 * s->seals_cap + n + 4096;
		uint8_t *more = realloc(s->seals, cap);

		if (!more)
			return -ENOMEM;
		s->seals = more;
		s->seals_cap = cap;
	}
	memcpy(s->seals + s->seals_n, whole, n);
	s->seals_n += n;
	s->sealed = seq + 1;
	return 0;
}

static int keep_seal(struct sink *s, const struct frame *f, const uint8_t *whole)
{
	_cleanup_sealed_ struct sealed open = {0};
	const char *why;

	if (sealed_open(f->record, f->record_len, f->sig, &open, &why) || !open.control ||
	    open.control->kind != PROBITY__V1__CONTROL__KIND__SEAL)
		return 0;
	return add_seal(s, open.head.seq, whole, f->len);
}

static int take(struct sink *s, const struct frame *f, const uint8_t *whole)
{
	struct collector_piece *p = s->out->n ? &s->out->p[s->out->n - 1] : NULL;
	uint64_t seq = seq_of(f);
	int r = 0;

	if (p && seq < p->next)
		return -EBADMSG;
	if (!p || seq > p->next) {
		if (seq && (!s->asked || s->hole_end != seq || s->hole_at != (p ? p->next : 0))) {
			s->hole_end = seq;
			return HOLE;
		}
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

/* 0; HOLE: records are missing before s->hole_end, which was not taken. */
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

/* --- holes ------------------------------------------------------------------------------------------ */

/* Of the hole that was asked for only; it may have answered with another. */
static bool fits(const struct sink *s)
{
	return s->hole->first == s->hole_at && s->hole->last + 1 == s->hole_end;
}

static int hole_seal(void *ctx, uint64_t seq, const uint8_t *frame, size_t n)
{
	struct sink *s = ctx;

	return fits(s) ? add_seal(s, seq, frame, n) : 0;
}

/* What it has for the records from `at` on up to s->hole_end. */
static int read_hole(struct collector_read *c, struct sink *s, const char *chain_hex, uint64_t at,
		     char *err, size_t err_len)
{
	char path[128];
	int r;

	if (s->hole_at == at && s->asked) {
		snprintf(err, err_len,
			 "%s: the records behind %" PRIu64 " change while they are read", c->base,
			 at);
		return -EBADMSG;
	}
	s->hole_at = at;
	s->asked = true;
	snprintf(path, sizeof(path), "/v1/chains/%.32s/hole?from=%" PRIu64, chain_hex, at);
	r = get(c, path, err, err_len);
	if (r || !c->n)
		return r;
	free(s->hole);
	s->hole = calloc(1, sizeof(*s->hole));
	r = s->hole ? collector_hole_parse(c->page, c->n, s->hole, hole_seal, s) : -ENOMEM;
	if (r && r != -EBADMSG) {
		snprintf(err, err_len, "%s%s: %s", c->base, path, strerror(-r));
		return r;
	}
	if (r || !fits(s)) /* nothing that proves it: a finding, by whoever judges */
		free(TAKE_PTR(s->hole));
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
		from = out.n ? out.p[out.n - 1].next : 0;
		if (r == HOLE) {
			r = read_hole(c, &s, chain_hex, from, err, err_len);
			from = s.hole_end;
			continue;
		}
		if (r)
			snprintf(err, err_len, "%s%s: %s", c->base, path,
				 r == -EBADMSG ? why : strerror(-r));
		records = from;
		if (progress && !r)
			progress(ctx, records);
	} while (!r);
	sink_close(&s);
	free(s.seals);
	free(s.hole);
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
	for (size_t i = 0; i < p->n; i++) {
		nftw(p->p[i].dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
		free(p->p[i].hole);
	}
	free(p->p);
	*p = (struct collector_pieces){0};
}
