/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host, port, method, path and dialect in; which AI service and operation out. All data is in the
 * generated tables; nothing is allocated and nothing is remembered between calls.
 *
 * Candidates are the host rows whose pattern fits, ranked exact, glob, suffix, then by literal
 * length. Rows of equal rank are told apart by path. A row with shared evidence stands only when
 * the path fits one of its operations: otherwise a less specific row that is AI's own comes first,
 * as with api.githubcopilot.com, which is Copilot's but serves GitHub's MCP server under /mcp.
 *
 * A host nobody listed is AI when a known dialect was spoken to it, whatever its name: that is
 * shadow AI. It is named after a local runtime only when port and path point to exactly one.
 *
 * Limits: a host of more than 253 bytes and the 17th fitting row are ignored; no host fits more
 * than six of today's rows.
 */
#include "catalog.h"

#include <fnmatch.h>
#include <ctype.h>
#include <string.h>

#include "base/cleanup.h"
#include "catalog_data.h"
#include "catalog_path.h"

#define TEXT(off) (catalog_pool + (off))
#define CANDIDATES_MAX 16
#define HOST_MAX 254

struct found {
	const struct cat_host *rows[CANDIDATES_MAX];
	size_t count;
};

/* Path evidence for one candidate: its best operation, NULL if none fits. */
struct op_match {
	const struct cat_op *op;
	uint32_t score;
};

const char *catalog_version(void)
{
	return catalog_version_text;
}

static void clear(struct catalog_service *s)
{
	*s = (struct catalog_service){"", "", "", "", "", "", "", "", "", "", "", false, false};
}

/* --- hosts ---------------------------------------------------------------------------------- */

/* '*' = one or more bytes without '.'; a leading "*." = one or more whole labels. */
static bool glob_fits(const char *p, const char *s)
{
	const char *star = NULL, *mark = NULL;

	while (*s) {
		if (*p == '*') {
			if (*s == '.')
				return false;
			star = ++p;
			mark = ++s;
		} else if (*p == *s) {
			p++;
			s++;
		} else if (star && *mark && *mark != '.') {
			p = star;
			s = ++mark;
		} else {
			return false;
		}
	}
	return !*p;
}

static bool row_fits(const struct cat_host *h, const char *host, size_t n, size_t key_at)
{
	const char *p = TEXT(h->pattern);

	if (h->class == CAT_EXACT)
		return key_at == 0;
	if (h->class == CAT_GLOB)
		return glob_fits(p, host);
	if (key_at == 0)
		return false;
	if (!strchr(p + 1, '*'))
		return true; /* the key is all there is behind "*." */
	for (const char *dot = strchr(host, '.'); dot; dot = strchr(dot + 1, '.')) {
		if (glob_fits(p + 2, dot + 1))
			return true;
	}
	return false;
}

static bool outranks(const struct cat_host *a, const struct cat_host *b)
{
	if (a->class != b->class)
		return a->class < b->class;
	if (a->literal != b->literal)
		return a->literal > b->literal;
	return a->service < b->service;
}

static void insert(struct found *f, const struct cat_host *h)
{
	size_t i;

	if (f->count == CANDIDATES_MAX)
		return;
	for (i = f->count++; i > 0 && outranks(h, f->rows[i - 1]); i--)
		f->rows[i] = f->rows[i - 1];
	f->rows[i] = h;
}

static void probe(struct found *f, const char *host, size_t n, size_t key_at, uint32_t hash)
{
	for (uint32_t s = cat_hash_slot(hash); catalog_host_slots[s];
	     s = (s + 1) % CAT_HASH_SLOTS) {
		const struct cat_host *h = &catalog_hosts[catalog_host_slots[s] - 1];
		const char *key = TEXT(h->pattern) + strlen(TEXT(h->pattern)) - h->key_len;

		if (h->key_len != n - key_at || memcmp(key, host + key_at, h->key_len))
			continue;
		for (;; h++) {
			if (row_fits(h, host, n, key_at))
				insert(f, h);
			if (!(h->flags & CAT_MORE))
				return;
		}
	}
}

static void find_hosts(const char *host, size_t n, struct found *ret)
{
	uint32_t hash = CAT_HASH_INIT;

	ret->count = 0;
	for (size_t i = n; i-- > 0;) {
		hash = cat_hash_step(hash, host[i]);
		if (i == 0 || host[i - 1] == '.')
			probe(ret, host, n, i, hash);
	}
}

