// SPDX-License-Identifier: Apache-2.0
/*
 * Measures and cuts by columns, not by bytes: a wide character takes two, a combining one none.
 * Invariant: text_cell writes exactly `width` columns whatever the text is, so a row never shifts
 * the columns after it.
 */
#include "text.h"

#include <string.h>
#include <wchar.h>

#include "record/printable.h"

static unsigned char_width(uint32_t c)
{
	int w = wcwidth(c);

	return w < 0 ? 1 : w;
}

size_t text_width(const char *s)
{
	size_t n = strlen(s), width = 0;

	while (n) {
		uint32_t c;
		size_t k = utf8_next(s, n, &c);

		width += char_width(c);
		s += k;
		n -= k;
	}
	return width;
}

size_t text_cut(FILE *f, const char *s, size_t width)
{
	bool cut = text_width(s) > width;
	size_t n = strlen(s), used = 0;

	if (!width)
		return 0;
	while (n) {
		uint32_t c;
		size_t k = utf8_next(s, n, &c), w = char_width(c);

		if (used + w + cut > width)
			break;
		fwrite(s, 1, k, f);
		used += w;
		s += k;
		n -= k;
	}
	if (cut) {
		fputs("\xE2\x80\xA6", f); /* … */
		used++;
	}
	return used;
}

void text_cell(FILE *f, const char *s, size_t width, bool right)
{
	size_t w = text_width(s);

	if (right && w < width)
		fprintf(f, "%*s", (int)(width - w), "");
	w = text_cut(f, s, width);
	if (!right && w < width)
		fprintf(f, "%*s", (int)(width - w), "");
	else if (right && text_width(s) > width && w < width) /* a wide character did not fit */
		fprintf(f, "%*s", (int)(width - w), "");
}

static const char *const sgr[STYLE__MAX] = {
	[DIM] = "\033[2m",   [BOLD] = "\033[1m",   [GOOD] = "\033[32m",	      [NOTE] = "\033[36m",
	[WARN] = "\033[33m", [BAD] = "\033[1;31m", [ALARM] = "\033[1;37;41m", [HEAD] = "\033[7m",
};

void style_on(FILE *f, enum style s, bool colour)
{
	if (colour && sgr[s])
		fputs(sgr[s], f);
}

void style_off(FILE *f, enum style s, bool colour)
{
	if (colour && sgr[s])
		fputs("\033[0m", f);
}

void text_size(uint64_t bytes, char ret[static 16])
{
	static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double v = bytes;
	size_t u = 0;

	for (; v >= 1023.95 && u < 6; u++)
		v /= 1024;
	if (u)
		snprintf(ret, 16, "%.1f %s", v, unit[u]);
	else
		snprintf(ret, 16, "%u B", (unsigned)bytes);
}

void text_count(int64_t n, char ret[static 16])
{
	double v = n;
	static const char unit[] = "kMGTPE";
	size_t u = 0;

	if (n < 0) {
		snprintf(ret, 16, "-");
		return;
	}
	if (n < 10000) {
		snprintf(ret, 16, "%d", (int)n);
		return;
	}
	for (v /= 1000; v >= 999.95 && u < 5; u++)
		v /= 1000;
	snprintf(ret, 16, "%.1f%c", v, unit[u]);
}

void text_duration(uint64_t seconds, char ret[static 24])
{
	unsigned long long s = seconds;

	if (s < 60)
		snprintf(ret, 24, "%llu s", s);
	else if (s < 3600)
		snprintf(ret, 24, "%llu min %llu s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(ret, 24, "%llu h %llu min", s / 3600, s % 3600 / 60);
	else
		snprintf(ret, 24, "%llu d %llu h", s / 86400, s % 86400 / 3600);
}
