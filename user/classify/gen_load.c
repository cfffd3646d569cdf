/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Build time: the catalog's YAML in, checked flat lists out.
 *
 * What a mapping may hold is in its table of keys (gen_yaml.h). Beyond that references (operation,
 * dialect, source, service) must exist, ids and patterns must be unique, patterns must compile. The
 * first error ends the run. Not for untrusted input: a file of the project's own tree.
 */
#include <ctype.h>
#include <errno.h>
#include <hs.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "gen_load.h"
#include "gen_yaml.h"

struct load {
	struct ydoc y;
	struct catalog_source *out;
	yaml_node_t *operations, *dialects, *sources;
};

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

static int check_source(struct load *l, const yaml_node_t *n)
{
	const yaml_node_t *e = n;

	if (!n)
		return 0;
	if (n->type == YAML_MAPPING_NODE)
		return yfail(&l->y, n, "source: neither a text nor a list");
	for (size_t i = 0; n->type == YAML_SCALAR_NODE ? i == 0 : !!(e = yitem(&l->y, n, i)); i++) {
		if (!ytext(e) || !ylookup(&l->y, l->sources, ytext(e)))
			return yfail(&l->y, e, "source '%s' is not in meta.sources",
				     ytext(e) ?: "?");
	}
	return 0;
}

/* --- services ------------------------------------------------------------------------------- */