/* Lower case, without the root's dot; 0 if it is no host. */
static size_t normal_host(const char *host, char *out)
{
	size_t n = strlen(host);

	if (n > 0 && host[n - 1] == '.')
		n--;
	if (n >= HOST_MAX)
		return 0;
	for (size_t i = 0; i < n; i++)
		out[i] = tolower((unsigned char)host[i]);
	out[n] = '\0';
	return n;
}

/* --- operations ----------------------------------------------------------------------------- */

static bool method_fits(uint8_t want, const char *method)
{
	static const char *const names[] = {
		[CAT_GET] = "GET",	 [CAT_POST] = "POST", [CAT_PUT] = "PUT",
		[CAT_DELETE] = "DELETE", [CAT_WS] = "GET",
	};

	/* Not seen (late attach): the path decides. A WebSocket over HTTP/2 is a CONNECT. */
	return !*method || !strcmp(names[want], method) ||
	       (want == CAT_WS && !strcmp(method, "CONNECT"));
}

static struct op_match best_op(const struct cat_op *ops, size_t n, const char *method,
			       const struct catalog_path *path, const char *dialect)
{
	struct op_match best = {0};

	for (size_t i = 0; i < n; i++) {
		enum catalog_fit fit = catalog_path_fit(&ops[i], path);
		uint32_t score;

		if (fit == CATALOG_FIT_NONE || !method_fits(ops[i].method, method))
			continue;
		score = fit << 16 | ops[i].literal;
		if (*dialect && !strcmp(TEXT(ops[i].dialect), dialect))
			score |= 1 << 15;
		if (score > best.score)
			best = (struct op_match){&ops[i], score};
	}
	return best;
}

static const struct cat_dialect *find_dialect(const char *name)
{
	for (size_t i = 0; *name && i < catalog_dialects_n; i++) {
		if (!strcmp(TEXT(catalog_dialects[i].name), name))
			return &catalog_dialects[i];
	}
	return NULL;
}

static void set_service(struct catalog_service *r, const struct cat_service *s)
{
	r->id = r->provider = TEXT(s->id);
	r->name = TEXT(s->name);
	r->vendor = TEXT(s->vendor);
	r->kind = TEXT(s->kind);
	r->hq = TEXT(s->hq);
	r->known = true;
}

/* The path says it; if it does not, the dialect on the wire. */
static void set_operation(struct catalog_service *r, const struct cat_op *op,
			  const struct cat_dialect *d)
{
	if (op) {
		r->operation = TEXT(op->operation);
		r->otel_operation = TEXT(op->otel);
		r->dialect = TEXT(op->dialect);
	} else if (d) {
		r->operation = TEXT(d->operation);
		r->otel_operation = TEXT(d->otel);
	}
}

static void set_host(struct catalog_service *r, const struct cat_host *h, bool evidence)
{
	set_service(r, &catalog_services[h->service]);
	r->role = TEXT(h->role);
	r->evidence = TEXT(h->evidence);
	r->ai = h->flags & CAT_CALL && (!(h->flags & CAT_SHARED) || evidence);
}

/* --- look-ups ------------------------------------------------------------------------------- */

/* The row that stands among the candidates, and its operation. Never NULL: count > 0. */
static const struct cat_host *choose(const struct found *f, const char *method,
				     const struct catalog_path *path, const char *dialect,
				     struct op_match *ret_op)
{
	const struct cat_host *stands = NULL;

	*ret_op = (struct op_match){0};
	for (size_t i = 0; i < f->count; i++) {
		const struct cat_host *h = f->rows[i], *prev = i ? f->rows[i - 1] : h;
		const struct cat_service *s = &catalog_services[h->service];
		struct op_match m;

		if (stands && (h->class != prev->class || h->literal != prev->literal))
			break;
		m = best_op(&catalog_ops[s->op_first], s->op_count, method, path, dialect);
		if (m.score > ret_op->score || (!stands && !(h->flags & CAT_SHARED))) {
			*ret_op = m;
			stands = h;
		}
	}
	return stands ?: f->rows[0];
}

static bool no_runtime(const struct cat_service *s)
{
	const char *kind = TEXT(s->kind);

	return strcmp(kind, "local_runtime") && strcmp(kind, "gateway");
}

