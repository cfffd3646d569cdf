// SPDX-License-Identifier: Apache-2.0
/*
 * Build time: the prices' YAML in, checked rows out.
 *
 * What a mapping may hold is in its table of keys (gen_yaml.h). Beyond that services must be in the
 * catalog, sources in meta.sources, days must exist and be in order, prices are decimals of at most
 * six places and below 10,000 dollars, and no two rows of a service may hold for one model, host and
 * day. The first error ends the run. Not for untrusted input: a file of the project's own tree.
 */
#include "price_load.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "gen_yaml.h"

#define ROWS_MAX 4096
#define HOSTS_MAX 512

struct load {
	struct ydoc y;
	const struct catalog_source *catalog;
	yaml_node_t *sources;
	struct price *rows;
	size_t n;
	unsigned line[ROWS_MAX];
	char *hosts[256];
	size_t hosts_n;
};

/* --- texts ----------------------------------------------------------------------------------- */

static int take_day(struct load *l, const yaml_node_t *n, uint32_t *ret)
{
	static const uint8_t days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	unsigned y, m, d;
	int end = 0;

	if (sscanf(ytext(n), "%4u-%2u-%2u%n", &y, &m, &d, &end) != 3 || end != 10 ||
	    ytext(n)[end] || y < 2020 || y > 2100 || m < 1 || m > 12 || d < 1 || d > days[m - 1])
		return yfail(&l->y, n, "'%s' is not a day", ytext(n));
	*ret = y * 10000 + m * 100 + d;
	return 0;
}

/* Dollars in decimals; millionths out. */
static int take_price(struct load *l, const yaml_node_t *n, int64_t *ret)
{
	const char *s = n ? ytext(n) : "";
	size_t whole = strspn(s, "0123456789"), places = 0;
	int64_t v = 0;

	if (!n)
		return 0;
	if (s[whole] == '.')
		places = strspn(s + whole + 1, "0123456789");
	if (!whole || whole > 4 || (s[whole] == '.' && (!places || places > 6)) ||
	    s[whole + (s[whole] == '.') + places])
		return yfail(&l->y, n, "'%s' is not a price", s);
	for (size_t i = 0; i < 6 + whole; i++) {
		size_t at = i < whole ? i : i + 1;

		v = v * 10 + (i < whole + places ? s[at] - '0' : 0);
	}
	*ret = v;
	return 0;
}

static int take_tokens(struct load *l, const yaml_node_t *n, uint32_t *ret)
{
	const char *s = ytext(n);

	if (!*s || strlen(s) > 8 || s[strspn(s, "0123456789")] || !strtoul(s, NULL, 10))
		return yfail(&l->y, n, "'%s' is not a number of tokens", s);
	*ret = (uint32_t)strtoul(s, NULL, 10);
	return 0;
}

/* "a b ", kept until the rows are freed. */
static int take_hosts(struct load *l, const yaml_node_t *list, const char **ret)
{
	char text[HOSTS_MAX] = "";
	const yaml_node_t *e;

	for (size_t i = 0; list && (e = yitem(&l->y, list, i)); i++) {
		const char *s = ytext(e);

		if (s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789.-")] || !strchr(s, '.'))
			return yfail(&l->y, e, "host '%s': not a name", s);
		if (strlen(text) + strlen(s) + 2 > sizeof(text) ||
		    l->hosts_n == ARRAY_SIZE(l->hosts))
			return yfail(&l->y, e, "too many hosts");
		strcat(strcat(text, s), " ");
	}
	if (!*text)
		return list ? yfail(&l->y, list, "hosts: none") : 0;
	*ret = l->hosts[l->hosts_n++] = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

/* --- rows ------------------------------------------------------------------------------------ */

static bool same_hosts(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool overlap(const struct price *a, const struct price *b)
{
	return (!a->to || b->from <= a->to) && (!b->to || a->from <= b->to);
}

/* A row that began later follows one without an end: it takes its place. Two of one day do not. */
static int check_double(struct load *l, const yaml_node_t *at, const struct price *p)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct price *q = &l->rows[i];

		if (strcmp(q->service, p->service) || strcasecmp(q->model, p->model) ||
		    !same_hosts(q->hosts, p->hosts) || !overlap(q, p))
			continue;
		if (q->from == p->from || q->to || p->to)
			return yfail(&l->y, at, "%s of %s: line %u is for the same days", p->model,
				     p->service, l->line[i]);
	}
	return 0;
}

static int take_above(struct load *l, const yaml_node_t *map, struct price *p)
{
	static const struct key keys[] = {
		{"tokens", TEXT, true}, {"input", TEXT, true},	   {"cached", TEXT, false},
		{"write", TEXT, false}, {"write_1h", TEXT, false}, {"output", TEXT, true},
	};
	yaml_node_t *v[ARRAY_SIZE(keys)];
	int64_t *const to[] = {&p->large.input, &p->large.cached, &p->large.write,
			       &p->large.write_1h, &p->large.output};
	int r;

	if (!map)
		return 0;
	r = ytake(&l->y, map, "above", keys, ARRAY_SIZE(keys), v);
	r = r < 0 ? r : take_tokens(l, v[0], &p->above);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(to); i++)
		r = take_price(l, v[i + 1], to[i]);
	return r;
}

