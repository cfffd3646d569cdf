/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Build time: the catalog's YAML in, checked flat lists out.
 *
 * Each mapping has a table of the keys it may hold and of what kind they are; a key that is not in
 * the table, a missing or doubled one and a value of another kind are errors. References (operation,
 * dialect, source, service) must exist, ids must be unique, patterns must compile. The first error
 * ends the run; its line is that of the offending node. Not for untrusted input: a file of the
 * project's own tree.
 */
#include <ctype.h>
#include <errno.h>
#include <hs.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/cleanup.h"
#include "gen_load.h"

struct load {
	yaml_document_t doc;
	struct catalog_source *out;
	const char *name;
	char *err;
	size_t err_len;
	yaml_node_t *operations, *dialects, *sources;
};

enum kind { ANY, TEXT, TEXT_OR_NULL, LIST, TEXTS, MAP };
struct key {
	const char *name;
	enum kind kind;
	bool required;
};

static int fail(struct load *l, const yaml_node_t *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static int fail(struct load *l, const yaml_node_t *at, const char *fmt, ...)
{
	int n = snprintf(l->err, l->err_len, "%s:%zu: ", l->name,
			 at ? at->start_mark.line + 1 : (size_t)1);
	va_list ap;

	va_start(ap, fmt);
	if (n >= 0 && (size_t)n < l->err_len)
		vsnprintf(l->err + n, l->err_len - n, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* Room for one more, zeroed; ends the program without memory, as a build tool may. */
static void *grow(void *list, size_t *n, size_t size)
{
	char *p = *(char **)list;

	if ((*n & (*n - 1)) == 0) {
		p = realloc(p, (*n ? *n * 2 : 1) * size);
		if (!p)
			abort();
		*(char **)list = p;
	}
	return memset(p + size * (*n)++, 0, size);
}
#define ADD(src, list) grow(&(src)->list, &(src)->list##_n, sizeof(*(src)->list))

static const char *text_of(const yaml_node_t *n)
{
	return n && n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value : NULL;
}

static bool is_null(const yaml_node_t *n)
{
	return n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       (!strcmp(text_of(n), "null") || !strcmp(text_of(n), "~") || !*text_of(n));
}

static yaml_node_t *item(struct load *l, const yaml_node_t *list, size_t i)
{
	yaml_node_item_t *p = list->data.sequence.items.start + i;

	return p < list->data.sequence.items.top ? yaml_document_get_node(&l->doc, *p) : NULL;
}

static int check_kind(struct load *l, const yaml_node_t *v, const struct key *k)
{
	const yaml_node_t *e;

	if (k->kind == ANY)
		return 0;
	if (k->kind == MAP)
		return v->type == YAML_MAPPING_NODE ? 0 : fail(l, v, "%s: not a mapping", k->name);
	if (k->kind == LIST || k->kind == TEXTS) {
		if (v->type != YAML_SEQUENCE_NODE)
			return fail(l, v, "%s: not a list", k->name);
		for (size_t i = 0; k->kind == TEXTS && (e = item(l, v, i)); i++) {
			if (!text_of(e) || !*text_of(e))
				return fail(l, e, "%s: not a text", k->name);
		}
		return 0;
	}
	if (!text_of(v))
		return fail(l, v, "%s: not a text", k->name);
	if (k->kind == TEXT && is_null(v))
		return fail(l, v, "%s: empty", k->name);
	return 0;
}

/* Values of the mapping in the order of `keys` (NULL where absent). */
static int take(struct load *l, const yaml_node_t *map, const char *what, const struct key *keys,
		size_t n, yaml_node_t **ret)
{
	int r;

	if (!map || map->type != YAML_MAPPING_NODE)
		return fail(l, map, "%s: not a mapping", what);
	memset(ret, 0, n * sizeof(*ret));
	for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
	     p++) {
		yaml_node_t *k = yaml_document_get_node(&l->doc, p->key);
		yaml_node_t *v = yaml_document_get_node(&l->doc, p->value);
		size_t i = 0;

		while (text_of(k) && i < n && strcmp(keys[i].name, text_of(k)))
			i++;
		if (!text_of(k) || i == n)
			return fail(l, k, "%s: unknown key '%s'", what, text_of(k) ?: "?");
		if (ret[i])
			return fail(l, k, "%s: key '%s' twice", what, keys[i].name);
		ret[i] = v;
		r = check_kind(l, v, &keys[i]);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < n; i++) {
		if (keys[i].required && !ret[i])
			return fail(l, map, "%s: key '%s' is missing", what, keys[i].name);
	}
	return 0;
}

static yaml_node_t *lookup(struct load *l, const yaml_node_t *map, const char *key)
{
	for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
	     p++) {
		if (!strcmp(text_of(yaml_document_get_node(&l->doc, p->key)), key))
			return yaml_document_get_node(&l->doc, p->value);
	}
	return NULL;
}

/* A mapping from names to `kind`, without doubles. */
static int check_names(struct load *l, const yaml_node_t *map, const char *what, enum kind kind)
{
	int r;

	for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
	     p++) {
		yaml_node_t *k = yaml_document_get_node(&l->doc, p->key);
		yaml_node_t *v = yaml_document_get_node(&l->doc, p->value);

		if (!text_of(k))
			return fail(l, k, "%s: key is not a text", what);
		if (lookup(l, map, text_of(k)) != v)
			return fail(l, k, "%s: '%s' twice", what, text_of(k));
		r = check_kind(l, v, &(struct key){text_of(k), kind, true});
		if (r < 0)
			return r;
	}
	return 0;
}