/*
 * The one service that listens on this port and has this path. One whose operations are not listed
 * counts only when no other fits and a dialect was heard. Two that fit alike: none (8080, 8000).
 */
static const struct cat_service *by_port(uint16_t port, const char *method,
					 const struct catalog_path *path, const char *dialect,
					 struct op_match *ret_op)
{
	const struct cat_service *one = NULL;
	bool twice = false;

	*ret_op = (struct op_match){0};
	for (size_t i = 0; i < catalog_ports_n; i++) {
		const struct cat_service *s = &catalog_services[catalog_ports[i].service];
		struct op_match m;

		if (catalog_ports[i].port != port)
			continue;
		m = best_op(&catalog_ops[s->op_first], s->op_count, method, path, dialect);
		if (m.op && m.op->flags & CAT_WEAK && !*dialect)
			continue;
		if (m.op && m.score >> 16 != CATALOG_FIT_EXACT)
			continue;
		if (!m.op && (!*dialect || s->op_count || no_runtime(s)))
			continue;
		if (m.op && !ret_op->op) {
			one = s;
			*ret_op = m;
			twice = false;
		} else if (!m.op == !ret_op->op) {
			twice = one;
			one = one ?: s;
		}
	}
	if (twice)
		*ret_op = (struct op_match){0};
	return twice ? NULL : one;
}

static bool unlisted(uint16_t port, const char *method, const struct catalog_path *path,
		     const char *dialect, struct catalog_service *ret)
{
	const struct cat_dialect *d = find_dialect(dialect);
	struct op_match m;
	const struct cat_service *s = by_port(port, method, path, d ? dialect : "", &m);

	if (s) {
		set_service(ret, s);
	} else if (d) {
		ret->id = ret->provider = "unknown";
		ret->name = "Unknown AI service";
		m = best_op(&catalog_dialect_ops[d->op_first], d->op_count, method, path, dialect);
	} else {
		return false;
	}
	ret->role = "api";
	ret->evidence = "shared";
	set_operation(ret, m.op, d);
	ret->ai = true;
	return true;
}

bool catalog_service(const struct catalog *c, const char *host, uint16_t port, const char *method,
		     const char *path, const char *dialect, struct catalog_service *ret)
{
	const struct cat_dialect *d = find_dialect(dialect);
	const struct cat_host *h;
	struct catalog_path split;
	struct op_match m;
	struct found f;
	char name[HOST_MAX];
	size_t n = normal_host(host, name);

	clear(ret);
	find_hosts(name, n, &f);
	catalog_path_split(path, &split);
	if (f.count == 0)
		return unlisted(port, method, &split, dialect, ret);
	h = choose(&f, method, &split, dialect, &m);
	set_host(ret, h, m.op || d);
	set_operation(ret, m.op, d);
	return true;
}

bool catalog_host(const struct catalog *c, const char *host, struct catalog_service *ret)
{
	struct found f;
	char name[HOST_MAX];
	size_t n = normal_host(host, name);
	const struct cat_host *h;

	clear(ret);
	find_hosts(name, n, &f);
	if (f.count == 0)
		return false;
	h = f.rows[0];
	for (size_t i = 1; i < f.count && h->flags & CAT_SHARED; i++)
		h = f.rows[i];
	set_host(ret, h->flags & CAT_SHARED ? f.rows[0] : h, false);
	return true;
}

static size_t service_hosts(const char *service, bool shared,
			    void (*each)(void *ctx, const char *pattern), void *ctx)
{
	size_t n = 0;

	for (size_t i = 0; i < catalog_hosts_n; i++) {
		const struct cat_host *h = &catalog_hosts[i];

		if (!(h->flags & CAT_CALL) || !(h->flags & CAT_SHARED) == shared ||
		    fnmatch(service, TEXT(catalog_services[h->service].id), FNM_CASEFOLD))
			continue;
		each(ctx, TEXT(h->pattern));
		n++;
	}
	return n;
}

size_t catalog_service_hosts(const struct catalog *c, const char *service,
			     void (*each)(void *ctx, const char *pattern), void *ctx)
{
	return service_hosts(service, false, each, ctx);
}

size_t catalog_shared_hosts(const struct catalog *c, const char *service,
			    void (*each)(void *ctx, const char *pattern), void *ctx)
{
	return service_hosts(service, true, each, ctx);
}
