/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Build time: checked lists in, the tables of catalog_data.h out as C.
 *
 * Texts are pooled once each (offsets of 16 bits); host rows are sorted by key and rank and found
 * through an open hash; paths become segment templates with their flags worked out here, so that
 * the look-up only compares. A table that outgrows its index type is an error, not a wrap.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "catalog_data.h"
#include "gen_load.h"

#define POOL_MAX 65535
#define POOL_TEXTS 8192

struct emit {
	const struct catalog_source *s;
	FILE *out;
	char pool[POOL_MAX];
	size_t used, texts;
	uint16_t at[POOL_TEXTS];
	bool full;
};

static uint16_t pool(struct emit *e, const char *s)
{
	size_t n = strlen(s) + 1;

	for (size_t i = 0; i < e->texts; i++) {
		if (!strcmp(e->pool + e->at[i], s))
			return e->at[i];
	}
	if (e->texts == POOL_TEXTS || e->used + n > POOL_MAX) {
		e->full = true;
		return 0;
	}
	memcpy(e->pool + e->used, s, n);
	e->at[e->texts++] = e->used;
	e->used += n;
	return e->used - n;
}

static void emit_pool(struct emit *e)
{
	fprintf(e->out, "const char catalog_pool[] =\n");
	for (size_t i = 0; i < e->texts; i++) {
		fputs("\t\"", e->out);
		for (const char *p = e->pool + e->at[i]; *p; p++) {
			/* Octal, three digits: cannot run into a following digit. */
			if (*p == '"' || *p == '\\' || *p == '?' || !isprint((unsigned char)*p))
				fprintf(e->out, "\\%03o", (unsigned char)*p);
			else
				fputc(*p, e->out);
		}
		fputs("\\0\"\n", e->out);
	}
	fprintf(e->out, "\t;\n");
}

/* --- hosts ---------------------------------------------------------------------------------- */

struct host_row {
	struct cat_host h;
	const char *pattern, *key;
	size_t order;
};

static int by_key_and_rank(const void *x, const void *y)
{
	const struct host_row *a = x, *b = y;
	int r = strcmp(a->key, b->key);

	if (r)
		return r;
	if (a->h.class != b->h.class)
		return a->h.class - b->h.class;
	if (a->h.literal != b->h.literal)
		return b->h.literal - a->h.literal;
	return a->order < b->order ? -1 : 1;
}

static struct host_row host_row(struct emit *e, const struct src_host *h, size_t order)
{
	const char *star = strrchr(h->pattern, '*');
	struct host_row r = {.pattern = h->pattern, .order = order};
	bool calls =
		!strcmp(h->role, "api") || !strcmp(h->role, "web") || !strcmp(h->role, "realtime");

	r.key = star ? strchr(star, '.') + 1 : h->pattern;
	r.h = (struct cat_host){
		.pattern = pool(e, h->pattern),
		.service = h->service,
		.role = pool(e, h->role),
		.evidence = pool(e, h->evidence),
		.key_len = strlen(r.key),
		.class = !star				? CAT_EXACT
			 : strncmp(h->pattern, "*.", 2) ? CAT_GLOB
							: CAT_SUFFIX,
		.flags = (calls ? CAT_CALL : 0) | (!strcmp(h->evidence, "shared") ? CAT_SHARED : 0),
	};
	for (const char *p = h->pattern; *p; p++)
		r.h.literal += *p != '*';
	return r;
}

static void fill_slots(const struct host_row *rows, size_t n, uint16_t *slots)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t h = CAT_HASH_INIT;

		if (i && !strcmp(rows[i].key, rows[i - 1].key))
			continue;
		for (size_t k = rows[i].h.key_len; k-- > 0;)
			h = cat_hash_step(h, rows[i].key[k]);
		for (h = cat_hash_slot(h); slots[h]; h = (h + 1) % CAT_HASH_SLOTS)
			;
		slots[h] = i + 1;
	}
}