static int check_host_pattern(struct load *l, const yaml_node_t *n)
{
	const char *p = ytext(n), *last = strrchr(p, '*'), *key = last ? strchr(last, '.') : p;

	if (strlen(p) > 200 || !key || !key[0] || !key[1] || strspn(p, "*.") == strlen(p))
		return yfail(&l->y, n, "host pattern '%s': needs a literal end", p);
	for (const char *c = p; *c; c++) {
		bool dot = *c == '.' && (c == p || c[1] == '.' || !c[1]);

		if (dot || (!islower(*c) && !isdigit(*c) && !strchr("-.*", *c)))
			return yfail(&l->y, n, "host pattern '%s': bad character or empty label",
				     p);
		if (*c == '*' && c[1] == '*')
			return yfail(&l->y, n, "host pattern '%s': '**'", p);
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
	int r = ytake(&l->y, map, "domain", keys, ARRAY_SIZE(keys), v);

	r = r < 0 ? r : check_host_pattern(l, v[0]);
	r = r < 0 ? r
		  : yone_of(&l->y, v[1], "role",
			    "api web auth cdn telemetry download realtime docs control files vector");
	r = r < 0 ? r : yone_of(&l->y, v[2], "evidence", "dedicated vendor shared");
	r = r < 0 ? r : check_source(l, v[4]);
	if (r < 0)
		return r;
	for (size_t i = l->out->hosts_n; i-- > 0 && l->out->hosts[i].service == service;) {
		if (!strcmp(l->out->hosts[i].pattern, ytext(v[0])))
			return yfail(&l->y, map, "host '%s' twice in one service", ytext(v[0]));
	}
	h = ADD(l->out, hosts);
	*h = (struct src_host){ytext(v[0]), ytext(v[1]), ytext(v[2]), service};
	return 0;
}

/* "...": only at the start; "*" alone in a segment: only at the end; {name}: closed, one segment. */
static int check_path(struct load *l, const yaml_node_t *n)
{
	const char *p = ytext(n);
	bool brace = false;

	if (!strncmp(p, "...", 3))
		p += 3;
	if (*p != '/' || strlen(p) > 250)
		return yfail(&l->y, n, "path '%s': does not begin with '/'", ytext(n));
	for (const char *c = p; *c && *c != '?'; c++) {
		if (brace ? !(isalnum(*c) || strchr("_}", *c))
			  : !(isalnum(*c) || strchr("/{*-._:~", *c)))
			return yfail(&l->y, n, "path '%s': bad character '%c'", ytext(n), *c);
		if (*c == '{' || *c == '}')
			brace = *c == '{';
		if (c[0] == '/' && (c[1] == '/' || !strncmp(c, "/*/", 3)))
			return yfail(&l->y, n, "path '%s': bad segment", ytext(n));
		if ((*c == '}' || *c == '*') && (c[1] == '{' || c[1] == '*'))
			return yfail(&l->y, n, "path '%s': two wildcards side by side", ytext(n));
	}
	return brace ? yfail(&l->y, n, "path '%s': '{' is not closed", ytext(n)) : 0;
}

static int add_op(struct load *l, const yaml_node_t *map, size_t service)
{
	static const struct key keys[] = {
		{"method", TEXT, true},	  {"path", TEXT, true},	 {"operation", TEXT, true},
		{"dialect", TEXT, false}, {"note", TEXT, false}, {"source", ANY, false},
	};
	yaml_node_t *v[ARRAY_SIZE(keys)], *otel;
	struct src_op *o;
	int r = ytake(&l->y, map, "operation", keys, ARRAY_SIZE(keys), v);

	r = r < 0 ? r : yone_of(&l->y, v[0], "method", "GET POST PUT DELETE GET(ws)");
	r = r < 0 ? r : check_path(l, v[1]);
	r = r < 0 ? r : check_source(l, v[5]);
	if (r < 0)
		return r;
	otel = ylookup(&l->y, l->operations, ytext(v[2]));
	if (!otel)
		return yfail(&l->y, v[2], "operation '%s' is not in 'operations'", ytext(v[2]));
	if (v[3] && !ylookup(&l->y, l->dialects, ytext(v[3])))
		return yfail(&l->y, v[3], "dialect '%s' is not in 'dialects'", ytext(v[3]));
	for (size_t i = l->out->ops_n; i-- > 0 && l->out->ops[i].service == service;) {
		if (!strcmp(l->out->ops[i].path, ytext(v[1])) &&
		    !strcmp(l->out->ops[i].method, ytext(v[0])))
			return yfail(&l->y, map, "%s %s twice in one service", ytext(v[0]),
				     ytext(v[1]));
	}
	o = ADD(l->out, ops);
	*o = (struct src_op){ytext(v[0]),
			     ytext(v[1]),
			     ytext(v[2]),
			     ynull(otel) ? "" : ytext(otel),
			     v[3] ? ytext(v[3]) : "",
			     service};
	return 0;
}

static int add_ports(struct load *l, const yaml_node_t *list, size_t service)
{
	yaml_node_t *e;

	for (size_t i = 0; list && (e = yitem(&l->y, list, i)); i++) {
		char *end;
		unsigned long port = strtoul(ytext(e), &end, 10);
		struct src_port *p;

		if (*end || port == 0 || port > 65535)
			return yfail(&l->y, e, "port '%s'", ytext(e));
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
	int r = ytake(&l->y, map, "service", keys, ARRAY_SIZE(keys), v);

	r = r < 0 ? r
		  : yone_of(&l->y, v[3], "kind",
			    "llm_api chat_web gateway image mcp coding_assistant local_runtime "
			    "agent_platform audio vector_db");
	r = r < 0 ? r : check_source(l, v[8]);
	r = r < 0 ? r : yone_of(&l->y, v[9], "confidence", "sourced partial unverified");
	if (r < 0)
		return r;
	for (size_t i = 0; i < me; i++) {
		if (!strcmp(l->out->services[i].id, ytext(v[0])))
			return yfail(&l->y, map, "service id '%s' twice", ytext(v[0]));
	}
	if (!ynull(v[4]) && (strlen(ytext(v[4])) != 2 || !isupper(ytext(v[4])[0])))
		return yfail(&l->y, v[4], "hq '%s': not an ISO 3166-1 alpha-2 code", ytext(v[4]));
	s = ADD(l->out, services);
	/* A small provider's name is its maker's name; where it is not, the file says so. */
	*s = (struct src_service){ytext(v[0]), ytext(v[1]), ytext(v[2] ?: v[1]), ytext(v[3]),
				  ynull(v[4]) ? "" : ytext(v[4])};
	for (size_t i = 0; r == 0 && (e = yitem(&l->y, v[5], i)); i++)
		r = add_host(l, e, me);
	for (size_t i = 0; r == 0 && v[6] && (e = yitem(&l->y, v[6], i)); i++)
		r = add_op(l, e, me);
	return r < 0 ? r : add_ports(l, v[7], me);
}

/* --- tools ---------------------------------------------------------------------------------- */

static int check_regex(struct load *l, const yaml_node_t *n)
{
	hs_compile_error_t *e = NULL;
	hs_database_t *db = NULL;
	int r = 0;

	if (hs_compile(ytext(n), HS_FLAG_SOM_LEFTMOST, HS_MODE_BLOCK, NULL, &db, &e)) {
		r = yfail(&l->y, n, "pattern '%s': %s", ytext(n), e->message);
		hs_free_compile_error(e);
	}
	hs_free_database(db);
	return r;
}

static int add_texts(struct load *l, const yaml_node_t *list, enum src_text_kind kind, size_t tool)
{
	yaml_node_t *e;
	int r;

	for (size_t i = 0; list && (e = yitem(&l->y, list, i)); i++) {
		const char *s = ytext(e);
		struct src_text *t;

		if (kind == SRC_ARGV && (r = check_regex(l, e)) < 0)
			return r;
		if (kind == SRC_EXE_PATH && (!strchr("*/~", *s) || strchr(s, ' ')))
			return yfail(&l->y, e, "exe path '%s': neither absolute nor a pattern", s);
		if ((kind == SRC_EXE || kind == SRC_EXE_GENERIC) && strchr(s, '/'))
			return yfail(&l->y, e, "executable '%s': not a base name", s);
		for (size_t j = 0; j < l->out->texts_n; j++) {
			if (l->out->texts[j].kind == kind && l->out->texts[j].tool == tool &&
			    !strcmp(l->out->texts[j].text, s))
				return yfail(&l->y, e, "'%s' twice", s);
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
	int r = map ? ytake(&l->y, map, "packages", keys, ARRAY_SIZE(keys), v) : 0;

	if (!map || r < 0)
		return r;
	r = add_texts(l, v[0], SRC_NPM, tool);
	return r < 0 ? r : add_texts(l, v[1], SRC_PYPI, tool);
}

static int check_services(struct load *l, const yaml_node_t *list)
{
	yaml_node_t *e;

	for (size_t i = 0; list && (e = yitem(&l->y, list, i)); i++) {
		size_t j = 0;

		while (j < l->out->services_n && strcmp(l->out->services[j].id, ytext(e)))
			j++;
		if (j == l->out->services_n)
			return yfail(&l->y, e, "talks_to: no service '%s'", ytext(e));
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
	int r = ytake(&l->y, map, "tool", keys, ARRAY_SIZE(keys), v);

	r = r < 0 ? r
		  : yone_of(&l->y, v[3], "kind",
			    "cli_agent runtime ide desktop sdk mcp_server browser_extension");
	r = r < 0 ? r : check_source(l, v[4]);
	r = r < 0 ? r : yone_of(&l->y, v[5], "confidence", "sourced partial unverified");
	if (r < 0)
		return r;
	for (size_t i = 0; i < me; i++) {
		if (!strcmp(l->out->tools[i].id, ytext(v[0])))
			return yfail(&l->y, map, "tool id '%s' twice", ytext(v[0]));
	}
	t = ADD(l->out, tools);
	*t = (struct src_tool){ytext(v[0]), ytext(v[1]), ynull(v[2]) ? "" : ytext(v[2]),
			       ytext(v[3])};
	r = add_texts(l, v[6], SRC_EXE, me);
	r = r < 0 ? r : add_texts(l, v[7], SRC_EXE_GENERIC, me);
	r = r < 0 ? r : add_texts(l, v[8], SRC_EXE_PATH, me);
	r = r < 0 ? r : add_texts(l, v[9], SRC_ARGV, me);
	r = r < 0 ? r : add_packages(l, v[10], me);
	r = r < 0 ? r : check_services(l, v[11]);
	for (size_t i = 0; r == 0 && v[12] && (e = yitem(&l->y, v[12], i)); i++)
		r = check_regex(l, e);
	return r;
}

/* --- the file ------------------------------------------------------------------------------- */

static int check_count(struct load *l, const yaml_node_t *n, size_t count)
{
	return strtoul(ytext(n), NULL, 10) == count
		       ? 0
		       : yfail(&l->y, n, "meta.counts says %s, the file has %zu", ytext(n), count);
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
	int r = ytake(&l->y, map, "meta", keys, ARRAY_SIZE(keys), v);

	if (r < 0)
		return r;
	if (strcmp(ytext(v[0]), "1"))
		return yfail(&l->y, v[0], "schema_version '%s': this build reads 1", ytext(v[0]));
	if (strlen(ytext(v[1])) != 10)
		return yfail(&l->y, v[1], "compiled '%s': not a date", ytext(v[1]));
	l->out->compiled = ytext(v[1]);
	l->sources = v[4];
	r = ynames(&l->y, v[4], "sources", MAP);
	return r < 0 ? r : ytake(&l->y, v[2], "counts", count_keys, 3, ret_counts);
}

static int load_all(struct load *l)
{
	static const struct key keys[] = {
		{"meta", MAP, true},	  {"operations", MAP, true}, {"dialects", MAP, true},
		{"services", LIST, true}, {"tools", LIST, true},
	};
	yaml_node_t *v[ARRAY_SIZE(keys)], *counts[3], *e;
	int r = ytake(&l->y, yaml_document_get_root_node(&l->y.doc), "catalog", keys,
		      ARRAY_SIZE(keys), v);

	r = r < 0 ? r : load_meta(l, v[0], counts);
	r = r < 0 ? r : ynames(&l->y, v[1], "operations", TEXT_OR_NULL);
	r = r < 0 ? r : ynames(&l->y, v[2], "dialects", MAP);
	l->operations = v[1];
	l->dialects = v[2];
	for (size_t i = 0; r == 0 && (e = yitem(&l->y, v[3], i)); i++)
		r = add_service(l, e);
	for (size_t i = 0; r == 0 && (e = yitem(&l->y, v[4], i)); i++)
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
	*l = (struct load){.out = &out, .y = {.name = name, .err = err, .err_len = err_len}};
	out.private = l;
	yaml_parser_set_input_string(&parser, (const unsigned char *)yaml, n);
	if (!yaml_parser_load(&parser, &l->y.doc)) {
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
	yaml_document_delete(&l->y.doc);
	free(l);
}
