// SPDX-License-Identifier: Apache-2.0
/*
 * The document in, one page of HTML out. Texts in it were chosen by the observed programs: all are made
 * printable and escaped, none stands in an attribute that loads, and the policy in the head forbids
 * everything but the one style sheet whose hash it names. So a page cannot be made to run or fetch.
 */
#include "page.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdarg.h>
#include <string.h>

#include "framework.h"
#include "record/printable.h"

/* --- looking up ---------------------------------------------------------------------------------- */

static const json_t *find(const json_t *at, const char *path)
{
	char part[96];

	while (at && *path) {
		size_t n = strcspn(path, ".");

		if (n >= sizeof(part))
			return NULL;
		memcpy(part, path, n);
		part[n] = '\0';
		at = json_is_array(at) ? json_array_get(at, strtoul(part, NULL, 10))
				       : json_object_get(at, part);
		path += n + (path[n] == '.');
	}
	return at;
}

const json_t *page_at(const struct page *p, const char *path, ...)
{
	char full[256];
	va_list ap;

	va_start(ap, path);
	vsnprintf(full, sizeof(full), path, ap);
	va_end(ap);
	return find(p->root, full);
}

json_int_t page_int(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

const char *page_str(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key)) ?: "";
}

size_t page_size(const json_t *o, const char *key)
{
	return json_array_size(json_object_get(o, key));
}

/* --- writing ------------------------------------------------------------------------------------- */

void page_raw(struct page *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(p->f, fmt, ap);
	va_end(ap);
}

void page_put(struct page *p, const char *text)
{
	_cleanup_free_ char *safe = printable_dup(text);

	for (const char *s = safe ?: "(out of memory)"; *s; s++)
		switch (*s) {
		case '<':
			fputs("&lt;", p->f);
			break;
		case '>':
			fputs("&gt;", p->f);
			break;
		case '&':
			fputs("&amp;", p->f);
			break;
		case '"':
			fputs("&quot;", p->f);
			break;
		case '\'':
			fputs("&#39;", p->f);
			break;
		default:
			fputc(*s, p->f);
		}
}

void page_cell(struct page *p, const char *text)
{
	page_raw(p, "<td>");
	page_put(p, text[0] ? text : "–");
	page_raw(p, "</td>");
}

/* Its first n characters; "–" for none. */
static void cut(struct page *p, const char *time, size_t n)
{
	char s[24] = "–";

	if (strlen(time) >= n)
		snprintf(s, sizeof(s), "%.*s", (int)n, time);
	if (n > 10 && s[10] == 'T')
		s[10] = ' ';
	page_raw(p, "<span class=\"no\">");
	page_put(p, s);
	page_raw(p, "</span>");
}

void page_day(struct page *p, const char *time)
{
	cut(p, time, 10);
}

void page_second(struct page *p, const char *time)
{
	cut(p, time, 19);
}

void page_minute(struct page *p, const char *time)
{
	cut(p, time, 16);
}

void page_more(struct page *p, size_t shown, const char *path)
{
	if (json_array_size(find(p->root, path)) > shown)
		page_raw(p,
			 "<p class=\"note\">Only the first rows are shown; all are in "
			 "<code>report.json</code> under <code>%s</code>.</p>\n",
			 path);
}

/* --- numbers ------------------------------------------------------------------------------------- */

static void grouped(json_int_t v, char *out, size_t cap)
{
	char digits[24];
	int n = snprintf(digits, sizeof(digits), "%lld", (long long)v);
	size_t at = 0;

	out[0] = '\0';
	for (int i = 0; i < n && at + 5 < cap; i++) {
		if (i && (n - i) % 3 == 0) /* a narrow space that does not break */
			at += snprintf(out + at, cap - at, "\u202f");
		out[at++] = digits[i];
		out[at] = '\0';
	}
}

static void duration(json_int_t s, char *out, size_t cap)
{
	if (s >= 172800)
		snprintf(out, cap, "%lld d %lld h", (long long)(s / 86400),
			 (long long)(s / 3600 % 24));
	else if (s >= 7200)
		snprintf(out, cap, "%lld h %lld min", (long long)(s / 3600),
			 (long long)(s / 60 % 60));
	else if (s >= 120)
		snprintf(out, cap, "%lld min %lld s", (long long)(s / 60), (long long)(s % 60));
	else
		snprintf(out, cap, "%lld s", (long long)s);
}