static int one_of(struct load *l, const yaml_node_t *n, const char *what, const char *list)
{
	const char *p = strstr(list, text_of(n));
	size_t len = strlen(text_of(n));

	for (; p; p = strstr(p + 1, text_of(n))) {
		if (len && (p == list || p[-1] == ' ') && (p[len] == ' ' || !p[len]))
			return 0;
	}
	return fail(l, n, "unknown %s '%s'", what, text_of(n));
}

static int check_source(struct load *l, const yaml_node_t *n)
{
	const yaml_node_t *e = n;

	if (!n)
		return 0;
	for (size_t i = 0; n->type == YAML_SCALAR_NODE ? i == 0 : !!(e = item(l, n, i)); i++) {
		if (!text_of(e) || !lookup(l, l->sources, text_of(e)))
			return fail(l, e, "source '%s' is not in meta.sources", text_of(e) ?: "?");
	}
	return 0;
}

/* --- services ------------------------------------------------------------------------------- */

static int check_host_pattern(struct load *l, const yaml_node_t *n)
{
	const char *p = text_of(n), *last = strrchr(p, '*'), *key = last ? strchr(last, '.') : p;

	if (strlen(p) > 200 || !key || !key[0] || !key[1] || strspn(p, "*.") == strlen(p))
		return fail(l, n, "host pattern '%s': needs a literal end", p);
	for (const char *c = p; *c; c++) {
		bool dot = *c == '.' && (c == p || c[1] == '.' || !c[1]);

		if (dot || (!islower(*c) && !isdigit(*c) && !strchr("-.*", *c)))
			return fail(l, n, "host pattern '%s': bad character or empty label", p);
		if (*c == '*' && c[1] == '*')
			return fail(l, n, "host pattern '%s': '**'", p);
	}
	return 0;
}

static int add_host(struct load *l, const yaml_node_t *map, size_t service)
{
	static const struct key keys[] = {
		{"pattern", TEXT, true}, {"role", TEXT, true},	 {"evidence", TEXT, true},
		{"note", TEXT, false},	 {"source", ANY, false},
	};
	yaml_node_t *v[ARRAY_SIZE(keys)];
	struct src_host *h;
	int r = take(l, map, "domain", keys, ARRAY_SIZE(keys), v);

	r = r < 0 ? r : check_host_pattern(l, v[0]);
	r = r < 0 ? r
		  : one_of(l, v[1], "role",
			   "api web auth cdn telemetry download realtime docs control files vector");
	r = r < 0 ? r : one_of(l, v[2], "evidence", "dedicated vendor shared");
	r = r < 0 ? r : check_source(l, v[4]);
	if (r < 0)
		return r;
	for (size_t i = l->out->hosts_n; i-- > 0 && l->out->hosts[i].service == service;) {
		if (!strcmp(l->out->hosts[i].pattern, text_of(v[0])))
			return fail(l, map, "host '%s' twice in one service", text_of(v[0]));
	}
	h = ADD(l->out, hosts);
	*h = (struct src_host){text_of(v[0]), text_of(v[1]), text_of(v[2]), service};
	return 0;
}