static int emit_hosts(struct emit *e)
{
	size_t n = e->s->hosts_n;
	struct host_row *rows = calloc(n + 1, sizeof(*rows));
	uint16_t slots[CAT_HASH_SLOTS] = {0};

	if (!rows || n > CAT_HASH_SLOTS * 3 / 4) {
		free(rows);
		return -ENOSPC;
	}
	for (size_t i = 0; i < n; i++)
		rows[i] = host_row(e, &e->s->hosts[i], i);
	qsort(rows, n, sizeof(*rows), by_key_and_rank);
	fill_slots(rows, n, slots);
	fprintf(e->out, "const uint16_t catalog_hosts_n = %zu;\n", n);
	fprintf(e->out, "const struct cat_host catalog_hosts[] = {\n");
	for (size_t i = 0; i < n; i++) {
		const struct cat_host *h = &rows[i].h;
		bool more = i + 1 < n && !strcmp(rows[i].key, rows[i + 1].key);

		fprintf(e->out, "\t{%u, %u, %u, %u, %u, %u, %u, %u}, /* %s */\n", h->pattern,
			h->service, h->role, h->evidence, h->key_len, h->literal, h->class,
			h->flags | (more ? CAT_MORE : 0),
			strstr(rows[i].pattern, "*/") ? "" : rows[i].pattern);
	}
	fprintf(e->out, "};\nconst uint16_t catalog_host_slots[CAT_HASH_SLOTS] = {");
	for (size_t i = 0; i < CAT_HASH_SLOTS; i++)
		fprintf(e->out, "%s%u,", i % 16 ? "" : "\n\t", slots[i]);
	fprintf(e->out, "\n};\n");
	free(rows);
	return 0;
}

/* --- operations ----------------------------------------------------------------------------- */

/* "/v1/{x}/chat?a=" to "/v1/<wild>/chat": no query, no names, no trailing slash. */
static void template_of(const char *path, char *out, uint8_t *flags)
{
	size_t n = 0;

	if (!strncmp(path, "...", 3)) {
		*flags |= CAT_ANY_PREFIX;
		path += 3;
	}
	for (; *path && *path != '?'; path++) {
		if (*path == '{') {
			out[n++] = '*';
			path = strchr(path, '}');
		} else {
			out[n++] = *path;
		}
	}
	out[n] = '\0';
	if (n > 2 && path[-1] == '*' && out[n - 2] == '/') {
		*flags |= CAT_ANY_SUFFIX;
		out[n -= 2] = '\0';
	}
	if (n > 1 && out[n - 1] == '/')
		out[n - 1] = '\0';
}

static bool is_version(const char *segment)
{
	return segment[0] == 'v' && isdigit(segment[1]) && segment[strcspn(segment, "/")] == '/';
}

static struct cat_op op_row(struct emit *e, const struct src_op *o)
{
	static const char *const methods[] = {"GET", "POST", "PUT", "DELETE", "GET(ws)"};
	struct cat_op r = {.operation = pool(e, o->operation),
			   .otel = pool(e, o->otel),
			   .dialect = pool(e, o->dialect)};
	char path[256];
	bool meta = !strcmp(o->operation, "health") || !strcmp(o->operation, "telemetry");

	while (strcmp(methods[r.method], o->method))
		r.method++;
	template_of(o->path, path, &r.flags);
	for (const char *p = path; *p; p++) {
		r.segments += *p == '/';
		r.literal += *p != '*' && *p != '/';
		if (*p == '/')
			r.last = p - path;
	}
	r.path = pool(e, path);
	if (is_version(path + 1) && r.segments > 1)
		r.flags |= CAT_VERSIONED;
	if (strchr(path + r.last, '*'))
		r.flags |= CAT_LAST_WILD;
	if (!*o->dialect && (r.segments < 2 || meta))
		r.flags |= CAT_WEAK;
	return r;
}

static void print_op(struct emit *e, const struct cat_op *o)
{
	fprintf(e->out, "\t{%u, %u, %u, %u, %u, %u, %u, %u, %u}, /* %s */\n", o->path, o->operation,
		o->otel, o->dialect, o->method, o->flags, o->segments, o->last, o->literal,
		strstr(e->pool + o->path, "*/") ? "" : e->pool + o->path);
}