void page_format(enum page_unit u, json_int_t v, char *out, size_t cap)
{
	switch (u) {
	case UNIT_SHARE: /* rounded down: 99.99 % is not all */
		snprintf(out, cap, "%lld.%lld %%", (long long)(v / 10000),
			 (long long)(v / 1000 % 10));
		break;
	case UNIT_USD:
		if (v < 1000000000)
			snprintf(out, cap, "$0.%06lld", (long long)(v / 1000));
		else
			snprintf(out, cap, "$%lld.%02lld", (long long)(v / 1000000000),
				 (long long)(v / 10000000 % 100));
		break;
	case UNIT_MS:
		if (v < 1000) {
			snprintf(out, cap, "%lld ms", (long long)v);
			break;
		}
		v /= 1000;
		/* fall through */
	case UNIT_SECONDS:
		duration(v, out, cap);
		break;
	default:
		grouped(v, out, cap);
	}
}

static void number(struct page *p, enum page_unit u, const char *path)
{
	const json_t *v = find(p->root, path);
	char text[64];

	if (!json_is_integer(v)) {
		page_raw(p, "<span data-n=\"%s\" data-v=\"null\">–</span>", path);
		return;
	}
	page_format(u, json_integer_value(v), text, sizeof(text));
	page_raw(p, "<span%s data-n=\"%s\" data-u=\"%d\" data-v=\"%lld\">%s</span>",
		 json_integer_value(v) ? "" : " class=\"zero\"", path, u,
		 (long long)json_integer_value(v), text);
}

void page_num(struct page *p, enum page_unit u, const char *path, ...)
{
	char full[256];
	va_list ap;

	va_start(ap, path);
	vsnprintf(full, sizeof(full), path, ap);
	va_end(ap);
	number(p, u, full);
}

void page_num_at(struct page *p, double x, double y, const char *class, const char *path, ...)
{
	char full[256], text[64];
	const json_t *v;
	va_list ap;

	va_start(ap, path);
	vsnprintf(full, sizeof(full), path, ap);
	va_end(ap);
	v = find(p->root, full);
	if (!json_is_integer(v))
		return;
	page_format(UNIT_COUNT, json_integer_value(v), text, sizeof(text));
	page_raw(
		p,
		"<text x=\"%.1f\" y=\"%.1f\" class=\"%s\" data-n=\"%s\" data-u=\"0\" data-v=\"%lld\">%s</text>",
		x, y, class, full, (long long)json_integer_value(v), text);
}

/* --- the page ------------------------------------------------------------------------------------ */

static const struct reports_file *style(void)
{
	const struct reports_file *f = reports_files;

	while (f->name && strcmp(f->name, "style.css") != 0)
		f++;
	return f;
}

static void head(struct page *p)
{
	const struct reports_file *css = style();
	uint8_t sum[SHA256_DIGEST_LENGTH], b64[64];

	SHA256((const uint8_t *)css->data, css->n, sum);
	EVP_EncodeBlock(b64, sum, sizeof(sum));
	page_raw(p,
		 "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		 "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
		 "style-src 'sha256-%s'; base-uri 'none'; form-action 'none'\">\n"
		 "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		 "<meta name=\"referrer\" content=\"no-referrer\">\n"
		 "<meta name=\"color-scheme\" content=\"light dark\">\n<title>",
		 b64);
	page_put(p, page_str(page_at(p, "framework"), "title"));
	page_raw(p, ": evidence from hosts</title>\n<style>");
	fwrite(css->data, 1, css->n, p->f);
	page_raw(p, "</style>\n</head>\n<body>\n");
}

static void foot(struct page *p)
{
	page_raw(p, "<footer><p>Made by ");
	page_put(p, page_str(p->root, "program"));
	page_raw(p, " at ");
	page_minute(p, page_str(p->root, "generated"));
	page_raw(
		p,
		" UTC. The same numbers, and all rows, stand in <code>report.json</code> beside this page. "
		"This report says what hosts have recorded. It is no statement of conformity.</p></footer>\n"
		"</body>\n</html>\n");
}

int page_build(const json_t *root, char **ret, size_t *ret_n)
{
	_cleanup_free_ char *text = NULL;
	struct page p = {.root = root};
	size_t n = 0;
	int bad;

	p.f = open_memstream(&text, &n);
	if (!p.f)
		return -ENOMEM;
	head(&p);
	page_summary(&p);
	page_raw(&p, "<main>\n");
	page_findings(&p);
	page_charts(&p);
	page_controls(&p);
	page_inventory(&p);
	page_rates(&p);
	page_declared(&p);
	page_operation(&p);
	page_policies(&p);
	page_records(&p);
	page_raw(&p, "</main>\n");
	foot(&p);
	bad = ferror(p.f);
	bad |= fclose(p.f);
	if (bad)
		return -ENOMEM;
	*ret = TAKE_PTR(text);
	*ret_n = n;
	return 0;
}