/* "...": only at the start; "*" alone in a segment: only at the end; {name}: closed, one segment. */
static int check_path(struct load *l, const yaml_node_t *n)
{
	const char *p = text_of(n);
	bool brace = false;

	if (!strncmp(p, "...", 3))
		p += 3;
	if (*p != '/' || strlen(p) > 250)
		return fail(l, n, "path '%s': does not begin with '/'", text_of(n));
	for (const char *c = p; *c && *c != '?'; c++) {
		if (brace ? !(isalnum(*c) || strchr("_}", *c))
			  : !(isalnum(*c) || strchr("/{*-._:~", *c)))
			return fail(l, n, "path '%s': bad character '%c'", text_of(n), *c);
		if (*c == '{' || *c == '}')
			brace = *c == '{';
		if (c[0] == '/' && (c[1] == '/' || !strncmp(c, "/*/", 3)))
			return fail(l, n, "path '%s': bad segment", text_of(n));
		if ((*c == '}' || *c == '*') && (c[1] == '{' || c[1] == '*'))
			return fail(l, n, "path '%s': two wildcards side by side", text_of(n));
	}
	return brace ? fail(l, n, "path '%s': '{' is not closed", text_of(n)) : 0;
}

static int add_op(struct load *l, const yaml_node_t *map, size_t service)
{
	static const struct key keys[] = {
		{"method", TEXT, true},	  {"path", TEXT, true},	 {"operation", TEXT, true},
		{"dialect", TEXT, false}, {"note", TEXT, false}, {"source", ANY, false},
	};
	yaml_node_t *v[ARRAY_SIZE(keys)], *otel;
	struct src_op *o;
	int r = take(l, map, "operation", keys, ARRAY_SIZE(keys), v);

	r = r < 0 ? r : one_of(l, v[0], "method", "GET POST PUT DELETE GET(ws)");
	r = r < 0 ? r : check_path(l, v[1]);
	r = r < 0 ? r : check_source(l, v[5]);
	if (r < 0)
		return r;
	otel = lookup(l, l->operations, text_of(v[2]));
	if (!otel)
		return fail(l, v[2], "operation '%s' is not in 'operations'", text_of(v[2]));
	if (v[3] && !lookup(l, l->dialects, text_of(v[3])))
		return fail(l, v[3], "dialect '%s' is not in 'dialects'", text_of(v[3]));
	for (size_t i = l->out->ops_n; i-- > 0 && l->out->ops[i].service == service;) {
		if (!strcmp(l->out->ops[i].path, text_of(v[1])) &&
		    !strcmp(l->out->ops[i].method, text_of(v[0])))
			return fail(l, map, "%s %s twice in one service", text_of(v[0]),
				    text_of(v[1]));
	}
	o = ADD(l->out, ops);
	*o = (struct src_op){text_of(v[0]),
			     text_of(v[1]),
			     text_of(v[2]),
			     is_null(otel) ? "" : text_of(otel),
			     v[3] ? text_of(v[3]) : "",
			     service};
	return 0;
}

static int add_ports(struct load *l, const yaml_node_t *list, size_t service)
{
	yaml_node_t *e;

	for (size_t i = 0; list && (e = item(l, list, i)); i++) {
		char *end;
		unsigned long port = strtoul(text_of(e), &end, 10);
		struct src_port *p;

		if (*end || port == 0 || port > 65535)
			return fail(l, e, "port '%s'", text_of(e));
		p = ADD(l->out, ports);
		*p = (struct src_port){port, service};
	}
	return 0;
}