static void emit_services(struct emit *e)
{
	size_t op = 0;

	fprintf(e->out, "const uint16_t catalog_services_n = %zu;\n", e->s->services_n);
	fprintf(e->out, "const struct cat_service catalog_services[] = {\n");
	for (size_t i = 0; i < e->s->services_n; i++) {
		const struct src_service *s = &e->s->services[i];
		size_t first = op;

		while (op < e->s->ops_n && e->s->ops[op].service == i)
			op++;
		fprintf(e->out, "\t{%u, %u, %u, %u, %u, %zu, %zu}, /* %s */\n", pool(e, s->id),
			pool(e, s->name), pool(e, s->vendor), pool(e, s->kind), pool(e, s->hq),
			first, op - first, s->id);
	}
	fprintf(e->out, "};\nconst struct cat_op catalog_ops[] = {\n");
	for (size_t i = 0; i < e->s->ops_n; i++) {
		struct cat_op o = op_row(e, &e->s->ops[i]);

		print_op(e, &o);
	}
	fprintf(e->out, "\t{0}\n};\n");
}

/* What to assume of a host nobody listed: the operations of each dialect, whoever has them. */
static void emit_dialects(struct emit *e)
{
	struct cat_dialect d[64] = {0};
	size_t n = 0, rows = 0;

	fprintf(e->out, "const struct cat_op catalog_dialect_ops[] = {\n");
	for (size_t i = 0; i < e->s->ops_n; i++) {
		struct cat_op o = op_row(e, &e->s->ops[i]);
		bool seen = !o.dialect || n == 64;

		for (size_t k = 0; k < n && !seen; k++)
			seen = d[k].name == o.dialect;
		if (seen)
			continue;
		d[n] = (struct cat_dialect){o.dialect, o.operation, o.otel, rows, 0};
		for (size_t j = i; j < e->s->ops_n; j++) {
			struct cat_op p = op_row(e, &e->s->ops[j]);
			bool twice = p.dialect != o.dialect;

			for (size_t k = i; k < j && !twice; k++) {
				struct cat_op q = op_row(e, &e->s->ops[k]);

				twice = q.path == p.path && q.method == p.method &&
					q.dialect == p.dialect;
			}
			if (twice)
				continue;
			print_op(e, &p);
			rows++;
		}
		d[n].op_count = rows - d[n].op_first;
		n++;
	}
	fprintf(e->out, "\t{0}\n};\nconst uint16_t catalog_dialects_n = %zu;\n", n);
	fprintf(e->out, "const struct cat_dialect catalog_dialects[] = {\n");
	for (size_t i = 0; i < n; i++)
		fprintf(e->out, "\t{%u, %u, %u, %u, %u}, /* %s */\n", d[i].name, d[i].operation,
			d[i].otel, d[i].op_first, d[i].op_count, e->pool + d[i].name);
	fprintf(e->out, "\t{0}\n};\n");
}

static void emit_ports(struct emit *e)
{
	fprintf(e->out, "const uint16_t catalog_ports_n = %zu;\n", e->s->ports_n);
	fprintf(e->out, "const struct cat_port catalog_ports[] = {\n");
	for (size_t i = 0; i < e->s->ports_n; i++)
		fprintf(e->out, "\t{%u, %u}, /* %s */\n", e->s->ports[i].port,
			e->s->ports[i].service, e->s->services[e->s->ports[i].service].id);
	fprintf(e->out, "\t{0}\n};\n");
}

/* --- tools ---------------------------------------------------------------------------------- */

struct text_row {
	const char *text;
	size_t tool;
	unsigned flags;
};

static int by_text(const void *x, const void *y)
{
	const struct text_row *a = x, *b = y;
	int r = strcmp(a->text, b->text);

	return r ? r : (a->tool > b->tool) - (a->tool < b->tool);
}

/* Import and distribution names meet in one spelling: lower case, '-' and '.' as '_'. */
static const char *python_name(struct emit *e, const char *s)
{
	char name[128];
	size_t i;

	for (i = 0; s[i] && i < sizeof(name) - 1; i++)
		name[i] = strchr("-.", s[i]) ? '_' : tolower((unsigned char)s[i]);
	name[i] = '\0';
	return e->pool + pool(e, name);
}