/* What is dearer where it should be cheaper is a slip of the pen. */
static int check_order(struct load *l, const yaml_node_t *at, const struct price_rates *r)
{
	if (r->cached > r->input)
		return yfail(&l->y, at, "cached costs more than input");
	if (r->write_1h >= 0 && r->write_1h < r->write)
		return yfail(&l->y, at, "write_1h costs less than write");
	if (r->write >= 0 && r->write < r->cached)
		return yfail(&l->y, at, "write costs less than cached");
	return 0;
}

static int add_row(struct load *l, const yaml_node_t *map, const struct price *group)
{
	static const struct key keys[] = {
		{"model", TEXT, true},	   {"input", TEXT, true},      {"cached", TEXT, false},
		{"write", TEXT, false},	   {"write_1h", TEXT, false},  {"output", TEXT, true},
		{"thinking", TEXT, false}, {"reasoning", TEXT, false}, {"above", MAP, false},
		{"from", TEXT, false},	   {"to", TEXT, false},	       {"note", TEXT, false},
	};
	yaml_node_t *v[ARRAY_SIZE(keys)];
	struct price p = *group;
	int64_t *const to[] = {&p.rates.input,	  &p.rates.cached, &p.rates.write,
			       &p.rates.write_1h, &p.rates.output, &p.rates.thinking,
			       &p.rates.reasoning};
	int r = ytake(&l->y, map, "row", keys, ARRAY_SIZE(keys), v);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(to); i++)
		r = take_price(l, v[i + 1], to[i]);
	r = r < 0 ? r : take_above(l, v[8], &p);
	r = r < 0 || !v[9] ? r : take_day(l, v[9], &p.from);
	r = r < 0 || !v[10] ? r : take_day(l, v[10], &p.to);
	if (r < 0)
		return r;
	p.model = ytext(v[0]);
	if (!*p.model || strlen(p.model) > 120 || p.model[strcspn(p.model, " \"\\*?")])
		return yfail(&l->y, v[0], "model '%s': not a name", p.model);
	if (p.to && p.to < p.from)
		return yfail(&l->y, map, "to is before from");
	if (p.rates.thinking >= 0 && p.rates.reasoning >= 0)
		return yfail(&l->y, map, "thinking and reasoning");
	r = check_order(l, map, &p.rates);
	r = r < 0 || !p.above ? r : check_order(l, v[8], &p.large);
	r = r < 0 ? r : check_double(l, map, &p);
	if (r < 0)
		return r;
	if (l->n == ROWS_MAX)
		return yfail(&l->y, map, "more than %d rows", ROWS_MAX);
	l->line[l->n] = (unsigned)map->start_mark.line + 1;
	l->rows[l->n++] = p;
	return 0;
}

static int check_service(struct load *l, const yaml_node_t *n)
{
	for (size_t i = 0; i < l->catalog->services_n; i++)
		if (!strcmp(l->catalog->services[i].id, ytext(n)))
			return 0;
	return yfail(&l->y, n, "service '%s' is not in the catalog", ytext(n));
}