static int add_service(struct load *l, const yaml_node_t *map)
{
	static const struct key keys[] = {
		{"id", TEXT, true},
		{"name", TEXT, true},
		{"vendor", TEXT, false},
		{"kind", TEXT, true},
		{"hq", TEXT_OR_NULL, true},
		{"domains", LIST, true},
		{"operations", LIST, false},
		{"ports", TEXTS, false},
		{"source", ANY, true},
		{"confidence", TEXT, true},
		{"hq_source", TEXT, false},
		{"otel_provider", TEXT, true},
		{"auth_headers", TEXTS, false},
		{"auth_query", TEXTS, false},
		{"base_urls", TEXTS, false},
		{"docs", TEXTS, false},
		{"env_vars", TEXTS, false},
		{"fingerprint", MAP, false},
		{"identifying_headers", TEXTS, false},
		{"ip_ranges", MAP, false},
		{"model_location", MAP, false},
		{"notes", TEXT, false},
		{"response_extra", MAP, false},
		{"unverified", TEXTS, false},
		{"usage", MAP, false},
	};
	yaml_node_t *v[ARRAY_SIZE(keys)], *e;
	size_t me = l->out->services_n;
	struct src_service *s;
	int r = take(l, map, "service", keys, ARRAY_SIZE(keys), v);

	r = r < 0 ? r
		  : one_of(l, v[3], "kind",
			   "llm_api chat_web gateway image mcp coding_assistant local_runtime "
			   "agent_platform audio vector_db");
	r = r < 0 ? r : check_source(l, v[8]);
	r = r < 0 ? r : one_of(l, v[9], "confidence", "sourced partial unverified");
	if (r < 0)
		return r;
	for (size_t i = 0; i < me; i++) {
		if (!strcmp(l->out->services[i].id, text_of(v[0])))
			return fail(l, map, "service id '%s' twice", text_of(v[0]));
	}
	if (!is_null(v[4]) && (strlen(text_of(v[4])) != 2 || !isupper(text_of(v[4])[0])))
		return fail(l, v[4], "hq '%s': not an ISO 3166-1 alpha-2 code", text_of(v[4]));
	s = ADD(l->out, services);
	/* A small provider's name is its maker's name; where it is not, the file says so. */
	*s = (struct src_service){text_of(v[0]), text_of(v[1]), text_of(v[2] ?: v[1]),
				  text_of(v[3]), is_null(v[4]) ? "" : text_of(v[4])};
	for (size_t i = 0; r == 0 && (e = item(l, v[5], i)); i++)
		r = add_host(l, e, me);
	for (size_t i = 0; r == 0 && v[6] && (e = item(l, v[6], i)); i++)
		r = add_op(l, e, me);
	return r < 0 ? r : add_ports(l, v[7], me);
}

/* --- tools ---------------------------------------------------------------------------------- */

static int check_regex(struct load *l, const yaml_node_t *n)
{
	hs_compile_error_t *e = NULL;
	hs_database_t *db = NULL;
	int r = 0;

	if (hs_compile(text_of(n), HS_FLAG_SOM_LEFTMOST, HS_MODE_BLOCK, NULL, &db, &e)) {
		r = fail(l, n, "pattern '%s': %s", text_of(n), e->message);
		hs_free_compile_error(e);
	}
	hs_free_database(db);
	return r;
}

static int add_texts(struct load *l, const yaml_node_t *list, enum src_text_kind kind, size_t tool)
{
	yaml_node_t *e;
	int r;

	for (size_t i = 0; list && (e = item(l, list, i)); i++) {
		const char *s = text_of(e);
		struct src_text *t;

		if (kind == SRC_ARGV && (r = check_regex(l, e)) < 0)
			return r;
		if (kind == SRC_EXE_PATH && (!strchr("*/~", *s) || strchr(s, ' ')))
			return fail(l, e, "exe path '%s': neither absolute nor a pattern", s);
		if ((kind == SRC_EXE || kind == SRC_EXE_GENERIC) && strchr(s, '/'))
			return fail(l, e, "executable '%s': not a base name", s);
		for (size_t j = 0; j < l->out->texts_n; j++) {
			if (l->out->texts[j].kind == kind && l->out->texts[j].tool == tool &&
			    !strcmp(l->out->texts[j].text, s))
				return fail(l, e, "'%s' twice", s);
		}
		t = ADD(l->out, texts);
		*t = (struct src_text){kind, s, tool};
	}
	return 0;
}