static bool has_kind(const struct catalog_source *s, size_t tool, enum src_text_kind kind)
{
	for (size_t i = 0; i < s->texts_n; i++) {
		if (s->texts[i].tool == tool && s->texts[i].kind == kind)
			return true;
	}
	return false;
}

static int emit_texts(struct emit *e, const char *name, enum src_text_kind kind)
{
	const struct catalog_source *s = e->s;
	struct text_row *rows = calloc(2 * s->texts_n + 1, sizeof(*rows));
	size_t n = 0;

	if (!rows)
		return -ENOMEM;
	for (size_t i = 0; i < s->texts_n; i++) {
		const struct src_text *t = &s->texts[i];
		bool library = !strcmp(s->tools[t->tool].kind, "sdk");
		/* A Python tool's command is nearly always its import name as well. */
		bool module =
			kind == SRC_PYPI && t->kind == SRC_EXE && has_kind(s, t->tool, SRC_PYPI);
		bool generic = kind == SRC_EXE && t->kind == SRC_EXE_GENERIC;

		if (library || !(t->kind == kind || module || generic))
			continue;
		rows[n++] = (struct text_row){kind == SRC_PYPI ? python_name(e, t->text) : t->text,
					      t->tool, generic ? CAT_GENERIC : 0};
	}
	if (kind != SRC_ARGV && kind != SRC_EXE_PATH)
		qsort(rows, n, sizeof(*rows), by_text);
	fprintf(e->out, "const struct cat_text catalog_%s[] = {\n", name);
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (i && !by_text(&rows[i], &rows[i - 1]))
			continue;
		fprintf(e->out, "\t{%u, %zu, %u},\n", pool(e, rows[i].text), rows[i].tool,
			rows[i].flags);
		kept++;
	}
	fprintf(e->out, "\t{0}\n};\nconst uint16_t catalog_%s_n = %zu;\n", name, kept);
	free(rows);
	return 0;
}

static int emit_tools(struct emit *e)
{
	int r;

	fprintf(e->out, "const struct cat_tool catalog_tools[] = {\n");
	for (size_t i = 0; i < e->s->tools_n; i++) {
		const struct src_tool *t = &e->s->tools[i];
		bool library = !strcmp(t->kind, "sdk") || !strcmp(t->kind, "browser_extension");

		fprintf(e->out, "\t{%u, %u, %u, %u, %u}, /* %zu %s */\n", pool(e, t->id),
			pool(e, t->name), pool(e, t->vendor), pool(e, t->kind),
			library ? CAT_TOOL_LIBRARY : 0, i, t->id);
	}
	fprintf(e->out, "};\n");
	r = emit_texts(e, "exes", SRC_EXE);
	r = r < 0 ? r : emit_texts(e, "npm", SRC_NPM);
	r = r < 0 ? r : emit_texts(e, "pypi", SRC_PYPI);
	r = r < 0 ? r : emit_texts(e, "exe_paths", SRC_EXE_PATH);
	return r < 0 ? r : emit_texts(e, "argv", SRC_ARGV);
}

int catalog_source_emit(const struct catalog_source *s, const char *sha256_hex, FILE *out,
			char *err, size_t err_len)
{
	struct emit *e = calloc(1, sizeof(*e));
	int r = e ? 0 : -ENOMEM;

	if (e) {
		*e = (struct emit){.s = s, .out = out};
		pool(e, "");
		fprintf(out, "/* Made by gen_catalog from the catalog of %s. */\n", s->compiled);
		fprintf(out, "#include \"classify/catalog_data.h\"\n");
		fprintf(out, "const char catalog_version_text[] = \"%s.%.12s\";\n", s->compiled,
			sha256_hex);
		emit_services(e);
		emit_dialects(e);
		emit_ports(e);
		r = emit_hosts(e);
		r = r < 0 ? r : emit_tools(e);
		emit_pool(e);
		if (e->full || s->tools_n > 255 || s->services_n > 65535)
			r = -ENOSPC;
	}
	free(e);
	if (r < 0)
		snprintf(err, err_len, "catalog: %s: a table of catalog_data.h is too small",
			 strerror(-r));
	return r;
}