static int add_group(struct load *l, const yaml_node_t *map)
{
	static const struct key keys[] = {
		{"service", TEXT, true}, {"from", TEXT, true},	{"source", TEXT, true},
		{"hosts", TEXTS, false}, {"note", TEXT, false}, {"rows", LIST, true},
	};
	static const struct price_rates none = {PRICE_UNKNOWN, PRICE_UNKNOWN, PRICE_UNKNOWN,
						PRICE_UNKNOWN, PRICE_UNKNOWN, PRICE_UNKNOWN,
						PRICE_UNKNOWN};
	struct price group = {.rates = none, .large = none};
	yaml_node_t *v[ARRAY_SIZE(keys)], *e;
	int r = ytake(&l->y, map, "group", keys, ARRAY_SIZE(keys), v);

	r = r < 0 ? r : check_service(l, v[0]);
	r = r < 0 ? r : take_day(l, v[1], &group.from);
	r = r < 0 ? r : take_hosts(l, v[3], &group.hosts);
	if (r < 0)
		return r;
	if (!ylookup(&l->y, l->sources, ytext(v[2])))
		return yfail(&l->y, v[2], "source '%s' is not in meta.sources", ytext(v[2]));
	group.service = ytext(v[0]);
	for (size_t i = 0; r == 0 && (e = yitem(&l->y, v[5], i)); i++)
		r = add_row(l, e, &group);
	return r;
}

static int load_all(struct load *l)
{
	static const struct key keys[] = {{"meta", MAP, true}, {"prices", LIST, true}};
	static const struct key meta[] = {{"schema_version", TEXT, true}, {"sources", MAP, true}};
	yaml_node_t *v[2], *m[2], *e;
	int r = ytake(&l->y, yaml_document_get_root_node(&l->y.doc), "prices", keys, 2, v);

	r = r < 0 ? r : ytake(&l->y, v[0], "meta", meta, 2, m);
	r = r < 0 ? r : ynames(&l->y, m[1], "sources", MAP);
	if (r < 0)
		return r;
	if (strcmp(ytext(m[0]), "1"))
		return yfail(&l->y, m[0], "schema_version '%s': this build reads 1", ytext(m[0]));
	l->sources = m[1];
	for (size_t i = 0; r == 0 && (e = yitem(&l->y, v[1], i)); i++)
		r = add_group(l, e);
	return r;
}

static void load_free(struct load *l)
{
	for (size_t i = 0; l && i < l->hosts_n; i++)
		free(l->hosts[i]);
	if (l) {
		yaml_document_delete(&l->y.doc);
		free(l->rows);
	}
	free(l);
}
DEFINE_CLEANUP(struct load, load_free)

int price_source_load(const char *name, const char *yaml, size_t n,
		      const struct catalog_source *catalog, struct price_source *ret, char *err,
		      size_t err_len)
{
	_cleanup_(load_freep) struct load *l = calloc(1, sizeof(*l));
	yaml_parser_t parser;
	int r;

	if (!l)
		return -ENOMEM;
	l->rows = calloc(ROWS_MAX, sizeof(*l->rows));
	if (!l->rows || !yaml_parser_initialize(&parser))
		return -ENOMEM;
	l->catalog = catalog;
	l->y.name = name;
	l->y.err = err;
	l->y.err_len = err_len;
	yaml_parser_set_input_string(&parser, (const unsigned char *)yaml, n);
	if (!yaml_parser_load(&parser, &l->y.doc)) {
		snprintf(err, err_len, "%s:%zu: %s", name, parser.problem_mark.line + 1,
			 parser.problem ?: "not YAML");
		memset(&l->y.doc, 0, sizeof(l->y.doc));
		r = -EINVAL;
	} else {
		r = load_all(l);
	}
	yaml_parser_delete(&parser);
	if (r < 0)
		return r;
	ret->rows = l->rows;
	ret->n = l->n;
	ret->private = TAKE_PTR(l);
	return 0;
}

void price_source_free(struct price_source *s)
{
	load_free(s->private);
}