static int add_packages(struct load *l, const yaml_node_t *map, size_t tool)
{
	static const struct key keys[] = {{"npm", TEXTS, false},
					  {"pypi", TEXTS, false},
					  {"other", TEXTS, false}};
	yaml_node_t *v[ARRAY_SIZE(keys)];
	int r = map ? take(l, map, "packages", keys, ARRAY_SIZE(keys), v) : 0;

	if (!map || r < 0)
		return r;
	r = add_texts(l, v[0], SRC_NPM, tool);
	return r < 0 ? r : add_texts(l, v[1], SRC_PYPI, tool);
}

static int check_services(struct load *l, const yaml_node_t *list)
{
	yaml_node_t *e;

	for (size_t i = 0; list && (e = item(l, list, i)); i++) {
		size_t j = 0;

		while (j < l->out->services_n && strcmp(l->out->services[j].id, text_of(e)))
			j++;
		if (j == l->out->services_n)
			return fail(l, e, "talks_to: no service '%s'", text_of(e));
	}
	return 0;
}

static int add_tool(struct load *l, const yaml_node_t *map)
{
	static const struct key keys[] = {
		{"id", TEXT, true},
		{"name", TEXT, true},
		{"vendor", TEXT_OR_NULL, true},
		{"kind", TEXT, true},
		{"source", ANY, true},
		{"confidence", TEXT, true},
		{"executables", TEXTS, false},
		{"generic_executables", TEXTS, false},
		{"exe_paths", TEXTS, false},
		{"argv_patterns", TEXTS, false},
		{"packages", MAP, false},
		{"talks_to", TEXTS, false},
		{"user_agents", TEXTS, false},
		{"comm_note", TEXT, false},
		{"config_dirs", TEXTS, false},
		{"env_read", TEXTS, false},
		{"env_set_for_children", TEXTS, false},
		{"headers", TEXTS, false},
		{"model_file_ext", TEXTS, false},
		{"ports", TEXTS, false},
		{"ports_note", TEXT, false},
		{"unverified", TEXTS, false},
	};
	yaml_node_t *v[ARRAY_SIZE(keys)], *e;
	size_t me = l->out->tools_n;
	struct src_tool *t;
	int r = take(l, map, "tool", keys, ARRAY_SIZE(keys), v);

	r = r < 0 ? r
		  : one_of(l, v[3], "kind",
			   "cli_agent runtime ide desktop sdk mcp_server browser_extension");
	r = r < 0 ? r : check_source(l, v[4]);
	r = r < 0 ? r : one_of(l, v[5], "confidence", "sourced partial unverified");
	if (r < 0)
		return r;
	for (size_t i = 0; i < me; i++) {
		if (!strcmp(l->out->tools[i].id, text_of(v[0])))
			return fail(l, map, "tool id '%s' twice", text_of(v[0]));
	}
	t = ADD(l->out, tools);
	*t = (struct src_tool){text_of(v[0]), text_of(v[1]), is_null(v[2]) ? "" : text_of(v[2]),
			       text_of(v[3])};
	r = add_texts(l, v[6], SRC_EXE, me);
	r = r < 0 ? r : add_texts(l, v[7], SRC_EXE_GENERIC, me);
	r = r < 0 ? r : add_texts(l, v[8], SRC_EXE_PATH, me);
	r = r < 0 ? r : add_texts(l, v[9], SRC_ARGV, me);
	r = r < 0 ? r : add_packages(l, v[10], me);
	r = r < 0 ? r : check_services(l, v[11]);
	for (size_t i = 0; r == 0 && v[12] && (e = item(l, v[12], i)); i++)
		r = check_regex(l, e);
	return r;
}

/* --- the file ------------------------------------------------------------------------------- */

static int check_count(struct load *l, const yaml_node_t *n, size_t count)
{
	return strtoul(text_of(n), NULL, 10) == count
		       ? 0
		       : fail(l, n, "meta.counts says %s, the file has %zu", text_of(n), count);
}

static int load_meta(struct load *l, const yaml_node_t *map, yaml_node_t **ret_counts)
{
	static const struct key keys[] = {
		{"schema_version", TEXT, true}, {"compiled", TEXT, true}, {"counts", MAP, true},
		{"conventions", MAP, true},	{"sources", MAP, true},
	};
	static const struct key count_keys[] = {{"services", TEXT, true},
						{"tools", TEXT, true},
						{"dialects", TEXT, true}};
	yaml_node_t *v[ARRAY_SIZE(keys)];
	int r = take(l, map, "meta", keys, ARRAY_SIZE(keys), v);

	if (r < 0)
		return r;
	if (strcmp(text_of(v[0]), "1"))
		return fail(l, v[0], "schema_version '%s': this build reads 1", text_of(v[0]));
	if (strlen(text_of(v[1])) != 10)
		return fail(l, v[1], "compiled '%s': not a date", text_of(v[1]));
	l->out->compiled = text_of(v[1]);
	l->sources = v[4];
	r = check_names(l, v[4], "sources", MAP);
	return r < 0 ? r : take(l, v[2], "counts", count_keys, 3, ret_counts);
}

static int load_all(struct load *l)
{
	static const struct key keys[] = {
		{"meta", MAP, true},	  {"operations", MAP, true}, {"dialects", MAP, true},
		{"services", LIST, true}, {"tools", LIST, true},
	};
	yaml_node_t *v[ARRAY_SIZE(keys)], *counts[3], *e;
	int r = take(l, yaml_document_get_root_node(&l->doc), "catalog", keys, ARRAY_SIZE(keys), v);

	r = r < 0 ? r : load_meta(l, v[0], counts);
	r = r < 0 ? r : check_names(l, v[1], "operations", TEXT_OR_NULL);
	r = r < 0 ? r : check_names(l, v[2], "dialects", MAP);
	l->operations = v[1];
	l->dialects = v[2];
	for (size_t i = 0; r == 0 && (e = item(l, v[3], i)); i++)
		r = add_service(l, e);
	for (size_t i = 0; r == 0 && (e = item(l, v[4], i)); i++)
		r = add_tool(l, e);
	r = r < 0 ? r : check_count(l, counts[0], l->out->services_n);
	r = r < 0 ? r : check_count(l, counts[1], l->out->tools_n);
	return r < 0 ? r
		     : check_count(l, counts[2],
				   v[2]->data.mapping.pairs.top - v[2]->data.mapping.pairs.start);
}

int catalog_source_load(const char *name, const char *yaml, size_t n, struct catalog_source *ret,
			char *err, size_t err_len)
{
	struct catalog_source out = {0};
	struct load *l = calloc(1, sizeof(*l));
	yaml_parser_t parser;
	int r;

	if (!l || !yaml_parser_initialize(&parser)) {
		free(l);
		return -ENOMEM;
	}
	*l = (struct load){.out = &out, .name = name, .err = err, .err_len = err_len};
	out.private = l;
	yaml_parser_set_input_string(&parser, (const unsigned char *)yaml, n);
	if (!yaml_parser_load(&parser, &l->doc)) {
		snprintf(err, err_len, "%s:%zu: %s", name, parser.problem_mark.line + 1,
			 parser.problem ?: "not YAML");
		free(l);
		r = -EINVAL;
	} else {
		r = load_all(l);
		if (r < 0)
			catalog_source_free(&out);
		else
			*ret = out;
	}
	yaml_parser_delete(&parser);
	return r;
}

void catalog_source_free(struct catalog_source *s)
{
	struct load *l = s->private;

	free(s->services);
	free(s->hosts);
	free(s->ops);
	free(s->ports);
	free(s->tools);
	free(s->texts);
	yaml_document_delete(&l->doc);
	free(l);
}
